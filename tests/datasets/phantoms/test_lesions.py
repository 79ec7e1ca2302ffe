"""Where lesions are placed, on anatomies simple enough to know the answer."""

from __future__ import annotations

import numpy as np
from prsbench.datasets.phantoms.canvas import Canvas
from prsbench.datasets.phantoms.lesions import SMALLEST_RADIUS_PX, main_piece, place

SHAPE = (120, 160)


def spots(anatomy: np.ndarray, areas: tuple[float, float] = (0.005, 0.2), two_share: float = 0.0, count: int = 150):
    return [place(Canvas(SHAPE, np.random.default_rng(index)), anatomy, areas, two_share) for index in range(count)]


def test_an_open_sheet_fills_all_quadrants_and_the_centre_about_evenly():
    found = [spot for [spot] in spots(np.ones(SHAPE, bool), count=300)]
    inner = [np.hypot(spot.row - 60, spot.col - 80) < 0.4 * spot.radius_px for spot in found]
    quadrants = [(spot.row > 60, spot.col > 80) for spot, is_inner in zip(found, inner, strict=True) if not is_inner]
    assert 0.12 < np.mean(inner) < 0.28
    shares = [quadrants.count((below, right)) / len(quadrants) for below in (False, True) for right in (False, True)]
    assert min(shares) > 0.17


def test_spots_lie_inside_the_anatomy_with_most_of_their_radius():
    anatomy = np.zeros(SHAPE, bool)
    anatomy[20:100, 10:60] = True
    for [spot] in spots(anatomy):
        assert spot.row - 0.7 * spot.radius_px >= 20 and spot.row + 0.7 * spot.radius_px <= 100
        assert spot.col - 0.7 * spot.radius_px >= 10 and spot.col + 0.7 * spot.radius_px <= 60


def test_two_spots_do_not_touch():
    pairs = [pair for pair in spots(np.ones(SHAPE, bool), two_share=1.0) if len(pair) == 2]
    assert len(pairs) > 140
    for first, second in pairs:
        gap_px = np.hypot(first.row - second.row, first.col - second.col) - first.radius_px - second.radius_px
        assert gap_px > 4


def test_a_narrow_anatomy_makes_large_lesions_small():
    anatomy = np.zeros(SHAPE, bool)
    anatomy[:, 20:34] = True
    assert all(spot.radius_px < 10 for [spot] in spots(anatomy, areas=(0.1, 0.2), count=20))


def test_an_anatomy_too_narrow_for_any_lesion_gets_none():
    anatomy = np.zeros(SHAPE, bool)
    anatomy[:, 20 : 20 + int(SMALLEST_RADIUS_PX)] = True
    assert spots(anatomy, count=5) == [[]] * 5


def test_crumbs_are_dropped_from_a_lesion_and_corners_hold_it_together():
    mask = np.zeros((6, 6), bool)
    mask[0, 5] = mask[2, 2] = mask[3, 3] = True
    assert np.argwhere(main_piece(mask)).tolist() == [[2, 2], [3, 3]]
