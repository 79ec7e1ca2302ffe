import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from prsbench.metrics.mask.lesions import match_lesions, n_found

SHAPE = (8, 9)


def image(*boxes, shape=(20, 20)):
    mask = np.zeros(shape, bool)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = True
    return mask


def test_one_of_two_lesions_found_and_one_made_up_by_pencil():
    truth = image((0, 0, 4, 4), (10, 10, 12, 12))
    predicted = image((0, 0, 4, 3), (0, 15, 3, 18))
    match = match_lesions(predicted, truth)
    assert match.ious == pytest.approx((12 / 16, 0.0))
    assert match.n_predicted == 2
    assert (n_found(match.ious), match.n_predicted - n_found(match.ious)) == (1, 1)


def test_a_small_missed_lesion_weighs_as_much_as_a_large_found_one():
    truth = image((0, 0, 10, 10), (15, 15, 16, 16))
    assert n_found(match_lesions(image((0, 0, 10, 10)), truth).ious) == 1


def test_one_prediction_over_two_lesions_finds_only_one():
    truth = image((0, 0, 4, 4), (0, 6, 4, 10))
    match = match_lesions(image((0, 0, 4, 10)), truth)
    assert sorted(match.ious) == pytest.approx([0.0, 0.4])


def test_lesions_that_touch_at_a_corner_are_one():
    assert len(match_lesions(image(), image((0, 0, 2, 2), (2, 2, 4, 4))).ious) == 1


def test_without_true_lesions_every_predicted_one_is_false():
    match = match_lesions(image((0, 0, 2, 2), (5, 5, 6, 6)), image())
    assert (match.ious, match.n_predicted) == ((), 2)


def test_a_touch_below_the_asked_iou_is_not_a_find():
    match = match_lesions(image((0, 0, 1, 1)), image((0, 0, 4, 4)))
    assert (n_found(match.ious), n_found(match.ious, 0.05)) == (0, 1)


@given(arrays(bool, SHAPE), arrays(bool, SHAPE))
def test_the_match_is_one_to_one_in_range_and_symmetric(predicted, truth):
    match, back = match_lesions(predicted, truth), match_lesions(truth, predicted)
    assert all(0 <= iou <= 1 for iou in match.ious)
    assert sum(iou > 0 for iou in match.ious) <= min(len(match.ious), match.n_predicted)
    assert sum(match.ious) == pytest.approx(sum(back.ious))


@given(arrays(bool, SHAPE))
def test_a_perfect_mask_finds_all(truth):
    match = match_lesions(truth, truth)
    assert match.ious == pytest.approx((1.0,) * match.n_predicted)
