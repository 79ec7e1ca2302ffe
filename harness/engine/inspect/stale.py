"""Earlier results in a run folder: why a planned cell is stale, and how long similar work took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.engine.inspect.state import Left, StoredCell
from prsbench.harness.engine.plan.nodes import Plan, TrainingNode
from prsbench.harness.engine.store.cell_folder import CELL
from prsbench.harness.engine.store.json_files import read_json
from prsbench.harness.engine.store.keys import FOLDER_DIGITS
from prsbench.harness.engine.store.run_folder import SEAL, Ending, NodeFolder, TrainingFolder

_SHOWN = 4  # changes named for a cell; the rest are counted


class EarlierWork:
    """The cells and trainings that a run folder holds, indexed once by the names of their folders."""

    def __init__(self, plan: Plan, run_folder: Path):
        self._plan = plan
        self._cells: dict[str, list[Path]] = defaultdict(list)  # by method, data set and seed
        self._trainings: dict[str, TrainingFolder] = {}  # by the key's first digits
        self._node_in = cache(_node_in)  # many cells depend on one training
        for folder in _folders(run_folder / "cells"):
            self._cells[_without_key(folder.name)].append(folder)
        for folder in _folders(run_folder / "trainings"):
            self._trainings[folder.name[-FOLDER_DIGITS:]] = TrainingFolder(folder)

    def why_stale(self, planned: StoredCell) -> str | None:
        """What changed since the most similar sealed cell of this method, data set and seed; None if there is none."""
        if planned.folder.is_sealed():
            return _why_incomplete(planned)
        new = asdict(planned.node)
        similar = [path / CELL for path in self._cells[_without_key(planned.node.folder)] if (path / SEAL).exists()]
        changes = [list(self._changes(old, new)) for path in similar if (old := self._node_in(path))]
        return _listed(min(changes, key=len)) if changes else None

    def attempts(self, method: str) -> Iterator[tuple[str, dict[str, Any], Path]]:
        """(data set, attempt, folder) of each attempt that finished a cell of the method, whatever its key."""
        for name, folders in self._cells.items():
            names = name.split("--")
            for folder in folders if names[0] == method and len(names) == 3 else ():
                yield from ((names[1], attempt, folder) for attempt in _finished(NodeFolder(folder)))

    def training_attempts(self, node: TrainingNode) -> Iterator[tuple[dict[str, Any], Path]]:
        """(attempt, folder) of each attempt that finished a training of the same name and split, whatever its seed."""
        for folder in self._trainings.values():
            if _without_seed(folder.path.name) == _without_seed(node.folder):
                yield from ((attempt, folder.path) for attempt in _finished(folder))

    def _changes(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
        """What differs between two nodes, by name; for a changed training, what changed in it."""
        flat_old, flat_new = dict(_flat(old)), dict(_flat(new))
        for name in sorted(flat_old.keys() | flat_new.keys()):
            before, after = flat_old.get(name), flat_new.get(name)
            if before == after or name in ("key", "n_manifest", "own_process", "gpu_gib", "memory_gib"):
                continue
            if name == "training" or name.startswith("needs."):
                yield from self._training_changes(name, before, after)
            else:
                yield _change(name, before, after)

    def _training_changes(self, name: str, before: str | None, after: str | None) -> Iterator[str]:
        folder = self._trainings.get(before[:FOLDER_DIGITS]) if before else None
        old = self._node_in(folder.path / SEAL) if folder else None
        if not old or not after:
            yield f"{name} is a different one"
            return
        new = self._plan.trainings[after]
        yield from (f"{new.name}: {change}" for change in self._changes(old, asdict(new)))


def _why_incomplete(planned: StoredCell) -> str:
    folder, wanted = planned.folder, dict[str, str | None]()
    if planned.left is Left.PREDICT:
        return "its training was done again, with other weights"
    if planned.left is Left.MEASURE:
        wanted |= folder.measuring_identity(planned.measuring_hash)
        stored = folder.measured_with
    else:
        wanted |= planned.scores_wanted
        stored = folder.scored_with
    changed = [name for name, value in wanted.items() if value not in (None, stored.get(name))]
    return f"{', '.join(changed)} changed" if stored and changed else "it was interrupted before that"


def _node_in(path: Path) -> Mapping[str, Any] | None:
    """The node that a file of any version describes; None if it is damaged or names none."""
    with suppress(RunFolderError):
        stored = read_json(path)
        node = stored.get("node") if isinstance(stored, dict) else None
        return node if isinstance(node, dict) else None
    return None


def _finished(folder: NodeFolder) -> list[dict[str, Any]]:
    return [attempt for attempt in folder.attempts if attempt["kind"] == Ending.DONE]


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
    if name.startswith("reads."):
        return f"{name.removeprefix('reads.')}, which it reads"
    if any(len(value) > 40 for value in values):  # hashes, long lists
        values = [value if value == "not installed" else "changed" for value in values]
        return f"{name} {values[0]} -> installed" if values[0] == "not installed" else f"{name} {values[1]}"
    return f"{name} {values[0]} -> {values[1]}"


def _listed(changes: list[str]) -> str:
    distinct = list(dict.fromkeys(changes))
    more = f" and {len(distinct) - _SHOWN} more" if len(distinct) > _SHOWN else ""
    return ("; ".join(distinct[:_SHOWN]) or "nothing that a key includes") + more
