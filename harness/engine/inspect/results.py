"""The results of a run folder: each cell's result for the report, and the weights and held-out errors of its trainings."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.errors import DataError, RunFolderError, first_line
from prsbench.harness.contract.files import file_hash
from prsbench.harness.contract.results import HELD_OUT, CellResult, Details, HeldOut, ResultStatus
from prsbench.harness.contract.summary import Samples, Summary, samples_from, summarise_cell, summary_from
from prsbench.harness.contract.types import DataKind, Sample
from prsbench.harness.engine.inspect.state import CellState, Run, StoredCell, stored_cells
from prsbench.harness.engine.plan.data import manifest_hash
from prsbench.harness.engine.plan.nodes import CellNode, LeftOut
from prsbench.harness.engine.store.cell_folder import CellFolder
from prsbench.harness.engine.store.json_files import read_json
from prsbench.harness.engine.store.prediction_maps import each_map
from prsbench.harness.engine.store.run_folder import SEAL, TrainingFolder

STATUS_OF = {
    CellState.NEW: ResultStatus.MISSING,
    CellState.CACHED: ResultStatus.COMPLETE,
    CellState.FAILED: ResultStatus.FAILED,
    CellState.SKIPPED: ResultStatus.SKIPPED,
}


def result_of(stored: StoredCell, protocol: str) -> CellResult:
    """What the report gets of one cell; an incomplete cell has a reason in place of numbers."""
    cell, folder, state, error = stored.node, stored.folder, stored.state, stored.error
    contents: dict[str, Any] = {}
    with suppress(RunFolderError):  # then it is damaged, and `error` says so
        contents["labels"] = folder.labels
    if state is CellState.CACHED:
        try:
            contents |= {"summary": _summary(folder), "cost": folder.cost, "digest": folder.results_hash}
            contents |= {"judge": folder.judge, "judge_notes": folder.judge_notes}
            contents |= {"samples": partial(_samples, folder.path), "read": partial(_details, folder.path)}
        except RunFolderError as damage:  # its bytes changed, but not its size and modification time
            state, error, contents = CellState.FAILED, str(damage), {"labels": folder.labels}
    return _result(cell, protocol, STATUS_OF[state], error, n_manifest=cell.n_manifest, **contents)


def _summary(folder: CellFolder) -> Summary:
    data = folder.summary()
    return summarise_cell(*_details(folder.path))[0] if data is None else summary_from(data)


def _samples(path: Path) -> Samples:
    """The samples of the cell in a folder, read now; so that a report holds none of its files between reads."""
    data = CellFolder(path).summary()
    return summarise_cell(*_details(path))[1] if data is None else samples_from(data)


def _details(path: Path) -> Details:
    folder = CellFolder(path)
    return folder.records(), folder.scores()


def results(run: Run) -> list[CellResult]:
    """The result of every cell of the plan, in the order of the grid.

    Raises:
        RunFolderError: its cells are scored on val, which chose their learning rates.
    """
    if any(cell.split != "test" for cell in run.plan.cells):
        raise RunFolderError(f"{run.setting.folder}: a tuning run, scored on val; its tuning.csv is all there is to report.")
    found = [result_of(stored, run.plan.protocol) for stored in stored_cells(run.plan.cells, run.setting)]
    found = [replace(cell, data_note=run.plan.disclosed.get(cell.dataset, "")) for cell in found]
    return found + [_left_out(cell, found, run.plan.protocol) for cell in run.plan.left_out]


def _left_out(cell: LeftOut, found: Sequence[CellResult], protocol: str) -> CellResult:
    """The failed result of a cell without data, with the labels of its row; missing where the row was not run at all."""
    others = [other for other in found if other.method == cell.method]
    is_run = not others or any(other.status is not ResultStatus.MISSING for other in others)
    title, _, problems = cell.error.partition("\n")
    labels = next((other.labels for other in others if other.labels), None)
    if not is_run:
        return _result(cell, protocol, ResultStatus.MISSING, "not run yet", n_manifest=0, labels=labels)
    error = f"{title}{problems and f', such as {first_line(problems)}'}"
    return _result(cell, protocol, ResultStatus.FAILED, error, n_manifest=0, labels=labels)


def _result(cell: CellNode | LeftOut, protocol: str, status: ResultStatus, error: str, **contents: Any) -> CellResult:
    """The result of a planned cell: where it belongs, how far it got, and the rest as given."""
    where = {name: getattr(cell, name) for name in ("method", "dataset", "modality", "seed")}
    return CellResult(**where, data_kind=DataKind(cell.data_kind), protocol=protocol, status=status, error=error, **contents)


def facts_of(run: Run) -> dict[str, Any]:
    """Where the run comes from: version, commit (dirty: with changed files), command, time, packages, hardware, and its grid."""
    described = read_json(run.setting.run.description)
    provenance = described["provenance"]
    return {"prsbench": provenance["packages"]["prsbench"], **provenance, "grid": described["grid"]}


def trainings_of(run: Run) -> dict[str, Path]:
    """The weights folder of every finished training, by the name of the training's folder."""
    nodes = run.plan.trainings.values()
    return {node.folder: run.setting.weights_folder(node.key) for node in nodes if run.setting.digest(node.key)}


def held_out(run: Run) -> list[HeldOut]:
    """What the run's finished trainings measured on held-out samples, in the order of the plan.

    Raises:
        RunFolderError: such a file is not what was sealed.
    """
    tables = []
    for node in run.plan.trainings.values():
        folder = TrainingFolder(run.setting.training_folder(node.key))
        path = folder.weights / HELD_OUT
        known = folder.read(SEAL)["files"].get(HELD_OUT) if folder.digest else None
        if known and (not path.is_file() or file_hash(path) != known):
            raise RunFolderError(f"{path} is not what was sealed. Delete {folder.path} and run again; it is trained again.")
        if known:
            with path.open(newline="") as stream:
                header, *lines = map(tuple, csv.reader(stream))
            tables.append(HeldOut(node.name, node.seed, header, tuple(lines)))
    return [table for table in tables if table.lines]


def sample_of(run: Run, dataset: str, sample_id: str) -> tuple[int, Sample] | None:
    """A sample by its id, with its index in the records of its cells; None if the data set was moved away, or changed since."""
    samples = samples_of(run, dataset)
    if isinstance(samples, str):
        return None
    split = next(cell.split for cell in run.plan.cells if cell.dataset == dataset)
    index = [row.sample_id for row in run.datasets[dataset].manifest(split)].index(sample_id)
    return index, samples[index]


def samples_of(run: Run, dataset: str) -> Sequence[Sample] | str:
    """The samples of a data set in the order of its records, or why they are not there: moved away, or changed since the run."""
    cell, opened = next(cell for cell in run.plan.cells if cell.dataset == dataset), None
    try:
        opened = run.datasets.get(dataset)
        if opened and manifest_hash(opened, cell.split) == cell.origin["manifest"]:
            return opened.samples(cell.split)
    except (DataError, OSError):
        pass
    return f"the data set '{dataset}' {'has changed since the run' if opened else 'is no longer where the run found it'}"


def masks_of(run: Run, result: CellResult) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """(number of the record, (H, W) mask at probability >= 0.5) of each sample of a complete cell that has a map, in order."""
    wanted = result.method, result.dataset, result.seed
    cell = next(cell for cell in run.plan.cells if (cell.method, cell.dataset, cell.seed) == wanted)
    return ((number, maps.mask) for number, maps in each_map(run.setting.run.cell(cell.folder)))
