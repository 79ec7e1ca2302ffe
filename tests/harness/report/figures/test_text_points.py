"""Arrows from the mask's centroid to the point that the judge reads from the answer."""

from dataclasses import replace

from prsbench.harness.contract.types import DataKind, Point
from prsbench.harness.report.figures.text_points import arrows_of, text_points
from prsbench.harness.report.statistics.rows import rows_of


def with_points(cell, texts):
    one = cell("cg_reasoner", tuple(0.5 for _ in texts))
    records = [replace(record, predicted_centroid=Point(0.1, -0.2)) for record in one.records]
    scores = [{**values, "text_x": x, "text_y": y} for values, (x, y) in zip(one.scores, texts, strict=True)]
    return rows_of([replace(one, read=lambda: (records, scores))])[0]


def test_an_arrow_starts_at_the_mask_and_ends_where_the_text_points(cell):
    assert arrows_of(with_points(cell, [(0.5, 0.25)])).tolist() == [[0.1, -0.2, 0.5, 0.25]]


def test_samples_without_a_text_point_have_no_arrow_and_a_row_without_arrows_no_panel(cell):
    nan = float("nan")
    assert len(arrows_of(with_points(cell, [(nan, nan), (0.0, 0.0)]))) == 1
    assert text_points([with_points(cell, [(nan, nan)])], DataKind.REAL) is None
    assert "SYNTHETIC" in text_points([with_points(cell, [(0.0, 0.0)])], DataKind.SYNTHETIC).caption
