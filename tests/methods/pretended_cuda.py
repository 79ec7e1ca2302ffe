"""A CUDA device pretended on the CPU, for faults that only a GPU shows: tensors on two devices, and what autocast refuses.

What asks for "cuda" is computed on the CPU, and its tensors are marked. An operation on marked and unmarked tensors is refused as
CUDA refuses it, and so is `numpy()` of a marked one. CUDA's autocast becomes the CPU's, which has nearly the same lists.
"""

from contextlib import contextmanager
from unittest import mock

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils import checkpoint

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
COPIES = ("copy_", "__setitem__", "__set__")  # from one device to the other
UNCHANGED = ("_parse_to", "_has_compatible_shallow_copy_type")  # how nn.Module.to asks which device, and how to move there
TO_NUMPY = ("numpy", "__array__")


@contextmanager
def pretended_cuda():
    """Inside, device="cuda" works on this machine."""
    autocast, is_enabled = torch.autocast, torch.is_autocast_enabled

    def cpu_autocast(device_type, *args, **kwargs):
        return autocast("cpu", *args, **kwargs)

    def is_cpu_autocast_enabled(_=None):
        return is_enabled("cpu")

    with (
        mock.patch.object(torch, "autocast", cpu_autocast),
        mock.patch.object(torch, "is_autocast_enabled", is_cpu_autocast_enabled),
        mock.patch.object(torch.cuda, "synchronize"),
        mock.patch.dict(checkpoint._allowed_determinism_checks_to_fns, default=_without_device),
        PretendedCuda() as mode,
    ):
        yield mode


def _without_device(tensor):
    """What a recomputed activation must have in common with the first: in the backward pass nothing is marked."""
    return {"shape": tensor.shape, "dtype": tensor.dtype}


class PretendedCuda(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self._marked = {}  # a weak reference keeps a storage's address from being used again
        self.autocast_on = torch.is_autocast_enabled

    def is_marked(self, tensor):
        return tensor.untyped_storage()._cdata in self._marked

    def mark(self, tensor):
        storage = tensor.untyped_storage()
        self._marked[storage._cdata] = StorageWeakRef(storage)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if func == torch.Tensor.is_cuda.__get__:
            return self.is_marked(args[0])
        if func == torch.Tensor.device.__get__:
            return CUDA if self.is_marked(args[0]) else func(*args)
        if func is torch.device or name in UNCHANGED:
            return func(*args, **kwargs)
        given = list(_tensors((args, kwargs)))
        self._refuse(func, name, args, given)
        target = _device_in(func, name, args, kwargs)
        if name == "to" and len(args) > 1 and isinstance(args[1], torch.Tensor):
            target = CUDA if self.is_marked(args[1]) else CPU
        result = func(*_on_cpu(args), **_on_cpu(kwargs))
        if target is None:
            is_marked = any(map(self.is_marked, given))
        else:
            is_marked = target.type == "cuda"
            if name in ("to", "cpu", "cuda") and is_marked != self.is_marked(args[0]) and result is not None:
                result = result.clone() if _shares(result, args[0]) else result
        if is_marked and name != "__set__":
            for tensor in _tensors(result):
                self.mark(tensor)
        return result

    def _refuse(self, func, name, args, given):
        marks = [self.is_marked(tensor) for tensor in given if tensor.dim()]
        if any(marks) and func is F.binary_cross_entropy and self.autocast_on("cpu"):
            raise RuntimeError("torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast")
        if name in TO_NUMPY and any(map(self.is_marked, given)):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if name in COPIES or (name == "__getitem__" and self.is_marked(args[0])) or name == "to":
            return
        if any(marks) and not all(marks):
            shapes = [(tuple(tensor.shape), "cuda" if self.is_marked(tensor) else "cpu") for tensor in given]
            raise RuntimeError(f"{name}: Expected all tensors to be on the same device, got {shapes}")


def _tensors(values):
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _tensors(value)
    elif isinstance(values, dict):
        yield from _tensors(list(values.values()))


def _is_device(value):
    named = value.type if isinstance(value, torch.device) else value.split(":")[0] if isinstance(value, str) else ""
    return named in ("cuda", "cpu")


def _device_in(func, name, args, kwargs):
    """The device that a call names, None if none."""
    if name in ("cpu", "cuda"):
        return CPU if name == "cpu" else CUDA
    named = [value for value in (kwargs.get("device"), *(args[1:] if name == "to" else ())) if _is_device(value)]
    return torch.device(named[0]) if named else None


def _on_cpu(values):
    if isinstance(values, dict):
        return {key: _on_cpu(value) for key, value in values.items()}
    if isinstance(values, tuple) and type(values) is tuple:
        return tuple(map(_on_cpu, values))
    return CPU if _is_device(values) else values


def _shares(one, other):
    return one.untyped_storage()._cdata == other.untyped_storage()._cdata
