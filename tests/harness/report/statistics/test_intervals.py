"""Intervals: how often they hold the truth in simulated runs, and against formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.report.statistics.intervals import Stratum, estimate, weighted_mean
from scipy import stats

ONE, SIX, EXCERPTS = 1, 6, (12, 13, 3, 24, 6, 4)
REPETITIONS = 2000
UNEQUAL = (1, 1, 2, 3, 6)  # samples of a group, repeated


def group_sizes(n_groups, sizes=UNEQUAL):
    return np.resize(sizes, n_groups)


def drawn(rng, kind, n_groups, sizes):
    """(REPETITIONS, 1, G) totals: half of the spread of a value is shared by the samples of its group."""
    of_group = kind(rng, (REPETITIONS, n_groups))
    total = np.zeros((REPETITIONS, n_groups))
    for sample in range(max(sizes)):
        is_shared = rng.random((REPETITIONS, n_groups)) < 0.5
        total += np.where(is_shared, of_group, kind(rng, (REPETITIONS, n_groups))) * (sizes > sample)
    return total[:, None]


def coverage(kind, truth, groups, sizes=UNEQUAL, binary_range=None):
    """The share of repetitions whose interval holds the truth, and the smallest width of an interval.

    Without binary_range the values are a score in [0, 1].
    """
    rng, strata = np.random.default_rng(1), []
    for number, n_groups in enumerate(groups):
        count = group_sizes(n_groups, sizes)
        strata.append(Stratum(str(number), drawn(rng, kind, n_groups, count), count[None].astype(float)))
    low, high = estimate(strata, binary_range).interval(binary_range or (0, 1), is_skewed=binary_range is None)
    return ((low <= truth) & (truth <= high)).mean(), (high - low).min()


def groupings():
    sizes = [*((n,) for n in (5, 8, 16)), *((n,) * SIX for n in (5, 8, 16)), EXCERPTS]
    return pytest.mark.parametrize("groups", sizes, ids=str)


@groupings()
@pytest.mark.parametrize("sizes", [(1,), UNEQUAL], ids=["one sample a group", "unequal groups"])
@pytest.mark.parametrize(("a", "b"), [(8, 2), (10, 1), (5, 5)])
def test_the_interval_of_a_skewed_score_like_dice_holds_the_mean_in_93_percent_of_runs_or_more(groups, sizes, a, b):
    held, _ = coverage(lambda rng, shape: rng.beta(a, b, shape), a / (a + b), groups, sizes)
    assert held >= 0.93


@groupings()
@pytest.mark.parametrize("sizes", [(1,), UNEQUAL], ids=["one sample a group", "unequal groups"])
@pytest.mark.parametrize("p", [0.5, 0.8, 0.95])
def test_the_interval_of_an_accuracy_holds_the_truth_in_93_percent_of_runs_or_more_and_always_has_a_width(groups, sizes, p):
    held, narrowest = coverage(lambda rng, shape: (rng.random(shape) < p).astype(float), p, groups, sizes, (0, 1))
    assert held >= 0.93
    assert narrowest > 0


@groupings()
@pytest.mark.parametrize(("better", "worse"), [(0.02, 0.02), (0.1, 0.02), (0.3, 0.2)])
def test_so_does_the_interval_of_a_difference_of_two_accuracies(groups, better, worse):
    shares = [worse, 1 - better - worse, better]
    held, narrowest = coverage(
        lambda rng, shape: np.searchsorted(np.cumsum(shares), rng.random(shape)) - 1.0, better - worse, groups, (1, 2), (-1, 1)
    )
    assert held >= 0.93
    assert narrowest > 0


def trainings(rng, n, of_training, of_both):
    """(REPETITIONS, n, 96) differences in six modalities, from effects of the training, the patient, and both."""
    shape = REPETITIONS, n, 96
    return rng.normal(0, of_training, (*shape[:2], 1)) + rng.normal(0, 0.1, (REPETITIONS, 1, 96)) + rng.normal(0, of_both, shape)


def by_modality(values):
    return [Stratum(str(i), part, np.ones(part.shape[-2:])) for i, part in enumerate(np.split(values, SIX, axis=-1))]


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize(("of_training", "of_both"), [(0, 0), (0, 0.2), (0.02, 0.05), (0.1, 0.2)])
def test_the_interval_over_trainings_and_patients_holds_the_effect_in_93_percent_of_runs_or_more(n, of_training, of_both):
    found = estimate(by_modality(trainings(np.random.default_rng(2), n, of_training, of_both)))
    assert (np.abs(found.centre) <= found.half_width()).mean() >= 0.93


@pytest.mark.parametrize("n", [2, 3, 5])
def test_it_does_so_for_accuracies_of_trainings_of_different_luck(n):
    rng = np.random.default_rng(3)
    luck = rng.normal(1.5, 0.3, (REPETITIONS, n, 1)) + rng.normal(0, 1, (REPETITIONS, 1, 96))
    values = (rng.logistic(size=luck.shape) < luck).astype(float)
    truth = (rng.logistic(size=10**6) < 1.5 + rng.normal(0, np.hypot(0.3, 1), 10**6)).mean()
    found = estimate(by_modality(values), (0, 1))
    assert (np.abs(found.centre - truth) <= found.half_width()).mean() >= 0.93


def test_patients_alone_miss_the_effect_of_one_training():
    found = estimate(by_modality(trainings(np.random.default_rng(2), 1, 0.05, 0.05)))
    assert (np.abs(found.centre) <= found.half_width()).mean() < 0.6  # why one training a side has no p-value


def stratum(values, count=1.0, modality="brain_mri", dataset=""):
    """(S, G) or (G,) means of groups that all trainings have `count` samples of."""
    values = np.atleast_2d(np.asarray(values, dtype=float))
    counts = np.broadcast_to(np.asarray(count, dtype=float), values.shape)
    return Stratum(modality, values * counts, counts, dataset)


def test_of_groups_of_one_size_it_is_the_t_interval_with_the_jackknife_variance():
    values = np.array([0.2, 0.5, 0.9, 0.4, 0.7])
    found = estimate([stratum(values)])
    leave_one_out = np.array([np.delete(values, i).mean() for i in range(5)])
    jackknife = ((leave_one_out - values.mean()) ** 2).sum()
    assert found.df == pytest.approx(4)
    assert found.half_width() == pytest.approx(stats.t.ppf(0.975, 4) * np.sqrt(jackknife))


def test_of_groups_of_other_sizes_the_variance_is_the_jackknife_of_the_mean_over_samples():
    values, count = np.array([0.2, 0.5, 0.9, 0.4]), np.array([1.0, 2, 3, 6])
    mean = np.average(values, weights=count)
    without = [np.average(np.delete(values, i), weights=np.delete(count, i)) for i in range(4)]
    assert estimate([stratum(values, count)]).of_groups == pytest.approx(((np.array(without) - mean) ** 2).sum())


@given(st.lists(st.integers(1, 20), min_size=2, max_size=9))
def test_the_degrees_of_freedom_are_those_of_the_quadratic_form_written_as_a_matrix(sizes):
    share = np.array(sizes) / sum(sizes)
    deviation = np.eye(len(share)) - share  # of each group from the mean
    form = deviation.T @ np.diag(share**2 / (1 - share) ** 2) @ deviation
    found = estimate([stratum(np.arange(len(share)), sizes)])
    assert found.df == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form), rel=1e-6)


def test_over_data_sets_variances_add_by_weight_and_degrees_of_freedom_by_satterthwaite():
    first, second, third = (stratum(np.random.default_rng(i).random(5 + i), modality=m) for i, m in enumerate("aab"))
    alone = [estimate([s]) for s in (first, second, third)]
    parts = [w**2 * e.of_groups for w, e in zip((0.25, 0.25, 0.5), alone, strict=True)]
    found = estimate([first, second, third])
    assert found.centre == pytest.approx(weighted_mean([first, second, third]))
    assert found.of_groups == pytest.approx(sum(parts))
    assert found.df == pytest.approx(sum(parts) ** 2 / sum(v**2 / (4 + i) for i, v in enumerate(parts)))


def test_an_accuracy_of_one_data_set_is_at_the_centre_of_agresti_and_coull_and_never_without_width():
    found = estimate([stratum(np.ones(16))], (0, 1))
    assert found.centre == pytest.approx(18 / 20)
    low, high = found.interval((0, 1), is_skewed=False)
    assert 0.7 < low < stats.binomtest(16, 16).proportion_ci(method="wilson").low < high == 1


def test_two_methods_that_never_differ_may_differ_on_other_patients():
    low, high = estimate([stratum(np.zeros(16), modality=m) for m in "abcdef"], (-1, 1)).interval((-1, 1), is_skewed=False)
    assert low == -high
    assert 1 / 96 < high < 4 / 96


@given(st.integers(1, 3), st.integers(3, 12), st.floats(-1, 1), st.integers(0, 99))
def test_zero_is_outside_the_interval_exactly_if_p_is_below_5_percent(n_trainings, n_groups, shift, seed):
    found = estimate([stratum(np.random.default_rng(seed).random((n_trainings, n_groups)) - shift)])
    low, high = found.interval((-np.inf, np.inf), is_skewed=False)
    assert (low > 0 or high < 0) == (found.p_of_zero() < 0.05)


def test_p_of_one_training_is_that_of_the_t_test():
    values = np.random.default_rng(1).normal(0.4, 1, 12)
    inflated = stats.ttest_1samp(values, 0).statistic * np.sqrt(11 / 12)  # the jackknife variance is 12 / 11 of that of the mean
    assert estimate([stratum(values)]).p_of_zero() == pytest.approx(2 * stats.t.sf(abs(inflated), 11), rel=1e-5)


def test_the_smallest_difference_is_found_in_80_percent_of_runs():
    shift = float(np.median(estimate([stratum_of_noise(0)]).half_width(power=0.8)))
    found = estimate([stratum_of_noise(shift)])
    assert (np.abs(found.centre) > found.half_width()).mean() == pytest.approx(0.8, abs=0.03)


def stratum_of_noise(shift):
    values = np.random.default_rng(4).normal(shift, 1, (4000, 1, 24))
    return Stratum("brain_mri", values, np.ones((1, 24)))


def test_trainings_that_all_agree_change_nothing():
    values = np.random.default_rng(5).random((1, 12))
    one, three = estimate([stratum(values)]), estimate([stratum(np.repeat(values, 3, axis=0))])
    assert three.half_width() == pytest.approx(one.half_width())
    assert three.sd_over_trainings == pytest.approx(0, abs=1e-12) and np.isnan(one.sd_over_trainings)


def test_trainings_that_differ_alike_on_every_patient_give_the_t_interval_over_trainings():
    means = np.array([0.1, 0.4, 0.3])
    found = estimate([stratum(np.repeat(means[:, None], 9, axis=1)), stratum(np.repeat(means[:, None], 7, axis=1), modality="b")])
    assert found.half_width() == pytest.approx(stats.t.ppf(0.975, 2) * stats.sem(means))
    assert found.sd_over_trainings == pytest.approx(np.std(means, ddof=1))


def test_the_number_of_trainings_that_settle_a_question_gives_the_promised_width_and_one_fewer_does_not():
    means = np.array([0.1, 0.14, 0.12])
    found = estimate([stratum(np.repeat(means[:, None], 9, axis=1))])
    n = found.trainings_for(0.02)
    widths = [stats.t.ppf(0.975, m - 1) * 0.02 / np.sqrt(m) for m in (n - 1, n)]
    assert widths[0] > 0.02 >= widths[1]
    assert estimate([stratum(np.random.default_rng(0).random((3, 9)).mean(0) * np.ones((3, 1)))]).trainings_for(0.02) is None


@given(st.lists(st.floats(0.01, 0.99), min_size=3, max_size=9))
def test_the_interval_of_a_mean_lies_in_the_range_and_around_the_mean(values):
    low, high = estimate([stratum(values)]).interval((0, 1), is_skewed=True)
    assert 0 <= low <= np.mean(values) + 1e-9 and np.mean(values) - 1e-9 <= high <= 1
