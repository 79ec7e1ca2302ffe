"""Rank stability: whole rankings of rows on resampled groups (patients, videos or cases) and, with several, trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.results import CellResult
from prsbench.harness.report.statistics.rows import Row, summarise
from prsbench.metrics.catalog import METRICS

RESAMPLES, SEED, LEVEL = 2000, 0, 0.95
FEW_GROUPS = 50  # an interval over fewer is flagged
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rank:
    """A row's place among the rows of its ranking; 1 is best, and rows with equal means share the better rank.

    share_first: in which share of the resamples it is first, or shares the first place. low and high bound the central 95 % of
    its ranks. p_next: in which share the row behind it is at least as good, so that the claim "better than the next" is false;
    NaN for the last. n_groups is of the whole test set.
    """

    row: Row
    mean: float
    rank: int
    share_first: float
    low: int
    high: int
    p_next: float
    n_groups: int


def ranks(rows: Sequence[Row], metric: str) -> list[list[Rank]]:
    """Each ranking of two rows or more, best row first. Rows with failed samples, without a number or on other samples are left out.

    All rows of a ranking are scored on the same resampled groups, drawn within each data set; each row's seeds are drawn anew.
    """
    found = []
    for key in dict.fromkeys(row.ranked_with for row in rows if row.ranked_with):
        rivals = [row for row in rows if row.ranked_with == key and summarise(row, metric).is_complete]
        rivals = [row for row in rivals if _manifest(row) == _manifest(rivals[0])]
        if len(rivals) > 1:
            found.append(_ranking(rivals, metric))
    return found


def _manifest(row: Row) -> list[tuple[str, int]]:
    return sorted({(cell.dataset, cell.n_manifest) for cell in row.cells})


def _ranking(rows: Sequence[Row], metric: str) -> list[Rank]:
    rng = np.random.default_rng(SEED)
    datasets = sorted({cell.dataset for row in rows for cell in row.cells})
    modality_of = {cell.dataset: cell.modality for cell in rows[0].cells}
    n_datasets = [sum(modality_of[other] == modality_of[name] for other in datasets) for name in datasets]
    weights = [1 / (n * len(set(modality_of.values()))) for n in n_datasets]
    means_RB, n_groups = np.zeros((len(rows), RESAMPLES)), 0
    for dataset, weight in zip(datasets, weights, strict=True):
        groups = sorted({group for row in rows for cell in _of(row, dataset) for group in cell.samples().names.groups})
        n_groups += len(groups)
        drawn_BG = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), RESAMPLES).astype(float)
        for means_B, row in zip(means_RB, rows, strict=True):
            means_B += weight * _resampled(_of(row, dataset), metric, groups, drawn_BG, rng)
    if not METRICS[metric].higher_is_better:
        means_RB = -means_RB
    rank_RB = 1 + (means_RB[None] > means_RB[:, None] + 1e-12).sum(axis=1)
    scores = [summarise(row, metric).value for row in rows]
    order = sorted(range(len(rows)), key=lambda i: -scores[i] if METRICS[metric].higher_is_better else scores[i])
    found = []
    for place, i in enumerate(order):
        behind = order[place + 1] if place + 1 < len(order) else None
        p_next = float(np.mean(means_RB[behind] >= means_RB[i] - 1e-12)) if behind is not None else float("nan")
        low, high = np.quantile(rank_RB[i], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="inverted_cdf")
        rank = 1 + sum(scores[k] > scores[i] if METRICS[metric].higher_is_better else scores[k] < scores[i] for k in order)
        found.append(Rank(rows[i], scores[i], rank, float(np.mean(rank_RB[i] == 1)), int(low), int(high), p_next, n_groups))
    return found


def _of(row: Row, dataset: str) -> list[CellResult]:
    return sorted((cell for cell in row.cells if cell.dataset == dataset), key=lambda cell: cell.seed)


def _resampled(
    cells: Sequence[CellResult], metric: str, groups: Sequence[str], drawn_BG: Values, rng: np.random.Generator
) -> Values:
    """(B,) means of one data set on the drawn groups, over as many drawn seeds as there are; 0 where no group has a value."""
    place = {group: i for i, group in enumerate(groups)}
    by_seed_SB = np.zeros((len(cells), len(drawn_BG)))
    for means_B, cell in zip(by_seed_SB, cells, strict=True):
        samples = cell.samples()
        values = samples.outcomes[metric]
        codes = np.array([place[group] for group in samples.names.groups])[np.isfinite(values)]
        total_G = np.bincount(codes, values[np.isfinite(values)], len(groups))
        count_B = drawn_BG @ np.bincount(codes, minlength=len(groups))
        means_B += np.divide(drawn_BG @ total_G, count_B, out=np.zeros(len(drawn_BG)), where=count_B > 0)
    if len(cells) == 1:
        return by_seed_SB[0]
    drawn_BS = rng.multinomial(len(cells), np.full(len(cells), 1 / len(cells)), len(drawn_BG))
    return np.einsum("bs,sb->b", drawn_BS / len(cells), by_seed_SB)
