"""S-measure: object and region similarity of the 8-bit map and the truth (Fan et al. 2017, as in PraNet's code).

Half the score compares grey levels inside and outside the truth, half compares the four rectangles that meet at the truth's
centroid. All sums are integers, so the variance of a constant rectangle is exactly 0.
"""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray
from prsbench.metrics.mask.counts import GREY_LEVELS, histograms

EPSILON = float(np.finfo(np.float64).eps)  # in every denominator, as in the official code
_LEVELS = np.arange(GREY_LEVELS)
_WHITE = GREY_LEVELS - 1


def s_measure(grey: NDArray[np.uint8], truth: NDArray[np.bool_], *, as_official: bool = False) -> float:
    """S-measure of one image, in [0, 1].

    Args:
        grey: (H, W) 8-bit map.
        truth: (H, W) bool.
        as_official: an empty truth scores 1 minus the map's mean, and a truth whose centroid rounds to row or column 0 is NaN
            (a rectangle of no pixels has no mean). By default an empty truth is NaN and such a rectangle has no weight.
    """
    histograms = _histograms_by_rectangle(grey, truth)  # (4 rectangles, outside and inside, 256)
    outside, inside = histograms.sum(axis=0)
    n_true, n = int(inside.sum()), truth.size
    mean_grey = float((outside + inside) @ _LEVELS) / (n * _WHITE)
    if n_true == 0:
        return 1 - mean_grey if as_official else nan
    if n_true == n:
        return mean_grey
    share = n_true / n
    by_object = share * _object_similarity(inside) + (1 - share) * _object_similarity(outside[::-1])
    by_region = 0.0
    for rectangle in histograms:
        n_pixels = int(rectangle.sum())
        if n_pixels or as_official:
            by_region += n_pixels / n * _similarity(rectangle)
    score = (by_object + by_region) / 2
    return score if score != score else max(score, 0.0)


def _histograms_by_rectangle(grey: NDArray[np.uint8], truth: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(4, 2, 256) pixels per grey level of each rectangle around the truth's centroid, outside and inside the truth."""
    row, col = _centroid_index(truth)
    by_rectangle = []
    for rows in (slice(None, row), slice(row, None)):
        for cols in (slice(None, col), slice(col, None)):
            inside, outside = histograms(grey[rows, cols], truth[rows, cols])
            by_rectangle.append((outside, inside))
    return np.array(by_rectangle)


def _centroid_index(truth: NDArray[np.bool_]) -> tuple[int, int]:
    """Row and column where the rectangles meet: the mean pixel index, rounded half to even."""
    as_number = truth.view(np.uint8)
    per_row, per_col = (as_number.sum(axis=axis, dtype=np.uint32).astype(np.int64) for axis in (1, 0))
    total = max(int(per_row.sum()), 1)
    row, col = float(per_row @ np.arange(per_row.size)) / total, float(per_col @ np.arange(per_col.size)) / total
    return int(np.round(row)), int(np.round(col))


def _object_similarity(histogram: NDArray[np.int64]) -> float:
    """2 mean / (mean^2 + 1 + standard deviation) of one side's values."""
    n, total, squares = _moments(histogram)
    mean, deviation = total / n / _WHITE, sqrt(n * squares - total * total) / n / _WHITE
    return 2 * mean / (mean * mean + 1 + deviation + EPSILON)


def _similarity(rectangle: NDArray[np.int64]) -> float:
    """SSIM-like similarity in one rectangle of (outside, inside) histograms; 1 if map and truth are constant, NaN if empty."""
    n, total, squares = _moments(rectangle.sum(axis=0))
    if n == 0:
        return nan
    n_true, _, _ = _moments(rectangle[1])
    product = int(rectangle[1] @ _LEVELS)
    freedom = n * (n - 1 + EPSILON)
    x, y = total / n / _WHITE, n_true / n
    variance_x, variance_y = (n * squares - total * total) / freedom / _WHITE**2, (n * n_true - n_true * n_true) / freedom
    covariance = (n * product - total * n_true) / freedom / _WHITE
    alpha, beta = 4 * x * y * covariance, (x * x + y * y) * (variance_x + variance_y)
    if alpha != 0:
        return alpha / (beta + EPSILON)
    return 1.0 if beta == 0 else 0.0


def _moments(histogram: NDArray[np.int64]) -> tuple[int, int, int]:
    """Number of pixels, sum and sum of squares of their levels; Python integers, which do not overflow."""
    return int(histogram.sum()), int(histogram @ _LEVELS), int(histogram @ _LEVELS**2)
