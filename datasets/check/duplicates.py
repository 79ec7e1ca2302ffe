"""Pictures that show the same: turned, mirrored, cropped, resized or saved again.

Candidates come from a hash table, not from all pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.check.views import (
    BOXES,
    COARSE_BITS,
    TURNS,
    WHOLE,
    Box,
    hashes_of_crops,
    hashes_of_turns,
    likeness,
)

ALIKE = 0.8  # `likeness` from which two pictures show the same; pictures of other patients and videos stay below 0.75
_MOST_BITS = 14  # of 63 that may differ between the hashes of candidates
_UNCERTAIN = 5  # coarse bits of a crop that are tried both ways
_MOST_CANDIDATES = 4  # of one picture, by the distance of their hashes
_FLIPS = np.array([[bool(number >> bit & 1) for bit in range(_UNCERTAIN)] for number in range(2**_UNCERTAIN)])
_SHIFT = np.uint64(63 - COARSE_BITS)


@dataclass(frozen=True, slots=True)
class Pair:
    """Picture `one` looks like a part (box) of picture `other` in a turn. Both are numbers in the order of the thumbnails."""

    one: int
    other: int
    turn: str
    box: Box
    likeness: float

    @property
    def is_crop(self) -> bool:
        left, right, top, bottom = self.box
        return (right - left) * (bottom - top) < 0.95


class Table:
    """The whole pictures of a data set by the coarse bits of their hashes."""

    def __init__(self, hashes: NDArray[np.uint64]):
        codes = (hashes >> _SHIFT).astype(np.int64)
        self._order = np.argsort(codes, kind="stable")
        self._hashes = hashes[self._order]
        self._starts = np.searchsorted(codes[self._order], np.arange(2**COARSE_BITS + 1))

    def near(self, hashes: NDArray[np.uint64], uncertain: NDArray[np.intp]) -> tuple[NDArray, NDArray, NDArray]:
        """Of views with these hashes (V,): (view, picture, distance in bits) of every candidate.

        uncertain: (V, n) the coarse bits of each view, least certain first.
        """
        weights = np.int64(1) << (COARSE_BITS - 1 - uncertain[:, :_UNCERTAIN])
        codes = (hashes >> _SHIFT).astype(np.int64)[:, None] ^ (weights @ _FLIPS.T)
        first, count = self._starts[codes], self._starts[codes + 1] - self._starts[codes]
        views = np.repeat(np.repeat(np.arange(len(hashes)), codes.shape[1]), count.ravel())
        offsets = np.arange(len(views)) - np.repeat(np.cumsum(count.ravel()) - count.ravel(), count.ravel())
        places = np.repeat(first.ravel(), count.ravel()) + offsets
        distance = np.bitwise_count(hashes[views] ^ self._hashes[places])
        close = distance <= _MOST_BITS
        return views[close], self._order[places[close]], distance[close]


def pairs_of(number: int, thumbnail: Callable[[int], NDArray[np.uint8]], table: Table, groups: Sequence[str]) -> Iterator[Pair]:
    """The pictures of other groups that look like picture `number`, or like a crop of it.

    Args:
        thumbnail: gives the thumbnail (S, S) of a picture by its number.
        groups: of all pictures. Neighbouring frames and slices of one group are alike without fault.
    """
    thumb = thumbnail(number)
    if not np.ptp(thumb):
        return
    turned = hashes_of_turns(thumb)
    crops, uncertain = hashes_of_crops(thumb)
    hashes = np.concatenate([turned, crops[1:]])
    known = np.concatenate([np.repeat(uncertain[:1], len(turned), axis=0), uncertain[1:]])
    views, pictures, distance = table.near(hashes, known)
    best: dict[int, int] = {}
    for place in np.argsort(distance, kind="stable").tolist():
        other = int(pictures[place])
        is_seen = other < number and views[place] < len(turned)  # from there, as the same turn back
        if groups[other] != groups[number] and not is_seen:
            best.setdefault(other, int(views[place]))
            if len(best) == _MOST_CANDIDATES:
                break
    for other, view in best.items():
        turn, box = (TURNS[view], WHOLE) if view < len(turned) else (TURNS[0], BOXES[view - len(turned) + 1])
        value, place = likeness(thumbnail(other), thumb, turn, box)
        if value >= ALIKE:
            yield Pair(other, number, turn, place, value)
