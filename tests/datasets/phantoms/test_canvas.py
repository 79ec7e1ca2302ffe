"""The drawing tools against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.datasets.phantoms.canvas import Canvas, over, soft, union


def canvas(shape: tuple[int, int] = (60, 80)) -> Canvas:
    return Canvas(shape, np.random.default_rng(0))


@pytest.mark.parametrize("grain_px", [0.8, 3, 20])
def test_noise_has_mean_zero_and_variance_one_at_every_pixel(grain_px):
    sheet = canvas((12, 16))
    samples = np.array([sheet.noise(grain_px) for _ in range(3000)])
    assert np.abs(samples.mean(axis=0)).max() < 0.1
    assert np.abs(samples.var(axis=0) - 1).max() < 0.15


def test_noise_is_smoother_with_a_larger_grain():
    fine, coarse = (np.abs(np.diff(canvas().noise(grain_px), axis=0)).mean() for grain_px in (1, 10))
    assert coarse < fine / 4


def test_an_ellipse_is_as_deep_as_its_axes_say():
    depth = canvas().ellipse(30.5, 40.5, 10, 20)
    assert depth[30, 50] == pytest.approx(10)  # halfway along the long axis
    assert depth[40, 40] == pytest.approx(0)
    assert (depth > 0).sum() == pytest.approx(np.pi * 10 * 20, rel=0.02)


def test_a_tilted_ellipse_turns_clockwise():
    depth = canvas().ellipse(30, 40, 5, 20, np.pi / 4)
    assert depth[42, 52] > 0 > depth[18, 52]  # long axis from top left to bottom right


@pytest.mark.parametrize("stretch", [1, 1.5])
def test_a_blob_keeps_its_area_when_stretched(stretch):
    assert (canvas().blob(30, 40, 12, stretch) > 0).sum() == pytest.approx(np.pi * 144, rel=0.03)


def test_soft_coverage_is_half_on_the_outline():
    np.testing.assert_allclose(soft(np.array([-50.0, 0.0, 50.0])), [0, 0.5, 1], atol=1e-12)


def test_union_covers_what_either_part_covers():
    left, right = np.array([3.0, -5.0]), np.array([-2.0, 4.0])
    assert union(left, right).tolist() == [3, 4]
    assert (union(left, right, blend_px=1.0) >= [3, 4]).all()


def test_paint_over_a_colour_picture_mixes_by_coverage():
    image = over(np.zeros((1, 2, 3)), np.array([[0.0, 0.5]]), (1.0, 0.4, 0.2))
    np.testing.assert_allclose(image, [[[0, 0, 0], [0.5, 0.2, 0.1]]])


def test_a_stroke_is_full_on_its_path_and_nothing_far_from_it():
    sheet = canvas()
    line = sheet.strokes([sheet.curve(30.2, 10, 0.0, 60)], 1.0)
    assert line[30, 40] == pytest.approx(1, abs=0.05)
    assert line[40, 40] == 0


def test_no_path_paints_nothing():
    assert not canvas().strokes([], 1.0).any()


def test_points_are_sprinkled_only_where_allowed():
    where = np.zeros((60, 80), bool)
    where[5, 7] = True
    assert canvas().sprinkle(where, 3) == [(5.5, 7.5)] * 3
    assert canvas().sprinkle(~np.ones((60, 80), bool), 3) == []
