"""The bar chart: segmentation, PRScore and position accuracy of every method, coloured by prompt source."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

from prsbench.harness.contract.types import DataKind, PromptSource
from prsbench.harness.report.figures.canvas import SOURCE_COLOURS, WARNING_COLOUR, Figure, finish, mark_data_kind
from prsbench.harness.report.statistics.means_and_differences import mean_of_defined
from prsbench.harness.report.statistics.rows import UNKNOWN, Row, modalities_of, summarise
from prsbench.harness.report.statistics.validity import NOT_VALID
from prsbench.harness.report.tables.footnotes import DATA_LINES, DOUBT, DOUBTFUL
from prsbench.harness.report.tables.table import marked
from prsbench.metrics.catalog import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch


_PANELS = ("mdice_pranet", "prscore", "position_accuracy")
_GAP = 0.6  # between prompt sources, in bar heights


def bars(rows: Sequence[Row], kind: DataKind) -> Figure:
    """One panel per metric, one bar per row; references are hatched, incomplete rows have a text instead of a bar."""
    from matplotlib.figure import Figure as Canvas

    heights = _heights(rows)
    canvas = Canvas(figsize=(13, 1.9 + 0.36 * (heights[-1] + 1)), layout="constrained")
    panels = canvas.subplots(1, len(_PANELS), sharey=True)
    for axes, metric in zip(panels, _PANELS, strict=True):
        _panel(axes, rows, heights, metric)
    panels[0].set_yticks(heights, [row.method.replace("_", " ") for row in rows], fontsize=10)
    panels[0].set_ylim(heights[-1] + 0.6, -0.6)
    n_modalities = len(modalities_of([cell for row in rows for cell in row.cells]))
    over = f"means over {n_modalities} modalities" if n_modalities > 1 else "one modality"
    title = f"Scores of each row, {over}. {DATA_LINES[kind]}"
    canvas.suptitle(title, fontsize=12, weight="bold", color="black" if kind is DataKind.REAL else WARNING_COLOUR)
    sizes = {"fontsize": 10, "title_fontsize": 10}
    canvas.legend(handles=_legend(rows), title="prompt source", loc="outside lower center", ncols=6, frameon=False, **sizes)
    mark_data_kind(canvas, kind)
    caption = (
        f"mDice, PRScore and position accuracy, means over modalities. {DATA_LINES[kind]} Colours: what the method is given "
        "besides the image; compare only bars of one colour. Hatched: floors and ceilings. The chance PRScore is not 0. "
        f"{DOUBTFUL}: {DOUBT}. Dashed: the position accuracy of the best constant answer. "
        "Whiskers: standard deviation over seeds."
    )
    return finish(canvas, f"scores_{kind}", title, caption)


def _heights(rows: Sequence[Row]) -> list[float]:
    """The height of each bar, with a gap where the prompt source changes."""
    heights, height = [], 0.0
    for i, row in enumerate(rows):
        if i and _source(row) != _source(rows[i - 1]):
            height += _GAP
        heights.append(height)
        height += 1
    return heights


def _panel(axes: Axes, rows: Sequence[Row], heights: Sequence[float], metric: str) -> None:
    for row, height in zip(rows, heights, strict=True):
        score = summarise(row, metric)
        if not isfinite(score.value):
            incomplete = f"{score.n_incomplete} of {score.n_cells} cells incomplete"
            text = NOT_VALID if score.status == NOT_VALID else incomplete if score.status else "not defined"
            axes.text(0.01, height, text, va="center", fontsize=9, style="italic", color=WARNING_COLOUR)
            continue
        spread = score.spread if isfinite(score.spread) else 0.0
        colour, hatch = SOURCE_COLOURS[_source(row)], "////" if row.is_reference else None
        axes.barh(height, score.value, 0.8, xerr=spread or None, color=colour, hatch=hatch, edgecolor="white")
        doubt = DOUBTFUL if score.is_doubtful else ""
        text = marked(f"{score.value:.3f}{doubt}{score.failed_text}", metric, row)
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # no line runs through the number
        axes.text(score.value + spread + 0.016, height, text, va="center", fontsize=9, bbox=ground)
    if metric == "position_accuracy":
        constant = mean_of_defined(summarise(row, "position_constant").value for row in rows)
        if isfinite(constant):
            axes.axvline(constant, color="#444444", linestyle="--", linewidth=1)
    axes.set_title(METRICS[metric].title, fontsize=11, loc="left")
    axes.set_xlim(0, 1.14)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)


def _legend(rows: Sequence[Row]) -> list[Patch]:
    from matplotlib.patches import Patch

    sources = dict.fromkeys((_source(row), row.is_reference) for row in rows)
    return [
        Patch(facecolor=SOURCE_COLOURS[source], hatch="////" if is_reference else None, edgecolor="white", label=source)
        for source, is_reference in sources
    ]


def _source(row: Row) -> str:
    """The row's prompt source; UNKNOWN if no cell was loaded or its cells differ."""
    source = row.label("prompt_source")
    return source if source in list(PromptSource) else UNKNOWN
