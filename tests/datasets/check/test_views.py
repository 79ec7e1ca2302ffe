"""Hashes of turns and crops equal those of the turned and cropped pictures; likeness is 1 for a picture and itself."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.datasets.check import views
from prsbench.datasets.check.views import BOXES, SIDE, TURNS, WHOLE, hashes_of_crops, hashes_of_turns, likeness
from scipy import fft


@pytest.fixture(name="thumb")
def thumbnail_of(scan):
    return lambda seed: views.thumbnail(scan(seed, (SIDE, SIDE)))


@pytest.mark.parametrize("turn", TURNS)
def test_the_hash_of_a_turn_is_the_hash_of_the_turned_picture(turn, thumb):
    one = thumb(1)
    turned = np.ascontiguousarray(views._TURN[turn](one))
    differing = int(hashes_of_turns(one)[TURNS.index(turn)] ^ hashes_of_turns(turned)[0]).bit_count()
    assert differing <= 1, "but for a frequency that is almost 0"
    assert likeness(turned, one, turn, WHOLE)[0] == pytest.approx(1, abs=1e-3)


def test_the_hash_has_the_signs_of_scipys_cosine_transform(thumb):
    one = thumb(2)
    expected = fft.dctn(one.astype(float), type=2)[views._ROWS, views._COLS] > 0
    got = [bool(int(hashes_of_turns(one)[0]) >> bit & 1) for bit in range(62, -1, -1)]
    assert np.mean(expected == got) > 0.95


def test_the_first_crop_is_the_whole_picture(thumb):
    assert BOXES[0] == WHOLE == (0, 1, 0, 1)
    assert hashes_of_crops(thumb(3))[0][0] == hashes_of_turns(thumb(3))[0]


def test_pictures_without_details_are_like_nothing(thumb):
    flat = np.full((SIDE, SIDE), 90, np.uint8)
    assert likeness(flat, flat, TURNS[0], WHOLE)[0] == 0
    assert likeness(thumb(4), flat, TURNS[0], WHOLE)[0] == 0


def test_two_different_pictures_are_not_alike(thumb):
    assert likeness(thumb(5), thumb(6), TURNS[0], WHOLE)[0] < 0.5
