"""Journals predictions.jsonl and records.jsonl: one checksummed line per sample, one durable write per batch, for resuming.

A kill or a power cut can damage only the last batch, which is cut off and computed again. A bad line before it has another
cause and is an error.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.files import append_durably, truncate_durably
from prsbench.harness.contract.records import Record, SampleStatus
from prsbench.harness.engine.store.keys import canonical_json


@dataclass(frozen=True, slots=True)
class StoredPrediction:
    """One line of predictions.jsonl. The fields mean the same as in `Record`."""

    schema: ClassVar[int] = 1

    sample_id: str
    status: SampleStatus
    error: str
    answer: str
    seconds: float
    batch_size: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "status": SampleStatus(data["status"])})


PREDICTIONS, RECORDS = "predictions.jsonl", "records.jsonl"
DELETE_CELL = "Delete its folder; the cell is computed again."  # what to do about a file that a resume cannot repair
Line = TypeVar("Line", StoredPrediction, Record)


def read_lines(path: Path, kind: type[Line], batch_size: int, total: int) -> list[Line]:
    """The lines of all complete batches in the file; an unfinished or torn last batch is left out.

    Args:
        path: the file; a missing file has no lines.
        kind: the type of a line.
        batch_size: samples per write. The last write of a finished file may be smaller.
        total: samples of the cell.

    Raises:
        RunFolderError: a line before the last batch is damaged, or the file has more lines than the cell has samples.
    """
    lines, _ = _scan(path, kind, batch_size, total)
    return lines


def open_for_resume(path: Path, kind: type[Line], batch_size: int, total: int) -> list[Line]:
    """As `read_lines`, and cut the file back to exactly these lines."""
    lines, size = _scan(path, kind, batch_size, total)
    truncate_durably(path, size)
    return lines


def append_batch(path: Path, batch: Sequence[Line]) -> None:
    """Append the lines of one batch: one write, flushed to the disk before this returns."""
    append_durably(path, b"".join(map(_encode, batch)))


def damaged_line(path: Path) -> int | None:
    """The number, from 1, of the first line that is not what was written; None if every line is."""
    lines = path.read_bytes().splitlines(keepends=True)
    return next((number for number, line in enumerate(lines, 1) if _content(line) is None), None)


def _scan(path: Path, kind: type[Line], batch_size: int, total: int) -> tuple[list[Line], int]:
    """The lines of all complete batches, and the bytes they take."""
    data = path.read_bytes() if path.exists() else b""
    lines = data.splitlines(keepends=True)
    if len(lines) > total:
        raise RunFolderError(f"{path}: {len(lines)} lines for {total} samples. {DELETE_CELL}")
    last_batch = max(len(lines) - 1, 0) // batch_size * batch_size
    items: list[Line] = []
    for number, line in enumerate(lines):
        where = f"{path} line {number + 1}"
        item = decode(line, kind, where)
        if item is None and number < last_batch:
            raise RunFolderError(f"{where} is damaged. {DELETE_CELL}")
        if item is None:
            break
        items.append(item)
    n = len(items) if len(items) == total else len(items) // batch_size * batch_size
    return items[:n], sum(map(len, lines[:n]))


def _encode(item: StoredPrediction | Record) -> bytes:
    content = canonical_json({"schema": item.schema, **item.to_json()}).encode()
    return b'{"crc32":"%08x","record":%s}\n' % (zlib.crc32(content), content)


def _content(line: bytes) -> bytes | None:
    """The JSON in a line, or None if the line is not exactly what was written."""
    head, tail = len(b'{"crc32":"00000000","record":'), len(b"}\n")
    content = line[head:-tail]
    return content if line == b'{"crc32":"%08x","record":%s}\n' % (zlib.crc32(content), content) else None


def decode(line: bytes, kind: type[Line], where: str) -> Line | None:
    """What a line holds, or None if the line is not exactly what was written."""
    content = _content(line)
    if content is None:
        return None
    fields = json.loads(content)
    schema = fields.pop("schema")
    if schema != kind.schema:
        raise RunFolderError(
            f"{where}: written with record schema {schema}, this version reads {kind.schema}. "
            "Read it with the version that wrote it, or delete its folder; the cell is computed again."
        )
    return kind.from_json(fields)
