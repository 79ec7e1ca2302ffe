from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prsbench.metrics.mask.counts import count_maps
from prsbench.metrics.mask.grey import grey_maps
from prsbench.metrics.mask.overlap import dice_at_half, iou_at_half

masks = arrays(bool, (5, 7))


def overlap(predicted, truth):
    counts = count_maps(grey_maps(predicted.astype(np.float32)), truth)
    return dice_at_half(counts), iou_at_half(counts)


def test_two_pixels_of_three_in_common_by_pencil():
    predicted, truth = np.array([[1, 1, 1, 0, 0]]), np.array([[0, 1, 1, 1, 0]], bool)
    assert overlap(predicted, truth) == pytest.approx((4 / 6, 2 / 4))


def test_an_empty_prediction_scores_zero():
    assert overlap(np.zeros((2, 2)), np.eye(2, dtype=bool)) == (0.0, 0.0)


@pytest.mark.parametrize("predicted", [np.zeros((2, 2)), np.ones((2, 2))])
def test_an_empty_truth_is_not_defined_whatever_is_predicted(predicted):
    assert all(isnan(value) for value in overlap(predicted, np.zeros((2, 2), bool)))


@given(masks.filter(np.any), masks.filter(np.any))
def test_overlap_is_symmetric_flips_with_the_image_and_iou_follows_from_dice(predicted, truth):
    dice, iou = overlap(predicted, truth)
    assert 0 <= iou <= dice <= 1
    assert iou == pytest.approx(dice / (2 - dice))
    assert overlap(truth, predicted) == (dice, iou)
    assert overlap(predicted[::-1, ::-1], truth[::-1, ::-1]) == (dice, iou)


@given(masks.filter(np.any))
def test_a_perfect_mask_scores_one(truth):
    assert overlap(truth, truth) == (1.0, 1.0)


@given(masks.filter(np.any), masks, st.data())
def test_one_more_right_pixel_never_lowers_dice(truth, predicted, data):
    row, col = data.draw(st.sampled_from(list(zip(*np.nonzero(truth), strict=True))))
    better = predicted.copy()
    better[row, col] = True
    assert overlap(better, truth)[0] >= overlap(predicted, truth)[0]
