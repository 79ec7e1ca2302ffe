"""What each column of a table means. Read by tables and by `list metrics`; loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

_NO_TRUTH = "Empty truth: not defined, left out of the mean and counted."
_PRANET = "256 thresholds over the 8-bit map, mean over thresholds"
_HALF = "probability >= 0.5, no stretch"
_HALF_EMPTY = f"Empty prediction: 0. {_NO_TRUTH}"
_PUBLISHED = "PraNet; PRS-Med; CG-Reasoner"
_PRSCORE_EMPTY = f"No text: 0. {_NO_TRUTH}"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name in records, its title in tables, and what a reader must know to compare it.

    higher_is_better is None for a share that only says how to read the others.
    """

    name: str
    title: str
    higher_is_better: bool | None
    range: tuple[float, float]
    protocol: str
    empty_policy: str
    source: str


_ALL = (
    Metric("dice@0.5", "Dice@0.5", True, (0, 1), _HALF, _HALF_EMPTY, "standard"),
    Metric("iou@0.5", "IoU@0.5", True, (0, 1), _HALF, _HALF_EMPTY, "standard"),
    Metric("mdice_pranet", "mDice", True, (0, 1), f"per-image min-max stretch, {_PRANET}", _NO_TRUTH, _PUBLISHED),
    Metric("miou_pranet", "mIoU", True, (0, 1), f"per-image min-max stretch, {_PRANET}", _NO_TRUTH, _PUBLISHED),
    Metric("mdice_raw", "mDice (raw)", True, (0, 1), f"no stretch, {_PRANET}", _NO_TRUTH, "ours: PraNet without the stretch"),
    Metric("miou_raw", "mIoU (raw)", True, (0, 1), f"no stretch, {_PRANET}", _NO_TRUTH, "ours: PraNet without the stretch"),
    Metric("s_sem", "S_sem", True, (0, 1), "sentence embeddings of answer and reference", _PRSCORE_EMPTY, "CG-Reasoner"),
    Metric("s_spatial", "S_spatial", True, (0, 1), "Text2Centroid points of answer and reference", _PRSCORE_EMPTY, "CG-Reasoner"),
    Metric(
        "s_vis",
        "S_vis",
        True,
        (0, 1),
        "Text2Centroid point of the answer and centroid of the predicted mask",
        f"Empty predicted mask: 0. {_PRSCORE_EMPTY}",
        "CG-Reasoner",
    ),
    Metric("prscore", "PRScore", True, (0, 1), "mean of S_sem, S_spatial and S_vis", _PRSCORE_EMPTY, "CG-Reasoner"),
    Metric(
        "position_accuracy",
        "Position acc.",
        True,
        (0, 1),
        "zones read from the answer by rule equal the official zones of the true mask",
        f"No text, or none that is understood: 0. {_NO_TRUTH}",
        "ours, on PRS-Med's position rule",
    ),
    Metric(
        "distance_word_accuracy",
        "Near/far acc.",
        True,
        (0, 1),
        "near or far from the centre, read from the answer by rule, against the official flag",
        "No such words: 0. Not defined unless the official position is one quadrant.",
        "ours, on PRS-Med's position rule",
    ),
    Metric(
        "absence_accuracy",
        "Absence acc.",
        True,
        (0, 1),
        "the answer says that nothing is there",
        "Defined for an empty truth only.",
        "ours",
    ),
    Metric(
        "centroid_error_of_text",
        "Text centroid error",
        False,
        (0, 2 * 2**0.5),
        "distance of the answer's Text2Centroid point to the true centroid, image frame [-1, 1]^2",
        f"No text: not defined. {_NO_TRUTH}",
        "ours",
    ),
    Metric(
        "direction_undefined",
        "Direction undefined",
        None,
        (0, 1),
        "share of samples scored by distance alone because a point lies within 0.05 of the centre",
        _PRSCORE_EMPTY,
        "ours",
    ),
    Metric(
        "position_not_understood",
        "Position not understood",
        None,
        (0, 1),
        "share of answers in which no zone and no absence could be read",
        "No text: 1.",
        "ours",
    ),
)

METRICS = {metric.name: metric for metric in _ALL}
