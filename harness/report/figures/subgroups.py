"""Dice, PRScore and position accuracy of the ranked rows by lesion size, position zone and number of lesions."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.canvas import Figure, finish, line_style, mark_data_kind, tidy
from prsbench.harness.report.statistics.rows import Row, summarise
from prsbench.harness.report.tables import subgroups
from prsbench.harness.report.tables.footnotes import DATA_LINES
from prsbench.metrics.catalog import METRICS

_SHIFT = 0.04
_METRICS = ("dice@0.5", "prscore", "position_accuracy")


def subgroup_lines(rows: Sequence[Row], kind: DataKind) -> Figure | None:
    """A panel per metric and kind of subgroup, a line per ranked row; None without numbers of ranked rows."""
    from matplotlib.figure import Figure as Canvas

    ranked = [row for row in rows if not row.is_reference]
    has_numbers = False
    canvas = Canvas(figsize=(13, 9.5), layout="constrained")
    panels = canvas.subplots(len(_METRICS), len(subgroups.KINDS), sharey="row")
    for column, (title, groups, membership) in enumerate(subgroups.KINDS.values()):
        subsets = subgroups.Subsets(membership(rows))
        for number, row in enumerate(ranked):
            of_group = subsets.of(row, groups)
            for axes, metric in zip(panels[:, column], _METRICS, strict=True):
                values = [(i, summarise(of_group[group], metric).value) for i, group in enumerate(groups)]
                known = [(i, value) for i, value in values if isfinite(value)]
                has_numbers |= bool(known)
                style = line_style(number, marker=True)
                shift = _SHIFT * (number - (len(ranked) - 1) / 2)  # rows with the same mask have the same Dice
                axes.plot([i + shift for i, _ in known], [value for _, value in known], label=row.method, **style)
        for axes, metric in zip(panels[:, column], _METRICS, strict=True):
            axes.set_xticks(range(len(groups)), groups, fontsize=8, rotation=25 if len(groups) > 3 else 0)
            axes.set_xlim(-0.4, len(groups) - 0.6)
            axes.set_title(title if metric == _METRICS[0] else "", fontsize=11, loc="left")
            tidy(axes, "y")
    for axes, metric in zip(panels[:, 0], _METRICS, strict=True):
        axes.set_ylabel(METRICS[metric].title)
    if not has_numbers:
        return None
    handles, labels = panels[0, 0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    mark_data_kind(canvas, kind)
    caption = f"Scores by subgroup, means over the modalities that have such samples. {DATA_LINES[kind]} Small groups scatter."
    return finish(canvas, f"subgroups_{kind}", f"Scores by subgroup. {DATA_LINES[kind]}", caption)
