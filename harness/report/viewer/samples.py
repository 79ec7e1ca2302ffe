"""What the viewer shows of finished cells: rows with their labels, samples with what became of them, and columns of scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.errors import RunFolderError, first_line
from prsbench.harness.contract.records import Record, SampleStatus
from prsbench.harness.contract.results import CellResult, ResultStatus, unchanged
from prsbench.harness.contract.types import Sample
from prsbench.harness.report.statistics.rows import UNKNOWN, Row, not_run, rows_of
from prsbench.harness.report.statistics.validity import NOT_VALID, why_not_valid
from prsbench.harness.report.tables.subgroups import KINDS
from prsbench.metrics.catalog import METRICS

NOT_OF_ROW = "not of this row"  # another data kind than the row's: such samples are not listed with it
NO_RECORD = "no record"
NO_POINTS = "No point of an answer can be shown: the run was scored by an older version, or its judge is not valid on these data."
STATUSES = (
    *map(str, SampleStatus),
    *(f"row {status}" for status in ResultStatus if status is not ResultStatus.COMPLETE),
    NO_RECORD,
    NOT_OF_ROW,
)
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Source:
    """Where pixels come from; the caller reads them from the run folder and its data.

    samples: the samples of a data set, in the order of its records, or why they are not there. masks: (number of the record,
    (H, W) bool) of a complete cell, in order, without the samples that have none.
    """

    samples: Callable[[str], Sequence[Sample] | str]
    masks: Callable[[CellResult], Iterator[tuple[int, Mask]]]


@dataclass(frozen=True)
class ShownRow:
    """One row of the report with one seed. cells: by data set."""

    id: str
    row: Row
    seed: int
    cells: Mapping[str, CellResult]


class Outcome(NamedTuple):
    """What became of a sample in a row. text: its answer, or its error; number: of its record in the cell, -1 without one."""

    status: str
    text: str
    number: int = -1


@dataclass(frozen=True)
class ShownSample:
    """One sample: facts (a record without its measurements), its subgroups by name of `KINDS`, and one outcome for each row."""

    dataset: str
    facts: Record
    subgroups: Mapping[str, str]
    outcomes: Sequence[Outcome]


@dataclass(frozen=True)
class Shown:
    """All that the viewer shows but for pixels. scores: by metric, (rows, samples) float64, NaN where there is no number."""

    rows: Sequence[ShownRow]
    samples: Sequence[ShownSample]
    scores: Mapping[str, NDArray[np.float64]]
    notes: Sequence[str]


def shown_of(cells: Sequence[CellResult]) -> Shown:
    """Gather rows, samples and scores, data set by data set; only a few numbers and the texts of each record stay in memory.

    A metric that has no number at all is left out. Scores that the judge cannot give on a data set are NaN, with a note.

    Raises:
        RunFolderError: no cell has records.
    """
    cells = unchanged(cells)
    report_rows = rows_of(cells)
    rows = _shown_rows(report_rows)
    subgroups = {name: members_of(report_rows) for name, (_, _, members_of) in KINDS.items()}
    samples: list[ShownSample] = []
    parts: list[tuple[int, NDArray[np.intp], NDArray[np.float64]]] = []  # row, samples, their (N, METRICS) scores
    notes = {f"Not run, and so without a row: {', '.join(left_out)}.": None} if (left_out := not_run(cells)) else {}
    for dataset in dict.fromkeys(cell.dataset for cell in cells):
        facts: dict[str, Record] = {}
        columns = [_read(row.cells.get(dataset), facts) for row in rows]
        place = {sample_id: len(samples) + number for number, sample_id in enumerate(facts)}
        for number, (row, (outcomes, scores)) in enumerate(zip(rows, columns, strict=True)):
            parts.append((number, np.array([place[sample_id] for sample_id in outcomes], np.intp), scores))
            notes |= dict.fromkeys(_hide_not_valid(row.cells.get(dataset), scores))
        lacking = [_without_record(row.cells.get(dataset)) for row in rows]
        for sample_id, record in facts.items():
            here = tuple(outcomes.get(sample_id, none) for (outcomes, _), none in zip(columns, lacking, strict=True))
            groups = {name: members.get((dataset, sample_id), "") for name, members in subgroups.items()}
            samples.append(ShownSample(dataset, record, groups, here))
    if not samples:
        raise RunFolderError(
            "No row has a record of a sample yet, so there is nothing to view. `prsbench status` says what is missing."
        )
    stacked = np.full((len(METRICS), len(rows), len(samples)), nan)
    for number, places, scores in parts:
        stacked[:, number, places] = scores.T
    known = {name: column for name, column in zip(METRICS, stacked, strict=True) if np.isfinite(column).any()}
    known = {name: column for name, column in known.items() if not _repeats_another(name, known)}
    notes |= dict.fromkeys(note for row in report_rows for note in row.judge_notes)
    notes |= dict.fromkeys(cell.data_note for cell in cells if cell.data_note)
    if "text_x" not in known:
        notes[NO_POINTS] = None
    return Shown(rows, samples, known, tuple(notes))


def _shown_rows(rows: Sequence[Row]) -> list[ShownRow]:
    """A row for each seed; the id names the seed and the data kind where the method has several."""
    shown = []
    for row in rows:
        seeds = sorted({cell.seed for cell in row.cells})
        is_mixed = len({other.data_kind for other in rows if other.method == row.method}) > 1
        for seed in seeds:
            parts = [row.method, *([str(row.data_kind)] if is_mixed else []), *([f"seed {seed}"] if len(seeds) > 1 else [])]
            cells = {cell.dataset: cell for cell in row.cells if cell.seed == seed}
            shown.append(ShownRow(", ".join(parts), row, seed, cells))
    return shown


def _read(cell: CellResult | None, facts: dict[str, Record]) -> tuple[dict[str, Outcome], NDArray[np.float64]]:
    """Outcomes by sample id and (N, METRICS) scores of a cell; adds the facts of samples that no cell before knew."""
    outcomes: dict[str, Outcome] = {}
    if cell is None or cell.status != ResultStatus.COMPLETE:
        return outcomes, np.zeros((0, len(METRICS)))
    lines = []
    for number, (record, values) in enumerate(zip(*cell.read(), strict=True)):
        is_ok = record.status == SampleStatus.OK
        text = record.answer if is_ok else first_line(record.error)
        outcomes[record.sample_id] = Outcome(str(record.status), text, number)
        lines.append([values.get(name, nan) if is_ok else nan for name in METRICS])
        known = facts.get(record.sample_id)
        if known is None or (is_ok and known.status != SampleStatus.OK):
            facts[record.sample_id] = replace(record, counts=None, measures=None)
    return outcomes, np.array(lines, np.float64).reshape(-1, len(METRICS))


def _without_record(cell: CellResult | None) -> Outcome:
    if cell is None:
        return Outcome(NOT_OF_ROW, "")
    if cell.status == ResultStatus.COMPLETE:
        return Outcome(NO_RECORD, "")
    return Outcome(f"row {cell.status}", first_line(cell.error))


def _hide_not_valid(cell: CellResult | None, scores: NDArray[np.float64]) -> Iterator[str]:
    """Set the scores to NaN that the judge cannot give on this data set; yields why."""
    if cell is None or not len(scores):
        return
    for number, (name, metric) in enumerate(METRICS.items()):
        if why := why_not_valid(cell, name):
            scores[:, number] = nan
            yield f"{metric.title} of {cell.method}: {NOT_VALID} ({why})."


def _repeats_another(name: str, columns: Mapping[str, NDArray[np.float64]]) -> bool:
    """Whether a metric with another rule for empty masks says the same as the metric without it."""
    plain = columns.get(name.partition("[")[0])
    return "[" in name and plain is not None and np.array_equal(columns[name], plain, equal_nan=True)


def labels_of(row: ShownRow) -> list[tuple[str, str]]:
    """What a row discloses, as (name, text)."""
    names = {"prompt_source": "prompt source", "weights": "weights", "text_source": "text source"}
    labels = [(title, row.row.label(name)) for name, title in names.items()]
    judges = " / ".join(row.row.judges) or UNKNOWN
    return [*labels, ("protocol", row.row.protocol), ("data", str(row.row.data_kind)), ("judge", judges)]
