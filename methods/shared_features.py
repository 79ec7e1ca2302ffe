"""What frozen encoders made of the last images, kept for the other rows that one process evaluates in turns with this one."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

_KEPT_IMAGES = 24  # up to 4 MiB each; rows over one data set take turns batch by batch, so a few batches are enough


Features = TypeVar("Features")


@dataclass(frozen=True, slots=True)
class Made(Generic[Features]):
    """seconds: what making it took; every row that uses it counts them."""

    features: Features
    seconds: float


_kept: OrderedDict[bytes, Made] = OrderedDict()


@contextmanager
def fresh_features() -> Iterator[None]:
    """Inside, images are embedded anew; afterwards what rows of one process share is as it was."""
    kept = dict(_kept)
    _kept.clear()
    try:
        yield
    finally:
        _kept.clear()
        _kept.update(kept)


def made_once(
    encoder: str,
    images: Sequence[NDArray[np.uint8]],
    make: Callable[[Sequence[NDArray[np.uint8]]], Sequence[Features]],
    device: str,
) -> list[Made[Features]]:
    """The features of each image, in order.

    Args:
        encoder: says all that could give other features: the network, its weights, how it is shown an image.
        images: (H, W, 3) each.
        make: gives those of some images; called once, with the images whose features are not kept.
    """
    keys = [hashlib.sha256(f"{encoder} {device} {image.shape}".encode() + image.tobytes()).digest() for image in images]
    new = {key: image for key, image in zip(keys, images, strict=True) if key not in _kept}
    found = {key: _kept[key] for key in keys if key in _kept}
    if new:
        start = time.perf_counter()
        made = make(list(new.values()))
        if device.startswith("cuda"):  # else the seconds would be those of asking for it
            torch.cuda.synchronize(device)
        seconds = (time.perf_counter() - start) / len(new)
        found |= {key: Made(features, seconds) for key, features in zip(new, made, strict=True)}
    for key in keys:
        _kept[key] = found[key]
        _kept.move_to_end(key)
    while len(_kept) > _KEPT_IMAGES:
        _kept.popitem(last=False)
    return [found[key] for key in keys]
