from dataclasses import dataclass
from math import isnan

import numpy as np
import pytest
from prsbench.harness.contract.records import Counts, MapMeasures
from prsbench.metrics.mask.counts import count
from prsbench.metrics.mask.map_measures import measure
from prsbench.metrics.mask.pranet import dataset_curves
from prsbench.metrics.mask.scores import Thresholds, mask_scores


@dataclass
class Scored:
    """The fields of a record that mask scores use."""

    counts: Counts
    measures: MapMeasures
    sample_id: str = "s"


def best_thresholds(records):
    thresholds = Thresholds()
    for record in records:
        thresholds.add(record)
    return thresholds.best()


def record_of(probability, truth):
    return Scored(count(probability, truth), measure(probability, truth))


def soft_maps(n=5):
    rng = np.random.default_rng(4)
    for _ in range(n):
        truth = np.zeros((12, 12), bool)
        truth[3:8, 2:9] = True
        yield record_of(np.clip(truth * 0.4 + rng.random((12, 12)) * 0.5, 0, 1).astype(np.float32), truth)


def test_the_mean_of_the_per_image_values_is_the_published_maximum_over_one_common_threshold():
    records = list(soft_maps())
    best = best_thresholds(records)
    scores = [mask_scores(record, best) for record in records]
    dice, iou = dataset_curves(record.counts for record in records)
    assert np.mean([s["maxdice_pranet"] for s in scores]) == pytest.approx(dice.max(), abs=1e-12)
    assert np.mean([s["maxiou_pranet"] for s in scores]) == pytest.approx(iou.max(), abs=1e-12)


def test_an_empty_truth_is_scored_by_its_policy_and_by_made_up_lesions_alone():
    nothing, spot = np.zeros((8, 8), bool), np.zeros((8, 8), np.float32)
    spot[2:4, 2:4] = 1
    record = record_of(spot, nothing)
    scores = mask_scores(record, best_thresholds([record]))
    defined = {name: value for name, value in scores.items() if not isnan(value)}
    zeros = {
        f"{name}{rule}": 0.0
        for name in ("dice@0.5", "iou@0.5", "mdice_pranet", "miou_pranet")
        for rule in ("[empty=0]", "[empty=1]")
    }
    assert defined == zeros | {"lesions_false": 1.0}


def test_an_empty_prediction_scores_zero_and_is_counted():
    truth = np.eye(8, dtype=bool)
    record = record_of(np.zeros((8, 8), np.float32), truth)
    scores = mask_scores(record, best_thresholds([record]))
    assert (scores["dice@0.5"], scores["prediction_empty"], scores["lesion_sensitivity"], scores["lesions_missed"]) == (
        0,
        1,
        0,
        1,
    )
    assert scores["hd95_px"] == pytest.approx(128**0.5)


def test_the_order_of_the_records_and_their_split_into_batches_change_nothing():
    records = list(soft_maps())
    best = best_thresholds(records)
    assert best_thresholds(reversed(records)) == best
    together = [mask_scores(record, best) for record in records]
    assert [mask_scores(record, best) for record in records[::-1]] == together[::-1]


def test_a_record_without_measures_keeps_its_counts():
    record = next(soft_maps())
    record.measures = None
    scores = mask_scores(record, best_thresholds([record]))
    assert "s_measure_raw" not in scores and scores["dice@0.5"] > 0
