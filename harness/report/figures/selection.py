"""The figures of a report, one set for each data kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from prsbench.harness.contract.results import CellResult
from prsbench.harness.contract.types import DataKind
from prsbench.harness.report.figures.bars import bars
from prsbench.harness.report.figures.canvas import Figure
from prsbench.harness.report.figures.cost import quality_against_cost
from prsbench.harness.report.figures.examples import examples
from prsbench.harness.report.figures.losses import loss_curves
from prsbench.harness.report.figures.pictures import PicturesOf
from prsbench.harness.report.figures.rank_stability import rank_stability
from prsbench.harness.report.figures.scatter import dice_against_prscore
from prsbench.harness.report.figures.slopes import t2c_slopes
from prsbench.harness.report.figures.subgroups import subgroup_lines
from prsbench.harness.report.figures.text_points import text_points
from prsbench.harness.report.figures.thresholds import threshold_curves
from prsbench.harness.report.statistics.rows import Row, rows_of
from prsbench.harness.report.tables.ranks import Rankings, rankings_of


def figures_of(
    cells: Sequence[CellResult],
    pictures: PicturesOf,
    trainings: Mapping[str, Path] = MappingProxyType({}),
    rankings: Rankings | None = None,
) -> list[Figure]:
    """Of each data kind: examples (where pictures are available) and each figure that its rows can fill; then training losses.

    rankings: of these cells, if already known.
    """
    rows = rows_of(cells)
    rankings = rankings_of(rows) if rankings is None else rankings
    figures: list[Figure | None] = []
    for kind, of_kind in _by_kind(rows).items():
        figures += [examples(of_kind, kind, pictures), bars(of_kind, kind), dice_against_prscore(of_kind, kind)]
        figures += [t2c_slopes(of_kind, kind), rank_stability(rankings, kind), subgroup_lines(of_kind, kind)]
        figures += [text_points(of_kind, kind), threshold_curves(of_kind, kind)]
    if rows:
        kinds = [row.data_kind for row in rows]
        kind = next((kind for kind in kinds if kind is not DataKind.REAL), DataKind.REAL)  # trainings use all data sets together
        figures.append(loss_curves(trainings, kind))
    return [figure for figure in figures if figure]


def cost_figures(cells: Sequence[CellResult]) -> list[Figure]:
    """Quality against cost of each data kind."""
    figures = [quality_against_cost(rows, kind) for kind, rows in _by_kind(rows_of(cells)).items()]
    return [figure for figure in figures if figure]


def _by_kind(rows: Sequence[Row]) -> dict[DataKind, list[Row]]:
    return {kind: [row for row in rows if row.data_kind is kind] for kind in dict.fromkeys(row.data_kind for row in rows)}
