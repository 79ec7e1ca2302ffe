"""The index of a data root: rows, hashes and checks of all its data sets in one file, so that nothing is read or decoded twice.

It holds for the bytes of the tables and the card, the entries of the folders with pictures, and the code that reads them; a
picture counts as known as long as its inode, size and times are the same (`picture_files`). The file is replaced as a whole, so
that two processes may write it at once; one that is damaged, which the checksums of its parts show, counts as missing.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets import card, official_reader, official_table, picture_files, pictures, rows
from prsbench.datasets.card import CARD
from prsbench.datasets.official_reader import FolderDataset, read_root, tables_of
from prsbench.datasets.picture_files import PictureFiles
from prsbench.datasets.rows import Rows, Texts
from prsbench.harness.contract.files import AT_REST_NS, file_facts, file_hash, write_atomically
from prsbench.harness.contract.types import DataKind

_READERS = (card, official_reader, official_table, picture_files, pictures, rows)
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile, zlib.error)
_TEXTS, _LISTS, _ROW_ARRAYS = (
    ("name", "modality", "data_kind", "target"),
    ("table_problems", "notes"),
    ("codes", "line", "spacing"),
)


# A hash of the code that reads tables and pictures, as it was imported, and of the version of the decoder.
_CODE = sha256(
    "\n".join([*(file_hash(Path(str(module.__file__))) for module in _READERS), version("pillow")]).encode()
).hexdigest()


@dataclass(frozen=True)
class OpenedRoot:
    """The data sets of a root. left_out are sentences on files and rows of no known modality.

    state is what the rows follow from, None if that must not be relied on later; indexed_at is where an index of it was found.
    """

    root: Path
    datasets: Sequence[FolderDataset]
    left_out: Sequence[str]
    state: Mapping[str, Any] | None
    indexed_at: Path | None = None


def open_root_indexed(root: Path, places: Sequence[Path], trust_times: bool = True) -> OpenedRoot:
    """The data sets of a root, from the index in one of these folders if it holds; a faulty index is read past.

    Args:
        trust_times: without it every file counts as changed, whatever its size and times, until it is hashed again.

    Raises:
        DataError: no table of a known modality.
    """
    began, root = time.time_ns(), root.resolve()
    found = [(place, opened) for place in places if (opened := _read(_file(place, root), root))]
    for place, old in found:
        if old.state and old.state == _state(root, old.state["folders"], old.state["cards"], began):
            opened, indexed_at = old, place
            break
    else:
        opened, indexed_at = _parsed(root, began), None
        known = {(dataset.name, dataset.base): dataset.files for _, old in reversed(found) for dataset in old.datasets}
        for dataset in opened.datasets:
            if (dataset.name, dataset.base) in known:
                dataset.files.learn_from(known[dataset.name, dataset.base])
    for dataset in opened.datasets:
        dataset.files.compare(trust_times)
    return replace(opened, indexed_at=indexed_at)


def write_index(opened: OpenedRoot, places: Sequence[Path]) -> None:
    """Store what is known of a root in each of these folders that lacks it; a folder that cannot be written is left without."""
    is_same = opened.indexed_at is not None and not any(dataset.files.has_learned for dataset in opened.datasets)
    stale = places[: places.index(opened.indexed_at)] if is_same and opened.indexed_at in places else places
    data = _bytes(opened) if stale else b""
    for place in stale:
        with suppress(OSError):
            write_atomically(_file(place, opened.root), data, durable=False)


def read_index(root: Path, place: Path, names: Collection[str] = ()) -> Sequence[FolderDataset] | None:
    """The data sets with these names, or all, as they were when the index was written; None if there is none that can be read.

    No table is read and no file is looked at. Samples refuse a picture whose file is another one now.
    """
    opened = _read(_file(place, root), root.resolve(), names)
    if opened is None:
        return None
    for dataset in opened.datasets:
        dataset.files.is_fresh |= dataset.files.is_whole
    return opened.datasets


def _file(place: Path, root: Path) -> Path:
    return place / f"index-{sha256(str(root.resolve()).encode(errors='surrogateescape')).hexdigest()[:16]}.npz"


def _parsed(root: Path, began: int) -> OpenedRoot:
    tables = _tables(root)
    datasets, left_out = read_root(root)
    if any(dataset.table_problems for dataset in datasets):
        return OpenedRoot(root, datasets, left_out, None)
    folders = {str(file.parent) for dataset in datasets for n in range(len(dataset.files)) for file in dataset.files.files(n)}
    state = _state(root, sorted(folders), sorted({str(dataset.base) for dataset in datasets}), began)
    return OpenedRoot(root, datasets, left_out, {**state, "tables": tables})


def _state(root: Path, folders: Iterable[str], bases: Iterable[str], began: int) -> dict[str, Any]:
    """What the rows of a root follow from. A folder that was changed within two seconds before `began` equals none read later."""
    facts = {name: file_facts(Path(name))[1:] for name in folders}
    at_rest = {name: known if max(known[2:]) < began - AT_REST_NS else [began] for name, known in facts.items()}
    cards = {base: file_hash(path) if (path := Path(base, CARD)).is_file() else "" for base in bases}
    return {"code": _CODE, "root": str(root), "tables": _tables(root), "folders": at_rest, "cards": cards}


def _tables(root: Path) -> dict[str, str]:
    return {str(table): file_hash(table) for pattern in ("*", "*/*") for table in tables_of(root, pattern)}


def _bytes(opened: OpenedRoot) -> bytes:
    about: dict[str, Any] = {"code": _CODE, "state": opened.state, "left_out": list(opened.left_out), "datasets": []}
    arrays: dict[str, NDArray[Any]] = {}
    for number, dataset in enumerate(opened.datasets):
        texts = {name: getattr(dataset, name) for name in _TEXTS}
        about["datasets"].append({**texts, **{name: list(getattr(dataset, name)) for name in _LISTS}, "base": str(dataset.base)})
        found, files = dataset.columns, dataset.files
        parts = {name: getattr(found, name) for name in _ROW_ARRAYS} | {name: getattr(files, name) for name in files.STORED}
        for name, block in (("texts", found.texts), ("masks", files.masks), ("images", files.images)):
            parts |= {name: np.frombuffer(block.data, np.uint8), f"{name}_end": block.ends}
        arrays |= {f"{number}.{name}": array for name, array in parts.items()}
    stream = io.BytesIO()
    np.savez_compressed(stream, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def _read(path: Path, root: Path, names: Collection[str] = ()) -> OpenedRoot | None:
    """An index of this code; None if there is none, or if a part of it is not what was written."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            if about["code"] != _CODE:
                return None
            told = [(number, known) for number, known in enumerate(about["datasets"]) if not names or known["name"] in names]
            datasets = [_dataset(known, arrays, number) for number, known in told]
        return OpenedRoot(root, datasets, about["left_out"], about["state"])
    except _UNREADABLE:
        return None


def _dataset(known: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], number: int) -> FolderDataset:
    def array(name: str) -> NDArray[Any]:
        return arrays[f"{number}.{name}"]

    base = Path(known["base"])
    texts, masks, images = (Texts(array(name).tobytes(), array(f"{name}_end")) for name in ("texts", "masks", "images"))
    files = PictureFiles(base, masks, images)
    for name in files.STORED:
        setattr(files, name, array(name))
    columns = Rows(base, texts, *(array(name) for name in _ROW_ARRAYS))
    about = {name: known[name] for name in (*_TEXTS, *_LISTS)} | {"data_kind": DataKind(known["data_kind"])}
    return FolderDataset(rows=columns, base=base, files=files, **about)
