"""The figure of training losses, from the losses.csv next to each training's weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.canvas import PALETTE, Figure, finish, mark_data_kind, tidy
from prsbench.harness.report.tables.footnotes import DATA_LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


LOSSES, VALIDATION = "losses.csv", "validation.csv"  # columns: step, loss, and the terms it is the weighted sum of
_COLUMNS = 3  # at most


def loss_curves(trainings: Mapping[str, Path], kind: DataKind) -> Figure | None:
    """One panel per training, with its title in `trainings`; None if no folder has a losses.csv."""
    from matplotlib.figure import Figure as Canvas

    with_losses = {title: folder for title, folder in trainings.items() if (folder / LOSSES).is_file()}
    if not with_losses:
        return None
    rows = -(-len(with_losses) // _COLUMNS)
    columns = -(-len(with_losses) // rows)
    canvas = Canvas(figsize=(13, 3.6 * rows), layout="constrained")
    panels = list(canvas.subplots(rows, columns, squeeze=False).flat)
    for axes, (title, folder) in zip(panels, with_losses.items(), strict=False):
        _panel(axes, title, folder)
    for axes in panels[len(with_losses) :]:
        axes.set_axis_off()
    mark_data_kind(canvas, kind)
    caption = f"Loss of every step (lines) and on the val split after every epoch (points). {DATA_LINES[kind]}"
    return finish(canvas, f"losses_{kind}", f"Training losses. {DATA_LINES[kind]}", caption)


def _panel(axes: Axes, title: str, folder: Path) -> None:
    import pandas as pd

    lines = pd.read_csv(folder / LOSSES).set_index("step")
    points = pd.read_csv(folder / VALIDATION).set_index("step") if (folder / VALIDATION).is_file() else None
    for number, name in enumerate(lines):
        width, colour = 1.6 if name == "loss" else 0.7, PALETTE[number % len(PALETTE)]
        axes.plot(lines.index + 1, lines[name], color=colour, linewidth=width, label=name)
        if points is not None and name in points:
            axes.plot(points.index, points[name], "o", color=colour, markersize=4)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("step")
    axes.set_yscale("log")
    axes.legend(fontsize=7, ncols=2)
    tidy(axes, "y")
