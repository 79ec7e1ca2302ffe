"""Weighted F-measure: errors far from the truth weigh more, errors that neighbouring pixels make up for weigh less.

Margolin et al. 2014, with beta = 1 and the border rule of PraNet's code. Pixels outside the truth where the map is 0 are
skipped, because their error is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray
from prsbench.metrics.mask.s_measure import EPSILON
from scipy import ndimage

_REACH_PX = 3  # the neighbourhood is 7 x 7
_FULL_WEIGHT_PX = 180  # from this distance on, 2 - 0.5^(distance / 5) is 2 to within 1e-11
_HALF_WEIGHT_PX = 5  # over this distance the weight of a false pixel comes half as close to its limit of 2
_KERNEL = np.exp(-(np.arange(-_REACH_PX, _REACH_PX + 1) ** 2) / (2 * 5.0**2))
_KERNEL /= _KERNEL.sum()
_LIGHTER = np.exp2(-np.sqrt(np.arange(_FULL_WEIGHT_PX**2 + 1)) / _HALF_WEIGHT_PX)  # 0.5^(distance / 5) by the squared distance
_LIGHTER[-1] = 0.0  # at this distance and beyond

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Surroundings:
    """The part of weighted F that depends on the truth alone, shared by several maps of one image.

    window is the part of the image that is evaluated, near the part of window within 3 px of the truth's bounding box. rows and
    cols hold, for each pixel of near, the position in window of its nearest true pixel. lighter holds, for each pixel of
    window, 0.5^(distance to the truth / 5 px).
    """

    window: Window
    near: Window
    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    lighter: NDArray[np.float64]

    @classmethod
    def of(cls, truth: NDArray[np.bool_], shown: NDArray[np.bool_]) -> Surroundings:
        """Compute the surroundings of `truth`, (H, W) bool and not empty, for maps that are 0 outside `shown`, (H, W) bool."""
        around = _window(truth, _FULL_WEIGHT_PX)
        within = _window(truth[around] | shown[around], _REACH_PX)
        down, across = (slice(a.start + b.start, a.start + b.stop) for a, b in zip(around, within, strict=True))
        window = down, across
        truth = truth[window]
        near = _window(truth, _REACH_PX)
        nearest = ndimage.distance_transform_edt(~truth, return_distances=False, return_indices=True)
        rows, cols = nearest[:, *near].copy()
        for axis, size in enumerate(truth.shape):  # in place: new memory costs more than arithmetic
            nearest[axis] -= np.arange(size, dtype=np.int32).reshape((-1, 1) if axis == 0 else (1, -1))
        np.square(nearest, out=nearest)
        return cls(window, near, rows, cols, _LIGHTER.take(nearest[0] + nearest[1], mode="clip"))


def weighted_f(grey: NDArray[np.uint8], truth: NDArray[np.bool_], around: Surroundings | None = None) -> float:
    """Weighted F of one image, in [0, 1]. Empty truth: NaN, as in the official code (it averages over the truth). Empty map: 0.

    Args:
        grey: (H, W) 8-bit map.
        truth: (H, W) bool.
        around: the truth's surroundings, if already computed with a `shown` that covers this map.
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
    hits = n_true - float(inside.sum())
    recall, precision = 1 - float(inside.mean()), hits / (hits + false + EPSILON)
    return 2 * recall * precision / (recall + precision + EPSILON)


def _eased(grey: NDArray[np.uint8], truth: NDArray[np.bool_], around: Surroundings) -> NDArray[np.float64]:
    """Gaussian mean over 7 x 7 of the error at each true pixel, in raster order.

    Pixels outside the truth take the error of the nearest true pixel.
    """
    smooth = 1 - grey[around.rows, around.cols] / 255
    for axis in (0, 1):
        smooth = ndimage.correlate1d(smooth, _KERNEL, axis=axis, mode="nearest")
    return smooth[truth[around.near]]


def _window(mask: NDArray[np.bool_], reach_px: int) -> Window:
    """The mask's bounding box, widened by reach_px within the image."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(int(rows[0]) - reach_px, 0), int(rows[-1]) + 1 + reach_px),
        slice(max(int(cols[0]) - reach_px, 0), int(cols[-1]) + 1 + reach_px),
    )
