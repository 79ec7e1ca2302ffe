"""Per-process LRU cache of frozen-encoder features, shared by the rows of one job."""

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

_MOST_IMAGES = 24  # up to 4 MiB each; rows on one data set alternate batch by batch, so a few batches are enough


Features = TypeVar("Features")


@dataclass(frozen=True, slots=True)
class CachedFeatures(Generic[Features]):
    """The features of one image. seconds: the time to compute them, counted by every row that uses them."""

    features: Features
    seconds: float


_cache: OrderedDict[bytes, CachedFeatures] = OrderedDict()


@contextmanager
def fresh_features() -> Iterator[None]:
    """Inside the context images are encoded anew; afterwards the cache is restored."""
    saved = dict(_cache)
    _cache.clear()
    try:
        yield
    finally:
        _cache.clear()
        _cache.update(saved)


def cached_features(
    encoder: str,
    images: Sequence[NDArray[np.uint8]],
    make: Callable[[Sequence[NDArray[np.uint8]]], Sequence[Features]],
    device: str,
) -> list[CachedFeatures[Features]]:
    """The features of each image, in order, from the cache where possible.

    Args:
        encoder: names everything that could change the features: the network, its weights, its preprocessing.
        images: (H, W, 3) each.
        make: computes the features of some images; called at most once, with the images that are not cached.
    """
    keys = [hashlib.sha256(f"{encoder} {device} {image.shape}".encode() + image.tobytes()).digest() for image in images]
    new = {key: image for key, image in zip(keys, images, strict=True) if key not in _cache}
    cached = {key: _cache[key] for key in keys if key in _cache}
    if new:
        start = time.perf_counter()
        computed = make(list(new.values()))
        if device.startswith("cuda"):  # wait, or only the launch would be timed
            torch.cuda.synchronize(device)
        seconds = (time.perf_counter() - start) / len(new)
        cached |= {key: CachedFeatures(features, seconds) for key, features in zip(new, computed, strict=True)}
    for key in keys:
        _cache[key] = cached[key]
        _cache.move_to_end(key)
    while len(_cache) > _MOST_IMAGES:
        _cache.popitem(last=False)
    return [cached[key] for key in keys]
