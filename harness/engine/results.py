"""Reading a run folder, finished or not: its plan, the state of each cell, what is left to do, and the report's results."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from prsbench.harness.contract.errors import DataError, RunFolderError
from prsbench.harness.contract.records import HELD_OUT, CellResult, Details, HeldOut
from prsbench.harness.contract.summary import Samples, Summary, samples_from, summarise_cell, summary_from
from prsbench.harness.contract.types import DataKind, Sample
from prsbench.harness.engine import cell_folder
from prsbench.harness.engine.config import GridConfig
from prsbench.harness.engine.data import open_all
from prsbench.harness.engine.failures import Failure
from prsbench.harness.engine.grid import CellNode, Plan
from prsbench.harness.engine.jobs import failed
from prsbench.harness.engine.ledger import RunFolder, digest_of, last_failure, read_json, reading_once, record_attempt
from prsbench.harness.engine.process import Setting
from prsbench.harness.engine.provenance import now
from prsbench.harness.engine.scoring import scoring_identity

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


def result_of(cell: CellNode, plan: Plan, setting: Setting) -> CellResult:
    """What the report gets of one cell; an incomplete cell has a reason in place of numbers."""
    folder = setting.run.cell(cell.folder)
    state = state_of(cell, setting)
    error, contents = reason_of(cell, state, setting), {}
    if state == "cached":
        try:
            contents = {"summary": _summary(folder), "samples": partial(_samples, folder), "read": partial(_details, folder)}
        except RunFolderError as damage:  # its bytes changed, but not its size and modification time
            state, error = "failed", str(damage)
    return CellResult(
        method=cell.method,
        dataset=cell.dataset,
        modality=cell.modality,
        seed=cell.seed,
        data_kind=DataKind(cell.data_kind),
        protocol=plan.protocol,
        status={"cached": "complete", "new": "missing"}.get(state, state),
        error=error,
        n_manifest=cell.n_manifest,
        labels=cell_folder.labels_of(folder),
        judge_notes=cell_folder.judge_notes(folder) if state == "cached" else (),
        cost=cell_folder.cost_of(folder) if state == "cached" else None,
        **contents,
    )


def _summary(folder: Path) -> Summary:
    data = cell_folder.read_summary(folder)
    return summarise_cell(*_details(folder))[0] if data is None else summary_from(data)


def _samples(folder: Path) -> Samples:
    data = cell_folder.read_summary(folder)
    return summarise_cell(*_details(folder))[1] if data is None else samples_from(data)


def _details(folder: Path) -> Details:
    return cell_folder.sealed_records(folder)[0], cell_folder.read_scores(folder)


def results(run: Run) -> list[CellResult]:
    """The result of every cell of the plan, in the order of the grid."""
    with reading_once():
        return [result_of(cell, run.plan, run.setting) for cell in run.plan.cells]


def states_of(cells: Iterable[CellNode], setting: Setting) -> list[str]:
    """The state of each cell, in order."""
    with reading_once():
        return [state_of(cell, setting) for cell in cells]


def trainings_of(run: Run) -> dict[str, Path]:
    """The weights folder of every finished training, by the name of the training's folder."""
    nodes = run.plan.trainings.values()
    return {n.folder: run.setting.weights_folder(n.key) for n in nodes if digest_of(run.setting.training_folder(n.key))}


def held_out(run: Run) -> list[HeldOut]:
    """What the run's finished trainings measured on held-out samples, in the order of the plan."""
    tables = []
    for node in run.plan.trainings.values():
        path = run.setting.weights_folder(node.key) / HELD_OUT
        if path.is_file():
            with path.open(newline="") as stream:
                header, *lines = map(tuple, csv.reader(stream))
            tables.append(HeldOut(node.name, node.seed, header, tuple(lines)))
    return [table for table in tables if table.lines]


def sample_of(run: Run, dataset: str, sample_id: str) -> tuple[int, Sample] | None:
    """A sample by its id, with its index in the records of its cells; None if the data set is no longer there."""
    try:
        opened = next(d for d in open_all(run.setting.roots) if d.name == dataset)
    except (DataError, StopIteration):
        return None
    split = run.plan.cells[0].split
    index = [row.sample_id for row in opened.rows if row.split == split].index(sample_id)
    return index, opened.samples(split)[index]


def _weights(cell: CellNode, setting: Setting) -> str | None:
    return digest_of(setting.training_folder(cell.training)) if cell.training else None
