"""Dice against PRScore: every row as a point, numbered as in the legend."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.canvas import Figure, colour_of, finish, mark_data_kind, number_points, tidy
from prsbench.harness.report.statistics.rows import Row, summarise
from prsbench.harness.report.tables.footnotes import DATA_LINES
from prsbench.metrics.catalog import METRICS

_X, _Y = "dice@0.5", "prscore"


def dice_against_prscore(rows: Sequence[Row], kind: DataKind) -> Figure | None:
    """Means over modalities of the rows that have both; None if fewer than two do."""
    from matplotlib.figure import Figure as Canvas

    scores = [(row, summarise(row, _X).value, summarise(row, _Y).value) for row in rows]
    points = [(row, x, y) for row, x, y in scores if isfinite(x) and isfinite(y)]
    if len(points) < 2:
        return None
    canvas = Canvas(figsize=(10, 0.9 + max(5.2, 0.28 * len(points))), layout="constrained")
    axes = canvas.subplots()
    for number, (row, x, y) in enumerate(points, 1):
        marker, colour = "s" if row.is_reference else "o", colour_of(row)
        axes.scatter(
            x, y, s=70, marker=marker, color=colour, edgecolor="black", linewidth=0.6, zorder=3, label=f"{number}  {row.method}"
        )
    axes.set_xlabel(METRICS[_X].title)
    axes.set_ylabel(METRICS[_Y].title)
    axes.set_xlim(-0.03, 1.05)
    tidy(axes, "both")
    canvas.legend(loc="outside right upper", fontsize=9, frameon=False)
    number_points(canvas, axes, [(x, y) for _, x, y in points])
    mark_data_kind(canvas, kind)
    caption = (
        f"Dice@0.5 against PRScore, means over modalities. {DATA_LINES[kind]} Colours: prompt source; squares: floors and "
        "ceilings. PRScore's chance level is not 0."
    )
    return finish(canvas, f"dice_against_prscore_{kind}", f"Dice against PRScore. {DATA_LINES[kind]}", caption)
