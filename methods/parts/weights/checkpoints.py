"""Checkpoints supplied by the user: read, or skipped with instructions, and matched tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.methods.parts.weights.tensor_files import read_tensors
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Matched:
    """How many of a network's weight tensors a checkpoint filled; BatchNorm's step counters are not counted."""

    found: int
    expected: int


def read_checkpoint(path: str | Path | None, method: str, name: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint file, on the CPU; pickled code is never run.

    Args:
        path: .pth, .pt or .safetensors; None if the user named none.
        method: the row's name in the catalog, for the instructions.
        name: the official file name, such as sam_vit_b_01ec64.pth.

    Raises:
        MissingPrerequisite: the file does not exist.
        PrsbenchError: the file does not hold plain tensors.
    """
    if path is None or not Path(path).is_file():
        raise _not_there(method, "checkpoint", path, "file", f"the official {name}")
    return read_tensors(Path(path))


def required_folder(row: str, key: str, path: str | Path | None, what: str, *content: str) -> Path:
    """The folder that a key of a row's config names.

    Args:
        what: what the key should name, for the instructions, such as "your copy of xinlai/LISA-7B-v1".
        content: names of files and folders that it must hold.

    Raises:
        MissingPrerequisite: the key is not set, or there is no such folder.
    """
    if path is None or not Path(path).is_dir() or not all((Path(path) / name).exists() for name in content):
        kind = f"folder with {' and '.join(content)}" if content else "folder"
        raise _not_there(row, key, path, kind, what)
    return Path(path)


def _not_there(row: str, key: str, path: str | Path | None, kind: str, what: str) -> MissingPrerequisite:
    found = f"no {key} is set" if path is None else f"no {kind} at {path}"
    return MissingPrerequisite(f"{row}: skipped, {found}. Set methods.{row}.{key} to {what}, or leave it out with --only.")


def model_folder(path: str | Path, instructions: str) -> Path:
    """The path, if it is a Hugging Face model folder.

    Raises:
        MissingPrerequisite: it has no config.json; the message ends with `instructions`.
    """
    if not (Path(path) / "config.json").is_file():
        raise MissingPrerequisite(f"{path}: no config.json found. {instructions}")
    return Path(path)


def read_pretrained(kind: Any, folder: Path, dtype: torch.dtype, **options: str) -> Any:
    """A frozen transformers model of class `kind` from a folder, in eval mode; nothing is downloaded.

    options: more arguments of `from_pretrained`, such as `gguf_file`.

    Raises:
        MissingPrerequisite: tensors are missing, left over or of another shape. transformers would initialise them at random.
    """
    model, loading_info = kind.from_pretrained(folder, local_files_only=True, dtype=dtype, output_loading_info=True, **options)
    mismatches = {what: sorted(map(str, names))[:3] for what, names in loading_info.items() if names}
    if mismatches:
        raise MissingPrerequisite(f"{folder}: the weights do not match config.json: {mismatches}. Fetch or convert it again.")
    return model.requires_grad_(False).eval()


def fill(network: nn.Module, state: Mapping[str, Tensor], source: str) -> Matched:
    """Load every tensor under its own name, then switch to eval mode; a partial match is an error that lists the differences."""
    matched = match(network.state_dict(), state, source)
    network.load_state_dict(dict(state), strict=False)  # not strict: BatchNorm's step counters may be missing
    network.requires_grad_(False).eval()  # after loading: TinyViT caches its attention biases in eval()
    return matched


def match(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], source: str) -> Matched:
    """Match every tensor by name, shape and kind of number; a missing or unknown tensor, or one that holds NaN, is an error."""
    own, given = _weights(expected), _weights(found)
    missing, unknown = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
    reshaped = sorted(key for key in own.keys() & given.keys() if not _is_like(given[key], own[key]))
    if missing or unknown or reshaped:
        raise PrsbenchError(
            f"{source}: does not fit the network: {len(missing)} tensors missing ({_first(missing)}), {len(unknown)} "
            f"unknown ({_first(unknown)}), {len(reshaped)} of another shape or kind of number ({_first(reshaped)}). "
            "Is it the checkpoint of another method?"
        )
    if undefined := sorted(key for key, tensor in given.items() if tensor.is_floating_point() and tensor.isnan().any()):
        raise PrsbenchError(f"{source}: {len(undefined)} tensors hold NaN ({_first(undefined)}). Fetch or train it again.")
    return Matched(len(given), len(own))


def _is_like(tensor: object, own: Tensor) -> bool:
    """Whether it is a tensor of the same shape, and both hold floating-point numbers or both integers."""
    return isinstance(tensor, Tensor) and tensor.shape == own.shape and tensor.is_floating_point() == own.is_floating_point()


def _first(names: Sequence[str]) -> str:
    return ", ".join(f"{name:.80}" for name in names[:3])


def _weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
