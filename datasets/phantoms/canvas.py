"""Drawing tools of the phantoms: smooth noise, outlines as depth fields, soft edges and thin strokes.

Everything is float64 on purpose: sines and exponentials differ in the last digit between machines, and only with
spare digits are thresholds and 8-bit roundings the same on all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, sparse

Field = NDArray[np.float64]  # (H, W), or (H, W, 3) for colours; intensities run from 0 (black) to 1 (white)
Mask = NDArray[np.bool_]  # (H, W)
Path = NDArray[np.float64]  # (N, 2) rows and columns in px, about half a pixel apart

PATH_STEP_PX = 0.5
NOWHERE = -99.0  # a depth that paints nothing


class Canvas:
    """A picture of fixed size with its random generator.

    rows is (H, 1) and cols (1, W): pixel centres in px from the top left edge, so they broadcast to (H, W). two_share replaces
    the drawing's own probability of two lesions, unless it is None.
    """

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator, two_share: float | None = None):
        self.shape = shape
        self.height, self.width = shape
        self.rng = rng
        self.two_share = two_share
        self.rows = np.arange(self.height, dtype=np.float64)[:, None] + 0.5
        self.cols = np.arange(self.width, dtype=np.float64)[None, :] + 0.5

    def noise(self, grain_px: float, grain_across_px: float | None = None) -> Field:
        """(H, W) Gaussian noise of mean 0 and variance 1, smooth over grain_px down a column and grain_across_px along a row."""
        down = _bumps(self.height, grain_px)
        across = _bumps(self.width, grain_across_px or grain_px)
        heights = self.rng.standard_normal((across.shape[1], down.shape[1]))
        return down @ (across @ heights).T

    def wave(self, grain_px: float) -> Field:
        """(1, W) smooth noise of mean 0 and variance 1 that varies from column to column."""
        bumps = _bumps(self.width, grain_px)
        return (bumps @ self.rng.standard_normal(bumps.shape[1]))[None, :]

    def blob(self, row: float, col: float, radius_px: float, stretch: float = 1.0, roughness: float = 0.0) -> Field:
        """Depth in px below a star-shaped outline: positive inside, 0 on it, negative outside.

        stretch is the ratio of the long to the short axis (random direction, same area); roughness the relative size of
        the outline's waves (0.1 lobulated, 0.3 ragged).
        """
        turn = self.rng.uniform(0, np.pi)
        down, right = self.rows - row, self.cols - col
        along = (right * np.cos(turn) + down * np.sin(turn)) / stretch**0.5
        across = (down * np.cos(turn) - right * np.sin(turn)) * stretch**0.5
        reach = np.sqrt(along**2 + across**2)
        bearing = (along + 1j * across) / np.maximum(reach, 1e-9)  # unit vectors: their powers are the waves, without cosines
        outline, wave = np.ones(self.shape), bearing
        for waves, phase in enumerate(self.rng.uniform(0, 2 * np.pi, 5), start=2):
            wave = wave * bearing
            outline += roughness * 1.5 / waves * (wave.real * np.cos(phase) - wave.imag * np.sin(phase))
        return radius_px * np.maximum(outline, 0.35) - reach

    def ellipse(self, row: float, col: float, semi_rows: float, semi_cols: float, tilt: float = 0.0) -> Field:
        """Depth in px below an ellipse, measured along the ray from its centre; tilt in radians turns it clockwise."""
        down, right = self.rows - row, self.cols - col
        across = right * np.cos(tilt) + down * np.sin(tilt)
        along = down * np.cos(tilt) - right * np.sin(tilt)
        reach = np.sqrt(along**2 + across**2)
        return reach / np.sqrt((along / semi_rows) ** 2 + (across / semi_cols) ** 2 + 1e-18) - reach

    def curve(self, row: float, col: float, heading: float, length_px: float, bend: float = 0.0) -> Path:
        """A path from a point in direction `heading` (radians, 0 to the right, clockwise) that turns by `bend` on its way."""
        steps = max(int(length_px / PATH_STEP_PX), 2)
        headings = heading + bend * np.linspace(0, 1, steps)
        return np.cumsum([np.sin(headings), np.cos(headings)], axis=1).T * PATH_STEP_PX + (row, col)

    def strokes(self, paths: Iterable[Path], sigma_px: float) -> Field:
        """(H, W) coverage in [0, 1] of lines with a Gaussian cross-section; 0 far from every path."""
        points = np.floor(np.concatenate([np.empty((0, 2)), *paths])).astype(int)
        inside = ((points >= 0) & (points < self.shape)).all(axis=1)
        hits = np.zeros(self.shape)
        np.add.at(hits, tuple(points[inside].T), PATH_STEP_PX)
        return np.minimum(ndimage.gaussian_filter(hits, sigma_px, truncate=3) * sigma_px * (2 * np.pi) ** 0.5, 1)

    def sprinkle(self, where: Mask, count: int) -> list[tuple[float, float]]:
        """Up to `count` points (row, col) spread at random over the True pixels; none if there are none."""
        candidates = np.flatnonzero(where)
        if candidates.size == 0:
            return []
        rows, cols = np.unravel_index(self.rng.choice(candidates, count), self.shape)
        return [(float(row) + 0.5, float(col) + 0.5) for row, col in zip(rows, cols, strict=True)]


def soft(depth: Field, edge_px: float = 0.7) -> Field:
    """Coverage in [0, 1] of a depth field: 0.5 exactly on the outline, fading over about edge_px on both sides."""
    return 0.5 + 0.5 * np.tanh(depth / (2 * edge_px))


def union(*depths: Field, blend_px: float = 0.0) -> Field:
    """Depth inside any of several outlines; blend_px rounds the corners where they meet."""
    if blend_px == 0:
        return reduce(np.maximum, depths)
    return blend_px * reduce(np.logaddexp, [depth / blend_px for depth in depths])


def over(image: Field, coverage: Field, paint: ArrayLike) -> Field:
    """Blend paint over the image with the given coverage in [0, 1]; paint is a level, a colour (3,) or an image."""
    alpha = coverage[..., None] if image.ndim == 3 else coverage
    return image + alpha * (np.asarray(paint) - image)


@lru_cache(maxsize=256)
def _bumps(length: int, grain_px: float) -> sparse.csr_array:
    """(length, K) weights of Gaussian bumps grain_px apart, scaled so that independent unit heights add to unit variance.

    Sparse, because a dense product would use a threaded BLAS, which is slow on a busy machine and sums in varying order.
    """
    centres = np.arange(-4, length / grain_px + 5)
    offset = np.arange(length)[:, None] / grain_px - centres[None, :]
    weights = np.where(np.abs(offset) < 4, np.exp(-0.5 * offset**2), 0)
    return sparse.csr_array(weights / np.sqrt((weights**2).sum(axis=1, keepdims=True)))
