"""Geometry of an image: the image frame, centroids, boxes and points. Pixel (row, col) covers [col, col + 1] x [row, row + 1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.types import Box, Point
from scipy import ndimage

MAX_DISTANCE = 2 * 2**0.5  # corner to corner of the frame


def to_frame(col_px: float, row_px: float, shape: tuple[int, int]) -> Point:
    """Pixel coordinates (edges, not indices) to the image frame; shape is (H, W)."""
    height, width = shape
    return Point(x=2 * col_px / width - 1, y=2 * row_px / height - 1)


def centroid(mask: NDArray[np.bool_]) -> Point | None:
    """Centre of mass of the foreground, in the image frame.

    Args:
        mask: (H, W) bool.

    Returns:
        The point, or None if the mask has no foreground (a centroid of nothing is not (0, 0)).

    Example:
        >>> centroid(np.array([[True, False], [False, False]]))
        Point(x=-0.5, y=-0.5)
    """
    per_row, per_col = mask.sum(axis=1), mask.sum(axis=0)
    area = int(per_row.sum())
    if area == 0:
        return None
    col = float(per_col @ (np.arange(mask.shape[1]) + 0.5)) / area
    row = float(per_row @ (np.arange(mask.shape[0]) + 0.5)) / area
    return to_frame(col, row, (mask.shape[0], mask.shape[1]))


def tight_box(mask: NDArray[np.bool_]) -> Box | None:
    """Smallest box around the foreground, or None if the mask is empty."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    return Box(left=int(cols[0]), top=int(rows[0]), right=int(cols[-1]) + 1, bottom=int(rows[-1]) + 1)


def innermost_point(mask: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Centre (x, y in pixels) of the foreground pixel farthest from the background and the image's edge; None if there is none.

    Ties go to the first in reading order. A centroid would not do: the centroid of a ring lies outside the ring.
    """
    if not mask.any():
        return None
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, col = np.unravel_index(int(depth.argmax()), mask.shape)
    return float(col) + 0.5, float(row) + 0.5


def jittered_box(box: Box, shape: tuple[int, int], fraction: float, rng: np.random.Generator) -> Box:
    """The box with each edge moved at random (uniform) by up to `fraction` of its side, inside the image and never empty."""
    height, width = shape
    limit = np.array([box.right - box.left, box.bottom - box.top] * 2) * fraction
    edges = np.array([box.left, box.top, box.right, box.bottom]) + rng.uniform(-limit, limit)
    left, top, right, bottom = np.rint(edges).astype(int)
    left, top = int(np.clip(left, 0, width - 1)), int(np.clip(top, 0, height - 1))
    return Box(left, top, int(np.clip(right, left + 1, width)), int(np.clip(bottom, top + 1, height)))
