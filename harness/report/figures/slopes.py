"""The Text2Centroid ablation as paired slopes: without and with it, in each modality and over all, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from prsbench.harness.contract.modalities import BY_NAME
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.canvas import PALETTE, Figure, finish, mark_data_kind, tidy
from prsbench.harness.report.statistics.means_and_differences import mean_intervals
from prsbench.harness.report.statistics.rows import Row, modalities_of
from prsbench.harness.report.tables.ablations import ABLATED, WITH_T2C, WITHOUT_T2C
from prsbench.harness.report.tables.footnotes import DATA_LINES
from prsbench.metrics.catalog import METRICS

_SHIFT = 0.02  # between lines, so that their intervals can be seen


def t2c_slopes(rows: Sequence[Row], kind: DataKind) -> Figure | None:
    """A panel per metric; None without both rows."""
    from matplotlib.figure import Figure as Canvas

    pair = [next((row for row in rows if row.method == name), None) for name in (WITHOUT_T2C, WITH_T2C)]
    without, with_t2c = pair
    if without is None or with_t2c is None:
        return None
    canvas = Canvas(figsize=(12, 5), layout="constrained")
    scopes = [None, *modalities_of(with_t2c.cells)]
    for axes, metric in zip(canvas.subplots(1, len(ABLATED)), ABLATED, strict=True):
        for number, modality in enumerate(scopes):
            ends = [
                mean_intervals([cell for cell in row.cells if modality in (None, cell.modality)], [metric])[0]
                for row in (without, with_t2c)
            ]
            if not all(isfinite(end.mean) for end in ends):
                continue
            places = [x + _SHIFT * (number - len(scopes) / 2) for x in (0, 1)]
            means = [end.mean for end in ends]
            half = [
                [end.mean - end.low if isfinite(end.low) else 0 for end in ends],
                [end.high - end.mean if isfinite(end.high) else 0 for end in ends],
            ]
            colour = "black" if modality is None else PALETTE[(number - 1) % len(PALETTE)]
            label = "all" if modality is None else BY_NAME[modality].title if modality in BY_NAME else modality
            width = 2.4 if modality is None else 1.1
            axes.errorbar(
                places,
                means,
                half,
                color=colour,
                linewidth=width,
                marker="o",
                markersize=4,
                capsize=2,
                elinewidth=0.7,
                label=label,
            )
        axes.set_xticks([0, 1], ["without T2C", "with T2C"])
        axes.set_xlim(-0.25, 1.25)
        axes.set_title(METRICS[metric].title, fontsize=11, loc="left")
        tidy(axes, "y")
    handles, labels = canvas.axes[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=7, fontsize=9, frameon=False)
    mark_data_kind(canvas, kind)
    caption = (
        f"CG-Reasoner without and with Text2Centroid. {DATA_LINES[kind]} Whiskers: 95 % intervals of each mean over patients, "
        "videos or cases; the paired differences, in table t2c_ablation, have intervals of their own."
    )
    return finish(canvas, f"t2c_slopes_{kind}", f"Text2Centroid ablation. {DATA_LINES[kind]}", caption)
