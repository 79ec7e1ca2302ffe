"""A checkpoint of ours: a folder of safetensors with a `config.yaml` that says what they are and what their bytes must be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from prsbench.harness.contract.errors import PrsbenchError
from torch import Tensor

SCHEMA = 1  # raised when a reader of the earlier one would misread it
DESCRIPTION = "config.yaml"
PROBES = 256  # numbers a tensor of which a fingerprint is made


def describe(folder: Path, method: str, facts: Mapping[str, Any]) -> None:
    """Write config.yaml about all files that lie in the folder by now: call it last."""
    files = {p.relative_to(folder).as_posix(): _sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    files.pop(DESCRIPTION, None)
    content = {"schema": SCHEMA, "method": method, **facts, "sha256": files}
    (folder / DESCRIPTION).write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def described(folder: Path, method: str) -> dict[str, Any]:
    """What config.yaml says, once every file it names is there with the bytes it names.

    Raises:
        PrsbenchError: no config.yaml, another method or schema, or files that are missing or changed.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise PrsbenchError(f"{folder}: no {DESCRIPTION} here. Name a folder that `prsbench export` or a training wrote.")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    said = (content.get("schema"), content.get("method")) if isinstance(content, dict) else (None, None)
    if said != (SCHEMA, method):
        raise PrsbenchError(
            f"{path}: expected schema {SCHEMA} of '{method}', got schema {said[0]} of '{said[1]}'. "
            "Read it with the version that wrote it, or train it again."
        )
    files = content["sha256"].items()
    off = [name for name, expected in files if not (folder / name).is_file() or _sha256(folder / name) != expected]
    if off:
        raise PrsbenchError(f"{folder}: {len(off)} files missing or changed ({', '.join(off[:3])}). Export or train it again.")
    return content


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """sha256 over names, shapes and some numbers of every tensor: tells two models apart without reading all of a large one."""
    digest = hashlib.sha256()
    for name in sorted(state):
        flat = state[name].detach().flatten()
        probes = flat[:: max(1, len(flat) // PROBES)][:PROBES].to("cpu", torch.float32)
        digest.update(f"{name} {tuple(state[name].shape)}".encode() + probes.numpy().tobytes())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
