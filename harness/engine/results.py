"""Reading a run folder, finished or not: the plan it works on, the state of its cells, and what the report is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prsbench.harness.contract.errors import DataError, RunFolderError
from prsbench.harness.contract.records import CellResult
from prsbench.harness.contract.types import DataKind, Sample
from prsbench.harness.engine import cell_folder
from prsbench.harness.engine.data import open_all
from prsbench.harness.engine.grid import CellNode, Plan
from prsbench.harness.engine.ledger import RunFolder, digest_of, last_failure, read_json
from prsbench.harness.engine.process import Setting
from prsbench.harness.engine.scoring import scoring_identity


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
    plan = Plan.from_json(description["plan"])
    return Run(plan, setting_of(path, plan, description["setting"]), description["status"])


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
    )


def state_of(cell: CellNode, setting: Setting) -> str:
    """ "cached" (complete and scored), "failed" or "skipped" (the last attempt ended so), or "new"."""
    folder = setting.run.cell(cell.folder)
    if cell_folder.is_sealed(folder, _weights(cell, setting)) and _scores(folder, setting) is not None:
        return "cached" if cell_folder.is_intact(folder) else "failed"
    failure = last_failure(folder)
    return failure["kind"] if failure else "new"


def reason_of(cell: CellNode, state: str, setting: Setting) -> str:
    """Why a cell in this state is not complete; "" if it is."""
    folder = setting.run.cell(cell.folder)
    if state in ("cached", "new"):
        return "" if state == "cached" else "not run yet"
    if cell_folder.is_sealed(folder, None) and not cell_folder.is_intact(folder):
        return cell_folder.damage(folder)
    return last_failure(folder)["error"]


def result_of(cell: CellNode, plan: Plan, setting: Setting) -> CellResult:
    """What the report gets of one cell; a cell that is not complete is a row with its reason."""
    folder = setting.run.cell(cell.folder)
    state = state_of(cell, setting)
    records = cell_folder.sealed_records(folder)[0] if state == "cached" else ()
    scores = _scores(folder, setting) if state == "cached" else ()
    return CellResult(
        method=cell.method,
        dataset=cell.dataset,
        modality=cell.modality,
        seed=cell.seed,
        data_kind=DataKind(cell.data_kind),
        protocol=plan.protocol,
        status={"cached": "complete", "new": "missing"}.get(state, state),
        error=reason_of(cell, state, setting),
        n_manifest=cell.n_manifest,
        labels=cell_folder.labels_of(folder),
        records=tuple(records),
        scores=tuple(scores),
        judge_notes=cell_folder.judge_notes(folder) if state == "cached" else (),
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


def _scores(folder: Path, setting: Setting) -> list[dict[str, float]] | None:
    seal = read_json(folder / cell_folder.SEAL)
    return cell_folder.read_scores(folder, {**scoring_identity(setting), "records": seal["records_sha256"]})
