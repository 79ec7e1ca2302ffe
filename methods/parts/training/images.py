"""Training images at a network's size: each with its mask and all questions and answers about it.

Masks stay in memory, compressed. Pixels stay there as far as `IN_MEMORY_BYTES` go; the others are decoded again at each use, in
threads ahead of the training step (`read_ahead`). Either way the tensors are the same. Memory then grows by 3.5 KiB an image, at
1024 px with three questions (`make bench-stream`).
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import Sample
from prsbench.methods.images import resize, resize_to_levels
from torch import Tensor
from torch.nn import functional as F

IN_MEMORY_BYTES = 2 * 2**30  # of the pixels of one split: 40,000 images of 128 px, 680 of 1024 px
CHUNK = 24  # samples that one thread decodes one after another, as the questions about an image stand together
MOST_THREADS = 16

Look = TypeVar("Look")
Asked = TypeVar("Asked")


@dataclass(frozen=True, slots=True)
class PackedMask:
    """A mask as compressed bits, for a thousandth of its bytes: outlines are short."""

    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Self:
        return cls(mask.shape, zlib.compress(np.packbits(mask).tobytes(), level=1))

    def unpack(self) -> NDArray[np.bool_]:
        bits = np.frombuffer(zlib.decompress(self.data), np.uint8)
        return np.unpackbits(bits, count=prod(self.shape)).view(bool).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class TrainingImage:
    """One image, its mask, and every question and answer about it. Each access to a tensor may decode it again."""

    image_id: str
    modality: str
    pairs: tuple[tuple[str, str], ...]
    mask: PackedMask
    pixels: Pixels
    number: int  # of the sample in the split that the pixels are read from

    @property
    def image_3SS(self) -> Tensor:
        """uint8."""
        return self.pixels.read(self.number)

    @property
    def mask_1SS(self) -> Tensor:
        """bool."""
        return torch.from_numpy(self.mask.unpack())


def image_id(sample: Sample) -> str:
    """The id of the image a sample asks about: the part before '#' if several samples ask about one image."""
    return sample.sample_id.rpartition("#")[0] or sample.sample_id


def training_images(samples: Sequence[Sample], side_px: int) -> list[TrainingImage]:
    """Each distinct image, however many questions ask about it; in the order of the samples.

    Raises:
        DataError: there is no sample.
    """
    found = each_image(samples, Pixels(samples, side_px).look, lambda sample: (sample.query.question, sample.truth.answer))
    return [replace(image, pairs=tuple(pairs)) for image, pairs in found.values()]


def each_image(
    samples: Sequence[Sample], look: Callable[[int, Sample], Look], ask: Callable[[Sample], Asked]
) -> dict[str, tuple[Look, list[Asked]]]:
    """By id of the image, in the order of the samples: `look` at its first sample (with its number), `ask` of every sample.

    Samples are decoded in threads, a bounded number at a time, and each once if the questions about an image stand together.

    Raises:
        DataError: there is no sample, or a file cannot be read.
    """
    found: dict[str, tuple[Look, list[Asked]]] = {}

    def seen(numbers: range) -> list[tuple[str, Look | None, Asked]]:
        items: list[tuple[str, Look | None, Asked]] = []
        keys = set[str]()
        for number in numbers:
            sample = samples[number]
            key = image_id(sample)
            is_new = key not in keys and key not in found
            items.append((key, look(number, sample) if is_new else None, ask(sample)))
            keys.add(key)
        return items

    for items in _in_order(seen, (range(len(samples))[start : start + CHUNK] for start in range(0, len(samples), CHUNK))):
        for key, looked, asked in items:
            if key not in found:
                assert looked is not None  # the first sample of an image in a chunk, and the image is in no chunk before
                found[key] = looked, []
            found[key][1].append(asked)
    if not found:
        raise DataError("The training split is empty. Check the data set's splits.")
    return found


def read_ahead(images: Iterable[TrainingImage]) -> None:
    """Begin to decode the pixels of the images that will be read next, all of one split; forget what was begun for others."""
    images = list(images)
    if images:
        images[0].pixels.read_ahead([image.number for image in images])


class Pixels:
    """The images of a split at a network's size, by the number of a sample, from memory or decoded again."""

    def __init__(self, samples: Sequence[Sample], side_px: int):
        self._samples, self._side_px = samples, side_px
        self._most_kept = IN_MEMORY_BYTES // (3 * side_px**2)
        self._kept: dict[int, Tensor] = {}
        self._begun: dict[int, Future[Tensor]] = {}

    def look(self, number: int, sample: Sample) -> TrainingImage:
        """The image of a decoded sample, as yet without questions; its pixels are kept if there is room."""
        if len(self._kept) < self._most_kept:
            self._kept[number] = resize_to_levels(sample.query.image, self._side_px)
        mask = PackedMask.of(_small(sample, self._side_px).numpy())
        return TrainingImage(image_id(sample), sample.query.modality, (), mask, self, number)

    def read(self, number: int) -> Tensor:
        """(3, S, S) uint8. What was begun is given once: memory holds no more than the images of the next steps."""
        if number in self._kept:
            return self._kept[number]
        begun = self._begun.pop(number, None)
        return begun.result() if begun else self._decode(number)

    def read_ahead(self, numbers: Sequence[int]) -> None:
        wanted = [number for number in numbers if number not in self._kept]
        for number in self._begun.keys() - set(wanted):
            self._begun.pop(number).cancel()
        for number in wanted:
            if number not in self._begun:
                self._begun[number] = _threads().submit(self._decode, number)

    def _decode(self, number: int) -> Tensor:
        return resize_to_levels(self._samples[number].query.image, self._side_px)


def _in_order(task: Callable[[range], Look], ranges: Iterable[range]) -> Iterator[Look]:
    """What `task` returns for each range, in order, computed in threads, a bounded number of ranges ahead."""
    waiting: deque[Future[Look]] = deque()
    for numbers in ranges:
        waiting.append(_threads().submit(task, numbers))
        if len(waiting) > _thread_count():
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _thread_count() -> int:
    return min(MOST_THREADS, torch.get_num_threads())  # this job's share of the cores


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    """Threads, not processes: decoding and resizing release the interpreter's lock, and threads end with their process."""
    return ThreadPoolExecutor(_thread_count(), "training images")


def _small(sample: Sample, side_px: int) -> Tensor:
    """The mask at a network's size; if a lesion would vanish there, every pixel it touches, as its answer names a position."""
    if sample.truth.mask.shape == (side_px, side_px):
        return torch.from_numpy(sample.truth.mask)[None]
    mask_1SS = resize(sample.truth.mask[..., None], side_px) >= 0.5
    if sample.truth.mask.any() and not mask_1SS.any():
        return F.adaptive_max_pool2d(torch.from_numpy(sample.truth.mask)[None].float(), side_px) > 0
    return mask_1SS
