"""Weighted F-measure: errors far from the truth weigh more, errors that their neighbours make up for weigh less.

Margolin et al. 2014, with beta = 1 and the border rule of PraNet's code. Pixels of the map that are 0 off the truth are not
looked at: nothing is predicted there and nothing is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray
from prsbench.metrics.structure import EPSILON
from scipy import ndimage

_REACH_PX = 3  # the neighbourhood is 7 x 7
_FULL_WEIGHT_PX = 180  # from here on 2 - 0.5^(distance / 5) is 2, short of it by 1e-11
_HALF_WEIGHT_PX = 5  # the extra weight of a false pixel halves its distance to 1 every so many pixels
_KERNEL = np.exp(-(np.arange(-_REACH_PX, _REACH_PX + 1) ** 2) / (2 * 5.0**2))
_KERNEL /= _KERNEL.sum()
_LIGHTER = np.exp2(-np.sqrt(np.arange(_FULL_WEIGHT_PX**2 + 1)) / _HALF_WEIGHT_PX)  # 0.5^(distance / 5) by the squared distance
_LIGHTER[-1] = 0.0  # this far and farther

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Surroundings:
    """What weighted F needs of a truth alone, so that several maps of one image share it.

    window is the part of the image that is looked at, near the part of that within 3 px of the truth's box. rows and cols give
    each pixel of near its nearest true pixel in window, lighter each pixel of window its 0.5^(distance to the truth / 5 px).
    """

    window: Window
    near: Window
    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    lighter: NDArray[np.float64]

    @classmethod
    def of(cls, truth: NDArray[np.bool_], shown: NDArray[np.bool_]) -> Surroundings:
        """Args:
        truth: (H, W) bool, not empty.
        shown: (H, W) bool, where any of the maps is above 0.
        """
        around = _window(truth, _FULL_WEIGHT_PX)
        within = _window(truth[around] | shown[around], _REACH_PX)
        window = tuple(slice(a.start + b.start, a.start + b.stop) for a, b in zip(around, within, strict=True))
        truth = truth[window]
        near = _window(truth, _REACH_PX)
        nearest = ndimage.distance_transform_edt(~truth, return_distances=False, return_indices=True)
        rows, cols = nearest[:, *near].copy()
        for axis, size in enumerate(truth.shape):  # in place: new memory costs more than arithmetic
            nearest[axis] -= np.arange(size, dtype=np.int32).reshape((-1, 1) if axis == 0 else (1, -1))
        np.square(nearest, out=nearest)
        return cls(window, near, rows, cols, _LIGHTER.take(nearest[0] + nearest[1], mode="clip"))


def weighted_f(grey: NDArray[np.uint8], truth: NDArray[np.bool_], around: Surroundings | None = None) -> float:
    """Weighted F of one image, in [0, 1]. Empty truth: NaN, also as published (it is a mean over the truth). Empty map: 0.

    Args:
        grey: (H, W) 8-bit map.
        truth: (H, W) bool.
        around: the truth's surroundings, with this map among those shown, if they are known already.
    """
    if not truth.any():
        return nan
    around = around or Surroundings.of(truth, grey > 0)
    grey_total = int(grey.sum(dtype=np.int64))
    grey, truth = grey[around.window], truth[around.window]
    off_truth = np.where(truth, np.uint8(0), grey).astype(np.float64)
    lighter = float(np.einsum("ij,ij->", around.lighter, off_truth))  # not BLAS, whose sums depend on threads
    inside = np.minimum(1 - grey[truth] / 255, _eased(grey, truth, around))
    n_true = float(inside.size)
    grey_inside = int(grey[truth].sum(dtype=np.int64))
    false = (2 * (grey_total - grey_inside) - lighter) / 255
    found = n_true - float(inside.sum())
    recall, precision = 1 - float(inside.mean()), found / (found + false + EPSILON)
    return 2 * recall * precision / (recall + precision + EPSILON)


def _eased(grey: NDArray[np.uint8], truth: NDArray[np.bool_], around: Surroundings) -> NDArray[np.float64]:
    """Of each true pixel, in order: the Gaussian mean of the error over 7 x 7.

    Pixels off the truth lend the error of the nearest true pixel.
    """
    smooth = 1 - grey[around.rows, around.cols] / 255
    for axis in (0, 1):
        smooth = ndimage.correlate1d(smooth, _KERNEL, axis=axis, mode="nearest")
    return smooth[truth[around.near]]


def _window(mask: NDArray[np.bool_], reach_px: int) -> Window:
    """The mask's bounding box, wider by the reach where the image goes on."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(int(rows[0]) - reach_px, 0), int(rows[-1]) + 1 + reach_px),
        slice(max(int(cols[0]) - reach_px, 0), int(cols[-1]) + 1 + reach_px),
    )
