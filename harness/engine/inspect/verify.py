"""Verification of a run folder: every hash is computed again, and every score from its records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from pathlib import Path

from prsbench.harness.contract.errors import DataError, PrsbenchError
from prsbench.harness.contract.files import file_hash
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.summary import summarise_cell, to_bytes
from prsbench.harness.engine.inspect.state import Run, state_of
from prsbench.harness.engine.plan.data import manifest_hash, open_all
from prsbench.harness.engine.plan.nodes import CellNode, TrainingNode
from prsbench.harness.engine.store import cell_folder
from prsbench.harness.engine.store.json_files import read_json
from prsbench.harness.engine.store.keys import key_of
from prsbench.harness.engine.store.run_folder import SEAL, WEIGHTS, digest_of
from prsbench.harness.engine.worker.process import prepare_process
from prsbench.harness.engine.worker.scoring import scores_of


def verify_run(run: Run) -> Iterator[str]:
    """Every problem found, in words; nothing if the run is intact."""
    prepare_process(run.setting.threads)  # last digits depend on the number of threads
    yield from _data_problems(run)
    for node in run.plan.trainings.values():
        yield from _training_problems(node, run.setting.run.training(node.folder))
    for cell in run.plan.cells:
        if state_of(cell, run.setting) in ("cached", "failed"):
            try:
                yield from _cell_problems(cell, run)
            except PrsbenchError as error:
                yield str(error)


def _data_problems(run: Run) -> Iterator[str]:
    wanted = {cell.dataset: cell for cell in run.plan.cells}
    try:
        opened = {dataset.name: dataset for dataset in open_all(run.setting.roots)}
        for name, cell in wanted.items():
            if name not in opened or manifest_hash(opened[name], cell.split) != cell.origin["manifest"]:
                yield f"Data set '{name}': its {cell.split} split is not the one this run was made on. Restore it, or run again."
    except DataError as error:
        yield f"The data cannot be opened to check it: {error}"


def _training_problems(node: TrainingNode, folder: Path) -> Iterator[str]:
    seal = read_json(folder / SEAL)
    if seal is None:
        return
    place = folder / WEIGHTS
    hashes = {path.relative_to(place).as_posix(): file_hash(path) for path in sorted(place.rglob("*")) if path.is_file()}
    if hashes != seal["files"] or seal["digest"] != key_of(seal["files"]):
        changed = sorted(name for name in hashes.keys() | seal["files"].keys() if hashes.get(name) != seal["files"].get(name))
        yield f"{place}: not what was sealed ({', '.join(changed) or 'its seal'}). Delete {folder}; it is trained again."
    if seal["node"]["key"] != node.key:
        yield f"{folder}: sealed with another key than the plan's. Delete it; it is trained again."


def _cell_problems(cell: CellNode, run: Run) -> Iterator[str]:
    folder, setting = run.setting.run.cell(cell.folder), run.setting
    if not cell_folder.is_sealed(folder, None):
        return
    damage = cell_folder.damaged_files(folder, is_thorough=True)
    damage += [text for text in [cell_folder.damaged_records(folder, is_thorough=True)] if text]
    yield from damage
    if damage:
        return
    if not cell_folder.is_measured(folder, setting.measuring):
        yield f"{folder}: its records were not measured from these predictions with this code. Run again; it is measured again."
        return
    if not cell_folder.is_sealed(folder, digest_of(setting.training_folder(cell.training)) if cell.training else None):
        yield f"{folder}: made with other weights than its training has now. Run again; it is computed again."
    records, _ = cell_folder.sealed_records(folder)
    counted = cell_folder.statuses(folder)
    if not len(records) == sum(counted.values()) == cell.n_manifest:
        yield f"{folder}: {cell.n_manifest} samples in the manifest, {len(records)} records, {counted} in the seal."
    if cell_folder.scored_with(folder) and not _are_same(cell_folder.read_scores(folder), scores_of(records, setting)):
        yield f"{folder}: its scores are not those of its records. Delete {cell_folder.SCORED} in it and run again."
    elif cell_folder.is_summarised(folder) and cell_folder.read_summary(folder) != _summary_of(folder, records):
        place = folder / cell_folder.SUMMARY
        yield f"{place} is not the summary of its records and scores. Delete {cell_folder.SCORED} next to it and run again."


def _summary_of(folder: Path, records: Sequence[Record]) -> bytes:
    return to_bytes(*summarise_cell(records, cell_folder.read_scores(folder)))


def _are_same(stored: Sequence[Mapping[str, float]], computed: Sequence[Mapping[str, float]]) -> bool:
    """Whether scores are equal to the last bit; NaN equals NaN."""
    return len(stored) == len(computed) and all(
        a.keys() == b.keys() and all(a[name] == b[name] or isnan(a[name]) and isnan(b[name]) for name in a)
        for a, b in zip(stored, computed, strict=True)
    )
