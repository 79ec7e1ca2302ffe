"""Per-sample scores as the CSVs that challengeR and Claims Reloaded read, one file per ranking and metric.

A ranking holds the rows of one data kind, protocol and prompt source, floors and ceilings left out: only these may be compared.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan, nan

from prsbench.harness.contract.results import CellResult, ResultStatus
from prsbench.harness.report.statistics.rows import Row, modalities_of, rows_of
from prsbench.harness.report.statistics.validity import why_not_valid
from prsbench.harness.report.tables.comparisons import METRICS_COMPARED

Scores = dict[str, dict[str, float]]  # by case, then by row; NaN: failed, or not defined for this row


def challenger_files(cells: Sequence[CellResult]) -> dict[str, str]:
    """Text by file name, with columns task (modality), alg_name, case, value; "NA" where a row has no score."""
    files = {}
    for name, rows, metric in _rankings(cells):
        lines = [
            [modality, row, case, "NA" if isnan(value) else repr(value)]
            for modality in modalities_of([cell for row in rows for cell in row.cells])
            for case, values in _scores(rows, metric, modality).items()
            for row, value in values.items()
        ]
        if lines:
            files[f"{name}-{slug(metric)}.csv"] = _csv(["task", "alg_name", "case", "value"], lines)
    return files


def claims_files(cells: Sequence[CellResult]) -> dict[str, str]:
    """Text by file name, one file per modality as well, with columns case_id and alg_NAME; empty where a row has no score."""
    files = {}
    for name, rows, metric in _rankings(cells):
        for modality in modalities_of([cell for row in rows for cell in row.cells]):
            if scores := _scores(rows, metric, modality):
                head = ["case_id", *(f"alg_{row.method}" for row in rows)]
                lines = [[case, *("" if isnan(v) else repr(v) for v in values.values())] for case, values in scores.items()]
                files[f"{name}-{slug(modality)}-{slug(metric)}.csv"] = _csv(head, lines)
    return files


def _rankings(cells: Sequence[CellResult]) -> Iterator[tuple[str, list[Row], str]]:
    """Name, rows and metric of every ranking."""
    rows = rows_of(cells)
    for key in dict.fromkeys(row.ranked_with for row in rows if row.ranked_with):
        for metric in METRICS_COMPARED:
            yield "-".join(map(slug, key)), [row for row in rows if row.ranked_with == key], metric


def _scores(rows: Sequence[Row], metric: str, modality: str) -> Scores:
    """Of each case (DATA SET/SAMPLE ID), each row's mean over its seeds. Without cases that no row failed and none has scored.

    A row without a score for one seed has none. Data sets where the metric is not valid are left out.
    """
    of_rows = {row.method: [cell for cell in row.cells if cell.modality == modality] for row in rows}
    refused = {cell.dataset for some in of_rows.values() for cell in some if why_not_valid(cell, metric)}
    columns = {
        method: _of_row([cell for cell in some if cell.dataset not in refused], metric) for method, some in of_rows.items()
    }
    cases = dict.fromkeys(case for column in columns.values() for case in column)
    filled = {case: {method: column.get(case, (nan, True)) for method, column in columns.items()} for case in cases}
    return {
        case: {method: value for method, (value, _) in values.items()}
        for case, values in filled.items()
        if any(is_failed or not isnan(value) for value, is_failed in values.values())
    }


def _of_row(cells: Sequence[CellResult], metric: str) -> dict[str, tuple[float, bool]]:
    """Mean over seeds of each case, and whether it failed with one; empty where a cell is not complete."""
    gathered: dict[str, list[tuple[float, bool]]] = {}
    lost = {cell.dataset for cell in cells if cell.status != ResultStatus.COMPLETE}
    for cell in cells:
        if cell.dataset not in lost:
            samples = cell.samples()
            values = zip(samples.names.ids, samples.outcomes[metric].tolist(), samples.is_failed.tolist(), strict=True)
            for sample_id, value, is_failed in values:
                gathered.setdefault(f"{cell.dataset}/{sample_id}", []).append((value, is_failed))
    return {case: (sum(v for v, _ in some) / len(some), any(failed for _, failed in some)) for case, some in gathered.items()}


def slug(text: str) -> str:
    """Text as part of a file name."""
    return "".join(character if character.isalnum() or character in "._-" else "_" for character in text)


def _csv(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows([head, *lines])
    return stream.getvalue()


def score_notes(cells: Sequence[CellResult]) -> Mapping[str, list[str]]:
    """What a reader of these files must know, by row: data kind and the judges of its texts."""
    return {
        row.method: [f"{row.data_kind} images", *(f"text judged by {judge}" for judge in row.judges), *row.judge_notes]
        for row in rows_of(cells)
        if row.ranked_with
    }
