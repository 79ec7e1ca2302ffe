"""Means by hand, counts that add up, and paired differences that refuse what cannot be paired."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.report.statistics.means_and_differences import SampleCounts, mean_with_counts, paired_difference
from scipy import stats


def test_the_mean_leaves_out_failed_and_empty_samples_and_counts_them(cell):
    mean, counts = mean_with_counts(cell(values=(0.2, 0.4, 9.0, 9.0), failed=(2,), empty=(3,), n_manifest=5), "prscore")
    assert mean == pytest.approx(0.3)
    assert counts == SampleCounts(n_manifest=5, n_scored=2, n_failed=2, n_empty=1)  # one failed, one without a record


def test_a_cell_that_is_not_complete_has_no_mean_even_if_it_has_scores(cell):
    mean, counts = mean_with_counts(cell(values=(0.2, 0.4), status="failed"), "prscore")
    assert isnan(mean)
    assert counts == SampleCounts(n_manifest=2, n_failed=2)


def test_a_failed_record_with_a_score_is_not_averaged(cell, refilled):
    broken = cell(values=(0.2, 0.4), failed=(1,))
    broken = refilled(broken, broken.records, (broken.scores[0], dict.fromkeys(broken.scores[0], 0.0)))
    assert mean_with_counts(broken, "prscore")[0] == pytest.approx(0.2)


def test_the_order_of_the_records_moves_no_digit(cell):
    values = np.random.default_rng(2).random(100)
    orders = [np.random.default_rng(i).permutation(values) for i in range(20)]
    assert len({mean_with_counts(cell(values=tuple(order)), "prscore")[0] for order in orders}) == 1


def test_an_excluded_record_counts_as_empty(cell, refilled):
    complete = cell(values=(0.2, nan))
    excluded = refilled(complete, (complete.records[0], replace(complete.records[1], status="excluded")), complete.scores)
    assert mean_with_counts(excluded, "prscore")[1] == SampleCounts(n_manifest=2, n_scored=1, n_empty=1)


def test_a_metric_that_is_not_defined_for_a_present_truth_is_undefined_not_empty(cell):
    assert mean_with_counts(cell(values=(0.2, nan)), "distance_word_accuracy")[1].n_undefined == 1


@given(
    samples=st.lists(st.tuples(st.sampled_from(["ok", "failed", "empty", "nan"]), st.floats(0, 1)), max_size=12),
    n_missing=st.integers(0, 3),
)
def test_every_sample_of_the_manifest_is_counted_once(cell, samples, n_missing):
    values = tuple(nan if kind == "nan" else value for kind, value in samples)
    places = {name: tuple(i for i, (kind, _) in enumerate(samples) if kind == name) for name in ("failed", "empty")}
    counts = mean_with_counts(cell(values=values, **places, n_manifest=len(values) + n_missing), "dice@0.5")[1]
    assert counts.n_manifest == counts.n_scored + counts.n_failed + counts.n_empty + counts.n_undefined
    assert counts.n_failed == len(places["failed"]) + n_missing


def test_the_paired_difference_is_the_mean_of_the_differences(cell):
    paired = paired_difference([cell(values=(0.9, 0.5, 0.7))], [cell(values=(0.6, 0.5, 0.1))], "prscore")
    assert paired.difference == pytest.approx(0.3)
    assert (paired.first, paired.second) == (pytest.approx(0.7), pytest.approx(0.4))
    assert (paired.counts.n_scored, paired.n_groups) == (3, 3)
    assert paired.low < paired.difference < paired.high


def test_modalities_weigh_the_same_whatever_their_size(cell):
    first = [cell(values=(1.0, 1.0)), cell(values=(0.0,) * 8, modality="skin_rgb")]
    second = [cell(values=(0.0, 0.0)), cell(values=(0.0,) * 8, modality="skin_rgb")]
    assert paired_difference(first, second, "prscore").difference == pytest.approx(0.5)


def test_a_constant_difference_has_an_interval_of_no_width(cell):
    paired = paired_difference([cell(values=(0.9, 0.5, 0.7))], [cell(values=(0.7, 0.3, 0.5))], "prscore")
    assert (paired.low, paired.high) == (pytest.approx(0.2), pytest.approx(0.2))


def test_the_interval_is_the_t_interval_over_groups_with_the_jackknife_variance(cell):
    rng = np.random.default_rng(3)
    first, second = rng.random(40), rng.random(40)
    groups = tuple(f"case {i // 4}" for i in range(40))
    paired = paired_difference([cell(values=tuple(first), groups=groups)], [cell(values=tuple(second), groups=groups)], "prscore")
    by_group = (first - second).reshape(10, 4).mean(axis=1)
    half = stats.t.ppf(0.975, 9) * by_group.std(ddof=1) / np.sqrt(9)
    assert [paired.low, paired.high] == pytest.approx([by_group.mean() - half, by_group.mean() + half])
    assert paired.n_groups == 10 and paired.reason == ""


def test_samples_of_one_patient_count_as_one(cell):
    values, zeros = (1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.5), (0.0,) * 9
    clustered = ("a",) * 3 + ("b",) * 3 + ("c",) * 3
    wide = paired_difference([cell(values=values, groups=clustered)], [cell(values=zeros, groups=clustered)], "prscore")
    narrow = paired_difference([cell(values=values)], [cell(values=zeros)], "prscore")
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def seeds(cell, method, values_by_seed, **options):
    return [cell(method, tuple(values), seed=seed, **options) for seed, values in enumerate(values_by_seed)]


def test_over_trainings_seed_k_is_paired_with_seed_k(cell):
    shifts = np.array([0.3, 0.0, 0.6])  # of both sides: their difference does not vary
    base = np.random.default_rng(0).random(9)
    first, second = (seeds(cell, name, base + shifts[:, None] + more) for name, more in (("cg_reasoner", 0.1), ("oracle", 0.0)))
    paired = paired_difference(first, second, "prscore")
    assert (paired.difference, paired.high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert (paired.n_seeds, paired.n_trainings, paired.sd_over_seeds) == (3, 3, pytest.approx(0, abs=1e-9))


def test_trainings_that_differ_widen_the_interval_beyond_that_of_each_training(cell):
    rng = np.random.default_rng(1)
    first = seeds(cell, "cg_reasoner", 0.5 + np.array([0.1, -0.1, 0.05])[:, None] + rng.normal(0, 0.01, (3, 12)))
    second = seeds(cell, "cg_reasoner_without_t2c", np.full((3, 12), 0.5))
    over_all = paired_difference(first, second, "prscore")
    alone = paired_difference(first[:1], second[:1], "prscore")
    assert over_all.low < 0 < over_all.high and over_all.p > 0.05
    assert alone.low > 0
    assert isnan(alone.p)  # one training a side: how it would be with other trainings is not known


def test_one_seed_leaves_no_p_if_a_side_was_trained_and_one_if_none_was(cell):
    values, others = tuple(np.linspace(0.2, 0.8, 9)), tuple(np.linspace(0.1, 0.6, 9))
    trained = paired_difference([cell(values=values)], [cell("whole_image", others)], "prscore")
    frozen = paired_difference([cell("lite_medsam_oracle_box", values)], [cell("whole_image", others)], "prscore")
    assert isnan(trained.p) and trained.n_trainings == 1
    assert 0 < frozen.p < 0.05 and frozen.n_trainings == 0


def test_a_group_that_only_some_trainings_answer_keeps_its_defined_values(cell):
    first = [cell(values=(0.5, 0.6, 0.7, 0.8), failed=(0,)), cell(values=(0.5, 0.6, 0.7, 0.8), seed=1)]
    second = [cell("oracle", (0.0, 0.0, 0.0, 0.0), seed=seed) for seed in (0, 1)]
    paired = paired_difference(first, second, "prscore")
    assert paired.difference == pytest.approx((2.1 + 2.6) / 7)
    assert paired.n_groups == 4 and np.isfinite([paired.low, paired.p]).all()


def test_a_data_set_that_one_seed_lacks_leaves_no_interval(cell):
    sides = [
        [cell(name, (0.5, value, 0.9)), cell(name, (0.5, value, 0.9), "skin_rgb"), cell(name, (0.4, value, 0.9), seed=1)]
        for name, value in (("cg_reasoner", 0.7), ("oracle", 0.3))
    ]
    paired = paired_difference(*sides, "prscore")
    assert isnan(paired.low) and "a seed is missing" in paired.reason


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ({"values": (0.5, 0.5, 0.5)}, "manifests differ"),
        ({"n_manifest": 3}, "manifests differ"),
        ({"seed": 1}, "same data sets and seeds"),
        ({"dataset": "other"}, "same data sets and seeds"),
        ({"status": "skipped"}, "skipped on brain_mri"),
    ],
)
def test_what_cannot_be_paired_is_refused_with_a_reason(cell, second, reason):
    paired = paired_difference([cell()], [cell("cg_reasoner_without_t2c", **second)], "prscore")
    assert isnan(paired.difference)
    assert reason in paired.reason


def test_a_sample_that_failed_on_one_side_leaves_both_means_and_is_counted(cell):
    paired = paired_difference([cell(values=(0.9, 0.5, 0.7), failed=(1,))], [cell(values=(0.6, 0.0, 0.1))], "prscore")
    assert paired.second == pytest.approx(0.35)
    assert paired.counts == SampleCounts(n_manifest=3, n_scored=2, n_failed=1)


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_patients_give_a_difference_but_no_interval(cell, n):
    groups = {"groups": tuple("ab"[i % n] for i in range(4))}
    paired = paired_difference([cell(values=(0.9, 0.5) * 2, **groups)], [cell(values=(0.6, 0.5) * 2, **groups)], "prscore")
    assert paired.difference == pytest.approx(0.15)
    assert isnan(paired.low) and paired.reason == f"too few groups (brain_mri {n}): no interval below 3"


def test_fewer_than_eight_groups_are_named_beside_the_interval(cell):
    sides = [[cell(name, values), cell(name, values[:7], "skin_rgb")] for name, values in SIDES_OF_EIGHT]
    assert paired_difference(*sides, "prscore").reason == "too few groups (skin_rgb 7)"


SIDES_OF_EIGHT = [("cg_reasoner", tuple(np.linspace(0.2, 0.9, 8))), ("oracle", (0.1,) * 8)]
