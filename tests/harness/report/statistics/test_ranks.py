"""Rank stability on resampled groups: certain ranks are certain, equal rows share theirs, and noise is found."""

import numpy as np
import pytest
from prsbench.harness.report.statistics.ranks import ranks
from prsbench.harness.report.statistics.rows import rows_of

ROWS = ("cg_reasoner", "cg_reasoner_without_t2c")


def ranking(cell, *values, metric="dice@0.5", **how):
    cells = [cell(method, tuple(some), **how) for method, some in zip(ROWS, values, strict=True)]
    [found] = ranks(rows_of(cells), metric)
    return found


def test_a_row_that_is_better_on_every_group_is_first_in_every_resample(cell):
    base = np.linspace(0.3, 0.7, 20)
    first, second = ranking(cell, base + 0.1, base)
    assert (first.row.method, first.rank, first.share_first, first.low, first.high, first.p_next) == (ROWS[0], 1, 1.0, 1, 1, 0.0)
    assert (second.rank, second.share_first, second.low, second.high) == (2, 0.0, 2, 2) and np.isnan(second.p_next)


def test_of_a_lower_is_better_metric_the_smaller_error_is_first(cell):
    base = np.linspace(0.3, 0.7, 20)
    first, _ = ranking(cell, base + 0.1, base, metric="centroid_error_of_text")
    assert first.row.method == ROWS[1] and first.share_first == 1.0


def test_equal_rows_share_the_first_rank(cell):
    base = np.linspace(0.3, 0.7, 20)
    assert [(one.rank, one.share_first) for one in ranking(cell, base, base)] == [(1, 1.0), (1, 1.0)]


def test_the_share_agrees_with_the_normal_distribution_of_the_mean_difference(cell):
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.1, 400)
    noise -= noise.mean()
    base = np.full(400, 0.5)
    first, _ = ranking(cell, base + 0.005 + noise, base)  # the mean difference is one standard error
    assert first.share_first == pytest.approx(0.841, abs=0.04)


def test_samples_of_one_group_are_drawn_together(cell):
    values = np.repeat([0.6, 0.4], 10)
    grouped = ranking(cell, values, np.full(20, 0.49), groups=tuple(["a"] * 10 + ["b"] * 10))
    assert grouped[0].share_first == pytest.approx(0.75, abs=0.03)  # of aa, ab, ba and bb only bb puts it behind


def test_the_same_cells_give_the_same_shares_whatever_their_order(cell):
    rng = np.random.default_rng(2)
    where = [(method, modality, seed) for method in ROWS for modality in ("brain_mri", "breast_us") for seed in (0, 1)]
    cells = [cell(method, tuple(rng.uniform(0, 1, 12)), modality, seed=seed) for method, modality, seed in where]
    once, again = (ranks(rows_of(some), "dice@0.5")[0] for some in (cells, cells[::-1]))
    assert [(one.row.method, one.share_first) for one in once] == [(one.row.method, one.share_first) for one in again]


def test_a_row_with_failed_samples_is_left_out(cell):
    cells = [cell(ROWS[0], (0.5, 0.6), failed=(0,)), cell(ROWS[1], (0.5, 0.6))]
    assert ranks(rows_of(cells), "dice@0.5") == []


def test_several_trainings_are_drawn_too(cell):
    base = np.full(200, 0.5)
    cells = [cell(ROWS[0], tuple(base + step), seed=seed) for seed, step in enumerate((-0.2, 0.2, 0.1))]
    cells += [cell(ROWS[1], tuple(base), seed=seed) for seed in range(3)]
    first, _ = ranks(rows_of(cells), "dice@0.5")[0]
    assert 0.5 < first.share_first < 0.98  # on any patients it is better by 0.033, but not with any three trainings
