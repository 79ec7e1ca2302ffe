"""Reading a run folder, finished or not: its plan, the state of each cell, what is left to do, and the report's results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.engine.grid.schema import GridConfig
from prsbench.harness.engine.plan.nodes import CellNode, Plan
from prsbench.harness.engine.store import cell_folder
from prsbench.harness.engine.store.json_files import read_json, reading_once
from prsbench.harness.engine.store.run_folder import RunFolder, digest_of, last_failure, record_attempt
from prsbench.harness.engine.worker.failures import Failure
from prsbench.harness.engine.worker.job import failed
from prsbench.harness.engine.worker.provenance import now
from prsbench.harness.engine.worker.scoring import scoring_identity
from prsbench.harness.engine.worker.setting import Setting

SCHEMA = 3  # of run.json; raised when an older reader would misread it


class Left(StrEnum):
    """What a cell still needs. Only PREDICT runs its method."""

    PREDICT = "predict"
    MEASURE = "re-measure"
    SCORE = "re-score"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Run:
    """A run folder with its plan. status is "planned", "running", "complete", "incomplete" or "interrupted"."""

    plan: Plan
    setting: Setting
    status: str


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
    return Run(plan, setting_of(path, plan, description["setting"]), description["status"])


def grid_of(path: Path) -> GridConfig:
    """The grid that a run folder was made from."""
    open_run(path)  # raises if it is not a run folder
    return GridConfig.model_validate(read_json(RunFolder(path).description)["grid"])


def setting_of(path: Path, plan: Plan, facts: dict) -> Setting:
    """The setting of a plan; facts are roots (relative to the run folder or absolute), loader, device and threads."""
    return Setting(
        folder=path.resolve(),
        roots=tuple((path / root).resolve() for root in facts["roots"]),
        trainings={key: node.folder for key, node in plan.trainings.items()},
        text_models=plan.text_models,
        loader=facts["loader"],
        measuring=plan.measuring,
        scoring=plan.scoring,
        device=facts["device"],
        threads=facts["threads"],
        timeout_s=facts.get("timeout_s"),
        command=tuple(facts.get("command", ())),
    )


def state_of(cell: CellNode, setting: Setting) -> str:
    """ "cached" (complete and scored), "failed" or "skipped" (how the last attempt ended), or "new"."""
    folder = setting.run.cell(cell.folder)
    if left_to_do(cell, setting) is Left.NOTHING:
        return "failed" if _damage(folder) else "cached"
    failure = last_failure(folder)
    return failure["kind"] if failure else "new"


def left_to_do(cell: CellNode, setting: Setting) -> Left:
    """The first step that a cell still needs; later ones follow it."""
    folder = setting.run.cell(cell.folder)
    if not cell_folder.is_sealed(folder, _weights(cell, setting)):
        return Left.PREDICT
    if not cell_folder.is_measured(folder, setting.measuring):
        return Left.MEASURE
    return Left.NOTHING if cell_folder.is_scored(folder, scores_wanted(folder, setting)) else Left.SCORE


def reason_of(cell: CellNode, state: str, setting: Setting) -> str:
    """Why a cell in this state is not complete; "" if it is."""
    folder = setting.run.cell(cell.folder)
    if state in ("cached", "new"):
        return "" if state == "cached" else "not run yet"
    if cell_folder.is_sealed(folder, None) and (damage := _damage(folder)):
        return damage
    return last_failure(folder)["error"]


def _damage(folder: Path, is_thorough: bool = False) -> str:
    """The message on the first changed file of a sealed cell, files that cannot be made again first; "" if all are intact."""
    first = next(iter(cell_folder.damaged_files(folder, is_thorough)), "")
    return first or cell_folder.damaged_records(folder, is_thorough)


def scores_wanted(folder: Path, setting: Setting) -> dict[str, str | None]:
    """What the scores of a measured cell must be computed from."""
    return {**scoring_identity(setting), "records": cell_folder.records_hash(folder)}


def put_aside(run: Run, partial_too: bool = False) -> list[str]:
    """Move sealed cells whose files changed to aside/, so that they are computed again and nothing is lost.

    If only the records changed, only they are moved: they are made again from the predictions. partial_too: also move cells with
    failed samples.

    Returns:
        A line for each cell moved.
    """
    lines = []
    for cell in run.plan.cells:
        folder = run.setting.run.cell(cell.folder)
        if not cell_folder.is_sealed(folder, None):
            continue
        damage, n_failed = _damage(folder, is_thorough=True), cell_folder.statuses(folder).get("failed", 0)
        is_partial = partial_too and n_failed
        if damage or is_partial:
            why = damage or f"{n_failed} of {cell.n_manifest} samples failed"
            records_alone = not is_partial and not cell_folder.damaged_files(folder, is_thorough=True)
            move = cell_folder.put_records_aside if records_alone else cell_folder.put_aside
            place = move(folder, run.setting.folder / "aside")
            record_attempt(folder, {**asdict(failed(Failure.DAMAGED if damage else Failure.BAD_SAMPLES, why)), "time": now()})
            lines.append(f"{cell.folder}: {why.removesuffix('.')}. Moved to {place}.")
    return lines


def states_of(cells: Iterable[CellNode], setting: Setting) -> list[str]:
    """The state of each cell, in order."""
    with reading_once():
        return [state_of(cell, setting) for cell in cells]


def _weights(cell: CellNode, setting: Setting) -> str | None:
    return digest_of(setting.training_folder(cell.training)) if cell.training else None
