"""Files of records and scores, read one at a time: scoring 100,000 records holds only a few numbers of each in memory."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan, nan
from pathlib import Path

import numpy as np
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.contract.records import Record
from prsbench.harness.engine.store.journal import decode


class StoredRecords(Sequence[Record]):
    """The records in a file, decoded on each access.

    Raises:
        RunFolderError: on access, if a line is not what was written.
    """

    def __init__(self, path: Path):
        self._path, self._starts, end = path, array("q"), 0
        with path.open("rb") as stream:
            for line in stream:
                self._starts.append(end)
                end += len(line)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        with self._path.open("rb") as stream:
            stream.seek(self._starts[number])
            return self._decode(number, stream.readline())

    def __iter__(self) -> Iterator[Record]:
        with self._path.open("rb") as stream:
            for number, line in enumerate(stream):
                yield self._decode(number, line)

    def _decode(self, number: int, line: bytes) -> Record:
        where = f"{self._path} line {number + 1}"
        record = decode(line, Record, where)
        if record is None:
            raise RunFolderError(f"{where} is damaged. Delete its folder; the cell is computed again.")
        return record


class Scores(Sequence[Mapping[str, float]]):
    """The metric values of many records, all of the same metrics, as one array: 8 bytes per value where a dict takes 100."""

    def __init__(self, items: Iterable[Mapping[str, float]]):
        values, self._names = array("d"), ()
        for item in items:
            self._names = self._names or tuple(item)
            values.extend(item[name] for name in self._names)
            if len(item) != len(self._names):
                raise RunFolderError(f"Scores of different metrics in a cell: expected {len(self._names)}, got {len(item)}.")
        self._values = np.frombuffer(values).reshape(-1, max(len(self._names), 1))

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return dict(zip(self._names, self._values[index].tolist(), strict=True))


def write_scores(path: Path, scores: Iterable[Mapping[str, float]]) -> None:
    """Write a JSON array with one line per record; an undefined value (NaN) is null."""

    def lines() -> Iterator[bytes]:
        separator = "[\n"
        for mapping in scores:
            plain = {name: None if isnan(value) else value for name, value in mapping.items()}
            yield (separator + json.dumps(plain, allow_nan=False)).encode()
            separator = ",\n"
        yield b"\n]\n" if separator == ",\n" else b"[\n]\n"

    write_atomically(path, lines())


def read_scores(path: Path) -> Scores:
    """The scores in a file.

    Raises:
        RunFolderError: the file is not what was written.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            is_by_line = [next(stream, ""), next(stream, "")[:1]] == ["[\n", "{"]
            stream.seek(0)
            return Scores(_rows(stream) if is_by_line else map(_row, json.load(stream)))  # as older versions wrote it
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunFolderError(f"{path} is damaged ({error}). Delete the folder it lies in; it is computed again.") from None


def _row(stored: Mapping[str, float | None]) -> dict[str, float]:
    return {name: nan if value is None else value for name, value in stored.items()}


def _rows(lines: Iterable[str]) -> Iterator[dict[str, float]]:
    line = ""
    for line in lines:
        if line not in ("[\n", "]\n"):
            yield _row(json.loads(line.rstrip().removesuffix(",")))
    if line != "]\n":
        raise ValueError("its end is missing")
