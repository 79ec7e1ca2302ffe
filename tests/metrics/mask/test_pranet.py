import dataclasses
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prsbench.metrics.mask.counts import count
from prsbench.metrics.mask.e_measure import e_measure_curve
from prsbench.metrics.mask.overlap import specificity_at_half
from prsbench.metrics.mask.pranet import (
    DARKEST_PASSING,
    THRESHOLDS,
    curves,
    dataset_curves,
    mdice_pranet,
    mdice_raw,
    mean_absolute_error,
    miou_pranet,
    miou_raw,
    sensitivity_curve,
    specificity_curve,
    threshold_counts,
)

SHAPE = (6, 9)


def square_lesion(area_px=6, shape=(10, 12)):
    truth = np.zeros(shape, bool)
    truth.ravel()[:area_px] = True
    return truth


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


def test_a_hard_mask_scores_its_dice_255_times_and_the_whole_image_once():
    truth = square_lesion(6)
    predicted = np.zeros_like(truth)
    predicted.ravel()[3:9] = True
    dice, area = 0.5, 6 / 120
    assert mdice_pranet(count(predicted.astype(np.float32), truth)) == pytest.approx((255 * dice + 2 * area / (1 + area)) / 256)


def test_a_perfect_mask_misses_one_by_the_last_threshold():
    truth = square_lesion(6)
    counts = count(truth.astype(np.float32), truth)
    assert mdice_pranet(counts) == pytest.approx((255 + 2 * 0.05 / 1.05) / 256)
    assert miou_pranet(counts) == pytest.approx((255 + 0.05) / 256)


def test_a_mask_coded_0_and_1_of_255_scores_next_to_nothing_without_the_stretch_and_is_repaired_by_it():
    truth = square_lesion(6)
    counts = count(truth.astype(np.float32) / 255, truth)
    assert mdice_raw(counts) == pytest.approx((1 + 2 * 0.05 / 1.05) / 256)
    assert miou_raw(counts) == pytest.approx((1 + 0.05) / 256)
    assert mdice_pranet(counts) > 0.99


def test_a_perfectly_ranked_uncalibrated_map_scores_what_its_grey_levels_allow_without_the_stretch():
    truth = square_lesion(12)
    counts = count(np.where(truth, 0.6, 0.4).astype(np.float32), truth)
    all_foreground = 2 * 0.1 / 1.1
    # Of levels 153 and 102: 51 thresholds lie between them, 103 (0 to 102) call everything foreground.
    assert mdice_raw(counts) == pytest.approx((51 + 103 * all_foreground) / 256)
    assert 0.26 < mdice_raw(counts) < 0.28
    assert mdice_pranet(counts) > 0.99


def test_a_constant_map_is_all_background_after_the_stretch_whatever_its_value():
    truth = square_lesion(6)
    assert mdice_pranet(count(np.ones(truth.shape, np.float32), truth)) == pytest.approx(2 * 0.05 / 1.05 / 256)


def test_calling_everything_foreground_scores_2a_over_1_plus_a_without_the_stretch():
    truth = square_lesion(6)
    counts = count(np.ones(truth.shape, np.float32), truth)
    assert (mdice_raw(counts), miou_raw(counts)) == pytest.approx((2 * 0.05 / 1.05, 0.05))


def test_66_grey_levels_miss_their_own_threshold_and_no_other():
    own = 255 - np.arange(256)
    late = DARKEST_PASSING[own] > np.arange(256)
    assert late.sum() == 66
    assert late[[251, 171, 85, 4]].all() and not late[[255, 128, 127, 51, 0]].any()


def test_an_empty_truth_is_not_defined_and_zero_only_where_the_published_rule_is_asked_for():
    nothing, lesion = np.zeros((10, 12), bool), square_lesion(6)
    empty, perfect = count(nothing.astype(np.float32), nothing), count(lesion.astype(np.float32), lesion)
    assert all(isnan(metric(empty)) for metric in (mdice_pranet, miou_pranet, mdice_raw, miou_raw))
    assert dataset_curves([empty, perfect])[0].max() == 1.0
    assert dataset_curves([empty, perfect], empty_truths_score_zero=True)[0].max() == 0.5
    assert np.isnan(dataset_curves([empty])).all()


# --- against the loop

maps = st.one_of(
    arrays(np.float32, SHAPE, elements=st.integers(0, 255).map(lambda level: np.float32(level / 255))),
    arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32)),
)


@settings(max_examples=40, deadline=None)
@given(maps, arrays(bool, SHAPE))
def test_the_histogram_gives_the_curves_of_the_loop(probability, truth):
    counts = count(probability, truth)
    low, high = probability.min(), probability.max()
    stretched = np.rint((probability - low) / (high - low + 1e-8) * 255).astype(np.uint8)
    np.testing.assert_allclose(curves(counts), looped_curves(stretched, truth), rtol=0, atol=1e-12)
    raw = np.rint(probability * 255).astype(np.uint8)
    np.testing.assert_allclose(curves(counts, stretched=False), looped_curves(raw, truth), rtol=0, atol=1e-12)


@given(maps, arrays(bool, SHAPE).filter(np.any))
def test_curves_stay_in_range_do_not_see_flips_and_obey_iou_equals_dice_over_2_minus_dice(probability, truth):
    dice, iou = curves(count(probability, truth))
    assert dice.min() >= 0 and dice.max() <= 1
    np.testing.assert_allclose(iou, dice / (2 - dice), atol=1e-12)
    np.testing.assert_array_equal(curves(count(probability[:, ::-1], truth[:, ::-1])), (dice, iou))


@given(st.permutations(range(4)))
def test_the_order_of_the_images_does_not_matter(order):
    rng = np.random.default_rng(0)
    samples = [count(rng.random(SHAPE, np.float32), rng.random(SHAPE) < 0.3) for _ in order]
    np.testing.assert_allclose(dataset_curves(samples[i] for i in order), dataset_curves(samples), atol=1e-14)


# --- against the official code


def test_every_image_scores_what_the_official_code_scores(golden):
    for name, sample in golden.samples.items():
        # The fixture holds the saved 8-bit files, which are already stretched.
        at = threshold_counts(sample.counts, stretched=False)
        dice, iou = curves(sample.counts, stretched=False)
        ours = (dice, iou, e_measure_curve(at, as_published=True), sensitivity_curve(at), specificity_curve(at))
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
    nothing = count(np.zeros(truth.shape, np.float32), truth)
    assert specificity_curve(threshold_counts(nothing)).max() == 0.0
    assert specificity_at_half(nothing) == 1.0


@pytest.mark.parametrize("group", ["all", "without_empty_truth", "without_any_nan"])
def test_the_data_set_scores_what_the_official_code_scores(golden, group):
    expected = golden.table["aggregate"][group]
    samples = [_as_if_stretched(golden.samples[name].counts) for name in expected["names"]]
    dice, iou = dataset_curves(samples, empty_truths_score_zero=group == "all")
    ours = [dice.mean(), iou.mean(), dice.max(), iou.max()]
    assert ours == pytest.approx([expected[key] for key in ("meanDic", "meanIoU", "maxDic", "maxIoU")], abs=1e-9)


def test_the_levels_that_miss_their_threshold_are_the_published_ones(golden):
    missed = golden.table["float_threshold_quirk"]["grey_levels_whose_own_threshold_is_missed"]
    assert [level for level in range(256) if level / 255 < THRESHOLDS[255 - level]] == sorted(missed)


def _as_if_stretched(counts):
    return dataclasses.replace(counts, stretched_inside=counts.raw_inside, stretched_outside=counts.raw_outside)


def test_pysodmetrics_sees_the_same_maxima_and_mean_error(golden, pysod):
    """A second protocol: the same stretch, but truncated to 8 bit instead of rounded, and integer thresholds."""
    for name, sample in golden.samples.items():
        if not sample.truth.any() or sample.truth.all() or name == "s13_near_threshold_grey_levels":
            continue
        counts = count(sample.grey.astype(np.float32) / np.float32(255), sample.truth)
        dice, iou = curves(counts)
        assert (dice.max(), iou.max()) == pytest.approx((pysod[name]["max_dice"], pysod[name]["max_iou"]), abs=1e-3), name
        assert mean_absolute_error(counts) == pytest.approx(pysod[name]["mae"], abs=0.5 / 255), name
