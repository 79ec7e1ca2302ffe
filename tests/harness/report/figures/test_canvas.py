"""All figures: the same bytes each time in every format, the data kind in the caption, None where there is nothing to draw."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.canvas import number_points
from prsbench.harness.report.figures.cost import quality_against_cost
from prsbench.harness.report.figures.rank_stability import rank_stability
from prsbench.harness.report.figures.scatter import dice_against_prscore
from prsbench.harness.report.figures.slopes import t2c_slopes
from prsbench.harness.report.figures.subgroups import subgroup_lines
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables.ranks import rankings_of


def stability(rows, kind):
    return rank_stability(rankings_of([replace(row, data_kind=kind) for row in rows]), kind)


DRAWN = [dice_against_prscore, t2c_slopes, subgroup_lines, stability, quality_against_cost]


@pytest.fixture
def rows(cell):
    ladder = {"cg_reasoner": 0.8, "cg_reasoner_without_t2c": 0.7, "oracle": 1.0}
    values = {name: tuple(level - 0.02 * i for i in range(6)) for name, level in ladder.items()}
    return rows_of([cell(name, some, modality) for name, some in values.items() for modality in MODALITIES[:2]])


@pytest.mark.parametrize("draw", DRAWN)
def test_a_figure_has_the_same_bytes_each_time_and_says_synthetic_in_caption_and_picture(rows, draw):
    once, again, real = (draw(rows, kind) for kind in (DataKind.SYNTHETIC, DataKind.SYNTHETIC, DataKind.REAL))
    assert once.files == again.files and set(once.files) == {"png", "svg", "pdf"}
    assert "SYNTHETIC" in once.caption and once.png != real.png


@pytest.mark.parametrize("draw", DRAWN)
def test_without_complete_rows_there_is_no_figure(rows, draw):
    failed = [replace(row, cells=tuple(replace(c, status="failed").without_numbers() for c in row.cells)) for row in rows]
    assert draw([], DataKind.REAL) is None
    assert draw([row for row in failed if row.method == "oracle"], DataKind.REAL) is None


def test_the_numbers_of_crowded_points_overlap_neither_each_other_nor_the_points():
    canvas = Figure(figsize=(8, 5), layout="constrained")
    axes = canvas.subplots()
    places = [(0.0, 0.0), (1.0, 1.0), *np.random.default_rng(0).normal(0.9, 0.01, (14, 2)).tolist()]
    axes.scatter(*zip(*places, strict=True), s=70)
    number_points(canvas, axes, places)
    canvas.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the lines
    assert [text.get_text() for text in axes.texts] == [str(number) for number in range(1, 17)]
    assert not [1 for one, other in combinations(boxes, 2) if one.overlaps(other)]
    assert not [1 for box, point in product(boxes, axes.transData.transform(places)) if box.contains(*point)]
    assert [text.arrow_patch is not None for text in axes.texts[:2]] == [False, False], "these have room"
