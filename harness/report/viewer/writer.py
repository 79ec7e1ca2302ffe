"""Writes the viewer: a page, its scripts and style, and data as scripts in small files, which open from file:// too.

No file name, tag or script is made from a data set: its texts are JSON, which the page shows as text only.
"""

from __future__ import annotations

import json
import os
import shutil
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import PrsbenchError, RunFolderError, reason_of
from prsbench.harness.contract.families import FAMILIES
from prsbench.harness.contract.modalities import ALL
from prsbench.harness.contract.results import CellResult, ResultStatus
from prsbench.harness.contract.types import DataKind, Sample
from prsbench.harness.report.tables.footnotes import DATA_LINES
from prsbench.harness.report.tables.subgroups import KINDS
from prsbench.harness.report.viewer.links import sample_key
from prsbench.harness.report.viewer.pictures import ENDING, image_file, prediction_overlay, truth_overlay
from prsbench.harness.report.viewer.samples import STATUSES, Mask, Shown, ShownSample, Source, labels_of, shown_of
from prsbench.metrics.catalog import METRICS

FORMAT = 1  # of the data files; raised when samples.js of an older version would misread them
_PAGE = ("index.html", "samples.js", "panels.js", "viewer.js", "viewer.css")
_TEXTS, _OVERLAYS = 250, 16  # samples per file


def write_viewer(cells: Sequence[CellResult], folder: Path, source: Source, name: str) -> Path:
    """Write the viewer of these cells into a folder, which is replaced as a whole; the same run gives the same bytes.

    name is the run's, for the title. Images are written once each, at most 512 pixels long; samples whose pixels are not there
    are shown without.

    Returns:
        The path of index.html.

    Raises:
        RunFolderError: the folder holds something else than a viewer, or no cell has records.
    """
    if folder.exists() and not (folder / "data" / "index.js").exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunFolderError(f"{folder}: expected a new or empty folder or an earlier viewer. Choose another with --to.")
    shown = shown_of(cells)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        _write_all(shown, partial, source, name)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder / "index.html"


def _write_all(shown: Shown, folder: Path, source: Source, name: str) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "data").mkdir()
    for page in _PAGE:
        shutil.copyfile(Path(__file__).with_name(page), folder / page)
    digest = sha256()  # of what readers rate: kept ratings belong to these texts alone
    for number, first in enumerate(range(0, len(shown.samples), _TEXTS)):
        digest.update(_put(folder, f"texts-{number}", _texts(shown.samples[first : first + _TEXTS])))
    for number, column in enumerate(shown.scores.values()):
        _put(folder, f"scores-{number}", [b64encode(values.astype("<f8").tobytes()).decode() for values in column])
    images, reasons = _write_pixels(shown, folder, source)
    index = {**_index(shown, name), "images": images, "reasons": reasons, "digest": digest.hexdigest()[:16]}
    _put(folder, "index", index)


def _put(folder: Path, name: str, value: Any) -> bytes:
    """Write a value as a script that hands it to the page; returns the bytes."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    data = f'put("{name}",{text})\n'.encode()
    (folder / "data" / f"{name}.js").write_bytes(data)
    return data


def _index(shown: Shown, name: str) -> dict[str, Any]:
    kinds = dict.fromkeys(row.row.data_kind for row in shown.rows)
    facets = {
        "modality": ("Modality", {m.name: m.title for m in ALL}, [s.facts.modality for s in shown.samples]),
        "position": ("Position", {}, [" and ".join(dict.fromkeys(s.facts.position)) for s in shown.samples]),
        **{key: (title, {}, [s.subgroups[key] for s in shown.samples]) for key, (title, _, _) in KINDS.items()},
        "dataset": ("Data set", {}, [s.dataset for s in shown.samples]),
        "kind": ("Data", {}, [str(s.facts.data_kind) for s in shown.samples]),
    }
    families = [s.facts.family for s in shown.samples]
    if len(set(families)) > 1:
        facets["family"] = "Question", {}, families
    orders = {"modality": [m.name for m in ALL], **{key: list(groups) for key, (_, groups, _) in KINDS.items()}}
    orders["family"] = list(FAMILIES)
    return {
        "format": FORMAT,
        "name": name,
        "warnings": [DATA_LINES[kind] for kind in kinds if kind is not DataKind.REAL],
        "kinds": {str(kind): "" if kind is DataKind.REAL else kind.label for kind in kinds},
        "notes": list(shown.notes),
        "rows": [{"id": r.id, "method": r.row.method, "labels": labels_of(r), "notes": list(r.row.notes)} for r in shown.rows],
        "metrics": [[key, METRICS[key].title, METRICS[key].higher_is_better, METRICS[key].protocol] for key in shown.scores],
        "facets": [_facet(key, *facet, orders.get(key, [])) for key, facet in facets.items()],
        "ids": [sample_key(s.dataset, s.facts.sample_id) for s in shown.samples],
        "statuses": STATUSES,
        "status": ["".join(str(STATUSES.index(s.outcomes[r].status)) for s in shown.samples) for r in range(len(shown.rows))],
        "texts": _TEXTS,
        "overlays": _OVERLAYS,
        "ending": ENDING,
    }


def _facet(key: str, title: str, titles: dict[str, str], values: Sequence[str], order: Sequence[str]) -> dict[str, Any]:
    """A filter: its values in order, their titles, and for each sample the number of its value (-1: it has none)."""
    present = set(values) - {""}
    known = [value for value in order if value in present] + sorted(present - set(order))
    number = {value: i for i, value in enumerate(known)}
    return {
        "key": key,
        "title": title,
        "values": known,
        "titles": [titles.get(value, value) for value in known],
        "of": [number.get(value, -1) for value in values],
    }


def _texts(samples: Sequence[ShownSample]) -> dict[str, Any]:
    """The texts of some samples; every distinct text stands once."""
    number: dict[str, int] = {}

    def text(value: str) -> int:
        return number.setdefault(value, len(number))

    entries = [
        {
            "question": text(s.facts.question),
            "reference": text(s.facts.reference_answer),
            "group": text(s.facts.group),
            "size": [s.facts.height, s.facts.width],
            "rows": [text(o.text) for o in s.outcomes],
        }
        for s in samples
    ]
    return {"texts": list(number), "samples": entries}


def _write_pixels(shown: Shown, folder: Path, source: Source) -> tuple[list[int], list[str]]:
    """Write images and overlays.

    Returns:
        For each sample the number of its image, or -1, -2, ... for the first, second, ... of the reasons why there is none; and
        these reasons.
    """
    written: dict[bytes, int] = {}  # hash of an image's pixels -> its number
    reasons: dict[str, int] = {}
    images: list[int] = []

    def overlays() -> Iterator[list[str]]:
        for truth, masks in _pixels(shown, source):
            drawn = [_png(prediction_overlay(mask)) if mask is not None else "" for mask in masks]
            if isinstance(truth, str):
                images.append(-1 - reasons.setdefault(truth, len(reasons)))
                yield ["", *drawn]
                continue
            image = truth.query.image
            key = sha256(repr(image.shape).encode() + image.tobytes()).digest()
            if key not in written:
                written[key] = len(written)
                (folder / "images" / f"{written[key]}.{ENDING}").write_bytes(image_file(image))
            images.append(written[key])
            yield [_png(truth_overlay(truth.truth.mask)), *drawn]

    for number, chunk in enumerate(_chunks(overlays(), _OVERLAYS)):
        _put(folder, f"overlays-{number}", chunk)
    return images, list(reasons)


def _pixels(shown: Shown, source: Source) -> Iterator[tuple[Sample | str, list[Mask | None]]]:
    """The image and truth of each sample, or why they are not there, and the mask of each row, in order; one at a time."""
    for dataset, group in groupby(shown.samples, key=lambda sample: sample.dataset):
        pictures = source.samples(dataset)
        cells = [row.cells.get(dataset) for row in shown.rows]
        maps = [_Masks(source.masks(c) if c is not None and c.status == ResultStatus.COMPLETE else iter(())) for c in cells]
        for sample in group:
            yield _picture(sample, pictures), [of_row.at(o.number) for of_row, o in zip(maps, sample.outcomes, strict=True)]


class _Masks:
    """The masks of a cell by number, which come in order; those that were passed over are kept."""

    def __init__(self, stream: Iterator[tuple[int, Mask]]):
        self._stream, self._kept = stream, dict[int, Mask]()

    def at(self, number: int) -> Mask | None:
        """The mask of a record; None if it has none, or if there is no record (-1)."""
        last = max(self._kept, default=-1)
        while number not in self._kept and last < number and (following := next(self._stream, None)):
            last, self._kept[following[0]] = following[0], following[1]
        return self._kept.pop(number, None)


def _picture(sample: ShownSample, pictures: Sequence[Sample] | str) -> Sample | str:
    if isinstance(pictures, str):
        return pictures
    number = next(outcome.number for outcome in sample.outcomes if outcome.number >= 0)
    try:
        picture = pictures[number]
    except (PrsbenchError, OSError, IndexError) as error:
        return f"the image cannot be read: {reason_of(error)}"
    is_same = picture.sample_id == sample.facts.sample_id
    size = (sample.facts.height, sample.facts.width)
    return picture if is_same and picture.truth.mask.shape == size else f"the data set '{sample.dataset}' is another one now"


def _png(data: bytes) -> str:
    return b64encode(data).decode()


def _chunks(items: Iterable[list[str]], size: int) -> Iterator[list[list[str]]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
