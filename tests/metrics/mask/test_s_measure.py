from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prsbench.metrics.mask.s_measure import s_measure

SHAPE = (6, 8)
grey_maps = arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 77, 128, 254, 255]))


def test_a_perfect_mask_scores_one():
    truth = np.zeros((20, 20), bool)
    truth[5:11, 7:15] = True
    assert s_measure(truth * np.uint8(255), truth) == pytest.approx(1)


def test_a_half_grey_map_of_a_centred_square_by_pencil():
    truth = np.zeros((4, 4), bool)
    truth[1:3, 1:3] = True
    flat = np.full((4, 4), 51, np.uint8)  # 0.2 everywhere
    inside, outside = 2 * 0.2 / (0.04 + 1), 2 * 0.8 / (0.64 + 1)
    by_object = 0.25 * inside + 0.75 * outside
    assert s_measure(flat, truth) == pytest.approx(by_object / 2)  # by region, a constant map and a varying truth score 0


def test_a_truth_that_is_everything_scores_the_mean_of_the_map():
    assert s_measure(np.full((2, 2), 51, np.uint8), np.ones((2, 2), bool)) == pytest.approx(0.2)


def test_an_empty_truth_is_undefined_and_scores_the_darkness_of_the_map_as_published():
    nothing = np.zeros((2, 2), bool)
    assert isnan(s_measure(np.full((2, 2), 51, np.uint8), nothing))
    assert s_measure(np.full((2, 2), 51, np.uint8), nothing, as_official=True) == pytest.approx(0.8)


def test_a_truth_whose_centroid_lies_in_the_first_row_is_undefined_only_as_published():
    truth = np.zeros((9, 9), bool)
    truth[0, 4] = True
    assert isnan(s_measure(truth * np.uint8(255), truth, as_official=True))
    assert s_measure(truth * np.uint8(255), truth) == pytest.approx(1)


@given(grey_maps, arrays(bool, SHAPE).filter(np.any))
def test_it_lies_in_range_and_the_published_rule_differs_only_where_it_is_undefined(grey, truth):
    value, published = s_measure(grey, truth), s_measure(grey, truth, as_official=True)
    assert 0 <= value <= 1 + 1e-9
    assert isnan(published) or value == pytest.approx(published, abs=1e-12)


def test_every_image_scores_what_the_official_code_scores(golden):
    for name, sample in golden.samples.items():
        expected = nan if sample.values["Sm"] is None else sample.values["Sm"]
        assert s_measure(sample.grey, sample.truth, as_official=True) == pytest.approx(expected, abs=1e-9, nan_ok=True), name
