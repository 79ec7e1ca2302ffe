"""What each row costs: parameters, operations, seconds and memory of one image. Apart from the tables, as machines differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import fsum, isfinite, nan

from prsbench.harness.contract.records import CellResult, Cost
from prsbench.harness.report.rows import Row, rows_of
from prsbench.harness.report.table import LABELS, Table, labels_of, text_table

NUMBERS = ("parameters (M)", "trainable (M)", "GFLOPs an image", "s an image", "peak memory (MiB)")
NOTES = (
    "Parameters, operations and memory: of one standard image, measured once in each worker, batch size 1. Operations: 2 a "
    "multiply-add, of matrix products, convolutions and attention, mean over the row's cells; longer answers cost more.",
    "Seconds: the method's own, mean over the row's cells, batches as configured; rows sharing image features all count them.",
    "Memory: the device's on CUDA, else the whole worker process with libraries and other rows; the most of the row's cells.",
    '"-": not measured, or no network inside.',
)


def cost_table(cells: Sequence[CellResult]) -> Table:
    """One line a row; a row of which nothing is known keeps its line."""
    rows = rows_of(cells)
    devices = sorted({cell.cost.device for cell in cells if cell.cost})
    lines = [[*labels_of(row), *_numbers(row)] for row in rows]
    notes = (*NOTES, f"Measured on: {', '.join(devices) or 'nothing'}.")
    return text_table("cost", "Cost", "What one image costs each row.", LABELS, NUMBERS, lines, notes)


def _numbers(row: Row) -> list[str]:
    costs = [cell.cost for cell in row.cells if cell.cost and cell.cost.parameters]
    seconds = [cell.summary.seconds for cell in row.cells if cell.summary and isfinite(cell.summary.seconds)]
    return [
        _same(costs, "parameters"),
        _same(costs, "trainable_parameters"),
        _text(_mean(cost.flops_per_image for cost in costs), 1e9),
        _text(_mean(seconds), 1, 3),
        _text(max((c.peak_memory_bytes for c in costs if isfinite(c.peak_memory_bytes)), default=nan), 2**20, 0),
    ]


def _same(costs: Sequence[Cost], name: str) -> str:
    """In millions; seeds that differ (a vocabulary, say) show every value."""
    return " / ".join(dict.fromkeys(_text(getattr(cost, name), 1e6) for cost in costs)) or "-"


def _text(value: float, unit: float, digits: int = 2) -> str:
    return f"{value / unit:.{digits}f}" if isfinite(value) else "-"


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return fsum(known) / len(known) if known else nan
