"""JSON files of a run folder: written atomically, read whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.files import write_atomically

_MOST_READ = 5000
_read: dict[Path, Any] | None = None  # the cache within a `reading_once`


def write_json(path: Path, content: Any, durable: bool = True, indent: int | None = 1) -> None:
    """Write JSON atomically. indent None writes a large file about ten times as fast."""
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{text}\n".encode(), durable)


@contextmanager
def reading_once() -> Iterator[None]:
    """Within the block, read each JSON file once: for passes over all cells that write nothing and read the same seals often.

    Callers share the content and must not change it. The cache ends with the block.
    """
    global _read
    previous, _read = _read, {}
    try:
        yield
    finally:
        _read = previous


def read_json(path: Path) -> Any:
    """The content, or None if there is no such file. Files are written atomically, so bad JSON is damage (RunFolderError)."""
    if _read is None:
        return _read_json(path)
    if path not in _read:
        if len(_read) >= _MOST_READ:  # with thousands of cells; the seals they share are read again
            _read.clear()
        _read[path] = _read_json(path)
    return _read[path]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RunFolderError(f"{path} is damaged ({error}). Delete the folder it lies in; it is computed again.") from None
