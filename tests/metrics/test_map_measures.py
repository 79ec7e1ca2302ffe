from math import isnan

import numpy as np
import pytest
from prsbench.harness.contract.records import MapMeasures
from prsbench.metrics.map_measures import measure


def lesion():
    truth = np.zeros((24, 30), bool)
    truth[4:12, 5:14] = True
    return truth


def test_a_perfect_prediction_is_perfect_in_every_measure():
    found = measure(lesion().astype(np.float32), lesion())
    assert (found.hd95_px, found.nsd_2px, found.lesion_ious, found.n_predicted_lesions) == (0.0, 1.0, (1.0,), 1)
    scores = [found.s_measure_pranet, found.s_measure_raw, found.weighted_f_pranet, found.weighted_f_raw]
    assert scores == pytest.approx([1.0] * 4)


def test_the_stretch_repairs_a_faint_map_in_the_published_measures_alone():
    found = measure(np.where(lesion(), 0.02, 0.0).astype(np.float32), lesion())
    assert found.weighted_f_pranet == pytest.approx(1) and found.weighted_f_raw < 0.1
    assert found.s_measure_pranet == pytest.approx(1) and found.s_measure_raw < 0.6
    assert found.n_predicted_lesions == 0


def test_an_empty_truth_is_undefined_but_counts_what_was_made_up():
    found = measure(lesion().astype(np.float32), np.zeros_like(lesion()))
    assert all(isnan(value) for value in (found.s_measure_raw, found.weighted_f_pranet, found.hd95_px, found.nsd_2px))
    assert (found.lesion_ious, found.n_predicted_lesions) == ((), 1)


@pytest.mark.parametrize("truth", [lesion(), np.zeros_like(lesion())])
def test_they_survive_the_journey_through_json(truth):
    here = measure(lesion().astype(np.float32), truth)
    there = MapMeasures.from_json(here.to_json())
    assert repr(there) == repr(here)
    assert None not in there.to_json().values() or isnan(here.hd95_px)
