"""What all figures share: colours, rendering to PNG bytes, and the SYNTHETIC mark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from prsbench.harness.contract.types import DataKind, PromptSource
from prsbench.harness.report.statistics.rows import UNKNOWN

if TYPE_CHECKING:
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
WARNING_COLOUR = "#B00020"
_DPI = 120
_MARK: Mapping[str, Any] = {"rotation": 30, "fontsize": 80, "weight": "bold", "alpha": 0.07, "zorder": 10}


@dataclass(frozen=True)
class Figure:
    """A finished PNG. The title and caption, which say the data kind, are also in the PNG's text fields."""

    name: str
    title: str
    caption: str
    png: bytes


def finish(canvas: Canvas, name: str, title: str, caption: str) -> Figure:
    """Render to PNG, without a date or version in the bytes."""
    buffer, metadata = BytesIO(), {"Software": None, "Title": title, "Description": caption}
    canvas.savefig(buffer, format="png", dpi=_DPI, facecolor="white", metadata=metadata)
    return Figure(name, title, caption, buffer.getvalue())


def mark_data_kind(canvas: Canvas, kind: DataKind) -> None:
    """Write the data kind across the figure, unless its images are real."""
    if kind is not DataKind.REAL:
        canvas.text(0.5, 0.5, str(kind).upper(), ha="center", va="center", color=WARNING_COLOUR, **_MARK)
