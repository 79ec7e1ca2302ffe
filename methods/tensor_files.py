"""Files of tensors that users name. Tensors alone are read: a pickled object could run code, so it is refused with a way out."""

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
    """The content of a .safetensors file, or of a file of torch.save with plain tensors, on the CPU.

    Raises:
        PrsbenchError: it holds pickled objects (the error says how to convert it), or is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except (UnpicklingError, SafetensorError, RuntimeError, EOFError) as error:
        raise PrsbenchError(_refusal(path, error)) from None
    if not isinstance(found, dict):
        raise PrsbenchError(f"{path}: expected a state dict of tensors, got {type(found).__name__}. Is it a checkpoint?")
    return found


def _refusal(path: Path, error: Exception) -> str:
    if not (isinstance(error, UnpicklingError) and _is_pickle(path)):
        return f"{path}: is damaged or no checkpoint ({type(error).__name__}). Fetch it again."
    target = path.with_suffix(".safetensors")
    return (
        f"{path}: holds pickled objects beside its tensors. Loading them could run code of its maker, so it is refused. If you "
        "trust its maker, convert it once, in an environment that has the packages it was saved with, and name the new file:\n"
        f'  python -c "{_CONVERT}" {shlex.quote(str(path))} {shlex.quote(str(target))}'
    )


def _is_pickle(path: Path) -> bool:
    """Whether it is what torch.save writes, today (a zip) or before 1.6 (a pickle), and whole enough to be that."""
    with path.open("rb") as stream:
        return is_zipfile(path) or stream.read(1) == b"\x80"
