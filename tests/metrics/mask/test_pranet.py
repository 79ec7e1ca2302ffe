from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prsbench.metrics.mask.counts import count_maps
from prsbench.metrics.mask.e_measure import e_measure_curve
from prsbench.metrics.mask.grey import grey_maps
from prsbench.metrics.mask.overlap import specificity_at_half
from prsbench.metrics.mask.pranet import (
    DARKEST_PASSING,
    THRESHOLDS,
    dice_curve,
    iou_curve,
    mean_absolute_error,
    sensitivity_curve,
    specificity_curve,
    threshold_counts,
)

SHAPE = (6, 9)


def square_lesion(area_px=6, shape=(10, 12)):
    truth = np.zeros(shape, bool)
    truth.ravel()[:area_px] = True
    return truth


def counts_of(probability, truth):
    return count_maps(grey_maps(probability.astype(np.float32)), truth)


def curves_of(probability, truth, stretched=True):
    at = threshold_counts(counts_of(probability, truth), stretched=stretched)
    return dice_curve(at), iou_curve(at)


def means_of(probability, truth, stretched=True):
    """mDice and mIoU."""
    return tuple(curve.mean() for curve in curves_of(probability, truth, stretched))


def looped_curves(grey, truth):
    """The protocol as the paper describes it, one threshold after the other."""
    dice, iou = [], []
    for threshold in np.linspace(1, 0, 256):
        predicted = grey / 255 >= threshold
        intersection = (predicted & truth).sum()
        dice.append(2 * intersection / (predicted.sum() + truth.sum()) if intersection else 0.0)
        iou.append(intersection / (predicted | truth).sum() if intersection else 0.0)
    return np.array(dice), np.array(iou)


# --- by pencil


def test_a_hard_mask_scores_its_dice_255_times_and_all_foreground_once():
    truth = square_lesion(6)
    predicted = np.zeros_like(truth)
    predicted.ravel()[3:9] = True
    dice, area = 0.5, 6 / 120
    assert means_of(predicted, truth)[0] == pytest.approx((255 * dice + 2 * area / (1 + area)) / 256)


def test_a_perfect_mask_misses_one_by_the_last_threshold():
    truth = square_lesion(6)
    assert means_of(truth, truth) == pytest.approx(((255 + 2 * 0.05 / 1.05) / 256, (255 + 0.05) / 256))


def test_a_mask_coded_0_and_1_of_255_scores_next_to_nothing_without_the_stretch_and_is_repaired_by_it():
    truth = square_lesion(6)
    assert means_of(truth / 255, truth, stretched=False) == pytest.approx(((1 + 2 * 0.05 / 1.05) / 256, (1 + 0.05) / 256))
    assert means_of(truth / 255, truth)[0] > 0.99


def test_a_perfectly_ranked_uncalibrated_map_scores_what_its_grey_levels_allow_without_the_stretch():
    truth = square_lesion(12)
    probability, all_foreground = np.where(truth, 0.6, 0.4), 2 * 0.1 / 1.1
    # Of levels 153 and 102: 51 thresholds lie between them, 103 (0 to 102) call everything foreground.
    assert means_of(probability, truth, stretched=False)[0] == pytest.approx((51 + 103 * all_foreground) / 256)
    assert means_of(probability, truth)[0] > 0.99


def test_a_constant_map_is_all_background_after_the_stretch_whatever_its_value():
    truth = square_lesion(6)
    assert means_of(np.ones(truth.shape), truth)[0] == pytest.approx(2 * 0.05 / 1.05 / 256)


def test_calling_everything_foreground_scores_2a_over_1_plus_a_without_the_stretch():
    truth = square_lesion(6)
    assert means_of(np.ones(truth.shape), truth, stretched=False) == pytest.approx((2 * 0.05 / 1.05, 0.05))


def test_66_grey_levels_miss_their_own_threshold_and_no_other():
    own = 255 - np.arange(256)
    late = DARKEST_PASSING[own] > np.arange(256)
    assert late.sum() == 66
    assert late[[251, 171, 85, 4]].all() and not late[[255, 128, 127, 51, 0]].any()


def test_an_empty_truth_scores_zero_at_every_threshold_as_in_the_official_code():
    assert not np.any(curves_of(square_lesion(6), square_lesion(0)))


# --- against the loop

maps = st.one_of(
    arrays(np.float32, SHAPE, elements=st.integers(0, 255).map(lambda level: np.float32(level / 255))),
    arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32)),
)


@settings(max_examples=40, deadline=None)
@given(maps, arrays(bool, SHAPE))
def test_the_histogram_gives_the_curves_of_the_loop(probability, truth):
    low, high = probability.min(), probability.max()
    stretched = np.rint((probability - low) / (high - low + 1e-8) * 255).astype(np.uint8)
    np.testing.assert_allclose(curves_of(probability, truth), looped_curves(stretched, truth), rtol=0, atol=1e-12)
    raw = np.rint(probability * 255).astype(np.uint8)
    np.testing.assert_allclose(curves_of(probability, truth, False), looped_curves(raw, truth), rtol=0, atol=1e-12)


@given(maps, arrays(bool, SHAPE).filter(np.any))
def test_curves_stay_in_range_do_not_see_flips_and_obey_iou_equals_dice_over_2_minus_dice(probability, truth):
    dice, iou = curves_of(probability, truth)
    assert dice.min() >= 0 and dice.max() <= 1
    np.testing.assert_allclose(iou, dice / (2 - dice), atol=1e-12)
    np.testing.assert_array_equal(curves_of(probability[:, ::-1], truth[:, ::-1]), (dice, iou))


# --- against the official code


def test_every_image_scores_what_the_official_code_scores(golden):
    for name, sample in golden.samples.items():
        # The fixture holds the saved 8-bit files, which are already stretched.
        at = threshold_counts(sample.counts, stretched=False)
        overlap = dice_curve(at), iou_curve(at)
        ours = (*overlap, e_measure_curve(at, as_official=True), sensitivity_curve(at), specificity_curve(at))
        recorded = [curve[:: 255 // (sample.curves.shape[1] - 1)] for curve in ours]
        np.testing.assert_allclose(recorded, sample.curves, rtol=0, atol=1e-9, err_msg=name)
        names = ("Dic", "IoU", "Em", "Sen", "Spe")
        expected = {f"{which}{key}": sample.values[f"{which}{key}"] for key in names for which in ("mean", "max")}
        found = {
            f"{which}{key}": getattr(curve, which)() for key, curve in zip(names, ours, strict=True) for which in ("mean", "max")
        }
        assert found == pytest.approx(
            {key: nan if value is None else value for key, value in expected.items()}, abs=1e-9, nan_ok=True
        )
        assert mean_absolute_error(sample.counts, stretched=False) == pytest.approx(sample.values["mae"], abs=1e-9)


def test_specificity_is_zero_as_published_where_nothing_is_hit_and_one_at_half():
    truth = square_lesion(6)
    nothing = counts_of(np.zeros(truth.shape), truth)
    assert specificity_curve(threshold_counts(nothing)).max() == 0.0
    assert specificity_at_half(nothing) == 1.0


def test_the_levels_that_miss_their_threshold_are_the_published_ones(golden):
    missed = golden.table["float_threshold_quirk"]["grey_levels_whose_own_threshold_is_missed"]
    assert [level for level in range(256) if level / 255 < THRESHOLDS[255 - level]] == sorted(missed)


def test_pysodmetrics_sees_the_same_maxima_and_mean_error(golden, pysod):
    """A second protocol: the same stretch, but truncated to 8 bit instead of rounded, and integer thresholds."""
    for name, sample in golden.samples.items():
        if not sample.truth.any() or sample.truth.all() or name == "s13_near_threshold_grey_levels":
            continue
        counts = counts_of(sample.grey / np.float32(255), sample.truth)
        at = threshold_counts(counts)
        dice, iou = dice_curve(at), iou_curve(at)
        assert (dice.max(), iou.max()) == pytest.approx((pysod[name]["max_dice"], pysod[name]["max_iou"]), abs=1e-3), name
        assert mean_absolute_error(counts) == pytest.approx(pysod[name]["mae"], abs=0.5 / 255), name
