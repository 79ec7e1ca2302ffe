"""Seeds that depend only on what is computed: not on the order of work, the process or the machine."""

from __future__ import annotations

import hashlib
import random
import sys

import numpy as np

_latest = (0, 0)  # how often this process was seeded, and its latest seed


def seed_from(*parts: object) -> int:
    """A 32-bit seed from all parts. (Python's own `hash` differs between processes.)"""
    return int(hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:8], 16)


def seed_everything(seed: int) -> None:
    """Seed the global generators of random, NumPy and, if loaded, torch, for code that samples from them."""
    global _latest
    _latest = (_latest[0] + 1, seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (methods may sample from the global generator)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def latest_seed() -> tuple[int, int]:
    """How often `seed_everything` was called in this process, and its latest seed (0 before the first)."""
    return _latest
