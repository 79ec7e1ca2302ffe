"""Weighted F-measure: errors far from the truth weigh more, errors that their neighbours make up for weigh less.

Margolin et al. 2014, with beta = 1 and the border rule of PraNet's code. Only the smallest rectangle that holds the truth and
every pixel of the map above 0 is looked at: outside it nothing is predicted and nothing is wrong.
"""

from __future__ import annotations

from math import log, nan

import numpy as np
from numpy.typing import NDArray
from prsbench.metrics.structure import EPSILON
from scipy import ndimage

_REACH_PX = 3  # the neighbourhood is 7 x 7
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
    window = _window(truth | (grey > 0))
    grey, truth = grey[window], truth[window]
    value = grey / 255
    error = np.where(truth, 1 - value, value)
    inside = np.minimum(error[truth], _eased(error, truth))
    distance = ndimage.distance_transform_edt(~truth)[~truth]
    outside = error[~truth] * (2 - np.exp(log(0.5) / _HALF_WEIGHT_PX * distance))
    n_true, false = float(inside.size), float(outside.sum())
    found = n_true - float(inside.sum())
    recall, precision = 1 - float(inside.mean()), found / (found + false + EPSILON)
    return 2 * recall * precision / (recall + precision + EPSILON)


def _eased(error: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each true pixel, in order: the Gaussian mean of the error over 7 x 7.

    Pixels off the truth lend the error of the nearest true pixel.
    """
    window = _window(truth)
    error, truth = error[window], truth[window]
    rows, cols = ndimage.distance_transform_edt(~truth, return_distances=False, return_indices=True)
    smooth = error[rows, cols]
    for axis in (0, 1):
        smooth = ndimage.correlate1d(smooth, _KERNEL, axis=axis, mode="nearest")
    return smooth[truth]


def _window(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The mask's bounding box, wider by the neighbourhood's reach where the image goes on."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(int(rows[0]) - _REACH_PX, 0), int(rows[-1]) + 1 + _REACH_PX),
        slice(max(int(cols[0]) - _REACH_PX, 0), int(cols[-1]) + 1 + _REACH_PX),
    )
