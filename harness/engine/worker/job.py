"""The unit of work of a worker: one training, or cells that take turns (`Job`), how each ended (`Outcome`), and `perform`."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from prsbench.harness.contract.errors import ConfigError, MissingPrerequisite, PrsbenchError, reason_of, storable
from prsbench.harness.contract.memory import return_freed_memory
from prsbench.harness.engine.apart.process import ProcessEnded, peak_memory_bytes
from prsbench.harness.engine.plan.data import open_for_job
from prsbench.harness.engine.plan.nodes import CellNode, TrainingNode
from prsbench.harness.engine.store.cell_folder import CellFolder
from prsbench.harness.engine.store.run_folder import LOG, Ending, RunFolder
from prsbench.harness.engine.store.shards import delete_shards, join, predictions_of_shards, shard_path
from prsbench.harness.engine.worker import loaded_methods, measuring, prediction, process, process_state, scoring, training
from prsbench.harness.engine.worker.failures import Failure, NodeTimeout, class_of, time_limit
from prsbench.harness.engine.worker.setting import Setting


class Work(StrEnum):
    """What a job does with its cells. FINISH: join the shards, measure and score, for which no method is loaded."""

    ALL = "all"
    PREDICT = "predict"
    FINISH = "finish"


@dataclass(frozen=True, eq=False)
class Job:
    """One training, or cells that take turns in one process.

    waits_for holds the keys of trainings that must be sealed first, and of jobs that predict what this one finishes. parts holds
    the shard of each cell that a job predicts; without it, they are predicted whole.
    """

    training: TrainingNode | None
    cells: tuple[CellNode, ...]
    waits_for: tuple[str, ...]
    cost: float  # a rough estimate, for the order only: the costliest goes first
    deaths: int = 0  # workers lost so far
    work: Work = Work.ALL
    parts: tuple[range, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """One per node: its key, or a name of its prediction (rows that are configured alike have equal keys)."""
        if self.training:
            return (self.training.key,)
        if self.work is not Work.PREDICT:
            return tuple(cell.key for cell in self.cells)
        return tuple(f"{cell.folder} predicted{part or ''}" for cell, part in self.shards)

    @property
    def shards(self) -> list[tuple[CellNode, range | None]]:
        """Each cell with the samples to predict; None for all."""
        return list(zip(self.cells, self.parts or [None] * len(self.cells), strict=True))

    def folders(self, run: RunFolder) -> dict[str, Path]:
        """The folder of each node, by its key: a shard's lies in its cell's."""
        if self.training:
            return {self.training.key: run.training(self.training.folder)}
        cells = ((run.cell(cell.folder), part) for cell, part in self.shards)
        return dict(zip(self.keys, (shard_path(cell, part) if part else cell for cell, part in cells), strict=True))

    def split(self) -> list[Job]:
        """The job's cells as one job each, none of which waits for the training of another."""
        trainings = {cell.training for cell in self.cells}
        jobs = []
        for cell, part in self.shards:
            waits_for = tuple(key for key in self.waits_for if key not in trainings - {cell.training})
            n = len(part) if part else cell.n_manifest
            jobs.append(replace(self, cells=(cell,), parts=(part,) if part else (), waits_for=waits_for, cost=float(n)))
        return jobs

    @property
    def gpu_gib(self) -> float:
        """GPU memory that it needs at most; 0 for what uses no GPU, such as measuring and scoring."""
        nodes = (self.training,) if self.training else self.cells
        return 0.0 if self.work is Work.FINISH else max(node.gpu_gib for node in nodes)

    @property
    def is_quick(self) -> bool:
        """Whether it trains or predicts floors and ceilings, which need no GPU."""
        return self.work is not Work.FINISH and not self.gpu_gib

    @property
    def model(self) -> object:
        """What two jobs must share for a worker to use again what it has loaded."""
        if self.training:
            return self.training.key
        loaded = tuple((cell.factory, cell.training, str(cell.config)) for cell in self.cells)
        return loaded if self.work is not Work.FINISH else Work.FINISH

    @property
    def title(self) -> str:
        if self.training:
            where = "" if self.training.split == "train" else f" on {self.training.split}"
            return f"train {self.training.name}{where} s{self.training.seed}"
        first, part = self.shards[0]
        samples = f" samples {part.start} to {part.stop - 1}" if part else ""
        work = "" if self.work is Work.ALL else f"{self.work} "
        return f"{work}{', '.join(cell.method for cell in self.cells)} on {first.dataset} s{first.seed}{samples}"


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
    return_freed_memory()  # of the previous job, which may have been larger
    setting = replace(setting, device=process.resolve_device(setting.device))
    try:
        names = setting.datasets if job.training else {cell.dataset for cell in job.cells}
        by_name = open_for_job(setting.roots, setting.run, names)
    except PrsbenchError as error:  # the data has changed since the driver opened it
        return dict.fromkeys(job.keys, failed(Failure.ERROR, str(error), traceback.format_exc()))
    loaded_methods.evict_except(job.cells, setting)

    def fit(node: TrainingNode) -> Iterator[int]:
        training.train(node, setting, list(by_name.values()))
        yield 0

    def evaluate_and_score(cell: CellNode, part: range | None) -> Iterator[int]:
        if problem := cell.origin.get("problem"):
            raise ConfigError(problem)
        if job.work is not Work.FINISH:
            yield from prediction.evaluate(cell, setting, by_name[cell.dataset], part)
        if job.work is not Work.PREDICT:
            _join_shards(cell, setting)
            yield from measuring.measure_cell(cell, setting, by_name[cell.dataset])
            scoring.score_cell(cell, replace(setting, device="cpu"))  # the same scores whether or not this worker has a GPU

    steps = [fit(job.training)] if job.training else [evaluate_and_score(cell, part) for cell, part in job.shards]
    nodes = dict(zip(job.keys, steps, strict=True))
    folders = job.folders(setting.run)
    return _take_turns({key: _Attempt(folders[key], steps, setting.timeout_s) for key, steps in nodes.items()})


def _join_shards(cell: CellNode, setting: Setting) -> None:
    """Seal a cell that was predicted in shards, unless it is sealed.

    Raises:
        BadSamples: every sample of the cell failed; nothing stays stored, so that the next run tries again.
    """
    folder = CellFolder(setting.run.cell(cell.folder))
    with folder.lock():
        weights = setting.digest(cell.training)
        if folder.is_sealed(weights):
            delete_shards(folder.path)  # left by a kill right after the seal
            return
        predictions = predictions_of_shards(folder, cell.n_manifest, weights)
        prediction.refuse_all_failed(predictions, folder)
        join(folder, asdict(cell), weights, predictions)


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
