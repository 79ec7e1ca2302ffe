"""The figures of a report, one set for each data kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from prsbench.harness.contract.results import CellResult
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.bars import bars
from prsbench.harness.report.figures.canvas import Figure
from prsbench.harness.report.figures.examples import examples
from prsbench.harness.report.figures.losses import loss_curves
from prsbench.harness.report.figures.pictures import PicturesOf
from prsbench.harness.report.statistics.rows import rows_of


def figures_of(
    cells: Sequence[CellResult], pictures: PicturesOf, trainings: Mapping[str, Path] = MappingProxyType({})
) -> list[Figure]:
    """Examples (where pictures are available) and the bar chart of each data kind, and the training losses."""
    rows = rows_of(cells)
    figures = []
    for kind in dict.fromkeys(row.data_kind for row in rows):
        of_kind = [row for row in rows if row.data_kind is kind]
        figures += [examples(of_kind, kind, pictures), bars(of_kind, kind)]
    if rows:
        kinds = [row.data_kind for row in rows]
        kind = next((kind for kind in kinds if kind is not DataKind.REAL), DataKind.REAL)  # trainings use all data sets together
        figures.append(loss_curves(trainings, kind))
    return [figure for figure in figures if figure]
