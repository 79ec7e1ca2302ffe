"""The table of robustness: how a row's scores fall when test pictures are corrupted, with the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import isfinite, nan

from prsbench.harness.contract.results import CHANGE_MARK, CellResult, change_of, notes_by_text, unchanged_id
from prsbench.harness.contract.summary import Names, Samples
from prsbench.harness.report.statistics.means_and_differences import PairedDifference, mean_of_defined, paired_differences
from prsbench.harness.report.statistics.rows import Row, summarise
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.table import LABELS, Table, labels_of, marked, number_text, text_table
from prsbench.metrics.catalog import METRICS

MEASURED = ("dice@0.5", "position_accuracy")
NOTE = (
    "Under each corruption: score on corrupted minus score on unchanged test pictures, paired by question, same weights, with "
    "its 95 % interval. The number after a name is the severity. mean: over the corruptions, '-' unless all have a number."
)


def robustness(rows: Sequence[Row], cells: Sequence[CellResult]) -> Table | None:
    """Two lines per row, one for each metric in MEASURED; None without cells on changed test pictures."""
    changes = list(dict.fromkeys(change for cell in cells if (change := change_of(cell.dataset))))
    if not changes:
        return None
    lines = []
    for row in rows:
        of_change = [paired_differences(_changed(row, change, cells), row.cells, MEASURED) for change in changes]
        for number, metric in enumerate(MEASURED):
            found = [differences[number] for differences in of_change]
            clean = summarise(row, metric)
            means = [paired.difference for paired in found]
            mean = mean_of_defined(means) if all(map(isfinite, means)) else nan
            texts = [clean.status or number_text(clean.value), *(_text(paired) for paired in found), number_text(mean, "+z.3f")]
            reasons = {change: text for change, paired in zip(changes, found, strict=True) if (text := _remark(paired))}
            numbers = (marked(text, metric, row) for text in texts)
            lines.append([METRICS[metric].title, *labels_of(row), *numbers, "; ".join(notes_by_text(reasons)) or "-"])
    noted = [cell for cell in cells if change_of(cell.dataset) and cell.data_note]
    amounts = notes_by_text({change_of(cell.dataset): f"{cell.data_note}." for cell in noted})
    caption = "How much of its score a row loses on corrupted test pictures. Masks, questions and answers are unchanged."
    notes = (*footnotes.of_data(rows), NOTE, *amounts, footnotes.INTERVAL, footnotes.TRAININGS)
    heads = ["unchanged", *changes, "mean"]
    return text_table("robustness", "Robustness", caption, ("metric", *LABELS), heads, lines, notes, remarks=["remark"])


def _text(paired: PairedDifference) -> str:
    if not isfinite(paired.low):
        return number_text(paired.difference, "+z.3f")
    return f"{paired.difference:+z.3f} [{paired.low:+z.3f}, {paired.high:+z.3f}]"


def _remark(paired: PairedDifference) -> str:
    """Why there is no number, or what a reader must know of it: pairs with a failed side are not in it."""
    n_failed = paired.counts.n_failed
    return "; ".join(filter(None, [paired.reason, f"{n_failed} failed on a side" if n_failed else ""]))


def _changed(row: Row, change: str, cells: Sequence[CellResult]) -> list[CellResult]:
    """The row's cells on test pictures under a change, with the names of the unchanged data sets and samples."""
    where = row.method, row.data_kind, row.protocol, change
    found = [cell for cell in cells if (cell.method, cell.data_kind, cell.protocol, change_of(cell.dataset)) == where]
    return [replace(cell, dataset=cell.dataset.partition(CHANGE_MARK)[0], samples=partial(_renamed, cell)) for cell in found]


def _renamed(cell: CellResult) -> Samples:
    samples = cell.samples()
    ids = tuple(unchanged_id(name, cell.dataset) for name in samples.names.ids)
    return replace(samples, names=Names(ids, samples.names.groups))
