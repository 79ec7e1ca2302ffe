"""Cost of each row: parameters, FLOPs, seconds and memory per image. Not among the tables, because machines differ."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan

from prsbench.harness.contract.results import CellResult, Cost
from prsbench.harness.report.statistics.means_and_differences import mean_of_defined
from prsbench.harness.report.statistics.rows import Row, rows_of
from prsbench.harness.report.tables.table import LABELS, Table, labels_of, number_text, text_table

NUMBERS = ("parameters (M)", "trainable (M)", "GFLOPs an image", "s an image", "peak memory (MiB)")
NOTES = (
    (
        "Parameters, operations and memory: measured once in each worker, on one standard image with batch size 1. Operations: "
        "2 per multiply-add, in matrix products, convolutions and attention; mean over the row's cells; longer answers cost more."
    ),
    (
        "Seconds: spent in the method, mean over the row's cells, batch size as configured; rows that share image features all "
        "include them."
    ),
    "Memory: of the device on CUDA, otherwise of the worker process with libraries and other rows; maximum over the row's cells.",
    '"-": not measured, or the method has no network.',
)


def cost_table(cells: Sequence[CellResult]) -> Table:
    """One line per row, also for rows without measurements."""
    rows = rows_of(cells)
    devices = sorted({cell.cost.device for cell in cells if cell.cost})
    lines = [[*labels_of(row), *cost_numbers(row)] for row in rows]
    notes = (*NOTES, f"Measured on: {', '.join(devices) or 'nothing'}.")
    return text_table("cost", "Cost", "Cost of one image, for each row.", LABELS, NUMBERS, lines, notes)


def cost_numbers(row: Row) -> list[str]:
    """The texts of NUMBERS for a row."""
    costs = [cell.cost for cell in row.cells if cell.cost and cell.cost.parameters]
    seconds = [cell.summary.seconds for cell in row.cells if cell.summary]
    return [
        _same(costs, "parameters"),
        _same(costs, "trainable_parameters"),
        number_text(mean_of_defined(cost.flops_per_image for cost in costs) / 1e9, ".2f"),
        number_text(mean_of_defined(seconds) or nan),  # 0: nothing was computed, or nobody said how long it took
        number_text(max((c.peak_memory_bytes for c in costs if isfinite(c.peak_memory_bytes)), default=nan) / 2**20, ".0f"),
    ]


def _same(costs: Sequence[Cost], name: str) -> str:
    """A count in millions; every value if seeds differ (by their vocabulary, for example)."""
    return " / ".join(dict.fromkeys(f"{getattr(cost, name) / 1e6:.2f}" for cost in costs)) or "-"
