"""The unit of work of a worker: one training, or cells that take turns (`Job`), how each ended (`Outcome`), and `perform`."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

from prsbench.harness.contract.errors import ConfigError, MissingPrerequisite, PrsbenchError, reason_of, storable
from prsbench.harness.engine.apart.process import ProcessEnded, peak_memory_bytes
from prsbench.harness.engine.plan.data import open_all
from prsbench.harness.engine.plan.nodes import CellNode, TrainingNode
from prsbench.harness.engine.store.run_folder import LOG, Ending, RunFolder
from prsbench.harness.engine.worker import loaded_methods, measuring, prediction, process, process_state, scoring, training
from prsbench.harness.engine.worker.failures import Failure, NodeTimeout, class_of, time_limit
from prsbench.harness.engine.worker.setting import Setting


@dataclass(frozen=True, eq=False)
class Job:
    """One training, or cells that take turns in one process. waits_for holds the keys of trainings that must be sealed first."""

    training: TrainingNode | None
    cells: tuple[CellNode, ...]
    waits_for: tuple[str, ...]
    cost: float  # a rough estimate, for the order only: the costliest goes first
    deaths: int = 0  # workers lost so far

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.training.key,) if self.training else tuple(cell.key for cell in self.cells)

    def folders(self, run: RunFolder) -> dict[str, Path]:
        """The folder of each node, by its key."""
        if self.training:
            return {self.training.key: run.training(self.training.folder)}
        return {cell.key: run.cell(cell.folder) for cell in self.cells}

    def split(self) -> list[Job]:
        """The job's cells as one job each, none of which waits for the training of another."""
        trainings = {cell.training for cell in self.cells}
        jobs = []
        for cell in self.cells:
            waits_for = tuple(key for key in self.waits_for if key not in trainings - {cell.training})
            jobs.append(replace(self, cells=(cell,), waits_for=waits_for, cost=float(cell.n_manifest)))
        return jobs

    @property
    def title(self) -> str:
        if self.training:
            where = "" if self.training.split == "train" else f" on {self.training.split}"
            return f"train {self.training.name}{where} s{self.training.seed}"
        first = self.cells[0]
        return f"{', '.join(cell.method for cell in self.cells)} on {first.dataset} s{first.seed}"


@dataclass(frozen=True)
class Outcome:
    """How one node ended.

    reason is the failure's class. samples counts those predicted in this attempt; peak_memory_bytes is the most that the worker
    process has held so far.
    """

    kind: Ending
    reason: Failure | None = None
    error: str = ""
    trace: str = ""
    seconds: float = 0.0
    samples: int = 0
    peak_memory_bytes: int = 0
    lost_worker: bool = False  # its worker process ended, whichever node of the job caused it


def failed(reason: Failure, error: str, trace: str = "") -> Outcome:
    return Outcome(Ending.SKIPPED if reason is Failure.MISSING_PREREQUISITE else Ending.FAILED, reason, error, trace)


def perform(job: Job, setting: Setting) -> dict[str, Outcome]:
    """Do the job and return the outcome of each node, by key. Results are on disk; a failing node raises nothing."""
    process.prepare_process(setting.threads)
    process.return_freed_memory()  # of the previous job, which may have been larger
    setting = replace(setting, device=process.resolve_device(setting.device))
    try:
        datasets = [data for data in open_all(setting.roots) if data.name in setting.datasets or not setting.datasets]
    except PrsbenchError as error:  # the data has changed since the driver opened it
        return dict.fromkeys(job.keys, failed(Failure.ERROR, str(error), traceback.format_exc()))
    by_name = {dataset.name: dataset for dataset in datasets}
    loaded_methods.evict_except(job.cells, setting)

    def fit(node: TrainingNode) -> Iterator[int]:
        training.train(node, setting, datasets)
        yield 0

    def evaluate_and_score(cell: CellNode) -> Iterator[int]:
        if problem := cell.origin.get("problem"):
            raise ConfigError(problem)
        yield from prediction.evaluate(cell, setting, by_name[cell.dataset])
        yield from measuring.measure_cell(cell, setting, by_name[cell.dataset])
        scoring.score_cell(cell, setting)

    nodes = {job.training.key: fit(job.training)} if job.training else {}
    nodes |= {cell.key: evaluate_and_score(cell) for cell in job.cells}
    folders = job.folders(setting.run)
    return _take_turns({key: _Attempt(folders[key], steps, setting.timeout_s) for key, steps in nodes.items()})


@dataclass
class _Attempt:
    """A running node: its folder, its remaining steps, its time limit, and what it took so far."""

    folder: Path
    steps: Iterator[int]
    timeout_s: float | None
    seconds: float = 0.0
    samples: int = 0

    def step(self) -> Outcome | None:
        """Do one step, with its output in the node's log; returns how the node ended, or None if it has not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with (self.folder / LOG).open("a", errors="backslashreplace") as log, redirect_stdout(log), redirect_stderr(log):
            before = process_state.state()
            outcome = self._advance()
            for change in process_state.put_back(before):
                print(f"This node changed {change}; it was put back.")
        self.seconds += time.monotonic() - started
        if outcome is None:
            return None
        return replace(outcome, seconds=self.seconds, samples=self.samples, peak_memory_bytes=peak_memory_bytes())

    def _advance(self) -> Outcome | None:
        try:
            with time_limit(None if self.timeout_s is None else self.timeout_s - self.seconds):
                self.samples += next(self.steps)
        except StopIteration:
            return Outcome(Ending.DONE)
        except NodeTimeout:
            loaded_methods.clear_loaded_methods()  # a method stopped at any point may be unusable
            text = f"stopped after {self.timeout_s:.0f} s. Raise execution.timeout_s; the next run resumes it."
            return failed(Failure.TIMEOUT, text, traceback.format_exc())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 (whatever the method raises ends its node alone)
            is_dead = isinstance(error, ProcessEnded)
            if is_dead:
                loaded_methods.clear_loaded_methods()  # the next attempt starts another process
            trace = "" if isinstance(error, MissingPrerequisite) else storable(traceback.format_exc())
            return replace(failed(class_of(error), reason_of(error), trace), lost_worker=is_dead)
        return None


def _take_turns(attempts: Mapping[str, _Attempt]) -> dict[str, Outcome]:
    """Advance each attempt by one step in turn until all have ended."""
    outcomes: dict[str, Outcome] = {}
    while len(outcomes) < len(attempts):
        for key, attempt in attempts.items():
            if key not in outcomes and (outcome := attempt.step()):
                outcomes[key] = outcome
    return outcomes
