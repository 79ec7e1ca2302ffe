"""What a picture looks like as a whole, turned, mirrored and cropped: 64-bit hashes of a thumbnail, and how alike two are.

A hash holds the signs of the 63 lowest frequencies of the cosine transform (as the perceptual hash pHash does), so that size,
brightness, contrast and JPEG hardly change it. Libraries hash whole pictures only; here one product of matrices gives the
transform of every crop with sides of 50 % to 100 % in steps of 10 %, and the eight turns follow from it by signs.
"""

# Shapes: S side of a thumbnail, K frequencies per axis, W windows of one axis, V views

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

SIDE = 128  # S
FREQUENCIES = 8  # K
COARSE_BITS = 20  # of a hash: those of the lowest frequencies
Thumb = NDArray[np.uint8]  # (S, S)
Box = tuple[float, float, float, float]  # left, right, top, bottom of a crop, as shares of the picture

_STEPS = 10
WINDOWS = [(i / _STEPS, (i + n) / _STEPS) for n in range(_STEPS, _STEPS // 2 - 1, -1) for i in range(_STEPS - n + 1)]
BOXES: list[Box] = [(*across, *down) for down in WINDOWS for across in WINDOWS]
WHOLE = BOXES[0]
_NOISE = 2.0  # grey levels


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(S, S) grey levels of an image (H, W, 3) or (H, W), whose proportions are lost."""
    return np.asarray(Image.fromarray(image).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))


def hashes_of_turns(thumb: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(8,) hashes, in the order of TURNS."""
    return _bits(_turned(_whole_frequencies(thumb)))[0]


def hashes_of_crops(thumb: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """(V,) hashes, in the order of BOXES, and (V, COARSE_BITS) the coarse bits of each, least certain first."""
    size = len(WINDOWS)
    frequencies = _BASES @ thumb.astype(np.float32) @ _BASES.T
    by_box = frequencies.reshape(size, FREQUENCIES, size, FREQUENCIES).transpose(0, 2, 1, 3).reshape(-1, FREQUENCIES, FREQUENCIES)
    hashes, values = _bits(by_box)
    return hashes, np.abs(values[:, :COARSE_BITS]).argsort(axis=1)


def likeness(one: NDArray[np.uint8], thumb: NDArray[np.uint8], turn: str, box: Box) -> tuple[float, Box]:
    """How alike one thumbnail (S, S) is to a turned crop of another, and the crop's best place near `box`.

    It is the correlation, -1 to 1, of what both show without their soft shades and, at last, of edges of equal strength: the
    shades of all scans of one organ are alike, and the frame of all pictures of one endoscope.
    """
    turned, place = np.asarray(_TURN[turn](thumb), np.float32), box
    value = 0.0
    for details, steps, least in _LOOKS:
        value, place = _placed(one, turned, place, details, steps)
        if value < least:
            return 0.0, place
    return value, place


@dataclass(frozen=True, slots=True)
class _Details:
    """What remains of a crop of a thumbnail, at this side, without its soft shades; equal: divided by its local strength."""

    side: int
    blur: float
    equal: bool

    def __call__(self, thumb: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
        left, right, top, bottom = box
        shrunk = _sampling(self.side, top, bottom) @ thumb @ _sampling(self.side, left, right).T
        soft = _blur(self.side, self.blur)
        details = shrunk - soft @ shrunk @ soft.T
        if self.equal:
            around = _blur(self.side, 2 * self.blur)
            details /= np.sqrt(around @ details**2 @ around.T) + _NOISE
        details -= details.mean()
        strength = np.linalg.norm(details)
        return details / strength if strength > 1 else np.zeros_like(details)  # a picture of one colour is like none


def _placed(
    one: NDArray[np.uint8], turned: NDArray[np.float32], box: Box, details: _Details, steps: Sequence[float]
) -> tuple[float, Box]:
    """The correlation at the best place that moving one edge at a time leads to; not looked for where it is low or high."""
    wanted = details(one.astype(np.float32), WHOLE)

    def value_at(place: Box) -> float:
        return float((wanted * details(turned, place)).sum())

    best, place = value_at(box), box
    for step in steps if 0.35 < best < 0.97 else ():
        while True:
            moves = [_moved(place, edge, by) for edge in range(4) for by in (-step, step)]
            value, move = max((value_at(move), move) for move in moves)
            if value <= best + 1e-3:
                break
            best, place = value, move
    return best, place


def _moved(box: Box, edge: int, by: float) -> Box:
    """The box with one edge moved, as far as it stays inside the picture and wider than 0.4."""
    low, high = [(0.0, box[1] - 0.4), (box[0] + 0.4, 1.0), (0.0, box[3] - 0.4), (box[2] + 0.4, 1.0)][edge]
    left, right, top, bottom = (round(min(max(value + by, low), high), 3) if n == edge else value for n, value in enumerate(box))
    return left, right, top, bottom


def _basis(start: float, end: float, count: int = FREQUENCIES) -> NDArray[np.float32]:
    """(count, S): means of cos(pi k x) over each pixel's part of a window, x being 0 and 1 at its ends."""
    edges = (np.clip(np.arange(SIDE + 1) / SIDE, start, end) - start) / (end - start)
    k = np.arange(1, count)[:, None]
    waves = np.diff(np.sin(np.pi * k * edges)) / (np.pi * k)
    return np.concatenate([np.diff(edges)[None], waves]).astype(np.float32)


@lru_cache
def _blur(side: int, sigma: float) -> NDArray[np.float32]:
    """(side, side): a Gaussian blur of one axis as a matrix, which is faster than a filter for pictures of this size."""
    return ndimage.gaussian_filter1d(np.eye(side), sigma, axis=0).astype(np.float32)


@lru_cache(maxsize=20_000)
def _sampling(side: int, start: float, end: float) -> NDArray[np.float32]:
    """(side, S): the mean over each part of a window."""
    edges = start + (end - start) * np.arange(side + 1) / side
    pixels = np.arange(SIDE + 1) / SIDE
    overlap = np.minimum(edges[1:, None], pixels[1:]) - np.maximum(edges[:-1, None], pixels[:-1])
    return (np.maximum(overlap, 0) / np.diff(edges)[:, None]).astype(np.float32)


def _whole_frequencies(thumb: NDArray[np.uint8]) -> NDArray[np.float32]:
    return _BASES[:FREQUENCIES] @ thumb.astype(np.float32) @ _BASES[:FREQUENCIES].T


def _turned(frequencies: NDArray[np.float32]) -> NDArray[np.float32]:
    """(8, K, K): the transform of each turn. Mirroring a picture changes the sign of its odd frequencies."""
    signs = (-1.0) ** np.arange(FREQUENCIES, dtype=np.float32)
    upright = [frequencies, frequencies * signs, frequencies * signs[:, None], frequencies * signs * signs[:, None]]
    return np.stack([*upright, *(np.swapaxes(one, 0, 1) for one in upright)])


def _bits(frequencies: NDArray[np.float32]) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Hashes of (N, K, K) transforms: (N,), the coarse bits highest; and the (N, 63) values whose signs they are."""
    values = frequencies[:, _ROWS, _COLS]
    weights = np.uint64(1) << np.arange(62, -1, -1, dtype=np.uint64)
    return ((values > 0) * weights).sum(axis=1, dtype=np.uint64), values


_LOOKS = (  # from coarse to fine: what is compared, by how much edges are moved, and the least value with which it goes on
    (_Details(16, 2.0, equal=False), (0.05, 0.025), 0.75),
    (_Details(32, 1.5, equal=False), (0.02, 0.01), 0.8),
    (_Details(64, 2.0, equal=True), (0.01, 0.005), 0.0),
)
# `_turned` holds the transforms of what these functions return.
_TURN: dict[str, Callable[[Thumb], Thumb]] = {
    "as it is": lambda thumb: thumb,
    "mirrored": np.fliplr,
    "upside down": np.flipud,
    "turned by 180°": lambda thumb: np.rot90(thumb, 2),
    "transposed": np.transpose,
    "turned by 90°": np.rot90,
    "turned by 270°": lambda thumb: np.rot90(thumb, 3),
    "transversed": lambda thumb: np.rot90(thumb, 2).T,
}
TURNS = tuple(_TURN)
_BASES = np.concatenate([_basis(start, end) for start, end in WINDOWS])  # (W K, S)
_ORDER = sorted(((i, j) for i in range(FREQUENCIES) for j in range(FREQUENCIES) if i or j), key=lambda p: (max(p), sum(p), p))
_ROWS, _COLS = (np.array(axis) for axis in zip(*_ORDER, strict=True))
