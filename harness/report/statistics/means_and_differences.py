"""Means with counts of the samples left out, and paired differences, refused unless both sides hold the same samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, isfinite, nan

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.results import CellResult, ResultStatus
from prsbench.harness.contract.summary import Names, Tally
from prsbench.harness.contract.types import Weights
from prsbench.harness.report.statistics.intervals import (
    FEW_GROUPS,
    FEWEST_GROUPS,
    POWER,
    Estimate,
    Stratum,
    estimate,
    weighted_mean,
)
from prsbench.harness.report.statistics.significance import cohens_dz, rank_biserial
from prsbench.harness.report.statistics.validity import NOT_VALID, is_doubtful, why_not_valid
from prsbench.metrics.catalog import METRICS

_NO_PAIR = "no sample is scored on both sides"
Flags = NDArray[np.bool_]
Columns = Sequence[NDArray[np.float64]]  # (N,) each


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """How the samples of a manifest divide: n_manifest = n_scored + n_failed + n_empty + n_undefined.

    n_scored are in the mean. n_failed raised an error or have no record. n_empty have an empty truth or are excluded from the
    row. n_undefined have a truth for which the metric is not defined (the near/far word of a centred lesion).
    """

    n_manifest: int = 0
    n_scored: int = 0
    n_failed: int = 0
    n_empty: int = 0
    n_undefined: int = 0

    def __add__(self, other: SampleCounts) -> SampleCounts:
        return SampleCounts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def __str__(self) -> str:
        undefined = f", {self.n_undefined} undefined" if self.n_undefined else ""
        return f"n={self.n_scored}/{self.n_manifest} ({self.n_failed} failed, {self.n_empty} empty{undefined})"


def mean_with_counts(cell: CellResult, metric: str) -> tuple[float, SampleCounts]:
    """Mean of one metric over one cell (NaN if nothing was scored), and how the samples of its manifest divide.

    A cell that is not complete has no mean, whatever it recorded: its entire manifest counts as failed.
    """
    if cell.status != ResultStatus.COMPLETE or cell.summary is None:
        return nan, SampleCounts(n_manifest=cell.n_manifest, n_failed=cell.n_manifest)
    n_failed = cell.summary.n_failed + cell.n_manifest - cell.summary.n_records
    not_computed = Tally(nan, 0, 0, cell.n_manifest - n_failed)  # by the older version of prsbench that scored the cell
    mean, n_scored, n_empty, n_undefined = cell.summary.tallies.get(metric, not_computed)
    return mean, SampleCounts(cell.n_manifest, n_scored, n_failed, n_empty, n_undefined)


def mean_of_defined(values: Iterable[float]) -> float:
    """Mean of the finite values, NaN if there are none."""
    defined = [value for value in values if isfinite(value)]
    return fsum(defined) / len(defined) if defined else nan


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """The tables' mean over data sets and modalities with its 95 % interval over groups (patient, video or case).

    With several seeds the interval is over trainings, too. reason says why a number is NaN, or what a reader must know of it.
    """

    mean: float = nan
    low: float = nan
    high: float = nan
    n_groups: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """First minus second on the same samples, averaged over data sets within a modality, then over modalities.

    low and high bound the 95 % interval over groups within each data set and, with several seeds, over trainings: seed k of the
    first side is paired with seed k of the second. p is of the same distribution; NaN if a side was trained here with one seed.
    resolvable: the smallest true difference found with 80 % power. dz and rank_biserial are over the groups' mean differences.
    n_trainings: seeds of the sides, 0 if neither is trained here. reason says why a number is NaN, or what a reader must know
    of it. counts.n_scored are the pairs; all counts are 0 if the comparison was refused.
    """

    first: float = nan
    second: float = nan
    difference: float = nan
    low: float = nan
    high: float = nan
    p: float = nan
    resolvable: float = nan
    sd_over_seeds: float = nan
    dz: float = nan
    rank_biserial: float = nan
    counts: SampleCounts = SampleCounts()
    n_groups: int = 0
    n_seeds: int = 0
    n_trainings: int = 0
    reason: str = ""
    estimate: Estimate | None = None

    def seeds_for(self, half_width: float) -> int | None:
        """How many seeds would give an interval of at most this half-width on the same groups.

        None: no number does, more groups are needed; or there are not two seeds to tell.
        """
        return self.estimate.trainings_for(half_width) if self.estimate and self.n_seeds > 1 else None


def mean_intervals(cells: Sequence[CellResult], metrics: Sequence[str]) -> list[MeanInterval]:
    """A row's mean of each metric with its interval; NaN where a cell is not complete."""
    for cell in cells:
        if cell.status != ResultStatus.COMPLETE:
            return [MeanInterval(reason=f"{cell.status} on {cell.dataset}, seed {cell.seed}") for _ in metrics]
    gathered = [(cell, (samples := cell.samples()).names, [samples.outcomes[metric] for metric in metrics]) for cell in cells]
    return [_mean_interval(cells, metric, _strata(gathered, number)) for number, metric in enumerate(metrics)]


def _mean_interval(cells: Sequence[CellResult], metric: str, strata: Sequence[Stratum]) -> MeanInterval:
    if refused := _why_not_valid(cells, metric) if strata else "defined for no sample":
        return MeanInterval(reason=refused)
    value_range, is_binary = METRICS[metric].range, METRICS[metric].is_binary
    found, reason = _estimate(strata, (0, 1) if is_binary else None)
    low, high = map(float, found.interval(value_range, is_skewed=not is_binary)) if found else (nan, nan)
    n_failed = sum(mean_with_counts(cell, metric)[1].n_failed for cell in cells)
    reasons = "; ".join(filter(None, [reason, f"{n_failed} failed" if n_failed else ""]))
    return MeanInterval(weighted_mean(strata), low, high, sum(s.n_groups for s in strata), reasons)


def _why_not_valid(cells: Sequence[CellResult], metric: str) -> str:
    reason = next(filter(None, (why_not_valid(cell, metric) for cell in cells)), "")
    return f"{METRICS[metric].title} {NOT_VALID}: {reason}" if reason else ""


def n_trainings(cells: Sequence[CellResult]) -> int:
    """The number of seeds if a cell is of a method trained here, else 0."""
    is_trained = any(cell.labels is not None and cell.labels.weights is Weights.TRAINED_HERE for cell in cells)
    return len({cell.seed for cell in cells}) if is_trained else 0


def _estimate(strata: Sequence[Stratum], binary_range: tuple[float, float] | None) -> tuple[Estimate | None, str]:
    """The variances for an interval, None if there is none; and the reason, or a warning of few groups."""
    few = [f"{s.dataset} {s.n_groups}" for s in strata if s.n_groups < FEW_GROUPS]
    warning = f"too few groups ({', '.join(few)})" if few else ""
    if any(s.n_groups < FEWEST_GROUPS for s in strata):
        return None, f"{warning}: no interval below {FEWEST_GROUPS}"
    if any((s.count.sum(axis=1) == 0).any() for s in strata):
        return None, "a seed is missing or has no value in a data set: no interval"
    return estimate(strata, binary_range), warning


def paired_difference(first: Sequence[CellResult], second: Sequence[CellResult], metric: str) -> PairedDifference:
    """Compare two methods cell by cell over the same data sets and seeds.

    All numbers are NaN, with the reason, unless both sides hold the same complete cells with the same sample ids. A sample that
    is not defined on both sides is left out of both means and counted.
    """
    return paired_differences(first, second, [metric])[0]


def paired_differences(
    first: Sequence[CellResult], second: Sequence[CellResult], metrics: Sequence[str]
) -> list[PairedDifference]:
    """`paired_difference` of each metric, reading the samples once."""
    ours, theirs = _by_dataset_and_seed(first), _by_dataset_and_seed(second)
    if reason := _why_not_comparable(ours, theirs):
        return [PairedDifference(reason=reason) for _ in metrics]
    counts, gathered = [SampleCounts() for _ in metrics], []
    for key, mine in ours.items():
        a, b = mine.samples(), theirs[key].samples()
        order = _order_of(a.names, b.names)
        is_failed = a.is_failed | b.is_failed[order]
        columns = []
        for number, metric in enumerate(metrics):
            sides = a.outcomes[metric], b.outcomes[metric][order]
            is_scored = np.isfinite(sides[0]) & np.isfinite(sides[1])
            counts[number] += _pair_counts(mine, is_scored, is_failed, a.is_empty)
            columns += [np.where(is_scored, side, nan) for side in sides]
        gathered.append((mine, a.names, columns))
    trained = n_trainings([*first, *second])
    differences = []
    for number, metric in enumerate(metrics):
        if refused := _why_not_valid([*first, *second], metric):
            differences.append(PairedDifference(reason=refused))
            continue
        strata = _strata(gathered, 2 * number), _strata(gathered, 2 * number + 1)
        paired = _difference(metric, *strata, counts[number], trained)
        doubt = "the judge is worse than its mean point" if is_doubtful([*first, *second], metric) else ""
        differences.append(replace(paired, reason="; ".join(filter(None, [paired.reason, doubt]))))
    return differences


def _difference(
    metric: str, first: Sequence[Stratum], second: Sequence[Stratum], counts: SampleCounts, trained: int
) -> PairedDifference:
    if not first:
        return PairedDifference(counts=counts, reason=_NO_PAIR)
    strata = [replace(a, total=a.total - b.total) for a, b in zip(first, second, strict=True)]
    low, high = METRICS[metric].range
    found, reason = _estimate(strata, (-1, 1) if METRICS[metric].is_binary else None)
    by_group = np.concatenate([s.total.sum(axis=0) / s.count.sum(axis=0) for s in strata])
    paired = PairedDifference(
        weighted_mean(first),
        weighted_mean(second),
        weighted_mean(first) - weighted_mean(second),
        dz=cohens_dz(by_group),
        rank_biserial=rank_biserial(by_group),
        counts=counts,
        n_groups=by_group.size,
        n_seeds=len(strata[0].total),
        n_trainings=trained,
        reason=reason,
        estimate=found,
    )
    if found is None:
        return paired
    low, high = map(float, found.interval((low - high, high - low), is_skewed=False))
    p = nan if trained == 1 else found.p_of_zero()
    resolvable = float(found.half_width(power=POWER))
    return replace(paired, low=low, high=high, p=p, resolvable=resolvable, sd_over_seeds=found.sd_over_trainings)


def _by_dataset_and_seed(cells: Sequence[CellResult]) -> dict[tuple[str, int], CellResult]:
    return {(cell.dataset, cell.seed): cell for cell in sorted(cells, key=lambda cell: (cell.dataset, cell.seed))}


def _why_not_comparable(ours: Mapping[tuple[str, int], CellResult], theirs: Mapping[tuple[str, int], CellResult]) -> str:
    """The reason in one line; "" if both sides hold the same complete cells on the same samples."""
    if not ours or ours.keys() != theirs.keys():
        return "the two sides do not cover the same data sets and seeds"
    for (dataset, seed), mine in ours.items():
        other, where = theirs[dataset, seed], f"{dataset}, seed {seed}"
        for cell in (mine, other):
            if cell.status != ResultStatus.COMPLETE:
                return f"{cell.method}: {cell.status} on {where}"
        if mine.n_manifest != other.n_manifest or not _are_same(mine.samples().names, other.samples().names):
            return f"the manifests differ on {where}: run both sides on the same samples"
        if (mine.data_kind, mine.protocol) != (other.data_kind, other.protocol):
            return f"data kind or protocol differ on {where}"
    return ""


def _are_same(first: Names, second: Names) -> bool:
    return first is second or first.index_of.keys() == second.index_of.keys()


def _order_of(first: Names, second: Names) -> NDArray[np.intp] | slice:
    """Index that brings the second side's values into the order of the first."""
    return slice(None) if first is second else np.array([second.index_of[name] for name in first.ids], dtype=np.intp)


def _pair_counts(mine: CellResult, is_scored: Flags, is_failed: Flags, is_empty: Flags) -> SampleCounts:
    """A pair failed if either side failed; a pair scored on both sides counts once."""
    n_rest = int((~is_failed & ~is_scored).sum())
    n_empty = int((~is_failed & ~is_scored & is_empty).sum())
    n_missing = mine.n_manifest - len(is_scored)
    return SampleCounts(mine.n_manifest, int(is_scored.sum()), int(is_failed.sum()) + n_missing, n_empty, n_rest - n_empty)


def _strata(gathered: Sequence[tuple[CellResult, Names, Columns]], number: int) -> list[Stratum]:
    """One column's defined values by seed and group, a stratum per data set; data sets without any are left out."""
    by_dataset: dict[tuple[str, str], dict[int, tuple[Names, NDArray[np.float64]]]] = {}
    seeds = sorted({cell.seed for cell, _, _ in gathered})
    for cell, names, columns in gathered:
        by_dataset.setdefault((cell.dataset, cell.modality), {})[cell.seed] = names, columns[number]
    strata = [_stratum(*where, of_dataset, seeds) for where, of_dataset in sorted(by_dataset.items())]
    return [stratum for stratum in strata if stratum.n_groups]


def _stratum(
    dataset: str, modality: str, by_seed: Mapping[int, tuple[Names, NDArray[np.float64]]], seeds: Sequence[int]
) -> Stratum:
    groups = sorted(set().union(*(names.grouped[0] for names, _ in by_seed.values())))
    rank = {group: i for i, group in enumerate(groups)}
    total, count = np.zeros((2, len(seeds), len(groups)))
    for row, seed in enumerate(seeds):
        if seed not in by_seed:
            continue  # counts stay 0
        names, values = by_seed[seed]
        codes = np.array([rank[group] for group in names.grouped[0]])[names.grouped[1]]
        is_defined = np.isfinite(values)
        values, codes = values[is_defined], codes[is_defined]
        count[row] = np.bincount(codes, minlength=len(groups))
        ends = np.cumsum(count[row]).astype(int).tolist()
        in_order = values[np.argsort(codes, kind="stable")].tolist()
        total[row] = [fsum(in_order[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    is_seen = count.sum(axis=0) > 0
    return Stratum(modality, total[:, is_seen], count[:, is_seen], dataset)
