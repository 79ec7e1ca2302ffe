"""`Table`: formatted text in every cell, and what CSV, Markdown, LaTeX and HTML output must know about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

import pandas as pd
from prsbench.harness.contract.modalities import ALL
from prsbench.harness.report.statistics.rows import Row
from prsbench.harness.report.tables.footnotes import RANDOM_JUDGE
from prsbench.metrics.catalog import METRICS

LABELS = ("method", "prompt source", "weights", "text source", "data kind", "protocol")
SHORT_MODALITY = {modality.name: modality.short for modality in ALL}


@dataclass(frozen=True)
class Column:
    """A column of numbers: `group` is the upper header (a modality, or "mean"; "" if there is one header line)."""

    group: str
    head: str

    @property
    def name(self) -> str:
        return f"{self.group} {self.head}".strip()

    @property
    def is_mean(self) -> bool:
        """Whether its numbers are means over modalities."""
        return self.group in ("", "mean")


@dataclass(frozen=True)
class Table:
    """A finished table; name is its file under tables/ without ending.

    frame holds strings only; `labels` are its leading text columns, `numbers` the columns of numbers; further columns are
    remarks. `best` lists (line number, column name) of cells to emphasise, `second` those to underline. `is_long` marks tables
    for machines, only in CSV.
    """

    name: str
    title: str
    caption: str
    frame: pd.DataFrame
    labels: tuple[str, ...]
    numbers: tuple[Column, ...]
    best: frozenset[tuple[int, str]] = frozenset()
    footnotes: tuple[str, ...] = ()
    is_long: bool = False
    second: frozenset[tuple[int, str]] = frozenset()


def text_table(
    name: str,
    title: str,
    caption: str,
    labels: Sequence[str],
    numbers: Sequence[str],
    lines: Sequence[Sequence[str]],
    notes: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> Table:
    """A table from lines of formatted text: the labels, then the numbers, then the remarks."""
    frame = pd.DataFrame(list(lines), columns=[*labels, *numbers, *remarks], dtype=str)
    columns = tuple(Column("", number) for number in numbers)
    return Table(name, title, caption, frame, tuple(labels), columns, footnotes=tuple(notes))


def labels_of(row: Row) -> list[str]:
    """The labels of a row, in the order of LABELS; SYNTHETIC and RANDOM are in capitals, also if only the judges are random."""
    judges = [*row.judges, *row.judge_notes]
    protocol = f"{row.protocol}; text judged by: {'; '.join(judges)}" if judges else row.protocol
    prompts, weights, texts = (row.label(name) for name in ("prompt_source", "weights", "text_source"))
    random_parts = [note for note in row.notes if "RANDOM" in note]  # such as an untrained backbone; CSV has no footnotes
    return [row.method, prompts, "; ".join([weights, *random_parts]), texts, row.data_kind.label, protocol]


def judges_of(rows: Iterable[Row]) -> str:
    """The models that judged the texts of these rows, with their versions, or "-"."""
    return " / ".join(dict.fromkeys(judge for row in rows for judge in row.judges)) or "-"


def number_text(value: float, form: str = "z.3f") -> str:
    """A formatted number, or "-" if it is not finite."""
    return format(value, form) if isfinite(value) else "-"


def modality_text(modality: str | None, everything: str) -> str:
    """A modality in column heads and scopes; `everything` stands for None, all modalities."""
    return SHORT_MODALITY.get(modality, modality) if modality else everything


def marked(text: str, metric: str, *rows: Row) -> str:
    """A printed number or a metric's title, marked RANDOM if it depends on judges with random weights."""
    is_random = METRICS[metric].needs_text_models and any(
        note.startswith(RANDOM_JUDGE) for row in rows for note in row.judge_notes
    )
    return f"{text} {RANDOM_JUDGE}" if is_random and any(map(str.isalnum, text)) else text
