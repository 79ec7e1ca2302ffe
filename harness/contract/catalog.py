"""Names to code, without importing the code: listing a catalog loads neither torch nor any method."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from prsbench.harness.contract.errors import ConfigError, RunFolderError, unknown_name
from prsbench.harness.contract.source_code import OURS, import_closure, is_inside

WHOLE_GPU_GIB = 16.0


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

    factory and config are "module:attribute". defaults hold until the user's config sets the same keys.
    trains says whether `fit` has to run before anything else.
    packaged are the weight files it uses where they are installed; its results differ with and without them.
    shares names the image features it computes: one worker evaluates the rows that name the same features in turns, and computes
    these once. It changes no number.
    gpu_gib and memory_gib say what one job needs at most of GPU and main memory. 0 of GPU memory: it uses no GPU. From
    `WHOLE_GPU_GIB` up it has a GPU for itself. They change no number.
    own_process says that its code is not ours: it is imported and run in a process of its own alone, and `trains` holds only
    after `imported`, there.
    """

    name: str
    summary: str
    factory: str
    config: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    trains: bool = True
    packaged: tuple[PackagedFile, ...] = ()
    shares: str = ""
    gpu_gib: float = 4.0
    memory_gib: float = 2.0
    own_process: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """The modules that decide its numbers: factory and config, with all they import of prsbench or of their own package."""
        modules = tuple(path.rpartition(":")[0] for path in (self.factory, self.config))
        packages = (name.partition(".")[0] for name in modules if not name.endswith(".py"))
        return import_closure(modules, inside=tuple(dict.fromkeys((OURS, *packages))))


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
    """The object that "module:attribute" or "folder/file.py:attribute" names.

    Raises:
        RunFolderError: prsbench has no such module or attribute; a run folder of another version names it.
    """
    module, _, attribute = path.rpartition(":")
    if module.endswith(".py"):
        return getattr(_of_file(Path(module)), attribute)
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if not is_inside(module, OURS) or not error.name or not is_inside(module, error.name):
            raise  # another package's module, or one that a module of ours imports
        found = None
    if is_inside(module, OURS) and not hasattr(found, attribute):
        what = f"prsbench has no '{path}'"
        raise RunFolderError(f"{what}, so this run was made by another version of prsbench; run its grid again.")
    return getattr(found, attribute)


def imported(entry: Entry) -> Entry:
    """Import a user's method into this process, which is its own: the entry with what the class says of training.

    `trains = False` on the class means that nothing is trained. The config is <ClassName>Config in the same module.

    Raises:
        ConfigError: there is no such file or class, or its config is none. Whatever else the module raises passes.
    """
    module = entry.factory.rpartition(":")[0]
    found = _of_file(Path(module)) if module.endswith(".py") else import_module(module)
    for path in (entry.factory, entry.config):
        name = path.rpartition(":")[2]
        if not isinstance(getattr(found, name, None), type):
            what = "Add one that inherits from MethodConfig" if path == entry.config else "Correct the method's name"
            raise ConfigError(f"{module} has no class '{name}'. {what} ('{entry.name}').")
    return replace(entry, trains=bool(getattr(resolve(entry.factory), "trains", True)))


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
