"""Tensor files of the user (.safetensors, .pth). Pickled objects could run code, so they are refused, with instructions."""

from __future__ import annotations

import shlex
from pathlib import Path
from pickle import UnpicklingError
from zipfile import BadZipFile, ZipFile

import torch
from prsbench.harness.contract.errors import PrsbenchError, first_line
from torch import Tensor

_ARCHIVE = b"PK\x03\x04"  # the first bytes of a zip
_CONVERT = (
    "import sys, torch; from safetensors.torch import save_file; "
    "s = torch.load(sys.argv[1], map_location='cpu', weights_only=False); "
    "s = s.state_dict() if hasattr(s, 'state_dict') else s.get('state_dict', s.get('model', s)); "
    "save_file({k: v.clone().contiguous() for k, v in s.items() if torch.is_tensor(v)}, sys.argv[2])"
)


def read_tensors(path: Path, mmap: bool = False) -> dict[str, Tensor]:
    """The content of a .safetensors file, or of a torch.save file with plain tensors, on the CPU.

    No tensor is larger than the file, and the checksums inside a torch.save archive are verified, which torch does not do.

    Raises:
        PrsbenchError: the file holds pickled objects (the error says how to convert it), is damaged, or is compressed.
    """
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        _check_archive(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
        _check_tensors(content, path.stat().st_size)
    except Exception as error:  # noqa: BLE001 - unpickling damaged bytes may raise anything
        raise PrsbenchError(_refusal(path, error)) from None
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        kind = f"{type(content).__name__}{' whose keys are no names' if isinstance(content, dict) else ''}"
        raise PrsbenchError(f"{path}: expected a state dict of tensors, got {kind}. Is it a checkpoint?")
    return content


def _check_archive(path: Path) -> None:
    """Raise ValueError if a zip unpacks to more than its own size, and BadZipFile if it is damaged."""
    with path.open("rb") as stream:
        if stream.read(4) != _ARCHIVE:
            return  # the format before torch 1.6
    with ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > path.stat().st_size:
            raise ValueError(f"it unpacks to {unpacked} bytes, more than the file has; torch.save does not compress")
        if damaged := archive.testzip():
            raise BadZipFile(f"wrong checksum of {damaged}")


def _check_tensors(content: object, file_bytes: int) -> None:
    """Raise ValueError unless every tensor, in containers too, is dense and lies in no more bytes than the file has."""
    waiting, seen = [content], set[int]()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple | set):
            waiting += value
        elif isinstance(value, Tensor):
            if value.layout != torch.strided or value.is_meta:
                raise ValueError("a tensor is sparse or has no values")
            stored = value.untyped_storage().nbytes()
            if value.numel() * value.element_size() > stored or stored > file_bytes:
                raise ValueError(f"a tensor of shape {tuple(value.shape)} is larger than the file")


def _refusal(path: Path, error: Exception) -> str:
    if not (isinstance(error, UnpicklingError) and _is_intact(path, error)):
        reason = f"{type(error).__name__}: {first_line(str(error))}"
        return f"{path}: damaged, or not a checkpoint ({reason:.200}). Fetch it again."
    target = path.with_suffix(".safetensors")
    return (
        f"{path}: holds pickled objects besides tensors. Loading them could run code of the author, so it is refused. If you "
        "trust the author, convert it once, in an environment that has the packages it was saved with, and name the new file:\n"
        f'  python -c "{_CONVERT}" {shlex.quote(str(path))} {shlex.quote(str(target))}'
    )


def _is_intact(path: Path, error: UnpicklingError) -> bool:
    """Whether the file is an archive (whose checksums are right), or a pickle that names something else than tensors."""
    with path.open("rb") as stream:
        start = stream.read(4)
    return start == _ARCHIVE or (start[:1] == b"\x80" and "global" in str(error).lower())
