"""Pictures are shrunk before they are drawn: memory does not grow with their size, and nothing that was visible is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures import examples as examples_module
from prsbench.harness.report.figures.pictures import MOST_PX, Pictures, shrunk, shrunk_image
from prsbench.harness.report.statistics.rows import rows_of

SIDES = st.tuples(st.integers(1, 3 * MOST_PX), st.integers(1, 3 * MOST_PX))


def of_size(height: int, width: int) -> Pictures:
    truth = np.zeros((height, width), bool)
    truth[-1, -1] = True
    return Pictures(np.zeros((height, width, 3), np.uint8), truth, {"cg_reasoner": truth.astype(np.float32)})


@given(SIDES)
def test_no_side_is_longer_than_the_limit_and_all_parts_keep_one_shape(sides):
    small = of_size(*sides).shrunk()
    assert small.image.shape[:2] == small.truth.shape == small.probability["cg_reasoner"].shape
    assert max(small.truth.shape) <= MOST_PX and min(small.truth.shape) >= 1


@given(SIDES, st.data())
def test_a_lesion_of_one_pixel_stays_where_it_was(sides, data):
    mask = np.zeros(sides, bool)
    row, column = (data.draw(st.integers(0, side - 1)) for side in sides)
    mask[row, column] = True
    ((small_row, small_column),) = np.argwhere(shrunk(mask))
    factor = -(-max(sides) // MOST_PX)
    assert (small_row, small_column) == (row // factor, column // factor)


def test_a_picture_within_the_limit_is_not_touched():
    image, mask = np.zeros((MOST_PX, 3, 3), np.uint8), np.ones((MOST_PX, 3), bool)
    assert shrunk_image(image) is image and shrunk(mask) is mask


def test_a_large_image_becomes_the_means_of_its_blocks():
    image = np.zeros((2 * MOST_PX, 2, 3), np.uint8)
    image[:2, :2] = np.array([[0, 10], [20, 30]])[..., None]
    assert shrunk_image(image)[0, 0].tolist() == [15, 15, 15]


@pytest.mark.parametrize("sides", [(3000, 4100), (9000, 40), (50, 20_000)])
def test_no_array_that_the_figure_draws_grows_with_the_picture(cell, monkeypatch, sides):
    monkeypatch.setattr(examples_module, "finish", lambda canvas, *_: canvas)
    canvas = examples_module.examples(rows_of([cell()]), DataKind.SYNTHETIC, lambda *_: of_size(*sides))
    drawn = [image.get_array().shape[:2] for axes in canvas.axes for image in axes.images]
    assert len(drawn) >= 3 and max(max(shape) for shape in drawn) <= MOST_PX
