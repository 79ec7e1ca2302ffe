"""Hashes of what decides a result: code without its prose, packaged weight files, and a user's checkpoints."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from prsbench.harness.contract.catalog import PackagedFile
from prsbench.harness.contract.files import file_hash, folder_hashes
from prsbench.harness.contract.source_code import code_of, named_files
from prsbench.harness.engine.store.keys import key_of


def code_hashes(modules: Iterable[str]) -> dict[str, str]:
    """Hash of the code of each module (named with dots, or a path ending in .py), read without importing it.

    Comments, docstrings and blank lines do not count; files next to the module that its code names do.

    Raises:
        ConfigError: there is no such module.
    """
    return {name: _module_hash(name) for name in sorted(set(modules))}


@cache
def _module_hash(name: str) -> str:
    return key_of({"code": code_of(name), "files": {path.name: file_hash(path) for path in named_files(name)}})


@cache
def packaged_hash(file: PackagedFile) -> str:
    """sha256 of the bytes a weight package carries, or "not installed"."""
    spec = find_spec(file.package)
    path = Path(next(iter(spec.submodule_search_locations))) / file.path if spec and spec.submodule_search_locations else None
    return file_hash(path) if path and path.is_file() else "not installed"


@cache
def checkpoint_hash(path: Path) -> str:
    """Hash of a file, or of the names and bytes of all files in a folder; "not there" if there is neither.

    It is computed once a process, so that what is planned and what is run are the same bytes.
    """
    if path.is_dir():
        return key_of(folder_hashes(path))
    return file_hash(path) if path.is_file() else "not there"
