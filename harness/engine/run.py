"""The driver: from a grid to finished cells. It holds no results; killed at any moment, the same call goes on from the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import unknown_name
from prsbench.harness.engine.config import Execution, GridConfig
from prsbench.harness.engine.data import check_all, open_all, prepare_roots
from prsbench.harness.engine.executor import make_executor
from prsbench.harness.engine.grid import Registry, make_plan
from prsbench.harness.engine.jobs import Job, Outcome
from prsbench.harness.engine.ledger import RunFolder, record_failure, write_json
from prsbench.harness.engine.process import prepare_process
from prsbench.harness.engine.progress import Progress
from prsbench.harness.engine.provenance import now, provenance_of_run
from prsbench.harness.engine.results import Run, setting_of, state_of
from prsbench.harness.engine.schedule import jobs_to_do, ready

Say = Callable[[str], None]


def plan_run(grid: GridConfig, registry: Registry, folder: RunFolder, say: Say) -> Run:
    """Open and check the data and work out every node. Synthetic images are drawn if they are not there yet.

    Raises:
        PrsbenchError: whatever is wrong with grid or data, before any work.
    """
    roots = prepare_roots(grid, folder, say)
    datasets = open_all(roots)
    check_all(datasets, grid.split, folder)
    plan = make_plan(grid, datasets, registry)
    facts = {
        "roots": [_portable(root, folder.path) for root in roots],
        "loader": registry.text_models,
        "device": grid.execution.device,
        "threads": grid.execution.threads_per_worker,
    }
    return Run(plan, setting_of(folder.path, plan, facts), "planned")


def run_grid(
    grid: GridConfig,
    registry: Registry,
    folder: RunFolder,
    say: Say,
    executor: str = "ray",
    only: Collection[str] = (),
    address: str | None = None,
) -> Run:
    """Compute what is not there yet.

    Args:
        say: gets each line of progress. Bind it to the real stream: a training's own output goes to its log.
        executor: "ray" or "serial"; the numbers are the same.
        only: methods to work on; empty for all. The others keep what they have.
        address: of an existing Ray cluster.

    Returns:
        The run, for `results`. Nodes that failed are rows there and raise nothing.
    """
    for name in only:
        if name not in [choice.name for choice in grid.methods]:
            raise unknown_name("method of this grid", name, [choice.name for choice in grid.methods])
    prepare_process(grid.execution.threads_per_worker)
    with folder.driver_lock():
        run = plan_run(grid, registry, folder, say)
        _describe(run, grid, "running")
        chosen = [cell for cell in run.plan.cells if not only or cell.method in only]
        pending = [cell for cell in chosen if state_of(cell, run.setting) != "cached"]
        say(f"{len(chosen)} cells, {len(chosen) - len(pending)} of them finished before.")
        try:
            _work(jobs_to_do(run.plan, pending, run.setting), run, grid.execution, say, executor, address)
        except BaseException:  # Ctrl-C, a full disk: the folder says that nobody works in it
            _describe(run, grid, "interrupted")
            raise
        done = all(state_of(cell, run.setting) == "cached" for cell in chosen)
        return _describe(run, grid, "complete" if done else "incomplete")


def workers_of(execution: Execution) -> int:
    """How many jobs run side by side on this machine."""
    if execution.workers == "auto":
        return max(1, len(os.sched_getaffinity(0)) // execution.threads_per_worker)
    return execution.workers


def _work(jobs: list[Job], run: Run, execution: Execution, say: Say, kind: str, address: str | None) -> None:
    if not jobs:
        return
    workers = 1 if kind == "serial" else workers_of(execution)
    executor = make_executor(kind, run.setting, workers, address)
    try:
        with Progress(jobs, run.setting, workers, say) as progress:
            _Loop(jobs, run, progress).run(executor)
    finally:
        executor.stop()


class _Loop:
    """Hands out jobs whose trainings are sealed, and settles each that ends."""

    def __init__(self, jobs: list[Job], run: Run, progress: Progress):
        self._waiting, self._run, self._progress = list(jobs), run, progress
        self._sealed: set[str] = set()

    def run(self, executor: Any) -> None:
        at_work = 0
        while self._waiting or at_work:
            for job in ready(self._waiting, self._sealed)[: executor.free]:
                self._waiting.remove(job)
                self._progress.started(job)
                executor.submit(job)
                at_work += 1
            job, outcomes = executor.next_finished()
            at_work -= 1
            self._settle(job, outcomes)

    def _settle(self, job: Job, outcomes: dict[str, Outcome]) -> None:
        """Note how a job ended. What waits for a training that failed ends with it, saying why."""
        if len(job.cells) > 1 and any(outcome.status == "died" for outcome in outcomes.values()):
            parts = job.apart()  # the cell to blame fails alone; the others go on from their records
            self._waiting += parts
            self._progress.replaced(job, parts)
            return
        self._progress.finished(job, outcomes)
        for key, outcome in outcomes.items():
            if outcome.status == "done":
                self._sealed.add(key)
                continue
            kind = "skipped" if outcome.status == "skipped" else "failed"
            record_failure(self._folder(job, key), kind, outcome.error, outcome.trace, now())
            for other in [waiting for waiting in self._waiting if key in waiting.waits_for]:
                if other in self._waiting:
                    self._waiting.remove(other)
                    reason = f"not run: {job.title} {kind}: {outcome.error.removeprefix('not run: ')}"
                    self._settle(other, dict.fromkeys(other.keys, Outcome(kind, reason)))

    def _folder(self, job: Job, key: str) -> Path:
        if job.training:
            return self._run.setting.training_folder(key)
        return self._run.setting.run.cell(next(cell.folder for cell in job.cells if cell.key == key))


def _describe(run: Run, grid: GridConfig, status: str) -> Run:
    """Write run.json: all that a reader needs to open the run without the grid file or the catalogs."""
    setting = run.setting
    content = {
        "status": status,
        "provenance": provenance_of_run(),
        "grid": grid.model_dump(mode="json"),
        "setting": {
            "roots": [_portable(root, setting.folder) for root in setting.roots],
            "loader": setting.loader,
            "device": setting.device,
            "threads": setting.threads,
        },
        "plan": run.plan.to_json(),
    }
    write_json(setting.run.description, content)
    return replace(run, status=status)


def _portable(root: Path, folder: Path) -> str:
    """Relative to the run folder if it lies inside, so that the folder can be moved."""
    inside, home = root.resolve(), folder.resolve()
    return str(inside.relative_to(home) if inside.is_relative_to(home) else inside)
