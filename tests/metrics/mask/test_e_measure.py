import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prsbench.metrics.mask.counts import count_maps
from prsbench.metrics.mask.e_measure import e_measure_curve
from prsbench.metrics.mask.grey import grey_maps
from prsbench.metrics.mask.pranet import THRESHOLDS, threshold_counts

SHAPE = (5, 7)


def looped(grey, truth):
    """Pixel by pixel, one threshold after the other."""
    values = []
    for threshold in THRESHOLDS:
        a = (grey / 255 >= threshold) * 1.0
        b = truth * 1.0
        a, b = a - a.mean(), b - b.mean()
        values.append(((2 * a * b / (a * a + b * b + np.finfo(float).eps) + 1) ** 2 / 4).mean())
    return np.array(values)


@given(arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 3, 128, 200, 255])), arrays(bool, SHAPE))
def test_four_counts_give_what_the_pixels_give_and_never_more_than_one(grey, truth):
    if truth.all() or not truth.any():
        return
    curve = e_measure_curve(threshold_counts(count_maps(grey_maps(grey.astype(np.float32) / 255), truth), stretched=False))
    np.testing.assert_allclose(curve, looped(grey, truth), rtol=0, atol=1e-12)
    assert curve.min() >= 0 and curve.max() <= 1


def test_a_perfect_map_exceeds_one_only_as_published():
    truth = np.zeros((128, 128), bool)
    truth[40:50, 60:90] = True
    at = threshold_counts(count_maps(grey_maps(truth.astype(np.float32)), truth))
    assert e_measure_curve(at, as_official=True).max() == pytest.approx(128**2 / (128**2 - 1))
    assert e_measure_curve(at).max() == pytest.approx(1)


def test_an_empty_truth_is_undefined_and_scores_its_background_as_published():
    at = threshold_counts(count_maps(grey_maps(np.zeros((4, 4), np.float32)), np.zeros((4, 4), bool)))
    assert np.isnan(e_measure_curve(at)).all()
    assert e_measure_curve(at, as_official=True)[0] == pytest.approx(16 / 15)


def test_a_truth_that_is_everything_scores_what_is_predicted():
    truth = np.ones((2, 4), bool)
    at = threshold_counts(count_maps(grey_maps(np.float32([[0.2] * 4, [0.8] * 4])), truth), stretched=False)
    assert e_measure_curve(at)[[128, 255]].tolist() == [0.5, 1.0]
