"""Names to code, without importing the code: listing a catalog loads neither torch nor any method."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from prsbench.harness.contract.errors import ConfigError, unknown_name


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """One weight file that comes inside a dependency: the package, the file's path in it, the sha256 of its bytes."""

    package: str  # import name
    requirement: str  # what pip installs
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a catalog.

    factory and config are "module:attribute". defaults are laid under the user's config keys.
    sources are the modules and packages whose code decides the numbers: their bytes enter the cell's identity.
    trains says whether `fit` has to run before anything else.
    packaged are the weight files it uses if they are installed: with and without one it is not the same thing.
    shares is a word for what it computes of an image: rows that say the same one are evaluated in turns by one worker, which
    computes that once. It changes no number.
    """

    name: str
    summary: str
    factory: str
    config: str
    sources: tuple[str, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    trains: bool = True
    packaged: tuple[PackagedFile, ...] = ()
    shares: str = ""


class Catalog(Mapping[str, Entry]):
    """Entries by name; a miss names the nearest known one."""

    def __init__(self, kind: str, entries: Iterable[Entry]):
        self.kind = kind
        self._entries = {entry.name: entry for entry in entries}

    def __getitem__(self, name: str) -> Entry:
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries)
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def resolve(path: str) -> Any:
    """The object behind "module:attribute" or "folder/file.py:attribute"."""
    module, _, attribute = path.rpartition(":")
    return getattr(_of_file(Path(module)) if module.endswith(".py") else import_module(module), attribute)


def _of_file(path: Path) -> ModuleType:
    """A user's file as a module, run once a process, under a name of its own that shadows nothing."""
    path = path.resolve()
    name = "prsbench_file_" + re.sub(r"\W", "_", str(path))
    if name not in sys.modules:
        spec = spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise ConfigError(f"{path}: no such Python file. Correct the method's name, which is file.py:ClassName.")
        sys.modules[name] = module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]  # so that a second look fails as the first did
            raise
    return sys.modules[name]
