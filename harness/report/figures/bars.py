"""The bar chart: segmentation, PRScore and position accuracy of every method, coloured by prompt source."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.canvas import SOURCE_COLOURS, WARNING_COLOUR, Figure, finish, mark_data_kind
from prsbench.harness.report.statistics.rows import UNKNOWN, Row, modalities_of, summarise
from prsbench.harness.report.tables.footnotes import data_line
from prsbench.harness.report.tables.table import marked
from prsbench.metrics.catalog import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_PANELS = ("mdice_pranet", "prscore", "position_accuracy")
_GAP = 0.6  # between prompt sources, in bar heights


def bars(rows: Sequence[Row], kind: DataKind) -> Figure:
    """One panel per metric, one bar per row; references are hatched, incomplete rows have a text instead of a bar."""
    from matplotlib.figure import Figure as Canvas

    places = _places(rows)
    canvas = Canvas(figsize=(13, 1.9 + 0.36 * (places[-1] + 1)), layout="constrained")
    panels = canvas.subplots(1, len(_PANELS), sharey=True)
    for axes, metric in zip(panels, _PANELS, strict=True):
        _panel(axes, rows, places, metric)
    panels[0].set_yticks(places, [row.method.replace("_", " ") for row in rows], fontsize=10)
    panels[0].set_ylim(places[-1] + 0.6, -0.6)
    n_modalities = len(modalities_of([cell for row in rows for cell in row.cells]))
    title = f"Mean over {n_modalities} modalities. {data_line(kind)}"
    canvas.suptitle(title, fontsize=12, weight="bold", color="black" if kind is DataKind.REAL else WARNING_COLOUR)
    canvas.legend(
        handles=_legend(rows),
        loc="outside lower center",
        ncols=6,
        frameon=False,
        fontsize=10,
        title="prompt source",
        title_fontsize=10,
    )
    mark_data_kind(canvas, kind)
    caption = (
        f"mDice, PRScore and position accuracy, means over modalities. {data_line(kind)} Colours: what the method is given "
        "besides the image; compare only bars of one colour. Hatched: floors and ceilings. The chance PRScore is not 0."
    )
    return finish(canvas, f"scores_{kind}", title, caption)


def _places(rows: Sequence[Row]) -> list[float]:
    """Heights of the bars, with a gap where the prompt source changes."""
    places, place = [], 0.0
    for i, row in enumerate(rows):
        if i and _source(row) != _source(rows[i - 1]):
            place += _GAP
        places.append(place)
        place += 1
    return places


def _panel(axes: Axes, rows: Sequence[Row], places: Sequence[float], metric: str) -> None:
    for row, place in zip(rows, places, strict=True):
        score = summarise(row, metric)
        if not isfinite(score.value):
            text = f"{score.n_incomplete} of {score.n_cells} cells incomplete" if score.status else "not defined"
            axes.text(0.01, place, text, va="center", fontsize=9, style="italic", color=WARNING_COLOUR)
            continue
        spread = score.spread if isfinite(score.spread) else 0.0
        hatch = "////" if row.is_reference else None
        axes.barh(
            place, score.value, 0.8, xerr=spread or None, color=SOURCE_COLOURS[_source(row)], hatch=hatch, edgecolor="white"
        )
        failed = f" [{score.counts.n_failed} failed]" if score.counts.n_failed else ""
        axes.text(score.value + spread + 0.012, place, marked(f"{score.value:.3f}{failed}", metric, row), va="center", fontsize=9)
    axes.set_title(METRICS[metric].title, fontsize=11, loc="left")
    axes.set_xlim(0, 1.14)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)


def _legend(rows: Sequence[Row]) -> list:
    from matplotlib.patches import Patch

    sources = dict.fromkeys((_source(row), row.is_reference) for row in rows)
    return [
        Patch(facecolor=SOURCE_COLOURS[source], hatch="////" if is_reference else None, edgecolor="white", label=source)
        for source, is_reference in sources
    ]


def _source(row: Row) -> str:
    source = row.label("prompt_source")
    return source if source in SOURCE_COLOURS else UNKNOWN
