from math import isnan

import numpy as np
import pytest
from prsbench.harness.contract.records import MapMeasures
from prsbench.metrics.mask.grey import grey_map, grey_maps, stretched_grey_map
from prsbench.metrics.mask.map_measures import measure_maps
from prsbench.metrics.mask.weighted_f import weighted_f


def lesion():
    truth = np.zeros((24, 30), bool)
    truth[4:12, 5:14] = True
    return truth


def test_a_perfect_prediction_is_perfect_in_every_measure():
    measures = measure_maps(grey_maps(lesion().astype(np.float32)), lesion())
    assert (measures.hd95_px, measures.nsd_2px, measures.lesion_ious, measures.n_predicted_lesions) == (0.0, 1.0, (1.0,), 1)
    scores = [measures.s_measure_pranet, measures.s_measure_raw, measures.weighted_f_pranet, measures.weighted_f_raw]
    assert scores == pytest.approx([1.0] * 4)


def test_the_stretch_repairs_a_faint_map_in_the_published_measures_alone():
    measures = measure_maps(grey_maps(np.where(lesion(), 0.02, 0.0).astype(np.float32)), lesion())
    assert measures.weighted_f_pranet == pytest.approx(1) and measures.weighted_f_raw < 0.1
    assert measures.s_measure_pranet == pytest.approx(1) and measures.s_measure_raw < 0.6
    assert measures.n_predicted_lesions == 0


def test_an_empty_truth_is_undefined_but_counts_what_was_made_up():
    measures = measure_maps(grey_maps(lesion().astype(np.float32)), np.zeros_like(lesion()))
    assert all(isnan(value) for value in (measures.s_measure_raw, measures.weighted_f_pranet, measures.hd95_px, measures.nsd_2px))
    assert (measures.lesion_ious, measures.n_predicted_lesions) == ((), 1)


@pytest.mark.parametrize("truth", [lesion(), np.zeros_like(lesion())])
def test_they_survive_the_journey_through_json(truth):
    here = measure_maps(grey_maps(lesion().astype(np.float32)), truth)
    there = MapMeasures.from_json(here.to_json())
    assert repr(there) == repr(here)
    assert None not in there.to_json().values() or isnan(here.hd95_px)


def test_distances_in_mm_are_those_of_the_pixels_size_and_are_undefined_without_it():
    moved = np.roll(lesion(), 4, axis=1).astype(np.float32)
    square, flat, unknown = (measure_maps(grey_maps(moved), lesion(), spacing) for spacing in ((0.5, 0.5), (3.0, 0.5), None))
    assert (square.hd95_px, square.hd95_mm) == (4.0, 2.0) and square.nsd_2mm == 1.0 > square.nsd_2px
    assert flat.hd95_mm == 2.0 and measure_maps(grey_maps(moved), lesion(), (0.5, 3.0)).hd95_mm > 2.0
    assert isnan(unknown.hd95_mm) and isnan(unknown.nsd_2mm) and "hd95_mm" not in unknown.to_json()
    assert repr(MapMeasures.from_json(flat.to_json())) == repr(flat)
    assert repr(MapMeasures.from_json(unknown.to_json())) == repr(unknown)


def test_a_map_measured_together_with_its_stretched_map_scores_as_if_measured_alone():
    rng = np.random.default_rng(0)
    for _ in range(20):
        truth = rng.random((24, 30)) < 0.1
        probability = (rng.random((24, 30)) * (rng.random((24, 30)) < 0.3)).astype(np.float32)
        measures = measure_maps(grey_maps(probability), truth)
        assert measures.weighted_f_raw == pytest.approx(weighted_f(grey_map(probability), truth), abs=1e-12)
        assert measures.weighted_f_pranet == pytest.approx(weighted_f(stretched_grey_map(probability), truth), abs=1e-12)
