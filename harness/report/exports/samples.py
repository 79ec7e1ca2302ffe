"""A run's numbers as two files that anyone can read: `samples.csv.gz`, one line per sample and row, and `cells.json`.

From them alone `read_results` gives the cells again, from which every table follows byte for byte: no images, no run folder, no
method. Format "prsbench-samples-1", described in README.md: numbers with all their digits, empty where a metric is not defined.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.families import OFFICIAL
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.contract.position import ZONES
from prsbench.harness.contract.records import Record, SampleStatus
from prsbench.harness.contract.results import CellResult, Cost, Details, HeldOut, ResultStatus
from prsbench.harness.contract.summary import FACTS, STORED_METRICS, Names, Samples, Summary, summarise_columns
from prsbench.harness.contract.types import DataKind, Labels, Point

FORMAT = "prsbench-samples-1"
SAMPLES, CELLS = "samples.csv.gz", "cells.json"
CELL_COLUMNS = ("row", "dataset", "modality", "seed", "data_kind")
RECORD_COLUMNS = (
    "sample_id", "group", "status", "error", "question", "reference_answer", "answer",
    "height_px", "width_px", "position", "near_centre", "position_of_centroid",  # of the true mask; phrases joined by "|"
    "truth_x", "truth_y", "predicted_x", "predicted_y",  # centroids in the image frame, -1 to 1, x right, y down
    "seconds", "batch_size", "no_mask", "n_lesions", "area_share",  # of the true mask
)  # fmt: skip
_FOLDERS = re.compile(r"(?<![\w.:/~])/(?:[^/\s]+/)*(?=[^/\s])")  # of an absolute path; relative paths and URLs have none
COLUMNS = (*CELL_COLUMNS, *RECORD_COLUMNS)  # then one column per metric (`prsbench list metrics`)
FAMILY = "family"  # the last column, where questions of another family than the official one were asked


@dataclass(frozen=True)
class Results:
    """What a report needs: cells, held-out errors of trainings, and the folders with their losses, by title.

    about: of what run they are: version, commit, digest, grid and provenance (see README.md); empty where that is not known.
    """

    cells: Sequence[CellResult]
    held_out: Sequence[HeldOut]
    trainings: Mapping[str, Path]
    about: Mapping[str, Any] = field(default_factory=dict)


def write_results(found: Results, folder: Path) -> list[Path]:
    """Write samples.csv.gz, cells.json and the trainings' loss files; the same results give the same bytes.

    Of absolute paths in `about` (command and grid) only the last part is written: where files lie is nobody else's business.

    Raises:
        DataError: the folder holds other files.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / CELLS).is_file():
        raise DataError(f"{folder}: expected a new or empty folder, or earlier records. Choose another with --to.")
    text = samples_csv(found.cells).encode(errors="surrogatepass")
    described = {
        "format": FORMAT,
        "samples_sha256": sha256(text).hexdigest(),  # of the unpacked lines
        "about": _without_folders(found.about),
        "cells": [_described(cell) for cell in found.cells],
        "held_out": [asdict(table) for table in found.held_out],
        "trainings": list(found.trainings),
    }
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as stream:  # the same header in every version of Python
        stream.write(text)
    files = {
        SAMPLES: packed.getvalue(),
        CELLS: (json.dumps(described, indent=1, ensure_ascii=False) + "\n").encode(errors="surrogatepass"),
    }
    for title, weights in found.trainings.items():
        files |= {f"trainings/{title}/{path.name}": path.read_bytes() for path in sorted(weights.glob("*.csv"))}
    for name, content in files.items():
        write_atomically(folder / name, content, durable=False)
    written = [folder / name for name in files]
    for stale in set((folder / "trainings").glob("*/*.csv")) - set(written):
        stale.unlink()
    return written


def _without_folders(value: Any) -> Any:
    """The value with each absolute path in its texts shortened to its last part."""
    if isinstance(value, str):
        return _FOLDERS.sub("", value)
    if isinstance(value, Mapping):
        return {name: _without_folders(of) for name, of in value.items()}
    return [_without_folders(of) for of in value] if isinstance(value, list | tuple) else value


def read_results(folder: Path) -> Results:
    """What `write_results` wrote.

    Raises:
        DataError: a file is missing, of another format, or does not fit the other.
    """
    try:
        described = json.loads((folder / CELLS).read_bytes().decode(errors="surrogatepass"))
        if described.get("format") != FORMAT:
            raise DataError(f"{folder / CELLS}: expected format '{FORMAT}', got '{described.get('format')}'.")
        text = gzip.decompress((folder / SAMPLES).read_bytes())
        if sha256(text).hexdigest() != described["samples_sha256"]:
            raise DataError(f"{folder / SAMPLES}: its lines are not those that were written with {CELLS}. Restore both files.")
        by_cell: dict[tuple[str, ...], list[dict[str, str]]] = {}
        csv.field_size_limit(max(csv.field_size_limit(), len(text)))
        lines = io.StringIO(text.decode(errors="surrogatepass"), newline="")
        for line in csv.DictReader(lines):
            by_cell.setdefault(tuple(line[name] for name in CELL_COLUMNS), []).append(line)
        cells = [_cell(one, by_cell, folder) for one in described["cells"]]
        held_out = [
            HeldOut(t["training"], t["seed"], tuple(t["header"]), tuple(map(tuple, t["lines"]))) for t in described["held_out"]
        ]
        trainings = {title: folder / "trainings" / title for title in described["trainings"]}
        return Results(cells, held_out, trainings, described["about"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(f"{folder}: expected {CELLS} and {SAMPLES} as `prsbench records` writes them ({error!r}).") from None


def samples_csv(cells: Sequence[CellResult]) -> str:
    """The lines of samples.csv.gz: a head, then one line per sample and row."""
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    metrics = sorted({name for cell in cells if cell.summary for name in cell.summary.tallies})
    has_families = "answer_accuracy" in metrics
    writer.writerow([*COLUMNS, *metrics, *[FAMILY] * has_families])
    for cell in cells:
        writer.writerows(_lines_of(cell, metrics, has_families))
    return lines.getvalue()


def _lines_of(cell: CellResult, metrics: Sequence[str], has_families: bool) -> Iterator[list[str]]:
    if cell.status != ResultStatus.COMPLETE:
        return
    for record, scores, facts in zip(*cell.read(), cell.samples().facts, strict=True):
        points = [
            value for p in (record.truth_centroid, record.predicted_centroid) for value in ((p.x, p.y) if p else (nan, nan))
        ]
        yield [
            *(cell.method, cell.dataset, cell.modality, str(cell.seed), str(cell.data_kind)),
            *(record.sample_id, record.group, str(record.status), record.error),
            *(record.question, record.reference_answer, record.answer, str(record.height), str(record.width)),
            *("|".join(record.position), str(int(record.near_centre)), record.position_of_centroid, *map(_number, points)),
            *(
                _number(record.seconds),
                str(record.batch_size),
                str(int(facts["no_mask"])),
                str(facts["n_lesions"]),
                _number(facts["area_share"]),
            ),
            *(_number(scores.get(name, nan)) for name in metrics),
            *[record.family] * has_families,
        ]


def _number(value: float) -> str:
    return repr(float(value)) if isfinite(value) else "" if value != value else str(value)


def _described(cell: CellResult) -> dict[str, Any]:
    """All that a cell's lines do not hold."""
    names = (
        "method",
        "dataset",
        "modality",
        "seed",
        "data_kind",
        "protocol",
        "status",
        "error",
        "n_manifest",
        "judge",
        "data_note",
        "digest",
    )
    rest = {
        "judge_notes": list(cell.judge_notes),
        "labels": cell.labels and cell.labels.to_json(),
        "cost": cell.cost and cell.cost.to_json(),
    }
    metrics = list(cell.summary.tallies) if cell.summary and cell.status == ResultStatus.COMPLETE else []
    return {name: getattr(cell, name) for name in names} | rest | {"metrics": metrics}


def _cell(described: Mapping[str, Any], by_cell: Mapping[tuple[str, ...], list[dict[str, str]]], folder: Path) -> CellResult:
    given = {**described, "data_kind": DataKind(described["data_kind"]), "status": ResultStatus(described["status"])}
    metrics = given.pop("metrics")
    given["labels"] = given["labels"] and Labels.from_json(given["labels"])
    given |= {"judge_notes": tuple(given["judge_notes"]), "cost": given["cost"] and Cost.from_json(given["cost"])}
    if given["status"] != ResultStatus.COMPLETE:
        return CellResult(**given)
    where = tuple(str(described[name]) for name in ("method", "dataset", "modality", "seed", "data_kind"))
    lines = by_cell.get(where, [])
    summary, samples = _summarised(lines, metrics)
    if summary.n_records > given["n_manifest"]:
        raise DataError(f"{folder}: {', '.join(where)} has more samples in {SAMPLES} than {CELLS} lists.")

    def details() -> Details:
        return [_record(line) for line in lines], [{name: _value(line[name]) for name in metrics} for line in lines]

    return CellResult(**given, summary=summary, samples=lambda: samples, read=details)


def _value(text: str) -> float:
    return float(text) if text else nan


def _summarised(lines: Sequence[Mapping[str, str]], metrics: Sequence[str]) -> tuple[Summary, Samples]:
    names = Names(tuple(line["sample_id"] for line in lines), tuple(line["group"] for line in lines))
    facts = np.array(
        [
            (
                line["no_mask"] == "1",
                ZONES.index(line["position_of_centroid"]) if line["position_of_centroid"] in ZONES else -1,
                int(line["n_lesions"]),
                _value(line["area_share"]),
            )
            for line in lines
        ],
        dtype=FACTS,
    )
    columns = {name: [_value(line.get(name, "")) for line in lines] for name in dict.fromkeys((*STORED_METRICS, *metrics))}
    statuses = [SampleStatus(line["status"]) for line in lines]
    summary, samples = summarise_columns(
        names, facts, statuses, [line["error"] for line in lines], [_value(line["seconds"]) for line in lines], columns
    )
    return replace(summary, tallies={name: summary.tallies[name] for name in metrics}), samples


def _record(line: Mapping[str, str]) -> Record:
    """The record without its pixel counts and measures."""
    points = [Point(float(line[f"{of}_x"]), float(line[f"{of}_y"])) if line[f"{of}_x"] else None for of in ("truth", "predicted")]
    return Record(
        sample_id=line["sample_id"],
        group=line["group"],
        modality=line["modality"],
        data_kind=DataKind(line["data_kind"]),
        status=SampleStatus(line["status"]),
        error=line["error"],
        question=line["question"],
        reference_answer=line["reference_answer"],
        answer=line["answer"],
        height=int(line["height_px"]),
        width=int(line["width_px"]),
        position=tuple(line["position"].split("|")),
        near_centre=line["near_centre"] == "1",
        position_of_centroid=line["position_of_centroid"],
        truth_centroid=points[0],
        predicted_centroid=points[1],
        counts=None,
        seconds=_value(line["seconds"]),
        batch_size=int(line["batch_size"]),
        family=line.get(FAMILY, OFFICIAL),
    )
