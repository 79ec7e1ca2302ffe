from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prsbench.metrics.mask.weighted_f import weighted_f
from scipy import ndimage

SHAPE = (12, 11)


def whole_image(grey, truth):
    """The formula on the full image with a two-dimensional kernel, without any window."""
    value = grey / 255
    error = np.abs(value - truth)
    distance, (rows, cols) = ndimage.distance_transform_edt(~truth, return_indices=True)
    y, x = np.mgrid[-3:4, -3:4]
    kernel = np.exp(-(x * x + y * y) / 50)
    eased = ndimage.correlate(np.where(truth, error, error[rows, cols]), kernel / kernel.sum(), mode="nearest")
    weighted = np.where(truth, np.minimum(error, eased), error * (2 - 0.5 ** (distance / 5)))
    recall, false = 1 - weighted[truth].mean(), weighted[~truth].sum()
    precision = truth.sum() * recall / (truth.sum() * recall + false + 2.2e-16)
    return 2 * recall * precision / (recall + precision + 2.2e-16)


def dot(row, col):
    mask = np.zeros((30, 30), bool)
    mask[row : row + 3, col : col + 3] = True
    return mask


def test_a_perfect_mask_scores_one_and_an_empty_one_zero():
    truth = dot(10, 10)
    assert weighted_f(truth * np.uint8(255), truth) == pytest.approx(1)
    assert weighted_f(np.zeros(truth.shape, np.uint8), truth) == pytest.approx(0)


def test_a_false_pixel_far_away_costs_more_than_one_close_by():
    truth = dot(3, 3)
    near, far = (truth * np.uint8(255) for _ in range(2))
    near[6, 4], far[25, 25] = 255, 255
    assert weighted_f(far, truth) < weighted_f(near, truth) < 1


def test_an_empty_truth_is_undefined():
    assert isnan(weighted_f(np.full((4, 4), 9, np.uint8), np.zeros((4, 4), bool)))


@given(
    arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 0, 0, 40, 128, 255])),
    st.integers(0, 9),
    st.integers(0, 8),
    st.integers(1, 4),
)
def test_looking_at_a_window_alone_changes_nothing(grey, row, col, side):
    truth = np.zeros(SHAPE, bool)
    truth[row : row + side, col : col + side] = True
    assert weighted_f(grey, truth) == pytest.approx(whole_image(grey, truth), abs=1e-12)


def test_a_large_image_scores_the_same_as_without_a_window():
    truth = np.zeros((300, 640), bool)
    truth[10:20, 5:30] = True
    grey = np.random.default_rng(0).integers(0, 60, truth.shape).astype(np.uint8)
    assert weighted_f(grey, truth) == pytest.approx(whole_image(grey, truth), abs=1e-12)


def test_every_image_scores_what_the_official_code_scores(golden):
    for name, sample in golden.samples.items():
        expected = nan if sample.values["wFm"] is None else sample.values["wFm"]
        assert weighted_f(sample.grey, sample.truth) == pytest.approx(expected, abs=1e-9, nan_ok=True), name
