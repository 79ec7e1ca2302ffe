"""Whether PRScore can be believed: its judge's errors on the references, and its scores of right and wrong answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, nan
from operator import attrgetter

import numpy as np
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.results import CellResult, ResultStatus
from prsbench.harness.report.statistics.means_and_differences import mean_of_defined
from prsbench.harness.report.statistics.rows import UNKNOWN, Row, modalities_of
from prsbench.harness.report.statistics.validity import LEAST_SAMPLES, NOT_VALID, n_references, why_not_valid
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.table import LABELS, Table, labels_of, marked, number_text, text_table
from prsbench.metrics.catalog import METRICS
from prsbench.metrics.text.position import official_zones
from prsbench.metrics.text.validity import area_under_curve

_JUDGED = ("judge_error", "mean_point_error", "label_mean_error", "judge_auc")
LEAST_ANSWERS = 3  # right ones and wrong ones, for an AUC of a row
Sample = tuple[Record, Mapping[str, float]]  # a sample that has a reference and a true centroid, and its scores


def validity(rows: Sequence[Row]) -> Table | None:
    """The judge's errors on the references, by modality, data set and position; None if no reference was scored.

    The same model judges all rows, so each sample counts once.
    """
    lines = []
    for kind in dict.fromkeys(row.data_kind for row in rows):
        of_kind = [row for row in rows if row.data_kind is kind]
        labels = [
            of_kind[0].data_kind.label,
            " / ".join(dict.fromkeys(name for row in of_kind for name in row.judges)) or UNKNOWN,
        ]
        for (by, group), samples, is_refused in _groups(of_kind):
            lines.append([by, group, *labels, str(len(samples)), *_numbers(samples), _verdict(samples, is_refused)])
    if not lines:
        return None
    heads = [marked(METRICS[metric].title, metric, *rows) for metric in _JUDGED]
    return text_table(
        "validity",
        "Validity of PRScore",
        "What the judge makes of the test split's reference sentences, beside what needs no judge.",
        ("by", "group", "data kind", "judge"),
        ("n", *heads),
        lines,
        (*footnotes.of_data(rows), *footnotes.JUDGE, footnotes.VALIDITY),
        remarks=["verdict"],
    )


def _groups(rows: Sequence[Row]) -> Iterator[tuple[tuple[str, str], list[Sample], bool]]:
    """Of each group that has samples: its name, its samples, and whether it is of data sets where PRScore is not valid."""
    known = list(_one_of_each_dataset(rows))
    cells = [cell for cell, _ in known]
    names = [("all", "all"), *(("modality", modality) for modality in modalities_of(cells))]
    if len(cells) > len(modalities_of(cells)):
        names += [("data set", cell.dataset) for cell in cells]
    names += [("position", position) for position in sorted({_position(r) for _, samples in known for r, _ in samples})]
    for by, group in names:
        of_cell = {"modality": attrgetter("modality"), "data set": attrgetter("dataset")}.get(by)
        chosen = [(cell, samples) for cell, samples in known if of_cell is None or of_cell(cell) == group]
        members = [each for _, samples in chosen for each in samples if by != "position" or _position(each[0]) == group]
        is_refused = by != "position" and any(why_not_valid(cell, "prscore") for cell, _ in chosen)
        if members:
            yield (by, group), members, is_refused


def right_and_wrong(rows: Sequence[Row]) -> Table | None:
    """PRScore of each row's right against its wrong answers; None without rows."""
    lines = []
    for row in rows:
        complete = [cell for cell in row.cells if cell.status == ResultStatus.COMPLETE]
        outcomes = [cell.samples().outcomes for cell in complete]
        right, wrong = (
            np.array([score for o in outcomes for score in o["prscore"][o["position_accuracy"] == is_right] if isfinite(score)])
            for is_right in (1, 0)
        )
        is_known = min(right.size, wrong.size) >= LEAST_ANSWERS
        numbers = [mean_of_defined(right), mean_of_defined(wrong), area_under_curve(right, wrong) if is_known else nan]
        refused = any(why_not_valid(cell, "prscore") for cell in complete)
        texts = [NOT_VALID if refused else number_text(n) for n in numbers[:2]] + [number_text(numbers[2])]
        remark = "-" if is_known else f"fewer than {LEAST_ANSWERS} right or wrong answers"
        marks = [marked(text, "prscore", row) for text in texts]
        lines.append([*labels_of(row), str(right.size), str(wrong.size), *marks, remark])
    if not lines:
        return None
    caption = "PRScore of the row's answers that name the right position, and of those that do not."
    numbers_of = ("right answers", "wrong answers", "PRScore of right", "PRScore of wrong", "AUC")
    notes = (*footnotes.of_data(rows), footnotes.RIGHT_AND_WRONG, footnotes.VALIDITY)
    title = "PRScore of right and wrong answers"
    return text_table("prscore_right_and_wrong", title, caption, LABELS, numbers_of, lines, notes, remarks=["remark"])


def _one_of_each_dataset(rows: Sequence[Row]) -> Iterator[tuple[CellResult, list[Sample]]]:
    """Of each data set the readable cell with most references; all cells have the same. `prsbench verify` reports damage."""
    cells: dict[str, list[CellResult]] = {}
    for row in rows:
        for cell in row.cells:
            if cell.status == ResultStatus.COMPLETE:
                cells.setdefault(cell.dataset, []).append(cell)
    for of_dataset in cells.values():
        for cell in sorted(of_dataset, key=n_references, reverse=True):
            try:
                details = cell.read()
            except RunFolderError:
                continue
            yield cell, [(record, s) for record, s in zip(*details, strict=True) if isfinite(s.get("judge_error", nan))]
            break


def _position(record: Record) -> str:
    return " and ".join(sorted(official_zones(record)))


def _numbers(samples: Sequence[Sample]) -> list[str]:
    """Means over the samples where each is defined; a mean over less than half of them is not given."""
    known = [[value for _, scores in samples if isfinite(value := scores.get(metric, nan))] for metric in _JUDGED]
    return [number_text(mean_of_defined(values) if 2 * len(values) >= len(samples) else nan) for values in known]


def _verdict(samples: Sequence[Sample], is_refused: bool) -> str:
    if is_refused:
        return f"PRScore {NOT_VALID}"
    if len(samples) < LEAST_SAMPLES:
        return f"fewer than {LEAST_SAMPLES}"
    error, mean_point = (mean_of_defined(scores.get(name, nan) for _, scores in samples) for name in _JUDGED[:2])
    return "better than its mean point" if error < mean_point else f"worse than its mean point {footnotes.DOUBTFUL}"
