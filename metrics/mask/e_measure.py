"""E-measure: enhanced alignment of the thresholded map with the truth (Fan et al. 2018; PraNet's code), from counts alone.

At one threshold a pixel's alignment depends only on whether it is predicted and whether it is true, so four counts are enough.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from prsbench.metrics.mask.pranet import Curve, ThresholdCounts
from prsbench.metrics.mask.s_measure import EPSILON


def e_measure_curve(at: ThresholdCounts, *, as_official: bool = False) -> Curve:
    """E-measure at each threshold, in [0, 1].

    Args:
        at: pixel counts at each threshold.
        as_official: divide by the number of pixels minus 1, which lets a perfect map exceed 1 (1.00006 at 128 x 128), and
            score an empty truth by its share of background. By default the score is the mean, and NaN for an empty truth.
    """
    n, n_true = at.n_pixels, at.n_true
    if n_true == 0 and not as_official:
        return np.full(at.predicted.shape, np.nan)
    total: NDArray[np.int64] | NDArray[np.float64]
    if n_true == 0:
        total = n - at.predicted
    elif n_true == n:
        total = at.predicted
    else:
        total = _aligned(at)
    return total / ((n - 1 + EPSILON) if as_official else n)


def _aligned(at: ThresholdCounts) -> NDArray[np.float64]:
    """Sum over pixels of (alignment + 1)^2 / 4; alignment is 2ab / (a^2 + b^2) of the centred prediction and truth."""
    n, tp = at.n_pixels, at.tp
    mean_predicted, mean_true = at.predicted / n, at.n_true / n
    fp, fn = at.predicted - tp, at.n_true - tp
    pixels = {(1, 1): tp, (1, 0): fp, (0, 1): fn, (0, 0): n - tp - fp - fn}
    total = np.zeros(tp.shape)
    for (is_predicted, is_true), count in pixels.items():
        a, b = is_predicted - mean_predicted, is_true - mean_true
        total += count * (2 * a * b / (a * a + b * b + EPSILON) + 1) ** 2 / 4
    return total
