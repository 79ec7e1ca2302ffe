"""JSON files of a run folder: written atomically; a reader gets the content, None without a file, or an error.

A sealed file also holds a hash of each of its fields, so that a later change is found and named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.engine.store.keys import field_hashes

FIELDS = "fields"  # of a sealed file: the hashes of the others
AGAIN = "Delete the folder it lies in; it is computed again."  # what to do about a damaged file
_SHOWN = 4  # changed fields named in an error


def write_json(path: Path, content: Any, durable: bool = True, indent: int | None = 1) -> None:
    """Write JSON atomically. indent None writes a large file about ten times as fast."""
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{text}\n".encode(), durable)


def read_json(path: Path, advice: str = AGAIN) -> Any:
    """The content, or None if there is no such file. Files are written atomically, so bad JSON is damage.

    Raises:
        RunFolderError: it cannot be read as JSON, ending with the advice.
    """
    try:
        content = json.loads(path.read_bytes(), parse_constant=_refuse)
        if content is None:
            raise ValueError("it says null")
        return content
    except FileNotFoundError:
        if path.is_symlink():
            raise RunFolderError(f"{path} is a link to a file that is gone. {advice}") from None
        return None
    except (ValueError, OSError, RecursionError) as error:
        raise damaged(path, error, advice) from None


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a sealed file."""
    return {**content, FIELDS: field_hashes(content)}


def read_sealed_json(path: Path, advice: str = AGAIN) -> Any:
    """As `read_json`, for a file of what `sealed` returned.

    Raises:
        RunFolderError: it cannot be read, or is not what was written; names the fields.
    """
    stored = read_json(path, advice)
    if stored is None:
        return None
    if changed := changed_fields(stored):
        raise RunFolderError(f"{path}: {listed(changed)} not what was written. {advice}")
    return {name: value for name, value in stored.items() if name != FIELDS}


def changed_fields(stored: Any) -> list[str]:
    """The names of the fields of a sealed file that are not what was written, or are gone, or new; sorted."""
    known = stored.get(FIELDS) if isinstance(stored, dict) else None
    if not isinstance(known, dict):
        return [f"'{FIELDS}', the hashes of all others,"]
    found = field_hashes({name: value for name, value in stored.items() if name != FIELDS})
    return sorted(name for name in found.keys() | known.keys() if found.get(name) != known.get(name))


def listed(names: list[str]) -> str:
    """The first few names, with the verb that follows them."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more} {'is' if len(names) == 1 else 'are'}"


def damaged(path: Path, error: Exception, advice: str = AGAIN) -> RunFolderError:
    """The error for a file that cannot be read as what was written."""
    said = error.strerror if isinstance(error, OSError) else "nested too deeply" if isinstance(error, RecursionError) else error
    return RunFolderError(f"{path} is damaged ({said}). {advice}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
