"""records.jsonl: one checksummed line a sample, a whole batch in one durable write.

A kill or a power cut can hurt only the batch written last: it is cut back and computed again. A bad line before it is
damage that no crash explains, and an error.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.records import SCHEMA, Record
from prsbench.harness.engine.durable import append_durably
from prsbench.harness.engine.keys import canonical_json

RECORDS = "records.jsonl"


def read_records(path: Path, batch_size: int, total: int) -> list[Record]:
    """The records of all whole batches in the file; an unfinished or torn last batch is left out.

    Args:
        path: the file; none means no records.
        batch_size: samples a write. The last write of a finished file may be shorter.
        total: samples of the whole cell.

    Raises:
        RunFolderError: a line before the last batch is damaged, or the file holds more than the cell has.
    """
    records, _ = _scan(path, batch_size, total)
    return records


def open_for_resume(path: Path, batch_size: int, total: int) -> list[Record]:
    """The same, and the file is cut back to exactly these records."""
    records, size = _scan(path, batch_size, total)
    if path.exists() and path.stat().st_size != size:
        with path.open("r+b") as stream:
            stream.truncate(size)
            os.fsync(stream.fileno())
    return records


def append_batch(path: Path, records: Sequence[Record]) -> None:
    """Append the records of one batch: one write, flushed to the disk before this returns."""
    append_durably(path, b"".join(map(_encode, records)))


def damaged_line(path: Path) -> int | None:
    """The number, from 1, of the first line that is not what was written; None if every line is."""
    lines = path.read_bytes().splitlines(keepends=True)
    return next((number for number, line in enumerate(lines, 1) if decode(line, f"{path} line {number}") is None), None)


def _scan(path: Path, batch_size: int, total: int) -> tuple[list[Record], int]:
    """The whole batches and the bytes they take."""
    data = path.read_bytes() if path.exists() else b""
    lines = data.splitlines(keepends=True)
    if len(lines) > total:
        raise RunFolderError(f"{path}: {len(lines)} lines for {total} samples. Delete its folder; the cell is computed again.")
    last_batch = max(len(lines) - 1, 0) // batch_size * batch_size
    records = []
    for number, line in enumerate(lines):
        where = f"{path} line {number + 1}"
        record = decode(line, where)
        if record is None and number < last_batch:
            raise RunFolderError(f"{where} is damaged. Delete its folder; the cell is computed again.")
        if record is None:
            break
        records.append(record)
    whole = len(records) if len(records) == total else len(records) // batch_size * batch_size
    return records[:whole], sum(map(len, lines[:whole]))


def _encode(record: Record) -> bytes:
    content = canonical_json({"schema": SCHEMA, **record.to_json()}).encode()
    return b'{"crc32":"%08x","record":%s}\n' % (zlib.crc32(content), content)


def decode(line: bytes, where: str) -> Record | None:
    """The record of a line, or None if the line is not exactly what was written."""
    head, tail = len(b'{"crc32":"00000000","record":'), len(b"}\n")
    content = line[head:-tail]
    if line != b'{"crc32":"%08x","record":%s}\n' % (zlib.crc32(content), content):
        return None
    fields = json.loads(content)
    schema = fields.pop("schema")
    if schema != SCHEMA:
        raise RunFolderError(
            f"{where}: written with record schema {schema}, this version reads {SCHEMA}. "
            "Read it with the version that wrote it, or delete its folder; the cell is computed again."
        )
    return Record.from_json(fields)
