"""Tensor files of the user (.safetensors, .pth). Pickled objects could run code, so they are refused, with instructions."""

from __future__ import annotations

import shlex
from pathlib import Path
from pickle import UnpicklingError
from zipfile import is_zipfile

import torch
from prsbench.harness.contract.errors import PrsbenchError
from torch import Tensor

_CONVERT = (
    "import sys, torch; from safetensors.torch import save_file; "
    "s = torch.load(sys.argv[1], map_location='cpu', weights_only=False); "
    "s = s.state_dict() if hasattr(s, 'state_dict') else s.get('state_dict', s.get('model', s)); "
    "save_file({k: v.clone().contiguous() for k, v in s.items() if torch.is_tensor(v)}, sys.argv[2])"
)


def read_tensors(path: Path, mmap: bool = False) -> dict[str, Tensor]:
    """The content of a .safetensors file, or of a torch.save file with plain tensors, on the CPU.

    Raises:
        PrsbenchError: the file holds pickled objects (the error says how to convert it), or is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except (UnpicklingError, SafetensorError, RuntimeError, EOFError) as error:
        raise PrsbenchError(_refusal(path, error)) from None
    if not isinstance(content, dict):
        raise PrsbenchError(f"{path}: expected a state dict of tensors, got {type(content).__name__}. Is it a checkpoint?")
    return content


def _refusal(path: Path, error: Exception) -> str:
    if not (isinstance(error, UnpicklingError) and _is_pickle(path)):
        return f"{path}: damaged, or not a checkpoint ({type(error).__name__}). Fetch it again."
    target = path.with_suffix(".safetensors")
    return (
        f"{path}: holds pickled objects besides tensors. Loading them could run code of the author, so it is refused. If you "
        "trust the author, convert it once, in an environment that has the packages it was saved with, and name the new file:\n"
        f'  python -c "{_CONVERT}" {shlex.quote(str(path))} {shlex.quote(str(target))}'
    )


def _is_pickle(path: Path) -> bool:
    """Whether the file has the format of torch.save, today (a complete zip) or before version 1.6 (a pickle)."""
    with path.open("rb") as stream:
        return is_zipfile(path) or stream.read(1) == b"\x80"
