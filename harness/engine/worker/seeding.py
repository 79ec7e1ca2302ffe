"""Seeds that depend only on what is computed: not on the order of work, the process or the machine."""

from __future__ import annotations

import hashlib
import random
import sys

import numpy as np


def seed_from(*parts: object) -> int:
    """A 32-bit seed from all parts. (Python's own `hash` differs between processes.)"""
    return int(hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:8], 16)


def seed_everything(seed: int) -> None:
    """Seed the global generators of random, NumPy and, if loaded, torch, for code that samples from them."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (methods may sample from the global generator)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
