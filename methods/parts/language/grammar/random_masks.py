"""Random masks of many sizes, shapes and places, each with its official label; nothing is fitted on a data set.

The small Llama learns from them what a layout's position is called; Text2Centroid's packaged heads, where a sentence's mask lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.position import position_of

Mask = NDArray[np.bool_]
WIDTH_PX = 128
EXTENTS = (0.035, 0.9)  # of a lesion: half its longer axis, in frame units (the frame is 2 wide); log-uniform
HARMONICS = np.arange(1, 13)  # of an outline's radius: the low ones bend it, the high ones make it ragged


@dataclass(frozen=True, slots=True)
class LabelledMask:
    """A (H, 128) bool mask with foreground, and its label by `contract.position.position_of`.

    whole_lungs: the foreground is the lungs themselves, both or one of them, not lesions.
    """

    mask_HW: Mask
    whole_lungs: bool
    position: tuple[str, ...]
    near_centre: bool


def sample_lesions(rng: np.random.Generator, modality: str, at_boundary: float = 0.0) -> LabelledMask:
    """One to three lesions, by the modality's official rule: two thirds of the masks have one.

    at_boundary: share of masks moved so that an edge or the middle of their box lies within 3 px of the frame's middle row or
    column, where the label changes. 0 where positions should be as frequent as in the world, more to teach the rule.
    """
    return _labelled(rng, modality, _inside_the_lungs if modality.startswith("lung") else _lesions, False, at_boundary)


def sample_lungs(rng: np.random.Generator, at_boundary: float = 0.0) -> LabelledMask:
    """Both lungs, in every twelfth mask only one; outlines, gap, sizes and heights are random. Labelled by the lung rule."""
    return _labelled(rng, "lung_ct", _lungs, True, at_boundary)


def _labelled(
    rng: np.random.Generator, modality: str, draw: Callable[..., Mask], whole_lungs: bool, at_boundary: float
) -> LabelledMask:
    mask = np.zeros((1, 1), bool)
    while not mask.any():  # drawn outside the frame, or too small to hold a pixel
        frame = _Frame.of_shape(round(WIDTH_PX * float(np.exp(rng.uniform(np.log(0.65), np.log(1.35))))), WIDTH_PX)
        mask = draw(rng, frame)
        if mask.any() and rng.random() < at_boundary:
            mask = _moved_to_boundary(rng, mask)
    return LabelledMask(mask, whole_lungs, *position_of(mask, modality))


@dataclass(frozen=True, slots=True)
class _Frame:
    """Pixel centres in the image frame, x (1, W) and y (H, 1)."""

    x_1W: NDArray[np.float32]
    y_H1: NDArray[np.float32]

    @classmethod
    def of_shape(cls, height: int, width: int) -> _Frame:
        y, x = (((np.arange(n) + 0.5) * 2 / n - 1).astype(np.float32) for n in (height, width))
        return cls(x[None], y[:, None])

    @property
    def empty(self) -> Mask:
        return np.zeros((self.y_H1.size, self.x_1W.size), bool)

    def blob(
        self, rng: np.random.Generator, x: float, y: float, half_width: float, half_height: float, turn: float, rough: float
    ) -> Mask:
        """An ellipse whose outline is bent by random harmonics of relative size `rough`; it may reach out of the frame."""
        reach = 1.6 * max(half_width, half_height)
        rows, cols = _range(self.y_H1[:, 0], y, reach), _range(self.x_1W[0], x, reach)
        dx, dy = self.x_1W[:, cols] - np.float32(x), self.y_H1[rows] - np.float32(y)
        along = (np.cos(turn) * dx + np.sin(turn) * dy) / half_width
        across = (np.cos(turn) * dy - np.sin(turn) * dx) / half_height
        # The outline on 128 bearings; each pixel takes the nearest one's radius.
        bearings = np.linspace(-np.pi, np.pi, 128, endpoint=False)
        size = rough * rng.standard_normal(HARMONICS.size) / HARMONICS ** rng.uniform(0.4, 1.6)
        waves = np.cos(HARMONICS * bearings[:, None] + rng.uniform(0, 2 * np.pi, HARMONICS.size))
        radius = np.clip(1 + waves @ size, 0.35, 1.6)
        nearest = np.rint((np.arctan2(across, along) + np.pi) * (64 / np.pi)).astype(np.int64) % 128
        mask = self.empty
        mask[rows, cols] = np.hypot(along, across) < radius[nearest]
        return mask


def _range(centres: NDArray[np.float32], middle: float, reach: float) -> slice:
    first, last = np.searchsorted(centres, (middle - reach, middle + reach))
    return slice(int(first), int(last))


def _lesion(rng: np.random.Generator, frame: _Frame, x: float, y: float, largest: float = EXTENTS[1]) -> Mask:
    extent = float(np.exp(rng.uniform(np.log(EXTENTS[0]), np.log(largest))))
    other = extent * rng.uniform(0.3, 0.6) if rng.random() < 0.2 else extent * rng.uniform(0.6, 1)  # a fifth are elongated
    return frame.blob(rng, x, y, extent, other, rng.uniform(0, np.pi), rng.choice((0.05, 0.15, 0.35)))


def _lesions(rng: np.random.Generator, frame: _Frame) -> Mask:
    x, y = _place(rng)
    mask = _lesion(rng, frame, x, y)
    for _ in range(int(rng.choice(3, p=(2 / 3, 1 / 4, 1 / 12)))):
        if rng.random() < 0.5:
            mask |= _lesion(rng, frame, *_place(rng), 0.4)
        else:
            mask |= _lesion(rng, frame, x + rng.normal(0, 0.25), y + rng.normal(0, 0.25), 0.3)
    return mask


def _place(rng: np.random.Generator) -> tuple[float, float]:
    """Where a lesion lies: in half of the masks anywhere, else more likely in the middle than at the edges."""
    while True:
        x, y = rng.uniform(-0.95, 0.95, 2) if rng.random() < 0.5 else rng.normal(0, 0.4, 2)
        if max(abs(x), abs(y)) < 0.98:
            return float(x), float(y)


def _lungs(rng: np.random.Generator, frame: _Frame, smallest: float = 0.3) -> Mask:
    """Two upright ovals beside the middle, of about the same height; one may be much smaller; they touch in a few masks."""
    mask, missing = frame.empty, rng.choice((-1, 1)) if rng.random() < 1 / 12 else 0
    x, y, gap = rng.normal(0, 0.06), rng.normal(0, 0.1), rng.uniform(-0.02, 0.3)
    half_width, half_height = rng.uniform(0.16, 0.36), rng.uniform(smallest, 0.85)
    for side in (-1, 1):
        if side == missing:
            continue
        scale = rng.uniform(0.5, 0.9) if rng.random() < 0.2 else rng.uniform(0.9, 1.1)
        wide, high = half_width * scale, half_height * scale * rng.uniform(0.8, 1.1)
        turn = side * rng.normal(0.08, 0.08)
        mask |= frame.blob(rng, x + side * (gap / 2 + wide), y + rng.normal(0, 0.06), wide, high, turn, rng.uniform(0.03, 0.2))
    if rng.random() < 0.1:  # pieces cut off by a slice or by a segmenter
        for _ in range(int(rng.integers(1, 3))):
            mask |= _lesion(rng, frame, rng.uniform(-0.7, 0.7), rng.uniform(-0.7, 0.7), 0.06)
    return mask


def _inside_the_lungs(rng: np.random.Generator, frame: _Frame) -> Mask:
    """One to three lesions whose middles lie in a pair of lungs; in half of the masks they end at the lungs' outline."""
    lungs = _lungs(rng, frame, 0.5)
    places = np.argwhere(lungs)
    mask = frame.empty
    if not len(places):
        return mask
    for row, col in rng.choice(places, int(rng.choice((1, 2, 3), p=(0.6, 0.3, 0.1)))):
        mask |= _lesion(rng, frame, float(frame.x_1W[0, col]), float(frame.y_H1[row, 0]), 0.5)
    return mask & lungs if rng.random() < 0.5 else mask


def _moved_to_boundary(rng: np.random.Generator, mask: Mask) -> Mask:
    """The mask with one edge or the middle of its box moved to the frame's middle, on one axis or both; possibly now empty."""
    for axis in (0, 1):
        if rng.random() < 0.6:
            used = np.flatnonzero(mask.any(axis=1 - axis))
            if used.size:
                end = (used[0], used[-1], (used[0] + used[-1]) // 2)[rng.integers(3)]
                mask = _shifted(mask, mask.shape[axis] // 2 + int(rng.integers(-3, 4)) - int(end), axis)
    return mask


def _shifted(mask: Mask, by_px: int, axis: int) -> Mask:
    """Moved along an axis; what leaves the frame is lost."""
    moved, count = np.zeros_like(mask), mask.shape[axis]
    by_px = max(-count, min(count, by_px))
    source, target = slice(max(0, -by_px), count - max(0, by_px)), slice(max(0, by_px), count - max(0, -by_px))
    if axis == 0:
        moved[target] = mask[source]
    else:
        moved[:, target] = mask[:, source]
    return moved
