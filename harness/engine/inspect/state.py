"""Reading a run folder: its plan, the state of each cell, damage, and what is left to do (where resuming is decided)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from prsbench.datasets.official_reader import FolderDataset
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.records import SampleStatus
from prsbench.harness.engine.grid.schema import GridConfig
from prsbench.harness.engine.plan.data import open_all
from prsbench.harness.engine.plan.nodes import CellNode, Plan
from prsbench.harness.engine.store.cell_folder import CELL, CellFolder
from prsbench.harness.engine.store.json_files import changed_fields, damaged, listed, read_json
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.engine.worker.failures import Failure
from prsbench.harness.engine.worker.job import failed
from prsbench.harness.engine.worker.provenance import now
from prsbench.harness.engine.worker.scoring import scoring_identity
from prsbench.harness.engine.worker.setting import Setting

SCHEMA = 4  # of run.json; raised when a reader would misread an older one, or could not tell whether it was changed
_AGAIN = "Run its grid again: what is finished is kept."  # what to do about a damaged run.json
_MAY_DIFFER = ("shares", "own_process", "gpu_gib", "memory_gib")  # fields of a node that say how it is computed, not what


class RunStatus(StrEnum):
    """How far a run got, under "status" in run.json."""

    PLANNED = "planned"
    RUNNING = "running"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    INTERRUPTED = "interrupted"


class CellState(StrEnum):
    """What a run folder holds of a cell."""

    NEW = "new"  # nothing finished, and no failed attempt
    CACHED = "cached"  # complete and scored
    FAILED = "failed"  # as the last attempt ended, or a file is damaged
    SKIPPED = "skipped"  # as the last attempt ended


class Left(StrEnum):
    """What a cell still needs. Only PREDICT runs its method."""

    PREDICT = "predict"
    MEASURE = "re-measure"
    SCORE = "re-score"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Run:
    """A run folder with its plan."""

    plan: Plan
    setting: Setting
    status: RunStatus

    @cached_property
    def datasets(self) -> Mapping[str, FolderDataset]:
        """The data sets at the run's data folders, by name, opened once: their files may have changed since the run.

        Raises:
            DataError: they cannot be read.
        """
        return {dataset.name: dataset for dataset in open_all(self.setting.roots)}


def open_run(path: Path) -> Run:
    """The run in a folder.

    Raises:
        RunFolderError: there is none, another version wrote it, or its run.json is not what was written; names what changed.
    """
    file = RunFolder(path).description
    description = read_json(file, _AGAIN)
    if description is None:
        raise RunFolderError(f"{path}: no run.json here. Name the folder that `run` wrote, as in runs/default.")
    schema = description.get("schema") if isinstance(description, dict) else None
    if schema != SCHEMA:
        raise RunFolderError(
            f"{path}: run.json has schema {schema}, this version reads {SCHEMA}. "
            "Read it with the version that wrote it, or run its grid again."
        )
    try:
        if changed := changed_fields(without_status(description)):
            raise RunFolderError(f"{file}: {listed(_named(changed, description, path))} not what was written. {_AGAIN}")
        plan = Plan.from_json(description["plan"])
        return Run(plan, Setting.from_json(path, plan, description["setting"]), RunStatus(description["status"]))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise damaged(file, error, _AGAIN) from None


def without_status(description: Mapping[str, Any]) -> dict[str, Any]:
    """What is sealed of run.json: all but how far the run got, which its folders tell."""
    return {name: value for name, value in description.items() if name != "status"}


def _named(changed: Sequence[str], description: Mapping[str, Any], path: Path) -> list[str]:
    """Names of changed fields of run.json; a cell is named by its folder, with the fields in which it is not what was run."""
    names = []
    for name in changed:
        with suppress(Exception):  # what was changed may have any shape
            cell = CellNode(**description["plan"]["cells"][int(name.removeprefix("plan.cells."))])
            stored = CellFolder(RunFolder(path).cell(cell.folder))
            differences = list(_differences(cell, stored.node)) or [*_MAY_DIFFER, "or a path"]
            name = f"{name}, {cell.folder} ({', '.join(differences) if stored.node else 'no such cell'})"
        names.append(name)
    return names


def _differences(planned: CellNode, sealed: Mapping[str, Any]) -> Iterator[str]:
    """Each field in which a planned cell is not the one that was run. A checkpoint's path may differ: its hash is compared."""
    wanted = json.loads(json.dumps(asdict(planned)))
    for node in (wanted, sealed := {"config": {}, **sealed}):
        node["config"] = _without(node["config"], wanted["origin"].get("checkpoints", {}))
    for name in sorted(wanted.keys() | sealed.keys()):
        if name not in _MAY_DIFFER and wanted.get(name) != sealed.get(name):
            yield f"{name} {sealed.get(name)!r}, not {wanted.get(name)!r}" if isinstance(wanted.get(name), str | int) else name


def _without(config: Mapping[str, Any], paths: Collection[str], group: str = "") -> dict[str, Any]:
    left = {name: value for name, value in config.items() if group + name not in paths}
    return {name: _without(v, paths, f"{group}{name}.") if isinstance(v, Mapping) else v for name, v in left.items()}


def grid_of(path: Path) -> GridConfig:
    """The grid that a run folder was made from.

    Raises:
        RunFolderError: as `open_run`, or this version does not know one of its keys.
    """
    open_run(path)  # raises if it is not a run folder
    file = RunFolder(path).description
    try:
        return GridConfig.model_validate(read_json(file)["grid"])
    except ValueError as error:
        raise damaged(file, error, _AGAIN) from None


@dataclass(frozen=True, eq=False)
class StoredCell:
    """A planned cell and what its folder holds. Each file is read once: make a new object to see what was written since."""

    node: CellNode
    folder: CellFolder
    weights: str | None  # the digest of its training's weights
    measuring_hash: str  # of the code that makes records
    scoring: Mapping[str, str | None]  # what scores are computed from besides the records

    @cached_property
    def left(self) -> Left:
        """The first step that the cell still needs when a run resumes; later ones follow it."""
        try:
            if not self.folder.is_sealed(self.weights):
                return Left.PREDICT
            if not self.folder.is_measured(self.measuring_hash):
                return Left.MEASURE
            return Left.NOTHING if self.folder.is_scored(self.scores_wanted) else Left.SCORE
        except (RunFolderError, KeyError, TypeError, AttributeError):  # `damage` says which file
            return Left.PREDICT

    @cached_property
    def state(self) -> CellState:
        if self.damage:
            return CellState.FAILED
        if self.left is Left.NOTHING:
            return CellState.CACHED
        failure = self.folder.last_failure
        return CellState(failure["kind"]) if failure else CellState.NEW

    @property
    def error(self) -> str:
        """Why the cell is not complete; "" if it is."""
        if self.state in (CellState.CACHED, CellState.NEW):
            return "" if self.state is CellState.CACHED else "not run yet"
        failure = self.folder.last_failure
        return self.damage or (failure["error"] if failure else "")

    @cached_property
    def damage(self) -> str:
        """The message on the first changed file of a sealed cell, by size and time; "" if all are intact or it is not sealed."""
        return damage_of(self.node, self.folder)

    @property
    def scores_wanted(self) -> dict[str, str | None]:
        """What the scores of a measured cell must be computed from."""
        return {**self.scoring, "records": self.folder.records_hash}


def stored_cells(cells: Iterable[CellNode], setting: Setting) -> Iterator[StoredCell]:
    """Each of these cells as the run folder holds it now. The trainings that several cells share are read once."""
    digest, scoring = cache(setting.digest), scoring_identity(setting)
    for cell in cells:
        folder = CellFolder(setting.run.cell(cell.folder))
        yield StoredCell(cell, folder, digest(cell.training), setting.measuring_hash, scoring)


def move_damaged(run: Run, partial_too: bool = False) -> Iterator[str]:
    """Move sealed cells whose files changed to aside/, so that they are computed again and nothing is lost.

    If only the records changed, only they are moved: they are made again from the predictions. partial_too: also move cells with
    failed samples.

    Yields:
        A line for each cell moved.
    """
    aside = run.setting.folder / "aside"
    for cell in run.plan.cells:
        folder = CellFolder(run.setting.run.cell(cell.folder))
        damage = damage_of(cell, folder, is_thorough=True)
        n_failed = folder.statuses.get(SampleStatus.FAILED, 0) if partial_too and not damage and folder.is_sealed() else 0
        if damage or n_failed:
            why = damage or f"{n_failed} of {cell.n_manifest} samples failed"
            records_alone = not n_failed and folder.is_predicted and damage == folder.damage(is_thorough=True)
            place = folder.move_records_into(aside) if records_alone else folder.move_into(aside)
            outcome = failed(Failure.DAMAGED if damage else Failure.BAD_SAMPLES, why)
            folder.record_attempt({**asdict(outcome), "time": now()})
            yield f"{cell.folder}: {why.removesuffix('.')}. Moved to {place}."


def damage_of(cell: CellNode, folder: CellFolder, is_thorough: bool = False) -> str:
    """The message on the first changed file of a cell's folder, or that it holds another cell; "" if all is well or unsealed."""
    if (damage := folder.damage(is_thorough)) or not folder.is_sealed():
        return damage
    if differences := list(_differences(cell, folder.node)):
        advice = "Run `prsbench retry`; the cell is computed again."
        return f"{folder.path / CELL} is of another cell than the plan's ({', '.join(differences)}). {advice}"
    return ""
