"""Forecast of a plan's time, memory and disk: from similar earlier work in the same run folder, otherwise from priors."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from prsbench.harness.engine.driver.priors import Priors
from prsbench.harness.engine.driver.progress import clock
from prsbench.harness.engine.driver.schedule import trainings_to_do
from prsbench.harness.engine.driver.time_left import TimedJob, last_end
from prsbench.harness.engine.grid.schema import base_name
from prsbench.harness.engine.inspect.stale import EarlierWork
from prsbench.harness.engine.inspect.state import CellState, Left, Run, stored_cells
from prsbench.harness.engine.plan.nodes import CellNode, TrainingNode

BUSY = 1.5  # from here on, a forecast says that other programs are at work


@dataclass(frozen=True)
class NodeCost:
    """Cost of one node: seconds of work, peak memory of its process, bytes on disk; 0 for memory and disk by priors."""

    seconds: float
    memory_bytes: int = 0
    disk_bytes: float = 0.0


@dataclass(frozen=True)
class Forecast:
    """The known costs of the nodes to compute.

    n_by_priors: how many of them come from priors. n_unknown: nodes of which nothing is known, beside the known ones. around_s:
    seconds for the start of the run and for its report. wall_s: seconds until the known ones and the report are done, with the
    workers that were asked for. busy: as in `Priors`.
    """

    known: tuple[NodeCost, ...]
    n_by_priors: int
    n_unknown: int
    workers: int
    around_s: float
    wall_s: float
    busy: float = 1.0

    def text(self) -> str:
        """One sentence for people."""
        n = len(self.known) + self.n_unknown
        if not n:
            return "Nothing to compute."
        if not self.known:
            return f"{n} nodes to compute; time, memory and disk unknown: this run folder has no timings of similar nodes."
        parts = [
            f"about {clock(sum(cost.seconds for cost in self.known))} of work, {clock(self.around_s)} for start and report",
            f"in all {clock(self.wall_s)} with {self.workers} at a time",
        ]
        if self.n_by_priors < len(self.known):
            memory = max(cost.memory_bytes for cost in self.known) / 2**30
            parts += [
                f"up to {memory:.1f} GiB memory each",
                f"{sum(cost.disk_bytes for cost in self.known) / 2**20:.0f} MiB disk",
            ]
        parts += [f"plus {self.n_unknown} nodes of unknown cost"] if self.n_unknown else []
        by = f" ({self.n_by_priors} of them by the usual speed of their methods on this machine)" if self.n_by_priors else ""
        is_busy = self.n_by_priors == len(self.known) and self.busy > BUSY
        alone = f" The machine is busy with other programs; idle, it would take about {clock(self.wall_s / self.busy)}."
        return f"{n} nodes to compute{by}: {', '.join(parts)}.{alone if is_busy else ''}"

    def to_json(self) -> dict[str, Any]:
        return {
            "nodes": len(self.known) + self.n_unknown,
            "nodes_by_priors": self.n_by_priors,
            "nodes_of_unknown_cost": self.n_unknown,
            "work_s": sum(cost.seconds for cost in self.known),
            "wall_s": self.wall_s,
            "workers": self.workers,
            "memory_bytes": max((cost.memory_bytes for cost in self.known), default=0) or None,
            "disk_bytes": sum(cost.disk_bytes for cost in self.known) or None,
        }


def forecast(
    cells: Sequence[CellNode], trainings: Sequence[TrainingNode], earlier_work: EarlierWork, workers: int, priors: Priors
) -> Forecast:
    """Medians over earlier work: per sample of the same method and data set, or else of the same method; per training."""
    rates, n_by_priors, jobs = _Rates(earlier_work), 0, list[TimedJob]()
    costs: list[NodeCost | None] = []
    nodes: list[TrainingNode | CellNode] = [*trainings, *cells]
    for node in nodes:
        if isinstance(node, CellNode):
            cost, seconds, needs = rates.of_cell(node), priors.cell_s(node), [node.training] if node.training else []
        else:
            cost, seconds, needs = _training_cost(node, earlier_work), priors.training_s(node), list(node.needs.values())
        if cost is None and seconds is not None:
            cost, n_by_priors = NodeCost(seconds), n_by_priors + 1
        costs.append(cost)
        jobs.append(TimedJob(cost.seconds if cost else 0.0, [node.key], needs))
    known = tuple(cost for cost in costs if cost)
    around_s = priors.start_s + priors.report_s
    wall_s = last_end([], jobs, workers) + around_s if known else 0.0
    return Forecast(known, n_by_priors, len(costs) - len(known), workers, around_s, wall_s, priors.busy)


@dataclass(frozen=True)
class PlannedCell:
    """A cell of a plan: its state ("new", "cached", "stale", "re-score", ...) and why it is stale ("" if it is not)."""

    folder: str
    method: str
    dataset: str
    seed: int
    state: str
    why: str


@dataclass(frozen=True)
class Planned:
    """What `prsbench plan` says. n_stored: cells that are only measured or scored again. forecast is None if that is all."""

    cells: tuple[PlannedCell, ...]
    n_stored: int
    forecast: Forecast | None
    problems: tuple[str, ...]

    @classmethod
    def of(cls, run: Run, workers: int) -> Planned:
        earlier_work, cells, pending = EarlierWork(run.plan, run.setting.folder), [], []
        for stored in stored_cells(run.plan.cells, run.setting):
            node, state, left = stored.node, stored.state, stored.left
            why = earlier_work.why_stale(stored) if state is CellState.NEW else None
            label = state.value if not why else "stale" if left is Left.PREDICT else left.value
            cells.append(PlannedCell(node.folder, node.method, node.dataset, node.seed, label, why or ""))
            if state is not CellState.CACHED:
                pending.append((node, left))
        to_predict = [cell for cell, left in pending if left is Left.PREDICT]
        trainings = trainings_to_do(run.plan, to_predict, bool(pending), run.setting)
        n_stored = len(pending) - len(to_predict)
        is_more = not n_stored or to_predict or trainings
        found = forecast(to_predict, trainings, earlier_work, workers, Priors.here(run, workers)) if is_more else None
        problems = dict.fromkeys(cell.origin["problem"] for cell in run.plan.cells if "problem" in cell.origin)
        return cls(tuple(cells), n_stored, found, tuple(problems))

    @property
    def counts(self) -> dict[str, int]:
        """The number of cells in each state, by name."""
        return dict(sorted(Counter(cell.state for cell in self.cells).items()))

    def lines(self) -> Iterator[str]:
        """Each cell with its state, why it is stale and what is left to do; counts; forecast; which rows will fail."""
        for cell in self.cells:
            yield f"{cell.state:10} {cell.folder}" + (f": {cell.why}" if cell.why else "")
        yield ", ".join(f"{n} {state}" for state, n in self.counts.items()) or "no cells"
        if self.n_stored:
            yield f"{self.n_stored} cells to re-measure or re-score from their stored predictions: their methods do not run."
        if self.forecast:
            yield self.forecast.text()
        yield from (f"Will fail: {problem}" for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        return {
            "cells": [asdict(cell) for cell in self.cells],
            "counts": self.counts,
            "from_stored_predictions": self.n_stored,
            "forecast": self.forecast.to_json() if self.forecast else None,
            "will_fail": list(self.problems),
        }


def planned_lines(run: Run, workers: int) -> Iterator[str]:
    """`Planned.lines` of a run."""
    return Planned.of(run, workers).lines()


def estimate(run: Run, workers: int, like: Path) -> str:
    """Forecast of the run from scratch, if every variant takes what its parent took in another run folder."""
    earlier_work = EarlierWork(run.plan, like)
    cells = [replace(cell, method=base_name(cell.method)) for cell in run.plan.cells]
    trainings = list(run.plan.trainings.values())
    found = forecast(cells, trainings, earlier_work, workers, Priors.here(run, workers))
    return f"From scratch, by the timings in {like}: {found.text()}"


class _Rates:
    """Costs per sample, by method and data set; read once per method."""

    def __init__(self, earlier_work: EarlierWork):
        self._earlier_work = earlier_work
        self._known: dict[str, dict[str, list[NodeCost]]] = {}

    def of_cell(self, cell: CellNode) -> NodeCost | None:
        if cell.method not in self._known:
            self._known[cell.method] = self._read(cell.method)
        by_dataset = self._known[cell.method]
        rates = by_dataset.get(cell.dataset) or [rate for rates in by_dataset.values() for rate in rates]
        return _scaled(_typical(rates), cell.n_manifest) if rates else None

    def _read(self, method: str) -> dict[str, list[NodeCost]]:
        rates: dict[str, list[NodeCost]] = defaultdict(list)
        for dataset, attempt, folder in self._earlier_work.attempts(method):
            if n := attempt["samples"]:  # none if the attempt only finished a predicted cell
                total = NodeCost(attempt["seconds"], attempt["peak_memory_bytes"], _bytes_in(folder))
                rates[dataset].append(_scaled(total, 1 / n))
        return rates


def _training_cost(node: TrainingNode, earlier_work: EarlierWork) -> NodeCost | None:
    attempts = earlier_work.training_attempts(node)
    costs = [NodeCost(a["seconds"], a["peak_memory_bytes"], _bytes_in(folder)) for a, folder in attempts]
    return _typical(costs) if costs else None


def _typical(costs: Sequence[NodeCost]) -> NodeCost:
    seconds, disk = (median(getattr(cost, name) for cost in costs) for name in ("seconds", "disk_bytes"))
    return NodeCost(seconds, max(cost.memory_bytes for cost in costs), disk)


def _scaled(cost: NodeCost, factor: float) -> NodeCost:
    return NodeCost(cost.seconds * factor, cost.memory_bytes, cost.disk_bytes * factor)


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
