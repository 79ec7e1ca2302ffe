"""What one node could leave behind in a worker process that the next one's numbers depend on: noted and put back."""

from __future__ import annotations

import locale
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

Part = tuple[Callable[[], Any], Callable[[Any], object]]  # reads it, puts it back
_ENVIRONMENT = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES", "HOME")
_DEFAULTS = {"torch's grad mode": True}


def parts() -> Mapping[str, Part]:
    """Every part of this process's state that is watched, by name; of the libraries, those that are loaded now."""
    found: dict[str, Part] = {
        "the working folder": (os.getcwd, os.chdir),
        "the locale": (lambda: locale.setlocale(locale.LC_ALL), lambda name: locale.setlocale(locale.LC_ALL, name)),
        "NumPy's error handling": (np.geterr, lambda handling: np.seterr(**handling)),
        "environment variables": (lambda: {name: os.environ.get(name) for name in _ENVIRONMENT}, _set_environment),
    }
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        found[f"the handler of {number.name}"] = (partial(signal.getsignal, number), partial(signal.signal, number))
    if torch := sys.modules.get("torch"):
        found |= _of_torch(torch)
    if image := sys.modules.get("PIL.Image"):
        found["Pillow's largest image"] = _attribute(image, "MAX_IMAGE_PIXELS")
    if files := sys.modules.get("PIL.ImageFile"):
        found["Pillow's truncated images"] = _attribute(files, "LOAD_TRUNCATED_IMAGES")
    return found


def put_back(before: Mapping[str, Any]) -> list[str]:
    """Put back what differs from `state()` of before, or from a new library's default; returns the names of what did."""
    changed = []
    for name, (read, write) in parts().items():
        now = _read(read)
        was = before.get(name, _DEFAULTS.get(name, now))
        if now != was:
            changed.append(f"{name} (was {was!r}, got {now!r})")
            with suppress(Exception):  # a folder that is gone, or a signal outside the main thread
                write(was)
    return changed


def state() -> dict[str, Any]:
    """The watched parts as they are now."""
    return {name: _read(read) for name, (read, _) in parts().items()}


def _of_torch(torch: Any) -> dict[str, Part]:
    found: dict[str, Part] = {
        "torch's grad mode": (torch.is_grad_enabled, torch.set_grad_enabled),
        "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
        "torch's threads": (torch.get_num_threads, torch.set_num_threads),
        "torch's deterministic algorithms": (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
        "torch's precision of products": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    }
    for name in ("uniform_", "normal_", "kaiming_uniform_", "xavier_uniform_", "trunc_normal_"):
        found[f"torch.nn.init.{name}"] = _attribute(torch.nn.init, name)
    for layer in (torch.nn.Linear, torch.nn.Conv2d, torch.nn.Embedding):
        found[f"{layer.__name__}.reset_parameters"] = _attribute(layer, "reset_parameters")
    return found


def _attribute(holder: Any, name: str) -> Part:
    return partial(getattr, holder, name), partial(setattr, holder, name)


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except OSError as error:  # a working folder that is gone
        return str(error)


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
