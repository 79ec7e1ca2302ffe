"""The results of a run folder: what each cell hands to the report, and what its trainings left."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

from prsbench.harness.contract.errors import DataError, RunFolderError
from prsbench.harness.contract.results import HELD_OUT, CellResult, Details, HeldOut
from prsbench.harness.contract.summary import Samples, Summary, samples_from, summarise_cell, summary_from
from prsbench.harness.contract.types import DataKind, Sample
from prsbench.harness.engine.inspect.state import Run, reason_of, state_of
from prsbench.harness.engine.plan.data import open_all
from prsbench.harness.engine.plan.nodes import CellNode, Plan
from prsbench.harness.engine.store import cell_folder
from prsbench.harness.engine.store.json_files import reading_once
from prsbench.harness.engine.store.run_folder import digest_of
from prsbench.harness.engine.worker.setting import Setting


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
