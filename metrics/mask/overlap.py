"""Dice, IoU, sensitivity and specificity of the mask at probability >= 0.5: no stretch, no threshold sweep."""

from __future__ import annotations

from math import nan

from prsbench.harness.contract.records import Counts


def dice_at_half(counts: Counts) -> float:
    """Dice in [0, 1]. Empty prediction: 0.0. Empty truth: NaN, for there is nothing to overlap with."""
    n_true = counts.tp + counts.fn
    return 2 * counts.tp / (n_true + counts.tp + counts.fp) if n_true else nan


def iou_at_half(counts: Counts) -> float:
    """Intersection over union in [0, 1]. Empty prediction: 0.0. Empty truth: NaN."""
    n_true = counts.tp + counts.fn
    return counts.tp / (n_true + counts.fp) if n_true else nan


def sensitivity_at_half(counts: Counts) -> float:
    """Share of the truth that is predicted, in [0, 1]. Empty truth: NaN."""
    n_true = counts.tp + counts.fn
    return counts.tp / n_true if n_true else nan


def specificity_at_half(counts: Counts) -> float:
    """Share of the background that is not predicted, in [0, 1]. No background: NaN."""
    n_background = counts.tn + counts.fp
    return counts.tn / n_background if n_background else nan
