"""Many runs in one list: entries are ranked only with entries of the same data, protocol, judge and prompt source."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from prsbench.harness.contract.results import CellResult
from prsbench.harness.report.statistics.rows import Row, rows_of, summarise
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.cost import NUMBERS as COST
from prsbench.harness.report.tables.cost import cost_numbers
from prsbench.harness.report.tables.run_comparison import truths_of
from prsbench.harness.report.tables.scores import best_and_second, number_or_status
from prsbench.harness.report.tables.table import Table, judges_of, marked, text_table
from prsbench.metrics.catalog import METRICS

VERIFIED, RECORDS_ONLY = "verified", "records only, not verified"
SHOWN = ("mdice_pranet", "miou_pranet", "dice@0.5", "prscore", "position_accuracy")
_LABELS = ("run", "check", "method", "prompt source", "weights", "data kind")
_RANK_NOTE = (
    "rank: place by {title} among the complete rows of its prompt source in this table; equal printed numbers share a place. "
    "Floors and ceilings, rows with failed samples, and runs in which `verify` found problems have none. Ranks are of means "
    "alone: `prsbench compare` says whether a difference is more than noise."
)
_CHECK_NOTE = "check: what `prsbench verify` said of the run when this page was written. commit +: with changed files."


@dataclass(frozen=True)
class Entrant:
    """A run of the leaderboard. about: as in `exports.samples.Results`; check: VERIFIED, RECORDS_ONLY, or what is wrong."""

    name: str
    cells: Sequence[CellResult]
    about: Mapping[str, Any]
    check: str


@dataclass(frozen=True)
class _Entry:
    run: Entrant
    row: Row


def leaderboard(entrants: Sequence[Entrant], by: str = "mdice_pranet") -> list[Table]:
    """One table for each data kind, protocol, set of test samples and judge, in the order of appearance.

    Two runs have the same data only if all ids, questions, references, positions, sizes and centroids of the masks are equal.
    """
    groups: dict[tuple[str, ...], list[_Entry]] = {}
    for run in entrants:
        truths = truths_of(run.cells)
        for row in rows_of(run.cells):
            data = {dataset: truths.get(dataset) for dataset in sorted({cell.dataset for cell in row.cells})}
            known = sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
            groups.setdefault((row.data_kind.label, row.protocol, known, judges_of([row])), []).append(_Entry(run, row))
    return [_table(number, key, entries, by) for number, (key, entries) in enumerate(groups.items(), start=1)]


def _table(number: int, key: tuple[str, ...], entries: Sequence[_Entry], by: str) -> Table:
    kind, protocol, data, judge = key
    rows = [entry.row for entry in entries]
    scores = {metric: [summarise(row, metric) for row in rows] for metric in SHOWN}
    is_trusted = [entry.run.check in (VERIFIED, RECORDS_ONLY) for entry in entries]
    lines = []
    for i, (entry, row) in enumerate(zip(entries, rows, strict=True)):
        rivals = [
            round(scores[by][j].value, 3)
            for j, other in enumerate(rows)
            if other.ranked_with == row.ranked_with and scores[by][j].is_complete and is_trusted[j]
        ]
        is_ranked = row.ranked_with is not None and scores[by][i].is_complete and is_trusted[i]
        rank = str(1 + sum(value > round(scores[by][i].value, 3) for value in rivals)) if is_ranked else "-"
        texts = [marked(number_or_status(scores[metric][i], row.is_reference), metric, row) for metric in SHOWN]
        counts = scores[by][i].counts
        commit = str(entry.run.about.get("commit") or "unknown")[:12] + "+" * bool(entry.run.about.get("dirty"))
        lines.append(
            [entry.run.name, entry.run.check, row.method, row.label("prompt_source"), row.label("weights"), kind, rank, *texts]
            + [f"{counts.n_scored}/{counts.n_manifest}", ", ".join(sorted({str(cell.seed) for cell in row.cells}))]
            + [*cost_numbers(row), commit, str(entry.run.about.get("digest") or "unknown")]
        )
    names = [METRICS[metric].title for metric in SHOWN]
    numbers = ["rank", *names, "n", "seeds", *COST]
    datasets = dict.fromkeys(f"{c.dataset} ({c.n_manifest})" for row in rows for c in row.cells)
    caption = (
        f"Protocol {protocol}; texts judged by {judge}; data sets (listed test samples) {', '.join(datasets)}; data {data[:12]}."
    )
    read = [*footnotes.of_validity(rows), footnotes.CONSTANT]
    notes = (
        *footnotes.of_data(rows),
        _RANK_NOTE.format(title=METRICS[by].title),
        _CHECK_NOTE,
        *footnotes.missing_numbers(rows),
        *read,
    )
    table = text_table(
        f"leaderboard_{number}", f"Leaderboard {number}", caption, _LABELS, numbers, lines, notes, ["commit", "digest"]
    )
    best: set[tuple[int, str]] = set()
    places = [i for i, trusted in enumerate(is_trusted) if trusted]
    for metric, title in zip(SHOWN, names, strict=True):
        trusted = [scores[metric][i] for i in places]
        leading, _ = best_and_second([rows[i] for i in places], trusted, METRICS[metric].higher_is_better)
        best |= {(places[i], title) for i in leading}
    return replace(table, best=frozenset(best))
