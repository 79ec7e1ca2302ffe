"""Where the text points against where the mask is: one arrow per sample, in the image frame."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot, isfinite, nan

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.results import ResultStatus
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.canvas import Figure, colour_of, finish, mark_data_kind
from prsbench.harness.report.statistics.rows import Row
from prsbench.harness.report.tables.footnotes import DATA_LINES

MOST_ARROWS = 150  # a panel with more is unreadable; every k-th sample is drawn
_COLUMNS = 4


def text_points(rows: Sequence[Row], kind: DataKind) -> Figure | None:
    """A panel per ranked row, from the mask's centroid to where the judge reads the answer; None without such points."""
    from matplotlib.figure import Figure as Canvas

    found = [(row, arrows) for row in rows if not row.is_reference and len(arrows := arrows_of(row))]
    if not found:
        return None
    columns = min(_COLUMNS, len(found))
    lines = -(-len(found) // columns)
    canvas = Canvas(figsize=(3.4 * columns, 3.7 * lines), layout="constrained")
    panels = list(canvas.subplots(lines, columns, squeeze=False).flat)
    for axes, (row, arrows) in zip(panels, found, strict=False):
        shown = arrows[:: -(-len(arrows) // MOST_ARROWS)]
        x, y, text_x, text_y = shown.T
        axes.quiver(
            x, y, text_x - x, text_y - y, angles="xy", scale_units="xy", scale=1, width=0.004, color=colour_of(row), alpha=0.6
        )
        axes.plot(x, y, ".", color="black", markersize=3)
        distance = float(np.mean([hypot(*(a[:2] - a[2:])) for a in arrows]))
        axes.set_title(f"{row.method.replace('_', ' ')}\nmean distance {distance:.2f}", fontsize=9)
        axes.set_xlim(-1, 1)
        axes.set_ylim(1, -1)  # y points down, as in images
        axes.set_aspect("equal")
        axes.set_xticks([-1, 0, 1])
        axes.set_yticks([-1, 0, 1])
        axes.grid(color="#DDDDDD", linewidth=0.8)
        axes.set_axisbelow(True)
    for axes in panels[len(found) :]:
        axes.set_axis_off()
    mark_data_kind(canvas, kind)
    caption = (
        "From the centroid of the predicted mask (dot) to the point that PRScore's judge reads from the answer (arrow head), in "
        f"the image frame: x right, y down. {DATA_LINES[kind]} At most {MOST_ARROWS} samples a panel; distances are of all."
    )
    return finish(canvas, f"text_points_{kind}", f"Where the text points, and where the mask is. {DATA_LINES[kind]}", caption)


def arrows_of(row: Row) -> NDArray[np.float64]:
    """(N, 4) mask x, y and text x, y of the samples that have both; empty if the row's records cannot be read."""
    arrows = []
    for cell in row.cells:
        try:
            details = cell.read() if cell.status == ResultStatus.COMPLETE else ((), ())
        except RunFolderError:
            continue
        for record, scores in zip(*details, strict=True):
            point = record.predicted_centroid
            text = scores.get("text_x", nan), scores.get("text_y", nan)
            if point and all(map(isfinite, text)):
                arrows.append((point.x, point.y, *text))
    return np.array(arrows, dtype=np.float64).reshape(-1, 4)
