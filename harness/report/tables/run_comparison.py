"""Two runs of the same rows on the same samples, row by row: what changed, and whether anything became worse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import isfinite

from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.results import CellResult, ResultStatus, unchanged
from prsbench.harness.report.statistics.means_and_differences import PairedDifference, paired_differences
from prsbench.harness.report.statistics.rows import Row, modalities_of, rows_of, summarise
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.comparisons import METRICS_COMPARED, resolution
from prsbench.harness.report.tables.table import Table, judges_of, modality_text, number_text, text_table
from prsbench.metrics.catalog import METRICS

WORSE, BETTER, SAME = "worse", "better", "same"
_LABELS = ("method", "metric", "modality", "data kind", "judge")
_NUMBERS = ("first", "second", "difference", "95% low", "95% high", "groups")
_OTHER_JUDGE = "other judges, whose scores do not compare"
_SHOWN = 3  # samples named in an error


def compare_runs(first: Sequence[CellResult], second: Sequence[CellResult], fail_below: float) -> tuple[Table, list[str]]:
    """Second run minus first, and a sentence for each regression.

    A regression: the mean over modalities of a row fell by more than `fail_below` (rose, where lower is better), the row is
    complete in the first run alone,
    or its number cannot be compared. Scores of different judges are never subtracted.

    Raises:
        DataError: the runs share no row, or were scored on different samples or against other references.
    """
    first, second = unchanged(first), unchanged(second)
    before, after = ({(row.method, row.data_kind, row.protocol): row for row in rows_of(cells)} for cells in (first, second))
    shared = [(before[key], after[key]) for key in before if key in after]
    if not shared:
        names = [", ".join(sorted({row.method for row in rows.values()})) or "none" for rows in (before, after)]
        raise DataError(f"The runs share no row of one data kind and protocol: the first has {names[0]}; the second {names[1]}.")
    _refuse_other_samples(first, second)
    _refuse_other_truths(first, second)
    lines, regressions, found = [], [], []
    for old, new in shared:
        for modality, metric, paired in _differences(old, new):
            word = _word(metric, paired)
            sides = [number_text(value) for value in (paired.second, paired.first)]
            change = [number_text(value, "+z.3f") for value in (paired.difference, paired.low, paired.high)]
            labels = [
                old.method,
                METRICS[metric].title,
                modality_text(modality, "all"),
                old.data_kind.label,
                judges_of((old, new)),
            ]
            lines.append([*labels, *sides, *change, str(paired.n_groups), word, paired.reason or "-"])
            if modality is None:
                found.append((metric, paired))
                regressions += _regression(old, new, metric, paired, fail_below)
    alone = [
        f"Only in the {side} run: {', '.join(sorted(names))}." for side, names in _alone(before.values(), after.values()) if names
    ]
    notes = (*footnotes.of_data([row for pair in shared for row in pair]), *alone, *resolution(found), footnotes.INTERVAL)
    caption = "Second run minus first: mean paired difference on the same samples. 'worse' and 'better': the interval excludes 0."
    table = text_table("run_comparison", "Comparison of runs", caption, _LABELS, _NUMBERS, lines, notes, ["change", "remark"])
    return table, regressions


def _differences(old: Row, new: Row) -> Iterator[tuple[str | None, str, PairedDifference]]:
    for modality in (None, *modalities_of(old.cells)):
        sides = [[cell for cell in row.cells if modality in (None, cell.modality)] for row in (new, old)]
        for metric, paired in zip(METRICS_COMPARED, paired_differences(sides[0], sides[1], METRICS_COMPARED), strict=True):
            is_judged = METRICS[metric].needs_text_models and set(old.judges) != set(new.judges)
            yield modality, metric, PairedDifference(counts=paired.counts, reason=_OTHER_JUDGE) if is_judged else paired


def _word(metric: str, paired: PairedDifference) -> str:
    if not isfinite(paired.low):
        return "-"
    if paired.low <= 0 <= paired.high:
        return SAME if paired.difference == 0 else "not resolved"
    return BETTER if (paired.difference > 0) == METRICS[metric].higher_is_better else WORSE


def _regression(old: Row, new: Row, metric: str, paired: PairedDifference, fail_below: float) -> list[str]:
    lost = [cell for cell in new.cells if cell.status != ResultStatus.COMPLETE]
    if lost and all(cell.status == ResultStatus.COMPLETE for cell in old.cells):
        is_first = metric == METRICS_COMPARED[0]  # once a row
        return [f"{old.method}: {lost[0].status} on {lost[0].dataset} in the second run: {lost[0].error}"] if is_first else []
    if not isfinite(paired.difference) and isfinite(summarise(old, metric).value):
        return [f"{old.method}: {METRICS[metric].title} cannot be compared: {paired.reason}"]
    fall = -paired.difference if METRICS[metric].higher_is_better else paired.difference
    if isfinite(fall) and fall > fail_below:
        return [
            f"{old.method}: {METRICS[metric].title} {paired.second:.3f} -> {paired.first:.3f}, worse by more than {fail_below:g}"
        ]
    return []


def _alone(before: Iterable[Row], after: Iterable[Row]) -> list[tuple[str, set[str]]]:
    ours, theirs = ({row.method for row in rows} for rows in (before, after))
    return [("first", ours - theirs), ("second", theirs - ours)]


def _refuse_other_samples(first: Sequence[CellResult], second: Sequence[CellResult]) -> None:
    ours, theirs = (_samples_of(cells) for cells in (first, second))
    problems = []
    for dataset in sorted(ours.keys() | theirs.keys()):
        sides = ours.get(dataset, set()), theirs.get(dataset, set())
        for side, only in (("first", sides[0] - sides[1]), ("second", sides[1] - sides[0])):
            if only:
                some = ", ".join(sorted(only)[:_SHOWN]) + (", ..." if len(only) > _SHOWN else "")
                problems.append(f"{dataset}: {len(only)} samples only in the {side} run ({some})")
    if problems:
        raise DataError("The runs were scored on different samples, so their means do not compare. " + "; ".join(problems) + ".")


def _refuse_other_truths(first: Sequence[CellResult], second: Sequence[CellResult]) -> None:
    before, after = truths_of(first), truths_of(second)
    for dataset, truths in before.items():
        changed = [sample for sample, truth in truths.items() if after[dataset][sample] != truth]
        if changed:
            one = changed[0]
            sides = f"{truths[one]}, and in the second run {after[dataset][one]}"
            where = f"{dataset}: {len(changed)} samples differ, such as {one}: {sides}"
            raise DataError(f"The runs were scored on other questions or references, so their means do not compare. {where}.")


def truths_of(cells: Sequence[CellResult]) -> dict[str, dict[str, list[object]]]:
    """What each sample of each data set was scored against: question, reference, position, size, centroid of the mask."""
    truths: dict[str, dict[str, list[object]]] = {}
    for cell in cells:
        if cell.status == ResultStatus.COMPLETE and cell.dataset not in truths:
            truths[cell.dataset] = {record.sample_id: _truth_of(record) for record in cell.records}
    return truths


def _truth_of(record: Record) -> list[object]:
    point = record.truth_centroid
    centroid = [round(point.x, 6), round(point.y, 6)] if point else []
    return [record.question, record.reference_answer, list(record.position), record.height, record.width, centroid]


def _samples_of(cells: Sequence[CellResult]) -> dict[str, set[str]]:
    ids: dict[str, set[str]] = {}
    for cell in cells:
        if cell.status == ResultStatus.COMPLETE:
            ids.setdefault(cell.dataset, set()).update(cell.samples().names.ids)
    return ids
