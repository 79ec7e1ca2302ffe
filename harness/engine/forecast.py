"""What a plan will take: time, memory and disk, from what earlier work in the same run folder took. What is not known is said."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from prsbench.harness.engine.earlier import Earlier
from prsbench.harness.engine.grid import CellNode, TrainingNode
from prsbench.harness.engine.ledger import reading_once
from prsbench.harness.engine.progress import clock
from prsbench.harness.engine.results import Left, Run, left_to_do, state_of
from prsbench.harness.engine.schedule import trainings_to_do


@dataclass(frozen=True)
class Cost:
    """Of one node: seconds of work, the most memory its process held, bytes on the disk."""

    seconds: float
    memory_bytes: int
    disk_bytes: float


@dataclass(frozen=True)
class Forecast:
    """Of all nodes to do: the known costs, and how many nodes nothing like was timed before."""

    known: tuple[Cost, ...]
    n_unknown: int

    def text(self, workers: int) -> str:
        n = len(self.known) + self.n_unknown
        if not n:
            return "Nothing to compute."
        if not self.known:
            return f"{n} nodes to compute; time, memory and disk unknown: nothing like them was timed in this run folder."
        seconds = sum(cost.seconds for cost in self.known)
        wall = max(seconds / workers, max(cost.seconds for cost in self.known))
        memory = max(cost.memory_bytes for cost in self.known) / 2**30
        disk = sum(cost.disk_bytes for cost in self.known) / 2**20
        unknown = f"; besides, {self.n_unknown} of unknown cost" if self.n_unknown else ""
        return (
            f"{n} nodes to compute: about {clock(seconds)} of work, at best {clock(wall)} with {workers} at a time, "
            f"up to {memory:.1f} GiB memory each, {disk:.0f} MiB disk{unknown}."
        )


def forecast(cells: Iterable[CellNode], trainings: Sequence[TrainingNode], earlier: Earlier) -> Forecast:
    """Medians over earlier work: a sample of the same method and data set, else of the method; a training as a whole."""
    rates = _Rates(earlier)
    costs = [rates.of_cell(cell) for cell in cells] + [_training_cost(node, earlier) for node in trainings]
    return Forecast(tuple(cost for cost in costs if cost), sum(cost is None for cost in costs))


def planned_lines(run: Run, workers: int) -> Iterator[str]:
    """Each cell of a plan with its state, why it is stale, and what is to be done; then the counts and the forecast."""
    with reading_once():
        yield from _planned_lines(run, workers)


def _planned_lines(run: Run, workers: int) -> Iterator[str]:
    earlier, states, pending = Earlier(run.plan, run.setting), Counter[str](), []
    for cell in run.plan.cells:
        state = state_of(cell, run.setting)
        left = left_to_do(cell, run.setting)
        why = earlier.why_stale(cell) if state == "new" else None
        if why:
            state = "stale" if left is Left.PREDICT else left
        states[state] += 1
        if state != "cached":
            pending.append((cell, left))
        yield f"{state:10} {cell.folder}" + (f": {why}" if why else "")
    to_predict = [cell for cell, left in pending if left is Left.PREDICT]
    trainings = trainings_to_do(run.plan, to_predict, bool(pending), run.setting)
    yield ", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "no cells"
    if n_kept := len(pending) - len(to_predict):
        yield f"{n_kept} cells to re-measure or re-score from their kept predictions: their methods do not run."
    if not n_kept or to_predict or trainings:
        yield forecast(to_predict, trainings, earlier).text(workers)


class _Rates:
    """Costs a sample, by method and data set, read once a method."""

    def __init__(self, earlier: Earlier):
        self._earlier = earlier
        self._known: dict[str, dict[str, list[Cost]]] = {}

    def of_cell(self, cell: CellNode) -> Cost | None:
        if cell.method not in self._known:
            self._known[cell.method] = self._read(cell.method)
        by_dataset = self._known[cell.method]
        rates = by_dataset.get(cell.dataset) or [rate for rates in by_dataset.values() for rate in rates]
        return _scaled(_typical(rates), cell.n_manifest) if rates else None

    def _read(self, method: str) -> dict[str, list[Cost]]:
        found: dict[str, list[Cost]] = defaultdict(list)
        for dataset, attempt, folder in self._earlier.attempts(method):
            if n := attempt["samples"]:  # a cell resumed at its end has none
                whole = Cost(attempt["seconds"], attempt["peak_memory_bytes"], _bytes_in(folder))
                found[dataset].append(_scaled(whole, 1 / n))
        return found


def _training_cost(node: TrainingNode, earlier: Earlier) -> Cost | None:
    found = [Cost(a["seconds"], a["peak_memory_bytes"], _bytes_in(folder)) for a, folder in earlier.training_attempts(node)]
    return _typical(found) if found else None


def _typical(costs: Sequence[Cost]) -> Cost:
    seconds, disk = (median(getattr(cost, name) for cost in costs) for name in ("seconds", "disk_bytes"))
    return Cost(seconds, max(cost.memory_bytes for cost in costs), disk)


def _scaled(cost: Cost, factor: float) -> Cost:
    return Cost(cost.seconds * factor, cost.memory_bytes, cost.disk_bytes * factor)


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
