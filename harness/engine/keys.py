"""What a node is, as a hash: the same content gives the same key on any machine and any path; one byte more gives another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prsbench.harness.contract.catalog import PackagedFile
from prsbench.harness.contract.errors import ConfigError

FOLDER_DIGITS = 12  # hex digits of a key that stand in a folder's name
PROSE = (".md", ".rst")


def canonical_json(value: Any) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces. NaN has no JSON and is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def key_of(content: Mapping[str, Any]) -> str:
    """sha256 of a JSON-able description, in hex."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def code_hashes(sources: Iterable[str]) -> dict[str, str]:
    """Hash of the code of each module or package named with dots, or file ending in .py, read without importing it.

    A package counts every file in it but prose and compiled ones: a kind of file nobody thought of counts rather than not.
    """
    return {name: key_of(_module_hashes(name)) for name in sorted(set(sources))}


@cache
def packaged_hash(file: PackagedFile) -> str:
    """sha256 of the bytes a weight package carries, or "not installed"."""
    spec = find_spec(file.package)
    path = Path(next(iter(spec.submodule_search_locations))) / file.path if spec and spec.submodule_search_locations else None
    return file_hash(path) if path and path.is_file() else "not installed"


@cache
def checkpoint_hash(path: Path) -> str:
    """Hash of a file, or of the names and bytes of all files in a folder; "not there" if there is neither.

    Read once a process: what is planned and what is run are the same bytes.
    """
    if path.is_dir():
        return key_of({p.relative_to(path).as_posix(): file_hash(p) for p in sorted(path.rglob("*")) if p.is_file()})
    return file_hash(path) if path.is_file() else "not there"


@cache
def _module_hashes(name: str) -> dict[str, str]:
    if name.endswith(".py"):
        return {"": file_hash(Path(name))}
    spec = find_spec(name)
    if spec is None:
        raise ConfigError(f"No module is called '{name}', but an entry's sources name it. Correct `sources` in its catalog.")
    if spec.submodule_search_locations is None:
        return {"": file_hash(Path(str(spec.origin)))}
    folder = next(Path(place) for place in spec.submodule_search_locations if Path(place).is_dir())
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in _code_files(folder)}


def _code_files(folder: Path) -> Iterator[Path]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return (path for path in files if path.suffix not in (".pyc", *PROSE))
