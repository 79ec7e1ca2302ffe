"""Means that say what they leave out, and paired differences that never pair a subset in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, isfinite, nan

import numpy as np
from prsbench.harness.contract.position import NO_MASK
from prsbench.harness.contract.records import CellResult, Record
from prsbench.harness.report.bootstrap import Stratum, bootstrap_means, interval, p_of_zero, weighted_mean
from prsbench.harness.report.significance import cohens_dz, rank_biserial, wilcoxon_p

_SINGLE_GROUP = "a data set has a single group: no interval"


@dataclass(frozen=True, slots=True)
class Counts:
    """Where the samples of a manifest went: n_manifest = n_scored + n_failed + n_empty + n_undefined.

    n_scored are in the mean. n_failed broke, or have no record. n_empty have an empty truth or no place in the row.
    n_undefined have a truth the metric says nothing about (the near/far word of a centred lesion).
    """

    n_manifest: int = 0
    n_scored: int = 0
    n_failed: int = 0
    n_empty: int = 0
    n_undefined: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def __str__(self) -> str:
        undefined = f", {self.n_undefined} undefined" if self.n_undefined else ""
        return f"n={self.n_scored}/{self.n_manifest} ({self.n_failed} failed, {self.n_empty} empty{undefined})"


def mean_with_counts(cell: CellResult, metric: str) -> tuple[float, Counts]:
    """Mean of one metric over one cell, NaN if nothing was scored, and where every sample of its manifest went.

    A cell that is not complete has no mean whatever it recorded: all of its manifest counts as failed. The sum is
    exact (fsum), so the order of the records cannot move a digit.
    """
    if cell.status != "complete":
        return nan, Counts(n_manifest=cell.n_manifest, n_failed=cell.n_manifest)
    values = [value for value in _values(cell, metric).values() if isfinite(value)]
    failed = sum(record.status == "failed" for record in cell.records)
    empty = sum(
        record.status != "failed" and is_empty(record) and not isfinite(scores.get(metric, nan))
        for record, scores in zip(cell.records, cell.scores, strict=True)
    )
    counts = Counts(
        n_manifest=cell.n_manifest,
        n_scored=len(values),
        n_failed=failed + cell.n_manifest - len(cell.records),
        n_empty=empty,
        n_undefined=len(cell.records) - len(values) - failed - empty,
    )
    return (fsum(values) / len(values) if values else nan), counts


def is_empty(record: Record) -> bool:
    """Whether the sample has nothing to find, or no place in this row."""
    return record.status == "excluded" or record.position == (NO_MASK,)


def _values(cell: CellResult, metric: str) -> dict[str, float]:
    """Value by sample id; a failed record is NaN whatever its scores say."""
    return {
        record.sample_id: scores.get(metric, nan) if record.status == "ok" else nan
        for record, scores in zip(cell.records, cell.scores, strict=True)
    }


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """First minus second on the same samples, averaged over data sets within a modality, then over modalities.

    low and high bound the 95 % percentile interval of a bootstrap over groups (patient, video or case), drawn within each
    data set; p_bootstrap is from the same draws. p_wilcoxon, dz and rank_biserial are over the groups' mean differences.
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
    counts: Counts = Counts()
    n_groups: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """The tables' mean over data sets and modalities with its 95 % interval over groups; NaN with a reason if there is none."""

    mean: float = nan
    low: float = nan
    high: float = nan
    n_groups: int = 0
    reason: str = ""


def mean_interval(cells: Sequence[CellResult], metric: str, seed: int = 0) -> MeanInterval:
    """How sure a row's mean is. Refused, as the mean is, if a cell is not complete or lost samples."""
    for cell in cells:
        if cell.status != "complete":
            return MeanInterval(reason=f"{cell.status} on {cell.dataset}, seed {cell.seed}")
    values: dict[str, dict[str, list[float]]] = {}
    modality = {cell.dataset: cell.modality for cell in cells}
    for cell in cells:
        found = _values(cell, metric)
        for record in cell.records:
            if isfinite(found[record.sample_id]):
                values.setdefault(cell.dataset, {}).setdefault(record.group, []).append(found[record.sample_id])
    strata = [_stratum(modality[dataset], groups) for dataset, groups in sorted(values.items())]
    if not strata:
        return MeanInterval(reason="defined for no sample")
    low, high = interval(bootstrap_means(strata, seed))
    n_groups = sum(s.total.size for s in strata)
    return MeanInterval(weighted_mean(strata), low, high, n_groups, "" if isfinite(low) else _SINGLE_GROUP)


def paired_difference(first: Sequence[CellResult], second: Sequence[CellResult], metric: str, seed: int = 0) -> PairedDifference:
    """Compare two methods cell by cell over the same data sets and seeds.

    Refuses, with NaN and the reason, unless both sides hold the same complete cells with the same sample ids. A sample not
    defined on both sides is left out of both means and counted.
    """
    ours, theirs = _by_place(first), _by_place(second)
    reason = _why_not_comparable(ours, theirs)
    if reason:
        return PairedDifference(reason=reason)
    counts = sum((_pair_counts(ours[place], theirs[place], metric) for place in ours), Counts())
    first, second = _strata(ours, theirs, metric)
    if not first:
        return PairedDifference(counts=counts, reason="no sample is scored on both sides")
    difference = [replace(a, total=a.total - b.total) for a, b in zip(first, second, strict=True)]
    means = bootstrap_means(difference, seed)
    low, high = interval(means)
    by_group = np.concatenate([s.total / s.count for s in difference])
    return PairedDifference(
        weighted_mean(first),
        weighted_mean(second),
        weighted_mean(first) - weighted_mean(second),
        low,
        high,
        p_of_zero(means),
        wilcoxon_p(by_group),
        cohens_dz(by_group),
        rank_biserial(by_group),
        counts,
        n_groups=by_group.size,
        reason="" if isfinite(low) else _SINGLE_GROUP,
    )


_Place = tuple[str, int]  # data set, seed


def _by_place(cells: Sequence[CellResult]) -> dict[_Place, CellResult]:
    return {(cell.dataset, cell.seed): cell for cell in sorted(cells, key=lambda cell: (cell.dataset, cell.seed))}


def _why_not_comparable(ours: Mapping[_Place, CellResult], theirs: Mapping[_Place, CellResult]) -> str:
    """One line, or "" if every cell of one side has its twin on the other."""
    if not ours or ours.keys() != theirs.keys():
        return "the two sides do not cover the same data sets and seeds"
    for (dataset, seed), mine in ours.items():
        other, where = theirs[dataset, seed], f"{dataset}, seed {seed}"
        for cell in (mine, other):
            if cell.status != "complete":
                return f"{cell.method}: {cell.status} on {where}"
        if {r.sample_id for r in mine.records} != {r.sample_id for r in other.records} or mine.n_manifest != other.n_manifest:
            return f"the manifests differ on {where}: run both sides on the same samples"
        if (mine.data_kind, mine.protocol) != (other.data_kind, other.protocol):
            return f"data kind or protocol differ on {where}"
    return ""


def _pair_counts(mine: CellResult, other: CellResult, metric: str) -> Counts:
    """A pair failed if either side failed; a pair scored on both sides counts once."""
    a, b = _values(mine, metric), _values(other, metric)
    scored = sum(isfinite(a[key]) and isfinite(b[key]) for key in a)
    failed = {record.sample_id for cell in (mine, other) for record in cell.records if record.status == "failed"}
    rest = [r for r in mine.records if r.sample_id not in failed and not (isfinite(a[r.sample_id]) and isfinite(b[r.sample_id]))]
    empty = sum(is_empty(record) for record in rest)
    missing = mine.n_manifest - len(mine.records)
    return Counts(mine.n_manifest, scored, len(failed) + missing, empty, len(rest) - empty)


def _strata(
    ours: Mapping[_Place, CellResult], theirs: Mapping[_Place, CellResult], metric: str
) -> tuple[list[Stratum], list[Stratum]]:
    """Pairs of all seeds of a data set, by group, first side and second; data sets without a scored pair are left out."""
    by_dataset: dict[str, dict[str, list[tuple[float, float]]]] = {}
    modality = {}
    for place, mine in ours.items():
        a, b = _values(mine, metric), _values(theirs[place], metric)
        modality[mine.dataset] = mine.modality
        for record in mine.records:
            pair = (a[record.sample_id], b[record.sample_id])
            if isfinite(pair[0]) and isfinite(pair[1]):
                by_dataset.setdefault(mine.dataset, {}).setdefault(record.group, []).append(pair)
    sides = []
    for side in (0, 1):
        kept = {name: {g: [pair[side] for pair in pairs] for g, pairs in groups.items()} for name, groups in by_dataset.items()}
        sides.append([_stratum(modality[name], groups) for name, groups in sorted(kept.items())])
    return sides[0], sides[1]


def _stratum(modality: str, groups: Mapping[str, Sequence[float]]) -> Stratum:
    ordered = [groups[group] for group in sorted(groups)]
    return Stratum(modality, np.array([fsum(values) for values in ordered]), np.array([float(len(values)) for values in ordered]))
