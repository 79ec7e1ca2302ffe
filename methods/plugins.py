"""Plugin methods: a class in a user's file, named file.py:ClassName, or an entry point of an installed package.

None of them is imported here: their code runs in a process of its own alone (`contract.catalog.imported`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from prsbench.harness.contract.catalog import WHOLE_GPU_GIB, Catalog, Entry
from prsbench.harness.contract.errors import ConfigError

SAVED = "saved"  # the row of saved predictions, named saved:ANYTHING in a grid
GROUP = "prsbench.methods"  # group of entry points: name = "package.module:ClassName"


class PluginCatalog(Catalog):
    """The catalog, plus methods of installed packages, any file.py:ClassName and saved predictions under any name.

    Plugins cannot replace the catalog's names.
    """

    def __getitem__(self, name: str) -> Entry:
        if ".py:" in name:
            path, _, attribute = name.rpartition(":")
            if not Path(path).is_file():
                raise ConfigError(f"{path}: no such Python file. Correct the method's name '{name}', which is file.py:ClassName.")
            return _entry(name, f"{Path(path).resolve()}:{attribute}", f"{attribute} of {path}")
        if re.fullmatch(rf"{SAVED}:[\w.+-][\w .+-]{{0,99}}", name):
            return replace(super().__getitem__(SAVED), name=name)
        if name in self._installed:
            plugin = self._installed[name]
            return _entry(name, plugin.value, f"{plugin.value}, from an installed package")
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:
        yield from (*super().__iter__(), *self._installed)

    def __len__(self) -> int:
        return super().__len__() + len(self._installed)

    @cached_property
    def _installed(self) -> dict[str, EntryPoint]:
        return {plugin.name: plugin for plugin in entry_points(group=GROUP) if plugin.name not in self._entries}


def _entry(name: str, factory: str, summary: str) -> Entry:
    """A plugin's catalog entry. Its config is <ClassName>Config in its module."""
    most = WHOLE_GPU_GIB  # nobody knows what it needs; execution.resources may say less
    return Entry(name, summary, factory, f"{factory}Config", own_process=True, gpu_gib=most, memory_gib=4.0)
