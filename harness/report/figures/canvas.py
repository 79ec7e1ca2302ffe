"""What all figures share: colours, style, rendering to PNG, SVG and PDF bytes, and the SYNTHETIC mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from math import cos, radians, sin
from typing import TYPE_CHECKING, Any, Literal

from prsbench.harness.contract.types import DataKind, PromptSource
from prsbench.harness.report.statistics.rows import UNKNOWN, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


# Okabe and Ito's palette, which colour-blind readers can tell apart; references are grey.
SOURCE_COLOURS: Mapping[str, str] = {
    PromptSource.QUESTION: "#0072B2",
    PromptSource.ORACLE_BOX: "#E69F00",
    PromptSource.JITTERED_BOX: "#D55E00",
    PromptSource.ORACLE_POINT: "#56B4E9",
    PromptSource.AUTOMATIC: "#009E73",
    PromptSource.TRUTH: "#8C8C8C",
    PromptSource.NONE: "#C4C4C4",
    UNKNOWN: "#CC79A7",
}
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#8C8C8C")  # for lines that are no prompt source
WARNING_COLOUR = "#B00020"
_DPI = 120
_MARK: Mapping[str, Any] = {"weight": "bold", "alpha": 0.07, "zorder": 10}
_LETTER, _DIGIT, _MARKER = 9, 6, 9  # typographic points: height of a number, width of its digits, side of a marker
_DISTANCES, _DIRECTIONS = (5, 12, 20, 30, 42, 56, 72), (45, -45, 135, -135, 0, 90, 180, -90)  # of numbers from their points


@dataclass(frozen=True)
class Figure:
    """A finished figure: its bytes by format ("png", "svg", "pdf"), with title and caption, which say the data kind, inside."""

    name: str
    title: str
    caption: str
    files: Mapping[str, bytes]

    @property
    def png(self) -> bytes:
        return self.files["png"]


def finish(canvas: Canvas, name: str, title: str, caption: str) -> Figure:
    """Render in every format, without a date, version or random id in the bytes."""
    from matplotlib import rc_context

    texts = {
        "png": {"Software": None, "Title": title, "Description": caption},
        "svg": {"Date": None, "Creator": None, "Title": title, "Description": caption},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None, "Title": title, "Subject": caption},
    }
    files = {}
    canvas.draw_without_rendering()  # lays it out once, for all formats
    canvas.set_layout_engine("none")
    with rc_context({"svg.hashsalt": name, "pdf.fonttype": 42}):
        for kind, metadata in texts.items():
            buffer = BytesIO()
            canvas.savefig(buffer, format=kind, dpi=_DPI, facecolor="white", metadata=metadata)
            files[kind] = buffer.getvalue()
    return Figure(name, title, caption, files)


def colour_of(row: Row) -> str:
    """The colour of the row's prompt source."""
    source = row.label("prompt_source")
    return SOURCE_COLOURS.get(source, SOURCE_COLOURS[UNKNOWN])


def line_style(number: int, marker: bool = False) -> dict[str, Any]:
    """Colour, dashes and marker of the n-th line: different for many lines, also without colours."""
    dashes = ("-", "--", ":", "-.")[number // len(PALETTE) % 4]
    return {"color": PALETTE[number % len(PALETTE)], "linestyle": dashes, "marker": "osD^vPX"[number % 7] if marker else ""}


def number_points(canvas: Canvas, axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """Write 1, 2, ... beside points (x, y); farther off, with a line to the point, where others are in the way."""
    canvas.draw_without_rendering()  # lays the axes out, so that distances on paper are known
    scale = 72 / canvas.dpi  # to typographic points
    places = [(x * scale, y * scale) for x, y in axes.transData.transform(points)]
    taken = [(x, y, _MARKER / 2, _MARKER / 2) for x, y in places]  # centre and half of the sides
    for number, (point, (x, y)) in enumerate(zip(points, places, strict=True), 1):
        half = _DIGIT * len(str(number)) / 2, _LETTER / 2
        for distance, degrees in product(_DISTANCES, _DIRECTIONS):
            angle = radians(degrees)
            shift = (distance + half[0]) * cos(angle), (distance + half[1]) * sin(angle)
            box = (x + shift[0], y + shift[1], *half)
            if not any(abs(box[0] - a) < half[0] + w and abs(box[1] - b) < half[1] + h for a, b, w, h in taken):
                break
        taken.append(box)
        line: dict[str, Any] = {"arrowstyle": "-", "linewidth": 0.5, "color": "#666666", "shrinkA": 0, "shrinkB": 0}
        how: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": _LETTER, "zorder": 4}
        how |= {"arrowprops": line} if distance > _DISTANCES[0] else {}
        axes.annotate(str(number), point, xytext=shift, textcoords="offset points", **how)


def tidy(axes: Axes, grid: Literal["x", "y", "both"]) -> None:
    """A light grid behind the data, and no frame but the axes."""
    axes.grid(axis=grid, color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def mark_data_kind(canvas: Canvas, kind: DataKind) -> None:
    """Write the data kind across the figure, unless its images are real."""
    if kind is not DataKind.REAL:
        width, height = canvas.get_size_inches()
        size = {"fontsize": min(80, 7 * width, 24 * height), "rotation": 30 if height > width / 3 else 0}
        canvas.text(0.5, 0.5, str(kind).upper(), ha="center", va="center", color=WARNING_COLOUR, **_MARK, **size)
