"""mDice and mIoU by PraNet's protocol, which PRS-Med uses: the mean over 256 thresholds of the 8-bit map.

At threshold 0 every pixel is foreground, so a hard mask of Dice D over a lesion of area fraction a scores
(255 D + 2a / (1 + a)) / 256, and a perfect mask about 0.996.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import nan

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


def curves(counts: Counts, *, stretched: bool = True) -> tuple[Curve, Curve]:
    """Dice and IoU at each of `THRESHOLDS`, of the official min-max stretched map or of the raw one.

    0 wherever the intersection is empty, as in the official code; so an empty truth gives 0 at every threshold.
    """
    at = threshold_counts(counts, stretched=stretched)
    # Where a denominator is 0, so is the intersection, and the official code gives 0.
    dice = 2 * at.tp / np.maximum(at.predicted + at.n_true, 1)
    iou = at.tp / np.maximum(at.predicted + at.n_true - at.tp, 1)
    return dice, iou


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


def mdice_pranet(counts: Counts) -> float:
    """mDice of one image by the official protocol, in [0, 1]. Empty truth: NaN (official code: 0; see `dataset_curves`)."""
    return _mean(counts, curves(counts)[0])


def miou_pranet(counts: Counts) -> float:
    """mIoU of one image by the official protocol, in [0, 1]. Empty truth: NaN."""
    return _mean(counts, curves(counts)[1])


def mdice_raw(counts: Counts) -> float:
    """mDice without the per-image stretch, which would repair an uncalibrated map. Empty truth: NaN."""
    return _mean(counts, curves(counts, stretched=False)[0])


def miou_raw(counts: Counts) -> float:
    """mIoU without the per-image stretch. Empty truth: NaN."""
    return _mean(counts, curves(counts, stretched=False)[1])


def dataset_curves(samples: Iterable[Counts], *, empty_truths_score_zero: bool = False) -> tuple[Curve, Curve]:
    """Dice and IoU per threshold, averaged over images; their maxima are maxDice and maxIoU (one threshold for all images).

    Args:
        samples: counts of the images of one data set.
        empty_truths_score_zero: average images without foreground as 0, as in the official code; by default, exclude them.

    Returns:
        Two (256,) curves, all NaN if no image is left.
    """
    scored = [curves(counts) for counts in samples if empty_truths_score_zero or counts.tp + counts.fn]
    if not scored:
        return np.full(GREY_LEVELS, nan), np.full(GREY_LEVELS, nan)
    dice, iou = zip(*scored, strict=True)
    return np.mean(dice, axis=0), np.mean(iou, axis=0)


def _passing(histogram: Histogram) -> NDArray[np.int64]:
    """Pixels at or above each threshold, along the last axis."""
    at_or_above = np.zeros((*histogram.shape[:-1], GREY_LEVELS + 1), np.int64)
    at_or_above[..., :-1] = np.cumsum(histogram[..., ::-1], axis=-1)[..., ::-1]
    return at_or_above[..., DARKEST_PASSING]


def _mean(counts: Counts, curve: Curve) -> float:
    return float(curve.mean()) if counts.tp + counts.fn else nan
