"""The bootstrap against a plain loop, its seed, and its memory."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.harness.report.statistics import bootstrap
from prsbench.harness.report.statistics.bootstrap import N_RESAMPLES, Stratum, bootstraps, interval, p_of_zero, weighted_mean


def stratum(modality="brain_mri", groups=12, seed=0):
    rng = np.random.default_rng(seed)
    count = rng.integers(1, 5, groups).astype(float)
    return Stratum(modality, rng.random(groups) * count, count)


def test_there_are_ten_thousand_resamples_and_the_seed_decides_them():
    first, again, other = (bootstraps([[stratum()]], seed)[0] for seed in (0, 0, 1))
    assert first.size == N_RESAMPLES == 10_000
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_interval_is_that_of_a_plain_loop_over_groups_of_several_data_sets():
    strata = [stratum(seed=1), stratum(seed=2), stratum("skin_rgb", 20, seed=3)]
    rng, loop = np.random.default_rng(9), []
    for _ in range(4000):
        means = []
        for s in strata:
            chosen = rng.integers(0, s.total.size, s.total.size)
            means.append(s.total[chosen].sum() / s.count[chosen].sum())
        loop.append(((means[0] + means[1]) / 2 + means[2]) / 2)
    found = bootstraps([strata], 0)[0]
    assert interval(found) == pytest.approx(tuple(np.percentile(loop, [2.5, 97.5])), abs=0.006)
    assert found.mean() == pytest.approx(weighted_mean(strata), abs=0.005)


def test_resamples_cached_or_not_and_of_any_chunk_give_the_same_numbers(monkeypatch):
    cached = bootstraps([[stratum()]], 3)[0]
    monkeypatch.setattr(bootstrap, "_CACHED_GROUPS", 0)
    np.testing.assert_array_equal(bootstraps([[stratum()]], 3)[0], cached)
    monkeypatch.setattr(bootstrap, "_CHUNK", 10_000)
    np.testing.assert_allclose(bootstraps([[stratum()]], 3)[0], cached, rtol=0, atol=1e-15)


def test_a_single_group_cannot_vary():
    assert bootstraps([[stratum(groups=1)]], 0) == [None]


def test_the_p_value_is_small_only_if_zero_is_far_outside_the_resamples():
    assert p_of_zero(np.full(9999, 0.1)) == pytest.approx(2 / 10_000)
    assert p_of_zero(np.linspace(-1, 1, 999)) == 1.0
    assert np.isnan(p_of_zero(None))
