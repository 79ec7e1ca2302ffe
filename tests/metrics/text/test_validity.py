"""What the judge makes of references: held against means of true centroids, and asked to tell right from wrong."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.metrics.text.placed_texts import PlacedTexts, Sentences
from prsbench.metrics.text.validity import area_under_curve, judge_auc, scatter
from scipy.stats import mannwhitneyu

ZONES = ("top left", "top right", "bottom left", "bottom right")
CORNERS = np.array([(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)])
VALUES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), max_size=8).map(np.array)


def texts(points, seed=0):
    """Twenty samples at the corners' centroids, with a reference each; `points` locates the four references."""
    zone = np.repeat(np.arange(4), 5)
    truth = CORNERS[zone] + np.random.default_rng(seed).normal(0, 0.05, (20, 2))
    sentences = Sentences(ZONES, np.ones((4, 1)), np.asarray(points, float))
    return PlacedTexts(sentences, zone, zone, truth, truth), [ZONES[i] for i in zone]


def test_a_judge_that_reads_tells_every_right_sentence_from_every_wrong_one():
    assert judge_auc(*texts(CORNERS)).tolist() == [1.0] * 20


def test_a_judge_that_says_one_point_whatever_the_words_is_at_chance():
    assert judge_auc(*texts(np.full((4, 2), 0.3))).tolist() == [0.5] * 20


def test_a_judge_that_takes_each_side_for_the_other_still_prefers_the_same_words_so_its_error_has_to_be_seen_too():
    assert judge_auc(*texts(-CORNERS)).min() == 1.0


def test_without_a_right_or_without_a_wrong_sentence_of_another_sample_nothing_can_be_told():
    placed, zones = texts(CORNERS)
    assert np.isnan(judge_auc(placed, ["center"] * 20)).all()
    assert np.isnan(judge_auc(placed, list(range(20)))).all()


@given(right=VALUES, wrong=VALUES)
def test_the_area_is_the_mann_whitney_statistic_over_the_number_of_pairs(right, wrong):
    area = area_under_curve(right, wrong)
    if right.size and wrong.size:
        assert area == pytest.approx(mannwhitneyu(right, wrong).statistic / (right.size * wrong.size))
    else:
        assert isnan(area)


def test_two_points_are_each_half_their_distance_from_their_mean_times_the_square_root_of_two():
    points = np.array([(-0.3, 0.0), (0.3, 0.0), (0.9, 0.9)])
    assert scatter(points, ["a", "a", "b"]) == pytest.approx([0.3 * 2**0.5, 0.3 * 2**0.5, np.nan], nan_ok=True)


@pytest.mark.parametrize("n", [2, 4, 16])
def test_the_mean_of_few_points_estimates_the_distance_from_the_mean_of_all_where_leaving_out_none_is_too_low(n):
    points = np.random.default_rng(n).normal(0, 0.3, (20_000 // n * n, 2))
    labels = np.repeat(np.arange(len(points) // n), n).tolist()
    assert scatter(points, labels).mean() == pytest.approx(np.linalg.norm(points, axis=1).mean(), rel=0.02)


def test_no_sample_has_no_scatter_and_no_area():
    empty = PlacedTexts(Sentences((), np.zeros((0, 1)), np.zeros((0, 2))), *[np.zeros(0, np.int64)] * 2, *[np.zeros((0, 2))] * 2)
    assert scatter(np.zeros((0, 2)), []).size == judge_auc(empty, []).size == 0
