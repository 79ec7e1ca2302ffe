"""The qualitative figure: one sample a modality, with what each method drew and what it said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.records import CellResult, Record
from prsbench.harness.contract.types import DataKind, Weights
from prsbench.harness.report.drawing import WARNING_COLOUR, Figure, finish, mark_data_kind
from prsbench.harness.report.footnotes import data_line, first_line
from prsbench.harness.report.pictures import Pictures, PicturesOf
from prsbench.harness.report.rows import Row, modalities_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN_METHODS = 4
_PANEL_INCHES, _TEXT_INCHES = 2.35, 1.05
_LINE_CHARACTERS, _LINES = 40, 6
_TRUTH_COLOUR, _PREDICTION_COLOUR = "#FFD400", "#00C8FF"


@dataclass(frozen=True)
class _Example:
    """One line of the figure."""

    modality: str
    record: Record
    pictures: Pictures
    answers: dict[str, tuple[str, float]]  # by method: what it said (or why it did not), and its dice@0.5


def examples(rows: Sequence[Row], kind: DataKind, pictures: PicturesOf) -> Figure | None:
    """Image, truth and up to four methods per modality; None if no pictures are at hand.

    Shown is, per modality, the sample with the median `dice@0.5` of the first trained method (the first method if none is
    trained), of its first data set and lowest seed: neither the best nor the worst.
    """
    from matplotlib.figure import Figure as Canvas

    shown = [row for row in rows if not row.is_reference][:_SHOWN_METHODS] or list(rows[:_SHOWN_METHODS])
    chooser = next((row for row in shown if row.label("weights") == Weights.TRAINED_HERE), shown[0])
    found = [_example(modality, chooser, shown, pictures) for modality in modalities_of(chooser.cells)]
    lines = [example for example in found if example]
    if not lines:
        return None
    width = _PANEL_INCHES * (2 + len(shown))
    height = 0.75 + len(lines) * (_PANEL_INCHES + _TEXT_INCHES)
    canvas = Canvas(figsize=(width, height))
    grid = canvas.subplots(
        len(lines), 2 + len(shown), squeeze=False, gridspec_kw={"hspace": _TEXT_INCHES / _PANEL_INCHES, "wspace": 0.06}
    )
    canvas.subplots_adjust(left=0.03, right=0.995, top=1 - 0.75 / height, bottom=_TEXT_INCHES / height)
    for axes, example in zip(grid, lines, strict=True):
        _draw_line(axes, example, [row.method for row in shown])
    title = f"Qualitative examples. {data_line(kind)}"
    colour = "black" if kind is DataKind.REAL else WARNING_COLOUR
    canvas.suptitle(title, fontsize=13, weight="bold", color=colour, y=1 - 0.15 / height, va="top")
    mark_data_kind(canvas, kind)
    caption = (
        f"{data_line(kind)} Per modality the sample with the median Dice@0.5 of {chooser.method}. Yellow: outline of the truth; "
        "blue: prediction at >= 0.5. Below: the question, the reference answer and what each method answered."
    )
    return finish(canvas, f"examples_{kind}", title, caption)


def _example(modality: str, chooser: Row, shown: Sequence[Row], pictures: PicturesOf) -> _Example | None:
    cell = next((c for c in chooser.cells if c.modality == modality and c.status == "complete"), None)
    record = median_record(cell) if cell else None
    if cell is None or record is None:
        return None
    found = pictures(record.sample_id, cell.dataset, [row.method for row in shown])
    if found is None:
        return None
    answers = {row.method: _answer(row, cell, record.sample_id) for row in shown}
    return _Example(modality, record, found, answers)


def median_record(cell: CellResult) -> Record | None:
    """The record with the (lower) median dice@0.5; ties go to the first sample id; None if nothing was scored."""
    scored = [
        (scores.get("dice@0.5", nan), record.sample_id, record)
        for record, scores in zip(cell.records, cell.scores, strict=True)
        if record.status == "ok" and isfinite(scores.get("dice@0.5", nan))
    ]
    return sorted(scored, key=lambda item: item[:2])[(len(scored) - 1) // 2][2] if scored else None


def _answer(row: Row, place: CellResult, sample_id: str) -> tuple[str, float]:
    """What a method said of a sample, in its lowest seed of that data set."""
    cell = next(cell for cell in row.cells if cell.dataset == place.dataset)
    if cell.status != "complete":
        return f"{cell.status.upper()}: {first_line(cell.error)}", nan
    for record, scores in zip(cell.records, cell.scores, strict=True):
        if record.sample_id == sample_id:
            if record.status != "ok":
                return f"{record.status.upper()}: {first_line(record.error)}", nan
            return record.answer.strip() or "(no text)", scores.get("dice@0.5", nan)
    return "no record", nan


def _draw_line(axes: Sequence[Axes], example: _Example, methods: Sequence[str]) -> None:
    pictures, record = example.pictures, example.record
    for panel in axes:
        panel.set_xticks([])
        panel.set_yticks([])
    axes[0].imshow(pictures.image)
    axes[0].set_ylabel(example.modality.replace("_", " "), fontsize=11, weight="bold")
    _describe(axes[0], "image", record.question)
    axes[1].imshow(pictures.image)
    _outline(axes[1], pictures.truth, _TRUTH_COLOUR)
    _describe(axes[1], "truth", record.reference_answer)
    for panel, method in zip(axes[2:], methods, strict=True):
        text, dice = example.answers[method]
        _describe(panel, method.replace("_", " "), text)
        if method not in pictures.probability:
            panel.text(0.5, 0.5, "no map", transform=panel.transAxes, ha="center", va="center", color=WARNING_COLOUR)
            panel.set_box_aspect(pictures.truth.shape[0] / pictures.truth.shape[1])
            continue
        panel.imshow(pictures.image)
        _fill(panel, pictures.probability[method] >= 0.5)
        _outline(panel, pictures.truth, _TRUTH_COLOUR)
        if isfinite(dice):
            box = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 2}
            panel.text(0.03, 0.96, f"Dice {dice:.2f}", transform=panel.transAxes, va="top", fontsize=8.5, color="white", bbox=box)


def _describe(panel: Axes, title: str, text: str) -> None:
    """The title over a panel and its sentence under it."""
    panel.set_title(title, fontsize=9.5, pad=3)
    lines = wrap(text, _LINE_CHARACTERS, max_lines=_LINES, placeholder=" ...")
    panel.annotate(
        "\n".join(lines),
        (0, 0),
        (0, -4),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        fontsize=8,
        parse_math=False,
    )


def _outline(panel: Axes, mask: NDArray[np.bool_], colour: str) -> None:
    if mask.any():
        framed = np.pad(mask, 1)  # so that a lesion at the border is closed
        rows, cols = np.arange(-1, mask.shape[0] + 1), np.arange(-1, mask.shape[1] + 1)
        panel.contour(cols, rows, framed, [0.5], colors=[colour], linewidths=1.4)
        panel.set_xlim(-0.5, mask.shape[1] - 0.5)
        panel.set_ylim(mask.shape[0] - 0.5, -0.5)


def _fill(panel: Axes, mask: NDArray[np.bool_]) -> None:
    from matplotlib.colors import to_rgb

    overlay = np.zeros((*mask.shape, 4))
    overlay[mask] = (*to_rgb(_PREDICTION_COLOUR), 0.4)
    panel.imshow(overlay, interpolation="nearest")
    _outline(panel, mask, _PREDICTION_COLOUR)
