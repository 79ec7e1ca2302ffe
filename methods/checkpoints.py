"""Checkpoints named by their users: found or skipped with the cure, and matched tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.methods.tensor_files import read_tensors
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Matched:
    """How many of a network's tensors a checkpoint filled, of those that hold weights (BatchNorm's step counter does not)."""

    found: int
    expected: int


def read_checkpoint(path: str | Path | None, method: str, name: str) -> dict[str, Tensor]:
    """The tensors of a file on the CPU, pickle's code never run.

    Args:
        path: .pth, .pt or .safetensors; None if the user has named none.
        method: the catalog's name of the row, for the cure.
        name: the official file, such as sam_vit_b_01ec64.pth.

    Raises:
        MissingPrerequisite: no file there.
        PrsbenchError: it is no file of plain tensors.
    """
    if path is None or not Path(path).is_file():
        where = "no checkpoint is set" if path is None else f"weights not found at {path}"
        raise MissingPrerequisite(
            f"{method}: skipped, {where}. Set methods.{method}.checkpoint to the official {name}, or leave it out with --only."
        )
    return read_tensors(Path(path))


def read_pretrained(kind: Any, folder: Path, dtype: torch.dtype) -> nn.Module:
    """A transformers model of this kind from a folder; nothing is downloaded, and what it lacks is not drawn at random.

    Raises:
        PrsbenchError: tensors are missing, left over or of another shape.
    """
    model, found = kind.from_pretrained(folder, local_files_only=True, dtype=dtype, output_loading_info=True)
    strange = {what: sorted(map(str, names))[:3] for what, names in found.items() if names}
    if strange:
        raise PrsbenchError(f"{folder}: the weights do not fit its config.json: {strange}. Fetch or convert it again.")
    return model.requires_grad_(False).eval()


def fill(network: nn.Module, state: Mapping[str, Tensor], source: str) -> Matched:
    """Load every tensor under its own name, then switch to evaluation; a partial match is an error that lists what is off."""
    matched = match(network.state_dict(), state, source)
    network.load_state_dict(dict(state), strict=False)  # the step counters, where there are any
    network.requires_grad_(False).eval()  # after loading: TinyViT caches its attention biases when it is switched
    return matched


def match(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], source: str) -> Matched:
    """Account for every tensor by name and shape; one that is missing, unknown or of another shape is an error."""
    own, given = _weights(expected), _weights(found)
    missing, unknown = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
    other = sorted(key for key in own.keys() & given.keys() if own[key].shape != given[key].shape)
    if missing or unknown or other:
        raise PrsbenchError(
            f"{source}: does not fit the network: {len(missing)} tensors missing ({', '.join(missing[:3])}), {len(unknown)} "
            f"unknown ({', '.join(unknown[:3])}), {len(other)} of another shape ({', '.join(other[:3])}). "
            "Is it the checkpoint of another method?"
        )
    return Matched(len(given), len(own))


def _weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
