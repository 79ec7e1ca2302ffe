"""Reading a run folder: its plan, the state of each cell, damage, and what is left to do (where resuming is decided)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.records import SampleStatus
from prsbench.harness.engine.grid.schema import GridConfig
from prsbench.harness.engine.plan.nodes import CellNode, Plan
from prsbench.harness.engine.store.cell_folder import CellFolder
from prsbench.harness.engine.store.json_files import read_json
from prsbench.harness.engine.store.run_folder import RunFolder
from prsbench.harness.engine.worker.failures import Failure
from prsbench.harness.engine.worker.job import failed
from prsbench.harness.engine.worker.provenance import now
from prsbench.harness.engine.worker.scoring import scoring_identity
from prsbench.harness.engine.worker.setting import Setting

SCHEMA = 3  # of run.json; raised when an older reader would misread it


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


def open_run(path: Path) -> Run:
    """The run in a folder.

    Raises:
        RunFolderError: there is none, or another version wrote it.
    """
    description = read_json(RunFolder(path).description)
    if description is None:
        raise RunFolderError(f"{path}: no run.json here. Name the folder that `run` wrote, as in runs/default.")
    if description.get("schema") != SCHEMA:
        raise RunFolderError(
            f"{path}: run.json has schema {description.get('schema')}, this version reads {SCHEMA}. "
            "Read it with the version that wrote it, or run its grid again."
        )
    plan = Plan.from_json(description["plan"])
    return Run(plan, Setting.from_json(path, plan, description["setting"]), RunStatus(description["status"]))


def grid_of(path: Path) -> GridConfig:
    """The grid that a run folder was made from."""
    open_run(path)  # raises if it is not a run folder
    return GridConfig.model_validate(read_json(RunFolder(path).description)["grid"])


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
        if not self.folder.is_sealed(self.weights):
            return Left.PREDICT
        if not self.folder.is_measured(self.measuring_hash):
            return Left.MEASURE
        return Left.NOTHING if self.folder.is_scored(self.scores_wanted) else Left.SCORE

    @cached_property
    def state(self) -> CellState:
        if self.left is Left.NOTHING:
            return CellState.FAILED if self.damage else CellState.CACHED
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
        return _damage(self.folder) if self.folder.is_sealed() else ""

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
        if not folder.is_sealed():
            continue
        damage, n_failed = _damage(folder, is_thorough=True), folder.statuses.get(SampleStatus.FAILED, 0)
        is_partial = partial_too and n_failed
        if damage or is_partial:
            why = damage or f"{n_failed} of {cell.n_manifest} samples failed"
            records_alone = not is_partial and not folder.damaged_files(is_thorough=True)
            place = folder.move_records_into(aside) if records_alone else folder.move_into(aside)
            outcome = failed(Failure.DAMAGED if damage else Failure.BAD_SAMPLES, why)
            folder.record_attempt({**asdict(outcome), "time": now()})
            yield f"{cell.folder}: {why.removesuffix('.')}. Moved to {place}."


def _damage(folder: CellFolder, is_thorough: bool = False) -> str:
    """The message on the first changed file of a sealed cell, files that cannot be made again first; "" if all are intact."""
    return next(iter(folder.damaged_files(is_thorough)), "") or folder.damaged_records(is_thorough)
