"""Forecast of a plan's time, memory and disk, from similar earlier work in the same run folder."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from prsbench.harness.engine.driver.progress import clock
from prsbench.harness.engine.driver.schedule import trainings_to_do
from prsbench.harness.engine.grid.schema import base_name
from prsbench.harness.engine.inspect.stale import EarlierWork
from prsbench.harness.engine.inspect.state import CellState, Left, Run, stored_cells
from prsbench.harness.engine.plan.nodes import CellNode, TrainingNode


@dataclass(frozen=True)
class NodeCost:
    """Cost of one node: seconds of work, peak memory of its process, bytes on disk."""

    seconds: float
    memory_bytes: int
    disk_bytes: float


@dataclass(frozen=True)
class Forecast:
    """The known costs of the nodes to compute, and the number of nodes without similar earlier work."""

    known: tuple[NodeCost, ...]
    n_unknown: int

    def text(self, workers: int) -> str:
        """One sentence for people."""
        n = len(self.known) + self.n_unknown
        if not n:
            return "Nothing to compute."
        if not self.known:
            return f"{n} nodes to compute; time, memory and disk unknown: this run folder has no timings of similar nodes."
        seconds = sum(cost.seconds for cost in self.known)
        wall = max(seconds / workers, max(cost.seconds for cost in self.known))
        memory = max(cost.memory_bytes for cost in self.known) / 2**30
        disk = sum(cost.disk_bytes for cost in self.known) / 2**20
        unknown = f", plus {self.n_unknown} nodes of unknown cost" if self.n_unknown else ""
        return (
            f"{n} nodes to compute: about {clock(seconds)} of work, at best {clock(wall)} with {workers} at a time, "
            f"up to {memory:.1f} GiB memory each, {disk:.0f} MiB disk{unknown}."
        )


def forecast(cells: Iterable[CellNode], trainings: Sequence[TrainingNode], earlier_work: EarlierWork) -> Forecast:
    """Medians over earlier work: per sample of the same method and data set, or else of the same method; per training."""
    rates = _Rates(earlier_work)
    costs = [rates.of_cell(cell) for cell in cells] + [_training_cost(node, earlier_work) for node in trainings]
    return Forecast(tuple(cost for cost in costs if cost), sum(cost is None for cost in costs))


def planned_lines(run: Run, workers: int) -> Iterator[str]:
    """Each cell of a plan with its state, why it is stale and what is left to do; counts; forecast; which rows will fail."""
    earlier_work, labels, pending = EarlierWork(run.plan, run.setting.folder), Counter[str](), []
    for stored in stored_cells(run.plan.cells, run.setting):
        state, left = stored.state, stored.left
        why = earlier_work.why_stale(stored) if state is CellState.NEW else None
        label = state.value if not why else "stale" if left is Left.PREDICT else left.value
        labels[label] += 1
        if state is not CellState.CACHED:
            pending.append((stored.node, left))
        yield f"{label:10} {stored.node.folder}" + (f": {why}" if why else "")
    to_predict = [cell for cell, left in pending if left is Left.PREDICT]
    trainings = trainings_to_do(run.plan, to_predict, bool(pending), run.setting)
    yield ", ".join(f"{n} {label}" for label, n in sorted(labels.items())) or "no cells"
    if n_stored := len(pending) - len(to_predict):
        yield f"{n_stored} cells to re-measure or re-score from their stored predictions: their methods do not run."
    if not n_stored or to_predict or trainings:
        yield forecast(to_predict, trainings, earlier_work).text(workers)
    yield from dict.fromkeys(f"Will fail: {cell.origin['problem']}" for cell in run.plan.cells if "problem" in cell.origin)


def estimate(run: Run, workers: int, like: Path) -> str:
    """Forecast of the run from scratch, if every variant takes what its parent took in another run folder."""
    earlier_work = EarlierWork(run.plan, like)
    cells = [replace(cell, method=base_name(cell.method)) for cell in run.plan.cells]
    trainings = list(run.plan.trainings.values())
    return f"From scratch, by the timings in {like}: {forecast(cells, trainings, earlier_work).text(workers)}"


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
