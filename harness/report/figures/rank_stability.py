"""Rank stability: each row's rank on the test set and the central 95 % of its ranks on resampled patients."""

from __future__ import annotations

from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.canvas import Figure, colour_of, finish, mark_data_kind, tidy
from prsbench.harness.report.tables.footnotes import DATA_LINES
from prsbench.harness.report.tables.ranks import Rankings
from prsbench.metrics.catalog import METRICS


def rank_stability(rankings: Rankings, kind: DataKind) -> Figure | None:
    """A panel per metric, a line per row of this kind, rankings below each other; None if nothing is ranked."""
    from matplotlib.figure import Figure as Canvas

    shown = {name: [one for some in found for one in some if one.row.data_kind is kind] for name, found in rankings.items()}
    methods = list(dict.fromkeys(one.row.method for found in shown.values() for one in found))
    if not methods:
        return None
    canvas = Canvas(figsize=(13, 1.6 + 0.32 * len(methods)), layout="constrained")
    panels = canvas.subplots(1, len(shown), sharey=True)
    for axes, (metric, found) in zip(panels, shown.items(), strict=True):
        for one in found:
            place = methods.index(one.row.method)
            axes.plot([one.low, one.high], [place, place], color=colour_of(one.row), linewidth=3, solid_capstyle="round")
            axes.plot(one.rank, place, "o", color=colour_of(one.row), markeredgecolor="black", markersize=7)
        last = max((one.high for one in found), default=1)
        axes.set_xticks(range(1, last + 1, 1 + last // 10))
        axes.set_xlim(0.5, last + 0.5)
        axes.set_title(METRICS[metric].title, fontsize=11, loc="left")
        tidy(axes, "x")
    panels[0].set_yticks(range(len(methods)), [method.replace("_", " ") for method in methods], fontsize=10)
    panels[0].set_ylim(len(methods) - 0.5, -0.5)
    mark_data_kind(canvas, kind)
    caption = (
        f"Rank within the prompt source (dot; 1 is best) and the central 95 % of its ranks on resampled patients, videos or "
        f"cases (bar). {DATA_LINES[kind]} Colours: prompt source; rows of different colours are not ranked together."
    )
    return finish(canvas, f"rank_stability_{kind}", f"Rank stability. {DATA_LINES[kind]}", caption)
