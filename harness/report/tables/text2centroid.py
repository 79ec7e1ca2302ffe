"""Tables of Text2Centroid's errors: of the model that methods are trained with, and of the one that judges their texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import fsum, hypot, isfinite, nan

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.results import CellResult, Details, HeldOut, ResultStatus
from prsbench.harness.contract.types import Point
from prsbench.harness.report.statistics.rows import Row, modalities_of
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.table import Table, marked, text_table

_NUMBERS = ("n", "error", "error of mean point")
Reference = tuple[Record, Point, float]  # a sample, its true centroid, the distance of the judge's point from it


def held_out_tables(held_out: Sequence[HeldOut]) -> list[Table]:
    """One table of held-out errors per kind of training, with a line per seed and group."""
    tables = []
    for name, header in dict.fromkeys((errors.training, errors.header) for errors in held_out):
        same_kind = [errors for errors in held_out if (errors.training, errors.header) == (name, header)]
        lines = [(str(errors.seed), *line) for errors in same_kind for line in errors.lines]
        caption = "Distance between predicted points and true centroids on the val split, which was not used for training."
        labels, numbers = ("seed", *header[:2]), header[2:]
        title = f"Held-out errors of {name}"
        tables.append(text_table(f"held_out_{name}", title, caption, labels, numbers, lines, [footnotes.HELD_OUT]))
    return tables


def judge_errors(rows: Sequence[Row]) -> Table | None:
    """Errors of the judging Text2Centroid (trained on val) on the test split's reference sentences; None if none is scored.

    The same model judges all rows, so each sample counts once.
    """
    known = list(_references(rows))
    if not known:
        return None
    mean = Point(*(fsum(axis) / len(known) for axis in zip(*((point.x, point.y) for _, point, _ in known), strict=True)))
    groups = {("all", "all"): known}
    for modality in modalities_of([cell for row in rows for cell in row.cells]):
        groups["modality", modality] = [reference for reference in known if reference[0].modality == modality]
    for position in sorted({" and ".join(record.position) for record, _, _ in known}):
        groups["position", position] = [reference for reference in known if " and ".join(reference[0].position) == position]
    lines = [(*labels, *_numbers(references, mean)) for labels, references in groups.items() if references]
    caption = (
        "The Text2Centroid that judges every text was trained on the val split only. Error: distance between its points for the "
        "test split's reference sentences and the true centroids."
    )
    error_header = marked("error", "label_noise", *rows)
    return text_table(
        "text2centroid_judge",
        "Text2Centroid judge",
        caption,
        ("by", "group"),
        (_NUMBERS[0], error_header, _NUMBERS[2]),
        lines,
        (*footnotes.of_data(rows), footnotes.HELD_OUT),
    )


def _references(rows: Sequence[Row]) -> Iterator[Reference]:
    """Each sample with a true centroid once."""
    cells: dict[str, list[CellResult]] = {}
    for row in rows:
        for cell in row.cells:
            if cell.status == ResultStatus.COMPLETE:
                cells.setdefault(cell.dataset, []).append(cell)
    for of_dataset in cells.values():
        for record, scores in zip(*_first_readable(of_dataset), strict=True):
            if record.truth_centroid and isfinite(distance := scores.get("label_noise", nan)):
                yield record, record.truth_centroid, distance


def _first_readable(cells: Sequence[CellResult]) -> Details:
    """The details of the first readable cell: all have the same references. `prsbench verify` reports damage."""
    for cell in cells:
        try:
            return cell.read()
        except RunFolderError:
            continue
    return (), ()


def _numbers(references: Sequence[Reference], mean: Point) -> tuple[str, str, str]:
    n = len(references)
    floor = fsum(hypot(point.x - mean.x, point.y - mean.y) for _, point, _ in references) / n
    return str(n), f"{fsum(distance for *_, distance in references) / n:.3f}", f"{floor:.3f}"
