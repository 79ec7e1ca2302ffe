"""Reading a run folder, finished or not: the plan it works on, the state of its cells, and what the report is made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from prsbench.harness.contract.errors import DataError, RunFolderError
from prsbench.harness.contract.records import CellResult
from prsbench.harness.contract.types import DataKind, Sample
from prsbench.harness.engine import cell_folder
from prsbench.harness.engine.config import GridConfig
from prsbench.harness.engine.data import open_all
from prsbench.harness.engine.failures import Failure
from prsbench.harness.engine.grid import CellNode, Plan
from prsbench.harness.engine.jobs import failed
from prsbench.harness.engine.ledger import RunFolder, digest_of, last_failure, read_json, record_attempt
from prsbench.harness.engine.process import Setting
from prsbench.harness.engine.provenance import now
from prsbench.harness.engine.scoring import scoring_identity

SCHEMA = 2  # of run.json; raised when a reader of the earlier one would misread it


@dataclass(frozen=True)
class Run:
    """A run folder with the plan written in it. status is "running", "complete", "incomplete" or "interrupted"."""

    plan: Plan
    setting: Setting
    status: str


def open_run(path: Path) -> Run:
    """The run in a folder.

    Raises:
        RunFolderError: there is none.
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
    """The grid that a run folder was made of."""
    open_run(path)  # refuses what is not a run folder
    return GridConfig.model_validate(read_json(RunFolder(path).description)["grid"])


def setting_of(path: Path, plan: Plan, facts: dict) -> Setting:
    """The setting of a plan; facts are roots (relative to the run folder or absolute), loader, device and threads."""
    return Setting(
        folder=path.resolve(),
        roots=tuple((path / root).resolve() for root in facts["roots"]),
        trainings={key: node.folder for key, node in plan.trainings.items()},
        text_models=plan.text_models,
        loader=facts["loader"],
        scoring=plan.scoring,
        device=facts["device"],
        threads=facts["threads"],
        timeout_s=facts.get("timeout_s"),
        command=tuple(facts.get("command", ())),
    )


def state_of(cell: CellNode, setting: Setting) -> str:
    """ "cached" (complete and scored), "failed" or "skipped" (the last attempt ended so), or "new"."""
    folder = setting.run.cell(cell.folder)
    if cell_folder.is_sealed(folder, _weights(cell, setting)) and cell_folder.is_scored(folder, scores_wanted(folder, setting)):
        return "failed" if cell_folder.damaged_files(folder) else "cached"
    failure = last_failure(folder)
    return failure["kind"] if failure else "new"


def reason_of(cell: CellNode, state: str, setting: Setting) -> str:
    """Why a cell in this state is not complete; "" if it is."""
    folder = setting.run.cell(cell.folder)
    if state in ("cached", "new"):
        return "" if state == "cached" else "not run yet"
    if cell_folder.is_sealed(folder, None) and (damage := cell_folder.damaged_files(folder)):
        return damage[0]
    return last_failure(folder)["error"]


def scores_wanted(folder: Path, setting: Setting) -> dict[str, str | None]:
    """What the scores of a sealed cell have to be made of."""
    return {**scoring_identity(setting), "records": cell_folder.records_hash(folder)}


def put_aside(run: Run, partial_too: bool = False) -> list[str]:
    """Move sealed cells whose files changed to aside/, so that they are computed again and nothing is lost; says each.

    partial_too: those with failed samples as well.
    """
    said = []
    for cell in run.plan.cells:
        folder = run.setting.run.cell(cell.folder)
        if not cell_folder.is_sealed(folder, None):
            continue
        damage = cell_folder.damaged_files(folder, is_thorough=True)
        n_failed = cell_folder.statuses(folder).get("failed", 0)
        if damage or partial_too and n_failed:
            why = damage[0] if damage else f"{n_failed} of {cell.n_manifest} samples failed"
            place = cell_folder.put_aside(folder, run.setting.folder / "aside")
            record_attempt(folder, {**asdict(failed(Failure.DAMAGED if damage else Failure.BAD_SAMPLES, why)), "time": now()})
            said.append(f"{cell.folder}: {why.removesuffix('.')}. Kept as {place}.")
    return said


def result_of(cell: CellNode, plan: Plan, setting: Setting) -> CellResult:
    """What the report gets of one cell; a cell that is not complete is a row with its reason."""
    folder = setting.run.cell(cell.folder)
    state, records, scores = state_of(cell, setting), [], []
    error = reason_of(cell, state, setting)
    if state == "cached":
        try:
            records, _ = cell_folder.sealed_records(folder)
            scores = cell_folder.read_scores(folder)
        except RunFolderError as damage:  # bytes that changed while size and time did not
            state, error, records = "failed", str(damage), []
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
        records=tuple(records),
        scores=tuple(scores),
        judge_notes=cell_folder.judge_notes(folder) if state == "cached" else (),
        cost=cell_folder.cost_of(folder) if state == "cached" else None,
    )


def results(run: Run) -> list[CellResult]:
    """Every cell of the plan, in the order of the grid."""
    return [result_of(cell, run.plan, run.setting) for cell in run.plan.cells]


def sample_of(run: Run, dataset: str, sample_id: str) -> tuple[int, Sample] | None:
    """A sample by its id, with its number among the records of its cells; None if the data is no longer there."""
    try:
        found = next(d for d in open_all(run.setting.roots) if d.name == dataset)
    except (DataError, StopIteration):
        return None
    split = run.plan.cells[0].split
    index = [row.sample_id for row in found.rows if row.split == split].index(sample_id)
    return index, found.samples(split)[index]


def _weights(cell: CellNode, setting: Setting) -> str | None:
    return digest_of(setting.training_folder(cell.training)) if cell.training else None
