"""State of a running training, for resume: one file, written atomically and verified when read. No pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from prsbench.harness.contract.files import write_atomically
from safetensors.torch import load, save
from torch import Tensor, nn

_VALUES = "facts.json"  # name of everything that is no tensor, as bytes among the tensors, so that one file is enough
_DIGEST_BYTES = hashlib.sha256().digest_size


def write_state(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Replace the file atomically and flush it to the disk; a kill leaves the old file or the new one."""
    as_bytes = torch.frombuffer(bytearray(json.dumps(values).encode()), dtype=torch.uint8)
    data = save({**{name: t.detach().cpu().contiguous() for name, t in tensors.items()}, _VALUES: as_bytes})
    write_atomically(path, (hashlib.sha256(data).digest(), data))


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and other values; None if the file does not exist or its checksum is wrong."""
    if not path.exists():
        return None
    stored = path.read_bytes()
    digest, data = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
    if hashlib.sha256(data).digest() != digest:
        print(f"{path} is damaged; the training starts again from step 0.")
        return None
    tensors = load(data)
    return tensors, json.loads(tensors.pop(_VALUES).numpy().tobytes())


def changing_tensors(network: nn.Module) -> dict[str, Tensor]:
    """What a training changes: trainable parameters and buffers, each once; the frozen rest is read from its source again."""
    trainable = {name: p.data for name, p in network.named_parameters() if p.requires_grad}
    return {**trainable, **dict(network.named_buffers())}


def restore_tensors(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy the tensors of `changing_tensors` back in place."""
    with torch.no_grad():
        for name, tensor in changing_tensors(network).items():
            tensor.copy_(tensors[name])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state tensors by "<number of the parameter>.<name>"."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": tensor for number, entries in state.items() for name, tensor in entries.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], groups: list[dict[str, Any]]) -> None:
    """The inverse of `optimizer_tensors`, with the parameter groups of its state."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": groups})
