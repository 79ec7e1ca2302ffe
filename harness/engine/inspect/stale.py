"""Earlier results in a run folder: why a planned cell is stale, and how long similar work took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prsbench.harness.engine.inspect.state import scores_wanted
from prsbench.harness.engine.plan.nodes import CellNode, Plan, TrainingNode
from prsbench.harness.engine.store import cell_folder
from prsbench.harness.engine.store.json_files import read_json
from prsbench.harness.engine.store.keys import FOLDER_DIGITS
from prsbench.harness.engine.store.run_folder import SEAL, attempts_of, digest_of
from prsbench.harness.engine.worker.setting import Setting

_SHOWN = 4  # changes named for a cell; the rest are counted


class EarlierWork:
    """The cells and trainings that a run folder holds, indexed once by the names of their folders."""

    def __init__(self, plan: Plan, setting: Setting):
        self._plan, self._setting = plan, setting
        self._cells: dict[str, list[Path]] = defaultdict(list)  # by method, data set and seed
        self._trainings: dict[str, Path] = {}  # by the key's first digits
        for folder in _folders(setting.folder / "cells"):
            self._cells[_without_key(folder.name)].append(folder)
        for folder in _folders(setting.folder / "trainings"):
            self._trainings[folder.name[-FOLDER_DIGITS:]] = folder

    def why_stale(self, cell: CellNode) -> str | None:
        """What changed since the most similar sealed cell of this method, data set and seed; None if there is none."""
        own = self._setting.run.cell(cell.folder)
        if own.name in {folder.name for folder in self._cells[_without_key(own.name)]} and cell_folder.is_sealed(own, None):
            return self._why_not_served(own, cell)
        new = asdict(cell)
        sealed = [folder for folder in self._cells[_without_key(own.name)] if (folder / SEAL).exists()]
        stored = [read_json(folder / cell_folder.CELL) for folder in sealed]
        changes = [list(self._changes(old["node"], new)) for old in stored if old]
        return _listed(min(changes, key=len)) if changes else None

    def attempts(self, method: str) -> Iterator[tuple[str, dict[str, Any], Path]]:
        """(data set, attempt, folder) of each attempt that finished a cell of the method, whatever its key."""
        for name, folders in self._cells.items():
            names = name.split("--")
            for folder in folders if names[0] == method and len(names) == 3 else ():
                yield from ((names[1], attempt, folder) for attempt in attempts_of(folder) if attempt["kind"] == "done")

    def training_attempts(self, node: TrainingNode) -> Iterator[tuple[dict[str, Any], Path]]:
        """(attempt, folder) of each attempt that finished a training of the same name and split, whatever its seed."""
        for folder in self._trainings.values():
            if _without_seed(folder.name) == _without_seed(node.folder):
                yield from ((attempt, folder) for attempt in attempts_of(folder) if attempt["kind"] == "done")

    def _why_not_served(self, folder: Path, cell: CellNode) -> str | None:
        weights = digest_of(self._setting.training_folder(cell.training)) if cell.training else None
        if not cell_folder.is_sealed(folder, weights):
            return "its training was done again, with other weights"
        if not cell_folder.is_measured(folder, self._setting.measuring):
            wanted = cell_folder.measuring_identity(folder, self._setting.measuring)
            stored = cell_folder.measured_with(folder)
        else:
            wanted, stored = scores_wanted(folder, self._setting), cell_folder.scored_with(folder)
        changed = [name for name, value in wanted.items() if value not in (None, stored.get(name))]
        return f"{', '.join(changed)} changed" if stored and changed else "it was interrupted before that"

    def _changes(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
        """What differs between two nodes, by name; for a changed training, what changed in it."""
        flat_old, flat_new = dict(_flat(old)), dict(_flat(new))
        for name in sorted(flat_old.keys() | flat_new.keys()):
            before, after = flat_old.get(name), flat_new.get(name)
            if before == after or name in ("key", "n_manifest"):
                continue
            if name == "training" or name.startswith("needs."):
                yield from self._training_changes(name, before, after)
            else:
                yield _change(name, before, after)

    def _training_changes(self, name: str, before: str | None, after: str | None) -> Iterator[str]:
        folder = self._trainings.get(before[:FOLDER_DIGITS]) if before else None
        seal = read_json(folder / SEAL) if folder else None
        if not seal or not after or "node" not in seal:
            yield f"{name} is a different one"
            return
        new = self._plan.trainings[after]
        yield from (f"{new.name}: {change}" for change in self._changes(seal["node"], asdict(new)))


def _folders(place: Path) -> list[Path]:
    return sorted(folder for folder in place.iterdir() if folder.is_dir()) if place.is_dir() else []


def _without_key(name: str) -> str:
    return name[: -FOLDER_DIGITS - 1]


def _without_seed(name: str) -> str:
    return _without_key(name).rpartition("-s")[0]


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _change(name: str, before: Any, after: Any) -> str:
    name = name.removeprefix("origin.").removeprefix("config.")
    values = [str(value) for value in (before, after)]
    if name.startswith("code."):
        return f"code of {name.removeprefix('code.')}"
    if any(len(value) > 40 for value in values):  # hashes, long lists
        values = [value if value == "not installed" else "changed" for value in values]
        return f"{name} {values[0]} -> installed" if values[0] == "not installed" else f"{name} {values[1]}"
    return f"{name} {values[0]} -> {values[1]}"


def _listed(changes: list[str]) -> str:
    distinct = list(dict.fromkeys(changes))
    more = f" and {len(distinct) - _SHOWN} more" if len(distinct) > _SHOWN else ""
    return ("; ".join(distinct[:_SHOWN]) or "nothing that a key includes") + more
