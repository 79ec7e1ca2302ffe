"""The tries of a tuning run with their val scores, and which one is chosen: as a table for people and as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan, sqrt
from pathlib import Path

from prsbench.harness.contract.types import DataKind
from prsbench.harness.engine.inspect.results import result_of
from prsbench.harness.engine.inspect.state import CellState, Run, stored_cells
from prsbench.harness.engine.plan.tuning import OF_MASKS, Try, rounded
from prsbench.harness.engine.store.run_folder import SEAL, TrainingFolder

DICE, POSITION = "dice@0.5", "position_accuracy"
SCREENING, FINAL = "screening", "final"  # stages: equal minutes for every try; the grid's own epochs for the best ones
HEADER = (
    *("grid", "tuned row", "rates", "data kind", "stage"),
    *("epochs", "minutes", "val dice@0.5", "val position", "score", "chosen"),
)


@dataclass(frozen=True, slots=True)
class Tried:
    """One try on a grid's data: means over its data sets' val splits, NaN if a cell is not complete; minutes of its steps."""

    grid: str
    method: str
    rates: Mapping[str, float]
    data_kind: str
    stage: str
    epochs: int
    minutes: float
    dice: float
    position: float

    @property
    def score(self) -> float:
        """What is compared: the mean of Dice@0.5 and position accuracy."""
        return (self.dice + self.position) / 2


def tried(run: Run, grid: str, tries: Mapping[str, Sequence[Try]], epochs: Mapping[str, int], stage: str) -> list[Tried]:
    """Every try, in the order of `tries`; grid is the name that they are recorded under, stage SCREENING or FINAL."""
    cells: dict[str, list[tuple[float, float]]] = {}
    trainings: dict[str, str] = {}
    kinds = " and ".join(dict.fromkeys(DataKind(cell.data_kind).label for cell in run.plan.cells))
    for stored in stored_cells(run.plan.cells, run.setting):
        summary = result_of(stored, run.plan.protocol).summary if stored.state is CellState.CACHED else None
        means = (summary.tallies[DICE].mean, summary.tallies[POSITION].mean) if summary else (nan, nan)
        cells.setdefault(stored.node.method, []).append(means)
        trainings[stored.node.method] = stored.node.training or ""
    rows = []
    for name, some in tries.items():
        for one in some:
            row = one.row(epochs[name])
            dice, position = (sum(values) / len(values) for values in zip(*cells[row], strict=True))
            minutes = training_seconds(run, trainings[row]) / 60
            rows.append(Tried(grid, name, one.rates, kinds, stage, epochs[name], minutes, dice, position))
    return rows


def training_seconds(run: Run, key: str) -> float:
    """What the steps of a finished training took: of the processor on a CPU, of the clock on a GPU. NaN if it is not known."""
    seal = TrainingFolder(run.setting.training_folder(key)).read(SEAL)
    return nan if seal is None or seal.get("steps_s") is None else float(seal["steps_s"])


def finals_of(rows: Iterable[Tried]) -> list[Try]:
    """Of one method's tries, those to train at full length: the best two and a third made of them; fewer if scores are NaN.

    If the row has a rate for its mask decoder alone, and one of the two has the better masks and the other the better text, the
    third takes each rate from where it was better. Otherwise it has the geometric means of their rates.
    """
    best = sorted((row for row in rows if isfinite(row.score)), key=lambda row: -row.score)[:2]
    rates = [row.rates for row in best]
    if len(best) == 2:
        masks, text = (max(best, key=key) for key in (lambda row: row.dice, lambda row: row.position))
        crossed = {key: (masks if key == OF_MASKS else text).rates[key] for key in rates[0]}
        between = {key: rounded(sqrt(rates[0][key] * rates[1][key])) for key in rates[0]}
        rates.append(between if crossed in rates else crossed)
    return [Try(best[0].method, one) for one in rates]


def chosen(rows: Iterable[Tried]) -> dict[str, Tried]:
    """The final with the highest score of each method, or the try, if no final has one; of equal ones the first.

    A method of which all failed is left out.
    """
    best: dict[str, Tried] = {}
    for row in rows:
        if isfinite(row.score) and (row.method not in best or _rank(row) > _rank(best[row.method])):
            best[row.method] = row
    return best


def _rank(row: Tried) -> tuple[bool, float]:
    return row.stage == FINAL, row.score


def lines_of(rows: Sequence[Tried]) -> list[tuple[str, ...]]:
    """The table as text, without its header."""
    best = chosen(rows)
    return [
        (
            row.grid,
            row.method,
            " ".join(f"{key}={rate:g}" for key, rate in row.rates.items()),
            row.data_kind,
            row.stage,
            str(row.epochs),
            *(f"{value:.{digits}f}" for value, digits in ((row.minutes, 1), (row.dice, 3), (row.position, 3), (row.score, 3))),
            "yes" if best.get(row.method) is row else "no",
        )
        for row in rows
    ]


def write_tuning(rows: Sequence[Tried], path: Path) -> None:
    """Write the table as CSV."""
    with path.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([HEADER, *lines_of(rows)])


def tuning_text(rows: Sequence[Tried]) -> str:
    """The table in Markdown."""
    lines = [HEADER, tuple("---" for _ in HEADER), *lines_of(rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
