"""JSON files of a run folder: written atomically; a reader gets the content, None without a file, or an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.files import write_atomically


def write_json(path: Path, content: Any, durable: bool = True, indent: int | None = 1) -> None:
    """Write JSON atomically. indent None writes a large file about ten times as fast."""
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{text}\n".encode(), durable)


def read_json(path: Path) -> Any:
    """The content, or None if there is no such file. Files are written atomically, so bad JSON is damage (RunFolderError)."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> RunFolderError:
    """The error for a file that cannot be read as what was written."""
    return RunFolderError(f"{path} is damaged ({error}). Delete the folder it lies in; it is computed again.")
