"""Checkpoint folders written here: safetensors and a `config.yaml` with their description and sha256 checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from prsbench.harness.contract.errors import PrsbenchError, first_line
from prsbench.harness.contract.files import file_hash, folder_hashes
from torch import Tensor

SCHEMA = 1  # increased when readers of the previous one would misread it
DESCRIPTION = "config.yaml"
PROBES = 256  # values per tensor that enter a fingerprint


def describe(folder: Path, method: str, facts: Mapping[str, Any]) -> None:
    """Write config.yaml with the checksums of all files now in the folder: call it last."""
    files = folder_hashes(folder)
    files.pop(DESCRIPTION, None)
    content = {"schema": SCHEMA, "method": method, **facts, "sha256": files}
    (folder / DESCRIPTION).write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def described(folder: Path, method: str) -> dict[str, Any]:
    """The content of config.yaml, after checking that every file it lists has the listed checksum.

    Raises:
        PrsbenchError: no config.yaml, another method or schema, or missing or changed files.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise PrsbenchError(f"{folder}: no {DESCRIPTION} found. Name a folder that `prsbench export` or a training wrote.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        reason = f"{type(error).__name__}: {first_line(str(error)):.100}"
        raise PrsbenchError(f"{path}: damaged ({reason}). Export or train it again.") from None
    got = (content.get("schema"), content.get("method")) if isinstance(content, dict) else (None, None)
    if got != (SCHEMA, method):
        raise PrsbenchError(
            f"{path}: expected schema {SCHEMA} of '{method}', got schema {got[0]} of '{got[1]}'. "
            "Read it with the version of prsbench that wrote it, or train it again."
        )
    files = content.get("sha256")
    if not isinstance(files, dict):
        raise PrsbenchError(f"{path}: expected the checksums of the folder's files under sha256. Export or train it again.")
    bad = [name for name, expected in files.items() if not (folder / name).is_file() or file_hash(folder / name) != expected]
    if bad:
        raise PrsbenchError(f"{folder}: {len(bad)} files missing or changed ({', '.join(bad[:3])}). Export or train it again.")
    return content


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """sha256 over the name, shape and some values of every tensor: tells models apart without reading every value."""
    digest = hashlib.sha256()
    for name in sorted(state):
        flat = state[name].detach().flatten()
        probes = flat[:: max(1, len(flat) // PROBES)][:PROBES].to("cpu", torch.float32)
        digest.update(f"{name} {tuple(state[name].shape)}".encode() + probes.numpy().tobytes())
    return digest.hexdigest()
