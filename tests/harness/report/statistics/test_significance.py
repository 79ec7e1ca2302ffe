"""Holm's correction and effect sizes by pencil."""

from __future__ import annotations

from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prsbench.harness.report.statistics.significance import cohens_dz, holm, rank_biserial


def test_holm_by_pencil():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_a_refused_test_is_no_test():
    corrected = holm([0.02, nan, 0.04])
    assert corrected[::2] == pytest.approx([0.04, 0.04]) and isnan(corrected[1])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_never_lowers_a_p_value_and_stays_below_bonferroni(p_values):
    corrected = holm(p_values)
    assert all(p <= q <= min(1, len(p_values) * p) + 1e-12 for p, q in zip(p_values, corrected, strict=True))
    assert [corrected[i] for i in np.argsort(p_values, kind="stable")] == sorted(corrected)


def test_effect_sizes_by_pencil():
    differences = np.array([1.0, 2.0, -3.0, 4.0])
    assert cohens_dz(differences) == pytest.approx(1.0 / np.sqrt(26 / 3))
    assert rank_biserial(differences) == pytest.approx((1 + 2 + 4 - 3) / 10)


def test_a_constant_difference_is_an_infinite_effect_and_none_is_none():
    assert cohens_dz(np.full(4, 0.2)) == inf
    assert (cohens_dz(np.zeros(4)), rank_biserial(np.zeros(4)), rank_biserial(np.full(4, -0.1))) == (0.0, 0.0, -1.0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9).map(np.array))
def test_exchanging_the_sides_turns_the_effect(differences):
    assert rank_biserial(-differences) == pytest.approx(-rank_biserial(differences))
