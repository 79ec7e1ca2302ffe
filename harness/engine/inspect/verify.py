"""Verification of a run folder: every hash is computed again, and every score from its records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import isnan

from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import DataError, PrsbenchError
from prsbench.harness.contract.files import folder_hashes
from prsbench.harness.contract.summary import summarise_cell, to_bytes
from prsbench.harness.engine.inspect.state import Run, RunStatus, StoredCell, damage_of, stored_cells
from prsbench.harness.engine.plan.data import manifest_hash
from prsbench.harness.engine.plan.nodes import TrainingNode
from prsbench.harness.engine.store.cell_folder import SCORED, SUMMARY, results_hash
from prsbench.harness.engine.store.keys import key_of
from prsbench.harness.engine.store.run_folder import SEAL, TrainingFolder
from prsbench.harness.engine.worker.process import prepare_process
from prsbench.harness.engine.worker.scoring import judge_of, scores_of


def verify_run(run: Run) -> Iterator[str]:
    """Every problem found, in words; nothing if the run is intact.

    Raises:
        RunFolderError: the run was made by a version that judged texts with code that this version lacks.
    """
    prepare_process(run.setting.threads)  # last digits depend on the number of threads
    resolve(run.setting.text_models_loader)
    yield from _data_problems(run)
    for node in run.plan.trainings.values():
        yield from _guarded(_training_problems(node, TrainingFolder(run.setting.run.training(node.folder))))
    for stored in stored_cells(run.plan.cells, run.setting):
        yield from _guarded(_cell_problems(stored, run))


def _guarded(problems: Iterator[str]) -> Iterator[str]:
    """The problems, the last of which is why the node's files cannot be read, if they cannot."""
    try:
        yield from problems
    except PrsbenchError as error:
        yield str(error)
    except OSError as error:
        yield f"{error.filename}: {error.strerror}. Correct its permissions, or delete the folder it lies in and run again."


def _data_problems(run: Run) -> Iterator[str]:
    wanted = {cell.dataset: cell for cell in run.plan.cells}
    try:
        opened = run.datasets
        for name, cell in wanted.items():
            if name not in opened or manifest_hash(opened[name], cell.split) != cell.origin["manifest"]:
                yield f"Data set '{name}': its {cell.split} split is not the one this run was made on. Restore it, or run again."
    except (DataError, OSError) as error:
        yield f"The data cannot be opened to check it: {error}"


def _training_problems(node: TrainingNode, folder: TrainingFolder) -> Iterator[str]:
    seal = folder.read(SEAL)
    folder.checked_attempts()
    if seal is None:
        return
    hashes = folder_hashes(folder.weights)
    if hashes != seal["files"] or seal["digest"] != key_of(seal["files"]):
        changed = sorted(name for name in hashes.keys() | seal["files"].keys() if hashes.get(name) != seal["files"].get(name))
        what = ", ".join(changed) or "its seal"
        yield f"{folder.weights}: not what was sealed ({what}). Delete {folder.path}; it is trained again."
    if seal["node"]["key"] != node.key:
        yield f"{folder.path}: sealed with another key than the plan's. Delete it; it is trained again."


def _cell_problems(stored: StoredCell, run: Run) -> Iterator[str]:
    folder, path, n = stored.folder, stored.folder.path, stored.node.n_manifest
    if damage := damage_of(stored.node, folder, is_thorough=True):
        yield damage
        return
    folder.checked_attempts()
    if not folder.is_sealed():
        if run.status is RunStatus.COMPLETE:
            yield f"{path}: run.json says the run is complete, but nothing is sealed here. Run again; it is computed."
        return
    if not folder.is_measured(stored.measuring_hash):
        yield f"{path}: its records were not measured from these predictions with this code. Run again; it is measured again."
        return
    if not folder.is_sealed(stored.weights):
        yield f"{path}: made with other weights than its training has now. Run again; it is computed again."
    records = folder.records()
    statuses = Counter(str(record.status) for record in records)
    if statuses != Counter(folder.statuses) or len(records) != n:
        yield f"{path}: {n} samples in the manifest, records of {dict(statuses)}, {folder.statuses} in the seal."
    if not folder.scored_with:
        return
    scores, judge = folder.scores(), judge_of(run.setting)
    if not _are_same(scores, scores_of(records, run.setting)):
        yield f"{path}: its scores are not those of its records. Delete {SCORED} in it and run again."
    elif folder.summary() != to_bytes(*summarise_cell(records, scores)):
        yield f"{path / SUMMARY} is not the summary of its records and scores. Delete {SCORED} next to it and run again."
    elif folder.results_hash != results_hash(records, scores):
        yield f"{path / SCORED}: results is not the hash of its records and scores. Delete it and run again."
    if (folder.judge, folder.judge_notes) != (judge.name, tuple(judge.notes)):
        yield f"{path / SCORED}: judge is '{folder.judge}', but this run's is '{judge.name}'. Delete it and run again."


def _are_same(stored: Sequence[Mapping[str, float]], computed: Sequence[Mapping[str, float]]) -> bool:
    """Whether scores are equal to the last bit; NaN equals NaN."""
    return len(stored) == len(computed) and all(
        a.keys() == b.keys() and all(a[name] == b[name] or isnan(a[name]) and isnan(b[name]) for name in a)
        for a, b in zip(stored, computed, strict=True)
    )
