"""The figures of a report, one set for each data kind."""

from __future__ import annotations

from collections.abc import Sequence

from prsbench.harness.contract.records import CellResult
from prsbench.harness.report.bars import bars
from prsbench.harness.report.drawing import Figure
from prsbench.harness.report.examples import examples
from prsbench.harness.report.pictures import PicturesOf
from prsbench.harness.report.rows import rows_of


def figures_of(cells: Sequence[CellResult], pictures: PicturesOf) -> list[Figure]:
    """Qualitative examples (where pictures are at hand) and the bar chart, named after their data kind."""
    rows = rows_of(cells)
    figures = []
    for kind in dict.fromkeys(row.data_kind for row in rows):
        of_kind = [row for row in rows if row.data_kind is kind]
        figures += [examples(of_kind, kind, pictures), bars(of_kind, kind)]
    return [figure for figure in figures if figure]
