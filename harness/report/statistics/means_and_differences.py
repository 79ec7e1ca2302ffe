"""Means with counts of the samples left out, and paired differences, refused unless both sides hold the same samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, isfinite, nan

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.results import CellResult, ResultStatus
from prsbench.harness.contract.summary import Names
from prsbench.harness.report.statistics.bootstrap import ResampledMeans, Stratum, bootstraps, interval, p_of_zero, weighted_mean
from prsbench.harness.report.statistics.significance import cohens_dz, rank_biserial, wilcoxon_p

_SEED = 0  # of every bootstrap
_SINGLE_GROUP = "a data set has a single group: no interval"
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
    mean, n_scored, n_empty, n_undefined = cell.summary.tallies[metric]
    n_failed = cell.summary.n_failed + cell.n_manifest - cell.summary.n_records
    return mean, SampleCounts(cell.n_manifest, n_scored, n_failed, n_empty, n_undefined)


def mean_of_defined(values: Iterable[float]) -> float:
    """Mean of the finite values, NaN if there are none."""
    defined = [value for value in values if isfinite(value)]
    return fsum(defined) / len(defined) if defined else nan


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """First minus second on the same samples, averaged over data sets within a modality, then over modalities.

    low and high bound the 95 % percentile interval of a bootstrap over groups (patient, video or case) within each data
    set; p_bootstrap is from the same resamples. p_wilcoxon, dz and rank_biserial are over the groups' mean differences.
    `reason` says why a number is NaN. counts.n_scored are the pairs; all counts are 0 if the comparison was refused.
    """

    first: float = nan
    second: float = nan
    difference: float = nan
    low: float = nan
    high: float = nan
    p_bootstrap: float = nan
    p_wilcoxon: float = nan
    dz: float = nan
    rank_biserial: float = nan
    counts: SampleCounts = SampleCounts()
    n_groups: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """The tables' mean over data sets and modalities with its 95 % interval over groups.

    reason says why a number is NaN, or how many samples failed and are left out.
    """

    mean: float = nan
    low: float = nan
    high: float = nan
    n_groups: int = 0
    reason: str = ""


def mean_intervals(rows: Sequence[Sequence[CellResult]], metrics: Sequence[str]) -> list[list[MeanInterval]]:
    """Each row's mean of each metric with its interval, all from the same resamples; NaN where a cell is not complete."""
    strata = [_strata_of(cells, metrics) for cells in rows]
    means = iter(bootstraps([of_metric for of_row in strata for of_metric in of_row], _SEED))
    return [
        [_mean_interval(cells, metric, of_metric, next(means)) for metric, of_metric in zip(metrics, of_row, strict=True)]
        for cells, of_row in zip(rows, strata, strict=True)
    ]


def _mean_interval(cells: Sequence[CellResult], metric: str, strata: Sequence[Stratum], means: ResampledMeans) -> MeanInterval:
    for cell in cells:
        if cell.status != ResultStatus.COMPLETE:
            return MeanInterval(reason=f"{cell.status} on {cell.dataset}, seed {cell.seed}")
    if not strata:
        return MeanInterval(reason="defined for no sample")
    low, high = interval(means)
    n_groups = sum(s.total.size for s in strata)
    n_failed = sum(mean_with_counts(cell, metric)[1].n_failed for cell in cells)
    reasons = ["" if isfinite(low) else _SINGLE_GROUP, f"{n_failed} failed" if n_failed else ""]
    return MeanInterval(weighted_mean(strata), low, high, n_groups, "; ".join(filter(None, reasons)))


def _strata_of(cells: Sequence[CellResult], metrics: Sequence[str]) -> list[list[Stratum]]:
    """The strata of each metric; none if a cell is not complete."""
    if any(cell.status != ResultStatus.COMPLETE for cell in cells):
        return [[] for _ in metrics]
    gathered = [(cell, (samples := cell.samples()).names, [samples.outcomes[metric] for metric in metrics]) for cell in cells]
    return [_strata(gathered, number) for number in range(len(metrics))]


Pair = tuple[Sequence[CellResult], Sequence[CellResult]]  # two methods' cells over the same data sets and seeds


def paired_difference(first: Sequence[CellResult], second: Sequence[CellResult], metric: str) -> PairedDifference:
    """Compare two methods cell by cell over the same data sets and seeds.

    All numbers are NaN, with the reason, unless both sides hold the same complete cells with the same sample ids. A sample that
    is not defined on both sides is left out of both means and counted.
    """
    return paired_differences([(first, second)], [metric])[0][0]


def paired_differences(pairs: Sequence[Pair], metrics: Sequence[str]) -> list[list[PairedDifference]]:
    """`paired_difference` of each metric of each pair, all from the same resamples."""
    compared = [comparison for first, second in pairs for comparison in _compare(first, second, metrics)]
    finished = map(_finished, compared, bootstraps([comparison.difference for comparison in compared], _SEED))
    return [[next(finished) for _ in metrics] for _ in pairs]


@dataclass(frozen=True, slots=True)
class _Compared:
    """A paired difference before its bootstrap."""

    reason: str = ""
    counts: SampleCounts = SampleCounts()
    first: Sequence[Stratum] = ()
    second: Sequence[Stratum] = ()

    @property
    def difference(self) -> list[Stratum]:
        return [replace(a, total=a.total - b.total) for a, b in zip(self.first, self.second, strict=True)]


def _compare(first: Sequence[CellResult], second: Sequence[CellResult], metrics: Sequence[str]) -> list[_Compared]:
    ours, theirs = _by_dataset_and_seed(first), _by_dataset_and_seed(second)
    if reason := _why_not_comparable(ours, theirs):
        return [_Compared(reason) for _ in metrics]
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
    strata = [(_strata(gathered, 2 * number), _strata(gathered, 2 * number + 1)) for number in range(len(metrics))]
    return [_Compared("" if a else _NO_PAIR, n, a, b) for n, (a, b) in zip(counts, strata, strict=True)]


def _finished(compared: _Compared, means: ResampledMeans) -> PairedDifference:
    if compared.reason:
        return PairedDifference(counts=compared.counts, reason=compared.reason)
    low, high = interval(means)
    by_group = np.concatenate([s.total / s.count for s in compared.difference])
    return PairedDifference(
        weighted_mean(compared.first),
        weighted_mean(compared.second),
        weighted_mean(compared.first) - weighted_mean(compared.second),
        low,
        high,
        p_of_zero(means),
        wilcoxon_p(by_group),
        cohens_dz(by_group),
        rank_biserial(by_group),
        compared.counts,
        n_groups=by_group.size,
        reason="" if isfinite(low) else _SINGLE_GROUP,
    )


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
    """One column's defined values by group, a stratum per data set; data sets without any are left out."""
    by_dataset: dict[tuple[str, str], list[tuple[Names, Columns]]] = {}
    for cell, names, columns in gathered:
        by_dataset.setdefault((cell.dataset, cell.modality), []).append((names, columns))
    strata = [_stratum(modality, columns, number) for (_, modality), columns in sorted(by_dataset.items())]
    return [stratum for stratum in strata if stratum.total.size]


def _stratum(modality: str, cells: Sequence[tuple[Names, Columns]], number: int) -> Stratum:
    known = {id(names): names for names, _ in cells}  # usually one: all seeds of a data set share it
    groups = sorted(set().union(*(names.grouped[0] for names in known.values())))
    rank = {group: i for i, group in enumerate(groups)}
    codes_of = {key: np.array([rank[g] for g in names.grouped[0]])[names.grouped[1]] for key, names in known.items()}
    values = np.concatenate([columns[number] for _, columns in cells])
    codes = np.concatenate([codes_of[id(names)] for names, _ in cells])
    is_defined = np.isfinite(values)
    values, codes = values[is_defined], codes[is_defined]
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=len(groups))
    ends = np.cumsum(counts)
    in_order = values[order].tolist()
    totals = [fsum(in_order[end - n : end]) for end, n in zip(ends.tolist(), counts.tolist(), strict=True) if n]
    return Stratum(modality, np.array(totals), counts[counts > 0].astype(np.float64))
