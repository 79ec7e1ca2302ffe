import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prsbench.methods.language_base import LEVELS, draw, smudge


def test_a_place_is_level_zero_only_where_it_holds_no_foreground_at_all():
    mask = np.zeros((60, 90), bool)
    mask[29, 44] = True  # one pixel of the place in row 2, column 2 of a 6 x 6 drawing
    mask[50:, 75:] = True
    drawing = draw(mask, 6)
    assert drawing[2, 2] == 1
    assert drawing[5, 5] == LEVELS - 1
    assert np.count_nonzero(drawing) == 2


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_smudged_place_is_at_most_one_level_off_and_touches_the_foreground(seed, share):
    chance = np.random.default_rng(seed)
    levels = chance.integers(0, LEVELS, (6, 6)) * (chance.random((6, 6)) < 0.2)
    smudged = smudge(levels, share, chance)
    assert smudged.min() >= 0 and smudged.max() < LEVELS
    assert np.abs(smudged - levels).max() <= 1
    for row, col in np.argwhere(smudged != levels):
        assert levels[max(0, row - 1) : row + 2, max(0, col - 1) : col + 2].any()


def test_an_empty_drawing_stays_empty_so_that_nothing_is_still_said_to_be_there():
    assert not smudge(np.zeros((6, 6), int), 1.0, np.random.default_rng(0)).any()


def test_the_share_of_smudged_places_is_the_one_asked_for():
    levels = np.full((200, 200), 1)
    moved = smudge(levels, 0.15, np.random.default_rng(0)) != levels
    assert abs(moved.mean() - 0.15) < 0.01
