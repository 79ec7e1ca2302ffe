"""Rank stability: whole rankings of rows on resampled groups (patients, videos or cases) and, with several, trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.summary import Samples
from prsbench.harness.report.statistics.rows import Row, summarise
from prsbench.metrics.catalog import METRICS

RESAMPLES, SEED, LEVEL = 2000, 0, 0.95
_TIE = 1e-12  # means that differ by less are equal
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
    """Each ranking of two rows or more, best first. Rows with failed samples, no number or other samples are left out.

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
    sign = 1 if METRICS[metric].higher_is_better else -1
    resampled_RB, n_groups = _resampled_means(rows, metric)
    resampled_RB *= sign
    rank_RB = 1 + (resampled_RB[None] > resampled_RB[:, None] + _TIE).sum(axis=1)
    means = [summarise(row, metric).value for row in rows]
    order = sorted(range(len(rows)), key=lambda i: -sign * means[i])
    found = []
    for i, behind in zip(order, [*order[1:], None], strict=True):
        p_next = nan if behind is None else float(np.mean(resampled_RB[behind] >= resampled_RB[i] - _TIE))
        low, high = np.quantile(rank_RB[i], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="inverted_cdf")
        rank = 1 + sum(sign * other > sign * means[i] for other in means)
        found.append(Rank(rows[i], means[i], rank, float(np.mean(rank_RB[i] == 1)), int(low), int(high), p_next, n_groups))
    return found


def _resampled_means(rows: Sequence[Row], metric: str) -> tuple[Values, int]:
    """(R, B) means over modalities of each row in each resample, and the number of groups."""
    rng = np.random.default_rng(SEED)
    modality_of = {cell.dataset: cell.modality for cell in sorted(rows[0].cells, key=lambda cell: cell.dataset)}
    modalities = list(modality_of.values())
    seeds = [sorted({cell.seed for cell in row.cells}) for row in rows]
    drawn_seeds = [
        _drawn(len(some), np.random.default_rng([SEED, crc32(row.method.encode())]))
        for some, row in zip(seeds, rows, strict=True)
    ]
    means_RB, n_groups = np.zeros((len(rows), RESAMPLES)), 0
    for dataset, modality in modality_of.items():
        cells = [{cell.seed: cell.samples() for cell in row.cells if cell.dataset == dataset} for row in rows]
        place = {group: i for i, group in enumerate(sorted({g for some in cells for s in some.values() for g in s.names.groups}))}
        drawn_BG = _drawn(len(place), rng)
        n_groups += len(place)
        for means_B, of_row, drawn_BS in zip(means_RB, cells, drawn_seeds, strict=True):
            by_seed_BS = np.stack([_means_of(of_row[seed], metric, place, drawn_BG) for seed in sorted(of_row)], axis=1)
            means_B += (
                (by_seed_BS * drawn_BS).sum(axis=1) / drawn_BS.sum(axis=1) / modalities.count(modality) / len(set(modalities))
            )
    return means_RB, n_groups


def _drawn(n: int, rng: np.random.Generator) -> Values:
    """(B, n) how often each of n things is drawn, of n draws with replacement."""
    return rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(float)


def _means_of(samples: Samples, metric: str, place: Mapping[str, int], drawn_BG: Values) -> Values:
    """(B,) means of one cell on the drawn groups; 0 where no drawn group has a value."""
    values = samples.outcomes[metric]
    is_defined = np.isfinite(values)
    codes = np.array([place[group] for group in samples.names.groups])[is_defined]
    total_G = np.bincount(codes, values[is_defined], len(place))
    count_B = drawn_BG @ np.bincount(codes, minlength=len(place))
    return np.divide(drawn_BG @ total_G, count_B, out=np.zeros(len(drawn_BG)), where=count_B > 0)
