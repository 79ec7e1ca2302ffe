"""Tables of Text2Centroid's errors: of the model that methods are trained with, and of the one that judges their texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import fsum, hypot, isfinite

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.results import CellResult, Details, HeldOut
from prsbench.harness.report.statistics.rows import Row, modalities_of
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.table import Table, marked, text_table

_NUMBERS = ("n", "error", "error of mean point")


def held_out_tables(held_out: Sequence[HeldOut]) -> list[Table]:
    """One table of held-out errors per kind of training, with a line per seed and group."""
    tables = []
    for name, header in dict.fromkeys((errors.training, errors.header) for errors in held_out):
        same_kind = [errors for errors in held_out if (errors.training, errors.header) == (name, header)]
        lines = [(str(errors.seed), *line) for errors in same_kind for line in errors.lines]
        caption = "Distance between predicted points and true centroids on the val split, which was not used for training."
        labels, numbers = ("seed", *header[:2]), header[2:]
        title = f"Held-out errors of {name}"
        tables.append(text_table(f"held_out_{name}", title, caption, labels, numbers, lines, footnotes.HELD_OUT))
    return tables


def judge_errors(rows: Sequence[Row]) -> Table | None:
    """Errors of the judging Text2Centroid (trained on val) on the test split's reference sentences; None if none is scored.

    The same model judges all rows, so each sample counts once.
    """
    known = list(_references(rows))
    if not known:
        return None
    mean = [fsum(axis) / len(known) for axis in zip(*((r.truth_centroid.x, r.truth_centroid.y) for r, _ in known), strict=True)]
    groups = {("all", "all"): known}
    for modality in modalities_of([cell for row in rows for cell in row.cells]):
        groups["modality", modality] = [pair for pair in known if pair[0].modality == modality]
    for position in sorted({" and ".join(record.position) for record, _ in known}):
        groups["position", position] = [pair for pair in known if " and ".join(pair[0].position) == position]
    lines = [(*place, *_numbers(pairs, mean)) for place, pairs in groups.items() if pairs]
    caption = (
        "The Text2Centroid that judges every text was trained on the val split only. Error: distance between its points for the "
        "test split's reference sentences and the true centroids."
    )
    error_header = marked("error", "label_noise", *rows)
    return text_table(
        "text2centroid_judge",
        "Text2Centroid that judges",
        caption,
        ("by", "group"),
        (_NUMBERS[0], error_header, _NUMBERS[2]),
        lines,
        (*footnotes.of_data(rows), *footnotes.HELD_OUT),
    )


def _references(rows: Sequence[Row]) -> Iterator[tuple[Record, float]]:
    """Each sample with a true centroid once, with the judge's distance to it."""
    cells: dict[str, list[CellResult]] = {}
    for row in rows:
        for cell in row.cells:
            if cell.status == "complete":
                cells.setdefault(cell.dataset, []).append(cell)
    for of_dataset in cells.values():
        for record, scores in zip(*_first_whole(of_dataset), strict=True):
            if record.truth_centroid and isfinite(distance := scores.get("label_noise", float("nan"))):
                yield record, distance


def _first_whole(cells: Sequence[CellResult]) -> Details:
    """The details of the first readable cell: all have the same references. `prsbench verify` reports damage."""
    for cell in cells:
        try:
            return cell.read()
        except RunFolderError:
            continue
    return (), ()


def _numbers(pairs: Sequence[tuple[Record, float]], mean: Sequence[float]) -> tuple[str, str, str]:
    floor = fsum(hypot(r.truth_centroid.x - mean[0], r.truth_centroid.y - mean[1]) for r, _ in pairs) / len(pairs)
    return str(len(pairs)), f"{fsum(distance for _, distance in pairs) / len(pairs):.3f}", f"{floor:.3f}"
