from math import isnan

import numpy as np
import pytest
from prsbench.metrics.text import chance
from prsbench.metrics.text.chance import corrected, levels
from prsbench.metrics.text.placed_texts import NO_TEXT, PlacedTexts, Sentences
from prsbench.metrics.text.position import parse

ZONES = ("top left", "top right", "bottom left", "bottom right")
PLACES = {"top left": (-0.5, -0.5), "top right": (0.5, -0.5), "bottom left": (-0.5, 0.5), "bottom right": (0.5, 0.5)}


class Quadrants:
    """Text models for which sentences of different zones have cosine 0.8 and points are correct."""

    checksum, notes = "", ()
    _vectors = np.linalg.cholesky(np.full((4, 4), 0.8) + 0.2 * np.eye(4))

    def embed(self, sentences):
        return np.array([self._vectors[ZONES.index(next(iter(parse(s).zones)))] for s in sentences])

    def locate(self, sentences):
        return np.array([PLACES[next(iter(parse(s).zones))] for s in sentences])


def texts(named, true):
    """Samples with perfect masks whose answers name the zones `named`, where the zones `true` are correct."""
    sentences = Sentences.read(ZONES, Quadrants())
    places = sentences.points[true]
    return PlacedTexts(sentences, np.array(named), np.array(true), places, places)


ALL = np.repeat(np.arange(4), 5)


def test_the_levels_of_perfect_masks_lie_where_the_formula_puts_them():
    chance_levels = levels(texts(ALL, ALL), Quadrants())
    assert 0.65 < chance_levels.chance.mean() < 0.72  # random other answers
    assert 0.68 < chance_levels.constant.mean() < 0.71
    assert 0.46 < chance_levels.opposite.mean() < 0.49
    np.testing.assert_allclose(chance_levels.ceiling, 1)


def test_all_partners_of_a_small_cell_give_the_exact_mean_over_the_others():
    cell = texts([0, 1, 2, 3, 3], [0, 1, 2, 3, 0])
    expected = []
    for i in range(5):
        others = [cell.score(np.full(5, cell.answer[j])).prscore[i] for j in range(5) if j != i]
        expected.append(np.mean(others))
    np.testing.assert_allclose(levels(cell, Quadrants()).chance, expected, atol=1e-12)


def test_a_large_cell_comes_close_to_the_exact_mean_and_repeats_with_its_seed(monkeypatch):
    rng = np.random.default_rng(0)
    cell = texts(rng.integers(0, 4, 200), rng.integers(0, 4, 200))
    first, again = (levels(cell, Quadrants()).chance for _ in range(2))
    np.testing.assert_array_equal(first, again)
    monkeypatch.setattr(chance, "PARTNERS", 199)
    assert first.mean() == pytest.approx(levels(cell, Quadrants()).chance.mean(), abs=0.005)


def test_a_row_that_always_answers_the_same_scores_0_above_chance_and_a_perfect_one_scores_1():
    constant, perfect = texts([2] * 20, ALL), texts(ALL, ALL)
    for cell, worth in ((constant, 0.0), (perfect, 1.0)):
        above = corrected(cell.score().prscore, levels(cell, Quadrants()).chance)
        assert above.mean() == pytest.approx(worth, abs=1e-12)


def test_a_single_sample_has_no_chance_to_compare_with():
    cell = texts([0], [0])
    chance_levels = levels(cell, Quadrants())
    assert isnan(chance_levels.chance[0]) and isnan(corrected(cell.score().prscore, chance_levels.chance)[0])
    assert (chance_levels.ceiling[0], chance_levels.constant[0]) == pytest.approx((1.0, 1.0))


def test_missing_answers_score_nothing_and_lower_the_chance():
    silent = texts([NO_TEXT] * 20, ALL)
    chance_levels = levels(silent, Quadrants())
    assert not silent.score().prscore.any() and not chance_levels.chance.any()
    assert chance_levels.constant.mean() > 0.68
