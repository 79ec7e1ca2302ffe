"""mDice and mIoU by PraNet's protocol, which PRS-Med uses: the mean over 256 thresholds of the 8-bit map.

At threshold 0 every pixel is foreground, so a hard mask of Dice D over a lesion of area fraction a scores
(255 D + 2a / (1 + a)) / 256, and a perfect mask about 0.996.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.records import Counts, Histogram
from prsbench.metrics.mask.counts import GREY_LEVELS

Curve = NDArray[np.float64]  # (256,) one value per threshold, from 1 down to 0

_LEVELS = np.arange(GREY_LEVELS)
THRESHOLDS = np.linspace(1, 0, GREY_LEVELS)
# The darkest grey level that passes each threshold. Not simply 255 - k: level / 255 misses "its own" float threshold by one
# ulp for 66 of the 256 levels, and the published numbers contain that.
DARKEST_PASSING = np.searchsorted(_LEVELS / 255, THRESHOLDS, side="left")


@dataclass(frozen=True, slots=True)
class ThresholdCounts:
    """Pixel counts of one map at each of `THRESHOLDS`: (256,) true positives and predicted pixels, and the two constants."""

    tp: NDArray[np.int64]
    predicted: NDArray[np.int64]
    n_true: int
    n_pixels: int


def threshold_counts(counts: Counts, *, stretched: bool = True) -> ThresholdCounts:
    """The counts at each threshold, of the official min-max stretched map or of the raw one."""
    if stretched:
        inside, outside = counts.stretched_inside, counts.stretched_outside
    else:
        inside, outside = counts.raw_inside, counts.raw_outside
    tp, fp = _passing(np.stack([inside, outside]))
    n_true = counts.tp + counts.fn
    return ThresholdCounts(tp, tp + fp, n_true, n_true + counts.fp + counts.tn)


def dice_curve(at: ThresholdCounts) -> Curve:
    """Dice at each threshold; 0 wherever the intersection is empty, as in the official code, and so for an empty truth."""
    dice: Curve = 2 * at.tp / np.maximum(at.predicted + at.n_true, 1)  # a denominator of 0 implies an empty intersection
    return dice


def iou_curve(at: ThresholdCounts) -> Curve:
    """IoU at each threshold; 0 wherever the intersection is empty, as in the official code, and so for an empty truth."""
    iou: Curve = at.tp / np.maximum(at.predicted + at.n_true - at.tp, 1)
    return iou


def sensitivity_curve(at: ThresholdCounts) -> Curve:
    """Share of the truth that is predicted, at each threshold. Empty truth: 0, as in the official code."""
    return at.tp / max(at.n_true, 1)


def specificity_curve(at: ThresholdCounts) -> Curve:
    """Share of the background that is not predicted, at each threshold.

    As in the official code, 0 wherever the intersection is empty: a correct empty prediction scores 0, and so does every
    threshold that misses the lesion. NaN where the truth has no background. `specificity@0.5` is specificity without this rule.
    """
    n_background = at.n_pixels - at.n_true
    with np.errstate(invalid="ignore"):
        share = (n_background - (at.predicted - at.tp)) / np.float64(n_background)
    return np.where(at.tp == 0, 0.0, share)


def mean_absolute_error(counts: Counts, *, stretched: bool = True) -> float:
    """Mean absolute difference of the 8-bit map / 255 and the truth, in [0, 1]; also defined for an empty truth."""
    inside = counts.stretched_inside if stretched else counts.raw_inside
    outside = counts.stretched_outside if stretched else counts.raw_outside
    total = int(inside @ _LEVELS[::-1]) + int(outside @ _LEVELS)
    return total / (255 * (counts.tp + counts.fp + counts.fn + counts.tn))


def _passing(histogram: Histogram) -> NDArray[np.int64]:
    """Pixels at or above each threshold, along the last axis."""
    at_or_above = np.zeros((*histogram.shape[:-1], GREY_LEVELS + 1), np.int64)
    at_or_above[..., :-1] = np.cumsum(histogram[..., ::-1], axis=-1)[..., ::-1]
    return at_or_above[..., DARKEST_PASSING]
