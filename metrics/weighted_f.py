"""Weighted F-measure: errors far from the truth weigh more, errors that their neighbours make up for weigh less.

Margolin et al. 2014, with beta = 1 and the border rule of PraNet's code. Pixels of the map that are 0 off the truth are not
looked at: nothing is predicted there and nothing is wrong.
"""

from __future__ import annotations

from math import nan

import numpy as np
from numpy.typing import NDArray
from prsbench.metrics.structure import EPSILON
from scipy import ndimage

Nearest = NDArray[np.int32]  # (2, H, W) row and column of the nearest true pixel

_REACH_PX = 3  # the neighbourhood is 7 x 7
_FULL_WEIGHT_PX = 265  # from here on 2 - 0.5^(distance / 5) is 2 in double precision
_HALF_WEIGHT_PX = 5  # the extra weight of a false pixel halves its distance to 1 every so many pixels
_KERNEL = np.exp(-(np.arange(-_REACH_PX, _REACH_PX + 1) ** 2) / (2 * 5.0**2))
_KERNEL /= _KERNEL.sum()


def weighted_f(grey: NDArray[np.uint8], truth: NDArray[np.bool_]) -> float:
    """Weighted F of one image, in [0, 1]. Empty truth: NaN, also as published (it is a mean over the truth). Empty map: 0.

    Args:
        grey: (H, W) 8-bit map.
        truth: (H, W) bool.
    """
    if not truth.any():
        return nan
    around = _window(truth, _FULL_WEIGHT_PX)
    false = 2 * (int(grey.sum(dtype=np.int64)) - int(grey[around].sum(dtype=np.int64))) / 255  # far off: weight 2, no truth
    grey, truth = grey[around], truth[around]
    window = _window(truth | (grey > 0), _REACH_PX)
    grey, truth = grey[window], truth[window]
    nearest = ndimage.distance_transform_edt(~truth, return_distances=False, return_indices=True)
    inside = np.minimum(1 - grey[truth] / 255, _eased(grey, truth, nearest))
    false += _weighted_false(grey, truth, nearest)
    n_true = float(inside.size)
    found = n_true - float(inside.sum())
    recall, precision = 1 - float(inside.mean()), found / (found + false + EPSILON)
    return 2 * recall * precision / (recall + precision + EPSILON)


def _weighted_false(grey: NDArray[np.uint8], truth: NDArray[np.bool_], nearest: Nearest) -> float:
    """Sum over the pixels off the truth of their value times 2 - 0.5^(distance to the truth / 5 px)."""
    rows, cols = np.nonzero((grey > 0) & ~truth)
    row_gap, col_gap = nearest[0][rows, cols] - rows, nearest[1][rows, cols] - cols
    distance_px = np.sqrt(row_gap * row_gap + col_gap * col_gap)
    return float((grey[rows, cols] / 255 * (2 - np.exp2(-distance_px / _HALF_WEIGHT_PX))).sum())


def _eased(grey: NDArray[np.uint8], truth: NDArray[np.bool_], nearest: Nearest) -> NDArray[np.float64]:
    """Of each true pixel, in order: the Gaussian mean of the error over 7 x 7.

    Pixels off the truth lend the error of the nearest true pixel.
    """
    window = _window(truth, _REACH_PX)
    rows, cols = nearest[:, *window]
    smooth = 1 - grey[rows, cols] / 255
    for axis in (0, 1):
        smooth = ndimage.correlate1d(smooth, _KERNEL, axis=axis, mode="nearest")
    return smooth[truth[window]]


def _window(mask: NDArray[np.bool_], reach_px: int) -> tuple[slice, slice]:
    """The mask's bounding box, wider by the reach where the image goes on."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(int(rows[0]) - reach_px, 0), int(rows[-1]) + 1 + reach_px),
        slice(max(int(cols[0]) - reach_px, 0), int(cols[-1]) + 1 + reach_px),
    )
