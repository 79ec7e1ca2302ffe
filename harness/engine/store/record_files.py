"""Files of records and scores, read one at a time: scoring 100,000 records holds only a few numbers of each in memory."""

from __future__ import annotations

import json
from abc import abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan, nan
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.contract.records import Record
from prsbench.harness.engine.store.journal import DELETE_CELL, decode
from prsbench.harness.engine.store.json_files import damaged

Item = TypeVar("Item", covariant=True)


class LazySequence(Sequence[Item]):
    """A sequence whose items are made on each access; a slice is a list."""

    @abstractmethod
    def item(self, number: int) -> Item:
        """The item at a number from 0 to below the length."""

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        numbers = range(len(self))[index]
        return self.item(numbers) if isinstance(numbers, int) else [self.item(number) for number in numbers]


class StoredRecords(LazySequence[Record]):
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

    def item(self, number: int) -> Record:
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
            raise RunFolderError(f"{where} is damaged. {DELETE_CELL}")
        return record


class Scores(LazySequence[Mapping[str, float]]):
    """The metric values of many records, all of the same metrics, as one array: 8 bytes per value where a dict takes 100."""

    def __init__(self, items: Iterable[Mapping[str, float]]):
        values = array("d")
        self._names: tuple[str, ...] = ()
        for item in items:
            self._names = self._names or tuple(item)
            values.extend(item[name] for name in self._names)
            if len(item) != len(self._names):
                raise RunFolderError(f"Scores of different metrics in a cell: expected {len(self._names)}, got {len(item)}.")
        self._values = np.frombuffer(values).reshape(-1, max(len(self._names), 1))

    def __len__(self) -> int:
        return len(self._values)

    def item(self, number: int) -> Mapping[str, float]:
        return dict(zip(self._names, self._values[number].tolist(), strict=True))


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
        raise damaged(path, error) from None


def _row(stored: Mapping[str, float | None]) -> dict[str, float]:
    return {name: nan if value is None else value for name, value in stored.items()}


def _rows(lines: Iterable[str]) -> Iterator[dict[str, float]]:
    line = ""
    for line in lines:
        if line not in ("[\n", "]\n"):
            yield _row(json.loads(line.rstrip().removesuffix(",")))
    if line != "]\n":
        raise ValueError("its end is missing")
