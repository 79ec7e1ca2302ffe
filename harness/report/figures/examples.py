"""The qualitative figure: one sample per modality, with the mask and the answer of each method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.errors import first_line
from prsbench.harness.contract.modalities import ALL
from prsbench.harness.contract.records import Record, SampleStatus
from prsbench.harness.contract.results import CellResult, ResultStatus
from prsbench.harness.contract.types import DataKind, Weights
from prsbench.harness.report.figures.canvas import WARNING_COLOUR, Figure, finish
from prsbench.harness.report.figures.pictures import Pictures, PicturesOf
from prsbench.harness.report.statistics.rows import Row, modalities_of
from prsbench.harness.report.tables.footnotes import DATA_LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


_SHOWN_METHODS = 4
_PANEL_INCHES, _GAP_INCHES, _TEXT_INCHES = 2.35, 0.12, 1.1  # the text height includes the titles of the next line
_MARGIN_INCHES, _TITLE_INCHES = 0.4, 0.75
_LINE_CHARACTERS, _LINES = 37, 5
_TITLES = {modality.name: modality.title for modality in ALL}
_TRUTH_COLOUR, _PREDICTION_COLOUR = "#FFD400", "#00C8FF"


@dataclass(frozen=True)
class _Example:
    """One line of the figure."""

    modality: str
    record: Record
    pictures: Pictures
    answers: dict[str, tuple[str, float]]  # by method: its answer (or why there is none) and dice@0.5


def examples(rows: Sequence[Row], kind: DataKind, pictures: PicturesOf) -> Figure | None:
    """Image, truth and up to four methods per modality; None if no pictures are available.

    The sample of a modality, neither the best nor the worst, is the one with the median `dice@0.5` of the first trained method
    (the first method if none is trained; the next one where it has no numbers) on its first data set, in its lowest seed.
    """
    shown = [row for row in rows if not row.is_reference][:_SHOWN_METHODS] or list(rows[:_SHOWN_METHODS])
    chooser = next((row for row in shown if row.label("weights") == Weights.TRAINED_HERE), shown[0])
    candidates = (_example(modality, [chooser, *shown], shown, pictures) for modality in modalities_of(chooser.cells))
    lines = [example for example in candidates if example]
    if not lines:
        return None
    canvas = _canvas(lines, [row.method for row in shown], kind)
    title = f"Qualitative examples. {DATA_LINES[kind]}"
    colour = "black" if kind is DataKind.REAL else WARNING_COLOUR
    canvas.suptitle(title, fontsize=13, weight="bold", color=colour, y=1 - 0.12 / canvas.get_figheight(), va="top")
    caption = (
        f"{DATA_LINES[kind]} Per modality, the sample with the median Dice@0.5 of {chooser.method} (of the next method if "
        "that has none). Yellow: outline of the truth; blue: prediction at >= 0.5. Below: the question, the reference answer "
        "and each method's answer."
    )
    return finish(canvas, f"examples_{kind}", title, caption)


def _canvas(lines: Sequence[_Example], methods: Sequence[str], kind: DataKind) -> Canvas:
    """Panels as high as their images, so that no image is stretched and no space is wasted."""
    from matplotlib.figure import Figure as Canvas

    aspects = [min(1.4, line.pictures.truth.shape[0] / line.pictures.truth.shape[1]) for line in lines]
    width = _MARGIN_INCHES + (2 + len(methods)) * (_PANEL_INCHES + _GAP_INCHES)
    height = _TITLE_INCHES + sum(_PANEL_INCHES * aspect + _TEXT_INCHES for aspect in aspects)
    canvas = Canvas(figsize=(width, height))
    top = height - _TITLE_INCHES
    for aspect, line in zip(aspects, lines, strict=True):
        panel_height = _PANEL_INCHES * aspect
        lefts = [_MARGIN_INCHES + i * (_PANEL_INCHES + _GAP_INCHES) for i in range(2 + len(methods))]
        boxes = [(x / width, (top - panel_height) / height, _PANEL_INCHES / width, panel_height / height) for x in lefts]
        _draw_line([canvas.add_axes(box) for box in boxes], line, methods, kind)
        top -= panel_height + _TEXT_INCHES
    return canvas


def _example(modality: str, choosers: Sequence[Row], shown: Sequence[Row], pictures: PicturesOf) -> _Example | None:
    cells = [cell for row in choosers for cell in row.cells if cell.modality == modality and cell.status == ResultStatus.COMPLETE]
    chosen = next(((cell, number) for cell in cells if (number := median_sample(cell)) is not None), None)
    if chosen is None:
        return None
    cell, number = chosen
    record = cell.records[number]
    sample_pictures = pictures(record.sample_id, cell.dataset, [row.method for row in shown])
    if sample_pictures is None:
        return None
    answers = {row.method: _answer(row, cell.dataset, record.sample_id) for row in shown}
    return _Example(modality, record, sample_pictures.shrunk(), answers)


def median_sample(cell: CellResult) -> int | None:
    """The number of the sample with the (lower) median dice@0.5; ties go to the first sample id; None if nothing was scored."""
    samples = cell.samples()
    dice = zip(samples.outcomes["dice@0.5"].tolist(), samples.names.ids, strict=True)
    scored = sorted((value, name, number) for number, (value, name) in enumerate(dice) if isfinite(value))
    return scored[(len(scored) - 1) // 2][2] if scored else None


def _answer(row: Row, dataset: str, sample_id: str) -> tuple[str, float]:
    """A method's answer to a sample and its dice@0.5, from its lowest seed on that data set."""
    cell = next(cell for cell in row.cells if cell.dataset == dataset)
    if cell.status != ResultStatus.COMPLETE:
        return f"{cell.status.upper()}: {first_line(cell.error)}", nan
    number = cell.samples().names.index_of.get(sample_id)
    if number is None:
        return "no record", nan
    record = cell.records[number]
    if record.status != SampleStatus.OK:
        return f"{record.status.upper()}: {first_line(record.error)}", nan
    return record.answer.strip() or "(no text)", float(cell.samples().outcomes["dice@0.5"][number])


def _draw_line(axes: Sequence[Axes], example: _Example, methods: Sequence[str], kind: DataKind) -> None:
    pictures, record = example.pictures, example.record
    for panel in axes:
        panel.set_xticks([])
        panel.set_yticks([])
    for panel in axes[:2]:
        panel.imshow(pictures.image)
        _stamp_data_kind(panel, kind)
    axes[0].set_ylabel(_TITLES.get(example.modality, example.modality), fontsize=11, weight="bold")
    _describe(axes[0], "image", record.question)
    _outline(axes[1], pictures.truth, _TRUTH_COLOUR)
    _describe(axes[1], "truth", record.reference_answer)
    for panel, method in zip(axes[2:], methods, strict=True):
        text, dice = example.answers[method]
        _describe(panel, method.replace("_", " "), text)
        if method not in pictures.probability:
            panel.text(0.5, 0.5, "no map", transform=panel.transAxes, ha="center", va="center", color=WARNING_COLOUR)
            continue
        panel.imshow(pictures.image)
        _stamp_data_kind(panel, kind)
        _fill(panel, pictures.probability[method] >= 0.5)
        _outline(panel, pictures.truth, _TRUTH_COLOUR)
        if isfinite(dice):
            _stamp(panel, (0.03, 0.96), f"Dice {dice:.2f}", pad=2, va="top", fontsize=8.5)


def _describe(panel: Axes, title: str, text: str) -> None:
    """Write the title above a panel and its sentence below it."""
    panel.set_title(title, fontsize=9.5, pad=3)
    start = text[: 2 * _LINES * _LINE_CHARACTERS]  # more than is shown; to wrap all of a very long answer takes minutes
    text = "\n".join(wrap(start, _LINE_CHARACTERS, max_lines=_LINES, placeholder=" ..."))
    panel.annotate(text, (0, 0), (0, -4), "axes fraction", "offset points", va="top", fontsize=8, parse_math=False)


def _stamp_data_kind(panel: Axes, kind: DataKind) -> None:
    """Write the data kind on the image, so that a cropped panel still shows it."""
    if kind is not DataKind.REAL:
        _stamp(panel, (0.98, 0.03), str(kind).upper(), pad=1.5, ha="right", fontsize=6.5, weight="bold")


def _stamp(panel: Axes, place: tuple[float, float], text: str, pad: float, **style: Any) -> None:
    """Write white text on a dark box; place is in fractions of the panel."""
    box = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": pad}
    panel.text(*place, text, transform=panel.transAxes, color="white", bbox=box, **style)


def _outline(panel: Axes, mask: NDArray[np.bool_], colour: str) -> None:
    if mask.any():
        framed = np.pad(mask, 1)  # closes the outline of a lesion at the border
        rows, cols = np.arange(-1, mask.shape[0] + 1), np.arange(-1, mask.shape[1] + 1)
        panel.contour(cols, rows, framed, [0.5], colors=[colour], linewidths=1.4)
        panel.set_xlim(-0.5, mask.shape[1] - 0.5)
        panel.set_ylim(mask.shape[0] - 0.5, -0.5)


def _fill(panel: Axes, mask: NDArray[np.bool_]) -> None:
    from matplotlib.colors import to_rgb

    overlay = np.zeros((*mask.shape, 4))
    overlay[mask] = (*to_rgb(_PREDICTION_COLOUR), 0.3)
    panel.imshow(overlay, interpolation="nearest")
    _outline(panel, mask, _PREDICTION_COLOUR)
