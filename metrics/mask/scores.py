"""Mask metrics of one record, from its counts and measures. Empty truth: all are NaN, unless the name says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

import numpy as np
from prsbench.harness.contract.errors import ContractError
from prsbench.harness.contract.records import Counts, MapMeasures, Record
from prsbench.metrics.mask import pranet
from prsbench.metrics.mask.counts import GREY_LEVELS
from prsbench.metrics.mask.e_measure import e_measure_curve
from prsbench.metrics.mask.empty_truth import POLICY_METRICS, policies
from prsbench.metrics.mask.lesions import n_found
from prsbench.metrics.mask.overlap import dice_at_half, iou_at_half, sensitivity_at_half, specificity_at_half

_MAXIMA = {  # the metric that is a maximum over thresholds -> the curve it is the maximum of
    "maxdice_pranet": "mdice_pranet",
    "maxiou_pranet": "miou_pranet",
    "e_measure_max_pranet": "e_measure_mean_pranet",
    "maxdice_raw": "mdice_raw",
    "e_measure_max_raw": "e_measure_mean_raw",
}


class Thresholds:
    """Finds the best threshold of a cell, record by record: one for all images, as in the official code, not one per image."""

    def __init__(self) -> None:
        self._total = {name: np.zeros(GREY_LEVELS) for name in _MAXIMA.values()}

    def add(self, record: Record) -> None:
        """Add an image, unless its truth is empty."""
        if record.counts and record.counts.tp + record.counts.fn:
            curve = _curves(record.counts)
            for name, total in self._total.items():
                total += curve[name]

    def best(self) -> dict[str, int]:
        """For each maximum, the index of the one threshold at which the mean over all images is highest."""
        return {name: int(np.argmax(self._total[curve])) for name, curve in _MAXIMA.items()}


def union_of(record: Record) -> int:
    """Pixels of the true or the predicted mask at probability >= 0.5; 0 without counts."""
    return record.counts.tp + record.counts.fp + record.counts.fn if record.counts else 0


def mask_scores(record: Record, best: Mapping[str, int]) -> dict[str, float]:
    """Every metric of the mask of an "ok" record.

    Raises:
        ContractError: the record has no counts.
    """
    counts = record.counts
    if counts is None:
        raise ContractError(f"Sample '{record.sample_id}': expected counts with status 'ok', got none. Record it as failed.")
    has_truth = bool(counts.tp + counts.fn)
    curve = _curves(counts)
    scores = {name: float(values.mean()) for name, values in curve.items()}
    scores |= {name: float(curve[of][best[name]]) for name, of in _MAXIMA.items()}
    scores |= {f"mae_{name}": pranet.mean_absolute_error(counts, stretched=name == "pranet") for name in ("pranet", "raw")}
    scores |= {"dice@0.5": dice_at_half(counts), "iou@0.5": iou_at_half(counts)}
    scores |= {"sensitivity@0.5": sensitivity_at_half(counts), "specificity@0.5": specificity_at_half(counts)}
    if not has_truth:
        scores = dict.fromkeys(scores, nan)
    for name in POLICY_METRICS:
        scores |= policies(name, scores[name], not has_truth, not counts.tp + counts.fp)
    scores["prediction_empty"] = float(not counts.tp + counts.fp) if has_truth else nan
    return scores | (_measured(record.measures, has_truth) if record.measures else {})


def _curves(counts: Counts) -> dict[str, pranet.Curve]:
    """Every curve over thresholds, under the name of its mean."""
    stretched, raw = pranet.threshold_counts(counts), pranet.threshold_counts(counts, stretched=False)
    return {
        "mdice_pranet": pranet.dice_curve(stretched),
        "miou_pranet": pranet.iou_curve(stretched),
        "mdice_raw": pranet.dice_curve(raw),
        "miou_raw": pranet.iou_curve(raw),
        "sensitivity_pranet": pranet.sensitivity_curve(stretched),
        "specificity_pranet": pranet.specificity_curve(stretched),
        "e_measure_mean_pranet": e_measure_curve(stretched, as_official=True),
        "e_measure_mean_raw": e_measure_curve(raw),
    }


def _measured(measures: MapMeasures, has_truth: bool) -> dict[str, float]:
    """Metrics from the measures of the map. False lesions are also counted in images without a lesion."""
    found, n_true = n_found(measures.lesion_ious), len(measures.lesion_ious)
    false = {"lesions_false": float(measures.n_predicted_lesions - found)}
    if not has_truth:
        return false
    of_map = ("s_measure_pranet", "s_measure_raw", "weighted_f_pranet", "weighted_f_raw")
    missed = {"lesion_sensitivity": found / n_true, "lesions_missed": float(n_true - found)}
    return {name: getattr(measures, name) for name in (*of_map, "hd95_px", "nsd_2px", "hd95_mm", "nsd_2mm")} | missed | false
