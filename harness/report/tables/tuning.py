"""How the learning rates of a report's rows were chosen: the tries of `prsbench tune`, recorded in `results/tuning.csv`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from prsbench.harness.contract.records import VARIANT_MARK
from prsbench.harness.report.statistics.rows import Row
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.table import Table, text_table

RECORD = Path(__file__).parents[3] / "results" / "tuning.csv"
NOTE = (
    "Tried by `prsbench tune`, scored on the val split, whose images are in no other table. Screening: equal minutes of training "
    "steps for every row. Final: a row's best two and a third made of them, for as long as the grid trains the row; they decide. "
    "Score: mean of Dice@0.5 and position accuracy. A grid's comments say which rates it uses."
)


def tuning(rows: Sequence[Row]) -> Table | None:
    """The recorded tries of these rows' methods; None if there are none."""
    header, lines = _recorded()
    methods = {row.method.partition(VARIANT_MARK)[0] for row in rows}
    known = [line for line in lines if line[header.index("tuned row")] in methods]
    if not known:
        return None
    labels, numbers, remarks = header[:5], header[5:-1], header[-1:]
    caption = "Learning rates tried for each row, and the chosen ones."
    return text_table("tuning", "Tuning", caption, labels, numbers, known, [*footnotes.of_data(rows), NOTE], remarks)


@cache
def _recorded() -> tuple[list[str], list[list[str]]]:
    """Header and lines of the record: grid, row, rates, data kind and stage, then numbers, then which was chosen."""
    if not RECORD.is_file():
        return ["grid", "tuned row"], []
    header, *lines = csv.reader(RECORD.read_text().splitlines())
    return header, lines
