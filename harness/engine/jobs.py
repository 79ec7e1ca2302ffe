"""The unit of work a worker gets, and the one function that does it, in this process or in another."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.harness.engine.data import open_all
from prsbench.harness.engine.evaluation import evaluate
from prsbench.harness.engine.grid import CellNode, TrainingNode
from prsbench.harness.engine.ledger import LOG
from prsbench.harness.engine.process import Setting, prepare_process, resolve_device
from prsbench.harness.engine.scoring import score_cell
from prsbench.harness.engine.training import train


@dataclass(frozen=True, eq=False)
class Job:
    """One training, or cells that take turns in one process. waits_for holds the keys of trainings that must be sealed."""

    training: TrainingNode | None
    cells: tuple[CellNode, ...]
    waits_for: tuple[str, ...]
    cost: float  # rough, for the order only: the longest goes first

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.training.key,) if self.training else tuple(cell.key for cell in self.cells)

    def apart(self) -> list[Job]:
        """The job's cells as jobs of their own."""
        return [replace(self, cells=(cell,), cost=float(cell.n_manifest)) for cell in self.cells]

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

    status is "done", "failed", "skipped" (a prerequisite is missing; the error is its cure) or "died" (its worker process
    ended, whichever of the job's nodes was to blame).
    """

    status: str
    error: str = ""
    trace: str = ""
    seconds: float = 0.0


def perform(job: Job, setting: Setting) -> dict[str, Outcome]:
    """Do the job and say how each of its nodes ended, by key. Results are on the disk; a failing node raises nothing."""
    prepare_process(setting.threads)
    setting = replace(setting, device=resolve_device(setting.device))
    try:
        datasets = open_all(setting.roots)
    except PrsbenchError as error:  # the data was there when the run began
        return dict.fromkeys(job.keys, Outcome("failed", str(error), traceback.format_exc()))
    by_name = {dataset.name: dataset for dataset in datasets}

    def fit(node: TrainingNode) -> Iterator[None]:
        train(node, setting, datasets)
        yield

    def evaluate_and_score(cell: CellNode) -> Iterator[None]:
        yield from evaluate(cell, setting, by_name[cell.dataset])
        score_cell(cell, setting)

    if job.training:
        return _take_turns([_Work(job.training.key, setting.training_folder(job.training.key), fit(job.training))])
    return _take_turns([_Work(cell.key, setting.run.cell(cell.folder), evaluate_and_score(cell)) for cell in job.cells])


@dataclass
class _Work:
    """A node at work: its key, its folder, what is left to do and the time it took so far."""

    key: str
    folder: Path
    steps: Iterator[None]
    seconds: float = 0.0

    def step(self) -> Outcome | None:
        """Do one step, its output in the node's log; returns how the node ended, or None if it goes on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with (self.folder / LOG).open("a") as log, redirect_stdout(log), redirect_stderr(log):
            ended = _attempt(lambda: next(self.steps))
        self.seconds += time.monotonic() - started
        return replace(ended, seconds=self.seconds) if ended else None


def _take_turns(works: list[_Work]) -> dict[str, Outcome]:
    """Advance each work by one step in turn until all have ended."""
    outcomes: dict[str, Outcome] = {}
    while len(outcomes) < len(works):
        for work in works:
            if work.key not in outcomes and (ended := work.step()):
                outcomes[work.key] = ended
    return outcomes


def _attempt(step: Callable[[], None]) -> Outcome | None:
    """How the work ended, or None if it goes on."""
    try:
        step()
    except StopIteration:
        return Outcome("done")
    except MissingPrerequisite as error:
        return Outcome("skipped", str(error))
    except PrsbenchError as error:
        return Outcome("failed", str(error), traceback.format_exc())
    except Exception as error:
        return Outcome("failed", f"{type(error).__name__}: {error}", traceback.format_exc())
    return None
