"""Quality against cost: Dice@0.5 against seconds an image. Its numbers differ each time, so it belongs to cost/."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.canvas import Figure, colour_of, finish, mark_data_kind, number_points, tidy
from prsbench.harness.report.statistics.means_and_differences import mean_of_defined
from prsbench.harness.report.statistics.rows import Row, summarise
from prsbench.harness.report.tables.footnotes import DATA_LINES


def quality_against_cost(rows: Sequence[Row], kind: DataKind) -> Figure | None:
    """Ranked rows with a time and a Dice; None if there is none."""
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import LogLocator, NullLocator

    measured = [
        (row, mean_of_defined(cell.summary.seconds for cell in row.cells if cell.summary), summarise(row, "dice@0.5").value)
        for row in rows
        if not row.is_reference
    ]
    points = [(row, seconds, dice) for row, seconds, dice in measured if isfinite(dice) and seconds > 0]
    if not points:
        return None
    canvas = Canvas(figsize=(10, 0.9 + max(4.6, 0.28 * len(points))), layout="constrained")
    axes = canvas.subplots()
    for number, (row, seconds, dice) in enumerate(points, 1):
        label = f"{number}  {row.method} ({seconds:.3f} s)"
        axes.scatter(seconds, dice, s=70, color=colour_of(row), edgecolor="black", linewidth=0.6, zorder=3, label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("seconds an image")
    axes.set_ylabel("Dice@0.5")
    tidy(axes, "both")
    canvas.legend(loc="outside right upper", fontsize=9, frameon=False)
    number_points(canvas, axes, [(seconds, dice) for _, seconds, dice in points])
    mark_data_kind(canvas, kind)
    caption = f"Dice@0.5 against the time of one prediction, as measured in this run. {DATA_LINES[kind]} Colours: prompt source."
    return finish(canvas, f"quality_against_cost_{kind}", f"Quality against cost. {DATA_LINES[kind]}", caption)
