"""Status of a run folder in words: what is complete, what is not and why, where every sample went, attempts and logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import RunFolderError, first_line, unknown_name
from prsbench.harness.contract.records import SampleStatus
from prsbench.harness.engine.inspect.state import CellState, Run, RunStatus, StoredCell, stored_cells
from prsbench.harness.engine.plan.nodes import left_out_lines
from prsbench.harness.engine.store.cell_folder import CellFolder
from prsbench.harness.engine.store.run_folder import LOG, PROGRESS, NodeFolder, TrainingFolder
from prsbench.harness.engine.store.shards import shard_path, shards_in

LOG_LINES = 40


def status_lines(run: Run) -> Iterator[str]:
    """A line for each unfinished or partial node, then the counts: n_manifest = n_scored + n_failed + n_excluded + unfinished."""
    for node in run.plan.trainings.values():
        folder = TrainingFolder(run.setting.run.training(node.folder))
        failure = folder.last_failure
        if folder.digest is None and failure:
            yield f"{failure['kind']:8} {node.folder}{_tries(folder)}: {first_line(failure['error'])}"
    states, samples = Counter[str](), Counter[str]()
    for stored in stored_cells(run.plan.cells, run.setting):
        states[stored.state] += 1
        is_complete = stored.state is CellState.CACHED
        counted = Counter(stored.folder.statuses if is_complete else {"unfinished": stored.node.n_manifest})
        samples += counted
        if not is_complete:
            yield _line(stored)
        elif n_failed := counted[SampleStatus.FAILED]:
            yield f"partial  {stored.node.folder}: {n_failed} of {stored.node.n_manifest} samples failed"
    yield from left_out_lines(run.plan)
    total = sum(cell.n_manifest for cell in run.plan.cells)
    n_scored, n_failed, n_excluded = (samples[status] for status in SampleStatus)
    unfinished = f" + {samples['unfinished']} in unfinished cells" if samples["unfinished"] else ""
    yield f"samples: {total} = {n_scored} scored + {n_failed} failed + {n_excluded} excluded{unfinished}"
    yield f"{_run_status(run)}: {', '.join(f'{n} {state}' for state, n in sorted(states.items())) or 'no cells'}"


def status_json(run: Run) -> dict[str, Any]:
    """The same for scripts: each training and cell with its state and error, the counts of samples, the status of the run."""
    trainings, cells, samples = [], [], Counter[str]()
    for node in run.plan.trainings.values():
        folder = TrainingFolder(run.setting.run.training(node.folder))
        state = "complete" if folder.digest else folder.last_failure["kind"] if folder.last_failure else "new"
        error = folder.last_failure["error"] if folder.last_failure and not folder.digest else ""
        trainings.append({"folder": node.folder, "state": state, "error": error, "attempts": len(folder.attempts)})
    for stored in stored_cells(run.plan.cells, run.setting):
        cell, is_complete = stored.node, stored.state is CellState.CACHED
        counted = dict(stored.folder.statuses) if is_complete else {"unfinished": cell.n_manifest}
        samples += Counter(counted)
        named = {"folder": cell.folder, "method": cell.method, "dataset": cell.dataset, "seed": cell.seed}
        error = "" if is_complete else stored.error
        cells.append({**named, "state": stored.state.value, "error": error, "samples": counted})
    return {
        "status": str(_run_status(run)),
        "samples": dict(samples),
        "cells": cells,
        "trainings": trainings,
        "left_out": [asdict(cell) for cell in run.plan.left_out],
    }


def log_text(run: Run, name: str, show_all: bool) -> str:
    """The attempts at a cell or training and the end of its log, or all of its log.

    Raises:
        ConfigError: no folder begins with this name.
    """
    folders = [run.setting.run.cell(cell.folder) for cell in run.plan.cells]
    folders += [run.setting.run.training(node.folder) for node in run.plan.trainings.values()]
    chosen = [folder for folder in folders if folder.name.startswith(name)]
    if not chosen:
        raise unknown_name("cell or training of this run", name, [folder.name for folder in folders])
    with_shards = [place for folder in chosen for place in (folder, *(shard_path(folder, p) for p in shards_in(folder)))]
    return "\n\n".join(_history(folder, show_all) for folder in with_shards)


def _history(folder: Path, show_all: bool) -> str:
    lines = [f"== {folder}"]
    for number, attempt in enumerate(NodeFolder(folder).attempts, 1):
        why = f" ({attempt['reason']})" if attempt["reason"] else ""
        outcome = f"{attempt['kind']}{why} {attempt['error']}"
        lines.append(f"attempt {number}, {attempt['time']}, {attempt['seconds']:.1f} s: {outcome}")
        lines += [attempt["trace"].rstrip()] if attempt["trace"] else []
    log = (folder / LOG).read_text(errors="replace").splitlines() if (folder / LOG).exists() else []
    shown = log if show_all else log[-LOG_LINES:]
    left_out = [f"... {len(log) - len(shown)} lines before; --all shows them"] if len(shown) < len(log) else []
    return "\n".join([*lines, f"-- {LOG}", *left_out, *shown])


def _line(stored: StoredCell) -> str:
    """The line of a cell that is not complete."""
    try:
        tick = stored.folder.read(PROGRESS) if stored.state is CellState.NEW else None
        text = f"{tick['done']} of {tick['total']} {tick['message']}" if tick else first_line(stored.error)
        text += _shards_text(stored)
    except (RunFolderError, KeyError, TypeError):  # for display only
        text = "at work"
    return f"{stored.state:8} {stored.node.folder}{_tries(stored.folder)}: {text}"


def _shards_text(stored: StoredCell) -> str:
    """How far the shards of a cell are; "" if it is not cut, or joined."""
    cell, n_sealed, n_predicted = stored.folder.path, 0, 0
    for part in (parts := shards_in(cell)):
        shard = CellFolder(shard_path(cell, part))
        n_sealed += shard.is_sealed(stored.weights)
        n_predicted += len(part) if shard.is_sealed(stored.weights) else (shard.read(PROGRESS) or {"done": 0})["done"]
    done = f"{n_predicted} of {stored.node.n_manifest} samples predicted"
    return f" ({done}; {len(parts)} shards begun, {n_sealed} of them complete)" if parts else ""


def _run_status(run: Run) -> str:
    """The status in run.json, but "killed" if it is "running" without a driver."""
    return "killed" if run.status is RunStatus.RUNNING and not run.setting.run.is_driven() else run.status


def _tries(folder: NodeFolder) -> str:
    """The class of the last failure and the number of attempts, in brackets; "" if the last attempt did not fail."""
    n, failure = len(folder.attempts), folder.last_failure
    return f" ({failure['reason']}, {n} attempt{'' if n == 1 else 's'})" if failure else ""
