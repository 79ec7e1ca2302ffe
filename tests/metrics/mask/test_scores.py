from dataclasses import dataclass, replace
from math import isnan

import numpy as np
import pytest
from prsbench.harness.contract.records import Counts, MapMeasures
from prsbench.metrics.mask.counts import count_maps
from prsbench.metrics.mask.empty_truth import POLICY_METRICS
from prsbench.metrics.mask.grey import grey_maps
from prsbench.metrics.mask.map_measures import measure_maps
from prsbench.metrics.mask.pranet import dice_curve, iou_curve, threshold_counts
from prsbench.metrics.mask.scores import Thresholds, mask_scores


@dataclass
class Scored:
    """The fields of a record that mask scores use."""

    counts: Counts
    measures: MapMeasures | None = None
    sample_id: str = "s"


def best_thresholds(records):
    thresholds = Thresholds()
    for record in records:
        thresholds.add(record)
    return thresholds.best()


def record_of(probability, truth):
    maps = grey_maps(probability)
    return Scored(count_maps(maps, truth), measure_maps(maps, truth))


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
    for name, curve in (("maxdice_pranet", dice_curve), ("maxiou_pranet", iou_curve)):
        of_all = np.mean([curve(threshold_counts(record.counts)) for record in records], axis=0)
        assert np.mean([s[name] for s in scores]) == pytest.approx(of_all.max(), abs=1e-12)


@pytest.mark.parametrize("group", ["all", "without_empty_truth", "without_any_nan"])
def test_the_data_set_scores_what_the_official_code_scores(golden, group):
    expected = golden.table["aggregate"][group]
    counts = [golden.samples[name].counts for name in expected["names"]]  # of saved maps, which are already stretched
    records = [Scored(replace(c, stretched_inside=c.raw_inside, stretched_outside=c.raw_outside)) for c in counts]
    best = best_thresholds(records)
    scores = [mask_scores(record, best) for record in records]
    for name, official in (("mdice", "meanDic"), ("miou", "meanIoU"), ("maxdice", "maxDic"), ("maxiou", "maxIoU")):
        ours = np.nan_to_num([s[f"{name}_pranet"] for s in scores])  # the official code scores an empty truth 0
        assert ours.mean() == pytest.approx(expected[official], abs=1e-9)


def test_an_empty_truth_is_scored_by_its_policy_and_by_made_up_lesions_alone():
    nothing, spot = np.zeros((8, 8), bool), np.zeros((8, 8), np.float32)
    spot[2:4, 2:4] = 1
    record = record_of(spot, nothing)
    scores = mask_scores(record, best_thresholds([record]))
    defined = {name: value for name, value in scores.items() if not isnan(value)}
    zeros = {f"{name}{rule}": 0.0 for name in POLICY_METRICS for rule in ("[empty=0]", "[empty=1]")}
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
