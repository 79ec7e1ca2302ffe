"""The unit of work a worker gets, and the one function that does it, in this process or in another."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.harness.engine.data import open_all
from prsbench.harness.engine.evaluation import evaluate
from prsbench.harness.engine.grid import CellNode, TrainingNode
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
    datasets = open_all(setting.roots)
    by_name = {dataset.name: dataset for dataset in datasets}

    def fit() -> Iterator[None]:
        train(job.training, setting, datasets)
        yield

    def evaluate_and_score(cell: CellNode) -> Iterator[None]:
        yield from evaluate(cell, setting, by_name[cell.dataset])
        score_cell(cell, setting)

    if job.training:
        return _take_turns({job.training.key: fit()})
    return _take_turns({cell.key: evaluate_and_score(cell) for cell in job.cells})


def _take_turns(works: dict[str, Iterator[None]]) -> dict[str, Outcome]:
    """Advance each work by one step in turn until all have ended."""
    outcomes: dict[str, Outcome] = {}
    seconds = dict.fromkeys(works, 0.0)
    while len(outcomes) < len(works):
        for key, work in works.items():
            if key not in outcomes:
                started = time.monotonic()
                ended = _attempt(lambda work=work: next(work))
                seconds[key] += time.monotonic() - started
                if ended:
                    outcomes[key] = replace(ended, seconds=seconds[key])
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
