"""Disk cache of sentence embeddings, in the user's cache folder. A lost or damaged cache costs time only.

There is one SQLite file per set of weights, version of torch, kind of processor and number of threads, because each of these
could change a last digit. SQLite lets several workers read and write at once.
"""

from __future__ import annotations

import hashlib
import platform
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.files import cache_folder

MOST_BYTES = 2**28  # a file that has grown beyond 256 MB (about 150,000 sentences) is deleted and begun again
_CHUNK = 500  # sentences per query
_PATIENCE_S = 10  # for another writer

_SELECT = "SELECT sentence, vector, crc FROM known WHERE sentence IN ({})"

T = TypeVar("T")
Vector = NDArray[np.float32]


class SentenceCache:
    """The cache file of one encoder. No call raises: a file that cannot be used finds nothing and stores nothing."""

    def __init__(self, checksum: str, width: int):
        self._width = width
        machine = (platform.machine(), torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
        made_with = (checksum, width, torch.__version__, *machine)
        self.path = cache_folder() / f"sentences-{hashlib.sha256(repr(made_with).encode()).hexdigest()[:16]}.sqlite"

    def get(self, sentences: Sequence[str]) -> dict[str, Vector]:
        """The (width,) embeddings found in the cache; an entry whose checksum is wrong is ignored."""

        def read(database: sqlite3.Connection) -> list[tuple[str, bytes, int]]:
            chunks = [sentences[start : start + _CHUNK] for start in range(0, len(sentences), _CHUNK)]
            return [row for chunk in chunks for row in database.execute(_SELECT.format(",".join("?" * len(chunk))), chunk)]

        rows = self._try(read) or []
        return {text: np.frombuffer(data, np.float32) for text, data, crc in rows if self._is_intact(text, data, crc)}

    def put(self, known: Mapping[str, Vector]) -> None:
        """Store embeddings: all of them or, if anything fails, none."""

        def write(database: sqlite3.Connection) -> None:
            rows = [(text, data := vector.tobytes(), _crc(text, data)) for text, vector in known.items()]
            with database:
                database.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?)", rows)

        self._try(write)

    def _is_intact(self, text: str, data: object, crc: object) -> bool:
        return isinstance(data, bytes) and len(data) == 4 * self._width and _crc(text, data) == crc

    def _try(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """The result of `work` on the open file; None if the file cannot be used."""
        if not self.path.is_absolute():  # no home folder
            return None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size > MOST_BYTES:
                self.path.unlink(missing_ok=True)
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE_S)) as database:
                database.execute("CREATE TABLE IF NOT EXISTS known (sentence TEXT PRIMARY KEY, vector BLOB, crc INTEGER)")
                return work(database)
        except (sqlite3.OperationalError, OSError, UnicodeError):  # busy, full, read-only, or a sentence no file can hold
            return None
        except sqlite3.Error:  # not a database any more
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
            return None


def _crc(text: str, data: bytes) -> int:
    return zlib.crc32(text.encode() + data)
