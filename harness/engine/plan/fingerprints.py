"""Hashes of what decides a result: code without its prose, packaged weight files, a user's checkpoints, and files it reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prsbench.harness.contract.catalog import PackagedFile
from prsbench.harness.contract.files import file_hash, folder_hashes, remembered_hash
from prsbench.harness.contract.read_files import read_files
from prsbench.harness.contract.source_code import OURS, code_of, is_inside, named_files
from prsbench.harness.engine.store.keys import key_of


def code_hashes(modules: Iterable[str]) -> dict[str, str]:
    """Hash of the code of each module (named with dots, or a path ending in .py), read without importing it.

    Comments, docstrings and blank lines do not count; files next to a module with dots that its code names do.

    Raises:
        ConfigError: there is no such module.
    """
    return {name: _module_hash(name) for name in sorted(set(modules))}


@cache
def _module_hash(name: str) -> str:
    files = () if name.endswith(".py") else named_files(name)
    return key_of({"code": code_of(name), "files": {path.name: file_hash(path) for path in files}})


def read_hashes(modules: Iterable[str], config: Mapping[str, Any]) -> dict[str, str]:
    """Hash of each file or folder that a user's code or config names (`read_files`); "not there" of one declared and missing.

    Raises:
        ConfigError: `reads` of a class is no list of texts.
    """
    named = read_files((name for name in modules if not is_inside(name, OURS)), config)
    return {name: _hash_of(Path(name), files) for name, files in named.items()}


def _hash_of(place: Path, files: Iterable[Path]) -> str:
    hashes = {path.relative_to(place).as_posix(): remembered_hash(path) for path in files}
    return key_of(hashes) if hashes else "not there"


@cache
def packaged_hash(file: PackagedFile) -> str:
    """sha256 of the bytes a weight package carries, or "not installed"."""
    spec = find_spec(file.package)
    path = Path(next(iter(spec.submodule_search_locations))) / file.path if spec and spec.submodule_search_locations else None
    return file_hash(path) if path and path.is_file() else "not installed"


@cache
def checkpoint_hash(path: Path | tuple[Path, ...]) -> str:
    """Hash of a file, of several in this order, or of the names and bytes of all files in a folder; "not there" if there is none.

    It is computed once a process, so that what is planned and what is run are the same bytes.
    """
    if isinstance(path, tuple):
        return remembered_hash(*path)
    if path.is_dir():
        return key_of(folder_hashes(path, remembered_hash))
    return remembered_hash(path) if path.is_file() else "not there"
