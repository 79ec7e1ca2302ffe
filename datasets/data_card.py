"""The data card (DATA_CARD.md) and the Croissant 1.0 metadata (croissant.json) of a data root."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prsbench.datasets.card import read_card
from prsbench.datasets.catalog import SOURCES
from prsbench.datasets.official_reader import FolderDataset, read_root
from prsbench.datasets.prepare.source import UNCONFIRMED, Source
from prsbench.datasets.splits import SPLITS
from prsbench.harness.contract.families import FAMILIES
from prsbench.harness.contract.files import file_hash, write_atomically
from prsbench.harness.contract.types import DataKind

_COLUMNS = {
    "image_path": "path of the mask, relative to the root; the image lies in the folder {split}_images beside it",
    "image_name": "file name of the image",
    "split": "train, val or test",
    "question": "question about the image",
    "position": "official position label of the mask",
    "answer": "reference answer",
    "group": "patient, video or case, after the archive's name; no group is in two splits",
    "near_centre": "whether the mask's box is near the image's centre by the official rule",
    "position_of_centroid": "zone of the mask's centroid",
    "empty": "whether the mask is empty",
    "archive": "archive that the image is from",
    "spacing_mm": "height and width of a pixel in mm",
    "family": "kind of question: " + "; ".join(f"{family.name}: {family.rule}" for family in FAMILIES.values()),
}
# The context of Croissant 1.0 (docs.mlcommons.org/croissant/docs/croissant-spec.html); validators warn if it differs.
_TERMS = (
    "citeAs column equivalentProperty extract field fileObject fileProperty fileSet format includes isLiveDataset jsonPath key "
    "md5 parentField path recordSet references regex repeated replace samplingRate separator source subField transform"
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{term: f"cr:{term}" for term in _TERMS.split()},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
}


@dataclass(frozen=True)
class _Described:
    """One data set of the root, and the archives in it that the catalog knows."""

    dataset: FolderDataset
    table: Path | None
    archives: Sequence[str]

    @property
    def sources(self) -> list[Source]:
        return [SOURCES[name] for name in self.archives if name in SOURCES]


def write_data_card(root: Path, to: Path) -> list[Path]:
    """Write both files for a prepared or official root into a folder, which may be the root; the same root gives the same bytes.

    Raises:
        DataError: no table of a known modality, or a card that cannot be read.
    """
    described = [_described(dataset) for dataset in read_root(root)[0]]
    card = "\n".join(_card_lines(root, described))
    croissant = json.dumps(_croissant(root, described), indent=1, ensure_ascii=False)
    files = {"DATA_CARD.md": card, "croissant.json": croissant}
    for name, text in files.items():
        write_atomically(to / name, f"{text}\n".encode())
    return [to / name for name in files]


def _described(dataset: FolderDataset) -> _Described:
    entry = read_card(dataset.base).get("modalities", {}).get(dataset.name, {})
    table = dataset.base / f"{dataset.name}.csv"
    return _Described(dataset, table if table.is_file() else None, entry.get("archives", []))


def _card_lines(root: Path, described: Sequence[_Described]) -> Iterator[str]:
    kinds = sorted({str(one.dataset.data_kind) for one in described})
    yield from (f"# Data card of {root.resolve().name}", "", f"Kind of data: {' and '.join(kinds)}", "")
    yield from ("| data set | archives | target | train | val | test | groups | questions |", f"|{'---|' * 8}")
    for one in described:
        splits = Counter({row.mask: row.split for row in one.dataset.rows}.values())
        counts = [str(splits[split]) for split in SPLITS]
        groups = len({row.group for row in one.dataset.rows})
        cells = [one.dataset.name, ", ".join(one.archives) or "not stated", one.dataset.target, *counts, groups]
        yield f"| {' | '.join(map(str, cells))} | {len(one.dataset.rows)} |"
    yield from ("", "Images per split; a group is a patient, video or case, and no group is in two splits.", "")
    for name in sorted({name for one in described for name in one.archives}):
        yield from _source_lines(name, SOURCES.get(name))


def _source_lines(name: str, source: Source | None) -> Iterator[str]:
    if source is None:
        yield from (f"## {name}", "", "An archive that prsbench does not know: add its licence and citation here.", "")
        return
    yield from (f"## {source.title}", "")
    whole = f"{source.images or 'unknown'} images, {source.cases or 'unknown'} groups"
    facts = {"Licence": source.licence, "Citation": source.citation, "From": source.url, "Group": source.case, "Complete": whole}
    yield from (f"- {key}: {value}" for key, value in facts.items())
    yield from (f"- Defect: {defect}" for defect in source.defects)
    yield ""


def _croissant(root: Path, described: Sequence[_Described]) -> dict[str, Any]:
    name = root.resolve().name
    sources = list(dict.fromkeys(source for one in described for source in one.sources))
    citations = [source.citation for source in sources if source.citation != UNCONFIRMED]
    synthetic = all(one.dataset.data_kind == DataKind.SYNTHETIC for one in described)
    tables = [one for one in described if one.table]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": "Medical images, masks, and questions about positions with their answers: "
        + ", ".join(one.dataset.name for one in described)
        + ". The images are synthetic." * synthetic,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "url": [source.url for source in sources if source.url != UNCONFIRMED] or ["urn:not-published"],
        "license": list(dict.fromkeys(source.licence for source in sources)) or [UNCONFIRMED],
        "citeAs": " ".join(citations) or UNCONFIRMED,
        "version": "1.0.0",
        "distribution": [_file_object(one) for one in tables],
        "recordSet": [_record_set(one) for one in tables],
    }


def _file_object(one: _Described) -> dict[str, Any]:
    assert one.table is not None
    return {
        "@type": "cr:FileObject",
        "@id": one.table.name,
        "name": one.table.name,
        "description": f"One row per question about an image of {one.dataset.name}.",
        "contentUrl": one.table.name,
        "encodingFormat": "text/csv",
        "sha256": file_hash(one.table),
    }


def _record_set(one: _Described) -> dict[str, Any]:
    assert one.table is not None
    with one.table.open(encoding="utf-8-sig", newline="") as stream:
        columns = next(csv.reader(stream))
    name = one.dataset.name
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"Questions about images of {one.dataset.modality}; the masks outline: {one.dataset.target}.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "description": _COLUMNS.get(column, "added by the user"),
                "dataType": "sc:Text",
                "source": {"fileObject": {"@id": one.table.name}, "extract": {"column": column}},
            }
            for column in columns
        ],
    }
