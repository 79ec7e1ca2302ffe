"""Empty-truth policies: how an image without foreground scores. Published numbers differ in it, so metric names state it."""

from __future__ import annotations

from enum import StrEnum
from math import nan

POLICY_METRICS = ("dice@0.5", "iou@0.5", "mdice_pranet", "miou_pranet")  # reported under every policy


class EmptyTruth(StrEnum):
    """The score of an image whose truth is empty. The value is the suffix of the metric's name; the default has none."""

    EXCLUDED = ""  # NaN: left out of the mean and counted
    ZERO = "[empty=0]"  # PraNet's evaluation code, PRS-Med and CG-Reasoner
    AGREEMENT = "[empty=1]"  # 1 if nothing is predicted either, else 0: many challenges, MONAI's ignore_empty=False

    def value_of(self, prediction_is_empty: bool) -> float:
        """The score of an empty truth."""
        if self is EmptyTruth.EXCLUDED:
            return nan
        return float(self is EmptyTruth.AGREEMENT and prediction_is_empty)


def policies(name: str, value: float, truth_is_empty: bool, prediction_is_empty: bool) -> dict[str, float]:
    """A metric's value under the name of each policy. Unless the truth is empty, all have the same value."""
    return {f"{name}{rule}": rule.value_of(prediction_is_empty) if truth_is_empty else value for rule in EmptyTruth}
