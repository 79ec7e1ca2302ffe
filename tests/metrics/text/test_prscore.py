import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prsbench.harness.contract.errors import ConfigError
from prsbench.metrics.text.prscore import normalised_cosine, place_consistency, prscore

SAME, OTHER = [1.0, 0.0], [0.6, 0.8]  # cosine 0.6, so S_sem 0.8
NOWHERE = [np.nan, np.nan]
QUADRANTS = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])

points = arrays(float, (6, 2), elements=st.floats(-1, 1))


def score_one(embedding, reference_embedding, point, reference_point, centroid, text=True, combination="both"):
    s_sem = normalised_cosine(np.array([embedding]), np.array([reference_embedding]))
    rows = (np.array([row]) for row in (point, reference_point, centroid, text))
    result = prscore(s_sem, *rows, combination)
    return {name: getattr(result, name)[0] for name in ("s_sem", "s_spatial", "s_vis", "prscore", "direction_undefined")}


# --- by pencil


def test_the_same_sentence_at_the_centroid_of_its_own_mask_scores_one():
    scores = score_one(SAME, SAME, [0.5, -0.5], [0.5, -0.5], [0.5, -0.5])
    assert scores == pytest.approx({"s_sem": 1, "s_spatial": 1, "s_vis": 1, "prscore": 1, "direction_undefined": False})


def test_an_answer_in_the_next_quadrant_by_hand():
    scores = score_one(SAME, OTHER, [0.5, -0.5], [-0.5, -0.5], [0.5, -0.5])
    spatial = (0.5 + 1 - 1 / (2 * 2**0.5)) / 2  # orthogonal, one unit apart
    assert scores["s_sem"] == pytest.approx(0.8)
    assert scores["s_spatial"] == pytest.approx(spatial)
    assert scores["prscore"] == pytest.approx((0.8 + spatial + 1) / 3)


def test_an_answer_in_the_opposite_corner_has_no_spatial_score_left():
    assert score_one(SAME, SAME, [1.0, 1.0], [-1.0, -1.0], [1.0, 1.0])["s_spatial"] == pytest.approx(0)


@pytest.mark.parametrize(("combination", "expected"), [("direction", 1.0), ("distance", 0.75), ("both", 0.875)])
def test_combinations_differ_where_the_way_is_right_and_the_distance_is_not(combination, expected):
    quarter = 0.25 * 2 * 2**0.5
    scores = score_one(SAME, SAME, [0.1, 0], [0.1 + quarter, 0], [0.1 + quarter, 0], combination=combination)
    assert (scores["s_spatial"], scores["s_vis"]) == pytest.approx((expected, expected))


def test_an_unknown_combination_names_the_nearest_one():
    with pytest.raises(ConfigError, match="Did you mean 'distance'"):
        score_one(SAME, SAME, [0.5, 0.5], [0.5, 0.5], [0.5, 0.5], combination="distances")


@pytest.mark.parametrize("combination", ["both", "direction", "distance"])
def test_near_the_centre_distance_stands_alone_and_is_marked(combination):
    scores = score_one(SAME, SAME, [0.01, 0.0], [0.5, 0.0], [0.5, 0.0], combination=combination)
    assert scores["s_spatial"] == pytest.approx(1 - 0.49 / (2 * 2**0.5))
    assert scores["direction_undefined"]


def test_an_empty_predicted_mask_loses_s_vis_and_nothing_else():
    scores = score_one(SAME, SAME, [0.5, 0.5], [0.5, 0.5], NOWHERE)
    expected = {"s_sem": 1, "s_spatial": 1, "s_vis": 0, "prscore": 2 / 3, "direction_undefined": False}
    assert scores == pytest.approx(expected)


def test_a_missing_text_scores_zero_in_every_part():
    scores = score_one(SAME, SAME, [0.5, 0.5], [0.5, 0.5], [0.5, 0.5], text=False)
    assert not any(scores.values())


def test_a_zero_vector_is_orthogonal_to_everything():
    assert normalised_cosine(np.zeros((1, 2)), np.array([SAME])) == 0.5


# --- what uninformed answers score, with an ideal Text2Centroid and perfect masks


def mean_with_perfect_masks(named, true):
    """Mean PRScore of answers that differ only in their quadrant word and have cosine 0.8."""
    similar = np.full((4, 4), 0.8) + 0.2 * np.eye(4)
    embeddings = np.linalg.cholesky(similar)
    place = QUADRANTS[true]
    s_sem = normalised_cosine(embeddings[named], embeddings[true])
    return prscore(s_sem, QUADRANTS[named], place, place, np.ones(len(named), bool)).prscore.mean()


def test_floors_lie_where_the_formula_puts_them():
    true, named = (axis.ravel() for axis in np.meshgrid(range(4), range(4)))
    assert mean_with_perfect_masks(true, true) == pytest.approx(1)
    assert 0.68 < mean_with_perfect_masks(named, true) < 0.71  # a random word
    assert 0.68 < mean_with_perfect_masks(np.zeros(4, int), np.arange(4)) < 0.71  # a constant word
    assert 0.46 < mean_with_perfect_masks(3 - np.arange(4), np.arange(4)) < 0.49  # always the opposite


# --- invariants


@given(points, points, st.sampled_from(["both", "direction", "distance"]))
def test_consistency_is_symmetric_in_range_and_does_not_see_flips(first, second, combination):
    value, undefined = place_consistency(first, second, combination)
    assert (value >= -1e-12).all() and (value <= 1 + 1e-12).all()
    np.testing.assert_array_equal(place_consistency(second, first, combination)[0], value)
    flipped, still_undefined = place_consistency(first * [-1, 1], second * [-1, 1], combination)
    np.testing.assert_allclose(flipped, value, atol=1e-12)
    np.testing.assert_array_equal(still_undefined, undefined)


@given(points)
def test_a_place_is_wholly_consistent_with_itself(place):
    np.testing.assert_allclose(place_consistency(place, place, "both")[0], 1, atol=1e-12)


@given(points, points, st.permutations(range(6)))
def test_samples_do_not_influence_each_other(first, second, order):
    s_sem, text = np.random.default_rng(0).random(6), np.arange(6) > 0
    together = prscore(s_sem, first, second, first, text).prscore
    shuffled = prscore(s_sem[order], first[order], second[order], first[order], text[order]).prscore
    np.testing.assert_allclose(shuffled, together[order], atol=1e-12)


# --- missing places, and weights


def test_an_answer_without_a_place_keeps_its_meaning_and_loses_both_places():
    scores = score_one(SAME, OTHER, NOWHERE, [0.5, 0.5], [0.5, 0.5])
    assert scores == pytest.approx({"s_sem": 0.8, "s_spatial": 0, "s_vis": 0, "prscore": 0.8 / 3, "direction_undefined": False})


def test_a_reference_without_a_place_leaves_the_score_undefined():
    scores = score_one(SAME, SAME, [0.5, 0.5], NOWHERE, [0.5, 0.5])
    assert np.isnan(scores["s_spatial"]) and np.isnan(scores["prscore"]) and scores["s_vis"] == pytest.approx(1)


@pytest.mark.parametrize(("weights", "expected"), [((1, 1, 1), (0.8 + 1 + 0) / 3), ((2, 1, 1), 2.6 / 4), ((0, 1, 0), 1.0)])
def test_weights_are_shares_of_their_sum(weights, expected):
    rows = ([0.8], [[0.5, 0.5]], [[0.5, 0.5]], [NOWHERE], [True])
    assert prscore(*map(np.array, rows), weights=weights).prscore[0] == pytest.approx(expected)


@pytest.mark.parametrize("weights", [(0, 0, 0), (1, -1, 1)])
def test_weights_that_are_no_shares_are_refused(weights):
    rows = ([0.8], [[0.5, 0.5]], [[0.5, 0.5]], [NOWHERE], [True])
    with pytest.raises(ConfigError, match="weights"):
        prscore(*map(np.array, rows), weights=weights)
