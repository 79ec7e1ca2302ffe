"""Subgroups of the samples, for tables by lesion size, by position zone, by one lesion or several, and by family of question."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.families import FAMILIES, OFFICIAL
from prsbench.harness.contract.position import ZONES
from prsbench.harness.contract.results import CellResult, ResultStatus
from prsbench.harness.contract.summary import Names, Samples, summarise_cell
from prsbench.harness.report.statistics.rows import Row

SIZES = ("small", "medium", "large")
LESIONS = ("one lesion", "several")
FAMILY_METRIC = "answer_accuracy"  # which a cell has only if its questions are of several families

SampleKey = tuple[str, str]  # data set, sample id
Membership = Mapping[SampleKey, str]  # the subgroup of each sample that has one


def by_size(rows: Sequence[Row]) -> Membership:
    """Terciles of the true mask's share of the image, within each data set; a sample on a bound is in the smaller one."""
    shares: dict[str, dict[str, float]] = {}
    for dataset, name, fact in _facts(rows, lambda facts: np.isfinite(facts["area_share"])):
        shares.setdefault(dataset, {})[name] = float(fact["area_share"])
    members: dict[SampleKey, str] = {}
    for dataset, share in shares.items():
        bounds = np.quantile(list(share.values()), [1 / 3, 2 / 3])
        members |= {(dataset, name): SIZES[int(np.searchsorted(bounds, value))] for name, value in share.items()}
    return members


def by_zone(rows: Sequence[Row]) -> Membership:
    """The zone of the true centroid."""
    known = _facts(rows, lambda facts: facts["zone"] >= 0)
    return {(dataset, name): ZONES[fact["zone"]] for dataset, name, fact in known}


def by_lesion_count(rows: Sequence[Row]) -> Membership:
    """Whether the true mask has one component or several."""
    known = _facts(rows, lambda facts: facts["n_lesions"] > 0)
    return {(dataset, name): LESIONS[int(fact["n_lesions"]) > 1] for dataset, name, fact in known}


KINDS: Mapping[str, tuple[str, Sequence[str], Callable[[Sequence[Row]], Membership]]] = {
    "by_lesion_size": ("Lesion size", SIZES, by_size),
    "by_zone": ("Position zone", ZONES, by_zone),
    "by_lesion_count": ("One lesion or several", LESIONS, by_lesion_count),
}


class Subsets:
    """Restricts rows to the samples of one subgroup; cells without numbers stay as they are."""

    def __init__(self, members: Membership):
        self._members = members
        self._names: dict[tuple[str, int], tuple[Names, NDArray[np.object_]]] = {}

    def of(self, row: Row, groups: Sequence[str]) -> dict[str, Row]:
        """The row restricted to each subgroup."""
        cells = [self._subsets(cell, groups) for cell in row.cells]
        return {group: replace(row, cells=tuple(column)) for group, column in zip(groups, zip(*cells, strict=True), strict=True)}

    def _subsets(self, cell: CellResult, groups: Sequence[str]) -> list[CellResult]:
        if cell.status != ResultStatus.COMPLETE:
            return [cell] * len(groups)
        samples = cell.samples()
        group_of_each = self._groups_of(cell.dataset, samples.names)
        summaries = [samples.subset(group_of_each == group) for group in groups]
        return [
            cell.without_numbers(summary=summary, dataset_summary=cell.summary, n_manifest=summary.n_records)
            for summary in summaries
        ]

    def _groups_of(self, dataset: str, names: Names) -> NDArray[np.object_]:
        """(N,) the subgroup of each sample, or None; computed once for all cells with the same samples."""
        key = dataset, id(names)
        if key not in self._names:
            groups = np.array([self._members.get((dataset, name)) for name in names.ids], dtype=np.object_)
            self._names[key] = names, groups  # storing the names keeps their id unique
        return self._names[key][1]


def families_in(rows: Sequence[Row]) -> list[str]:
    """The families of questions of these rows' records, in the order of `FAMILIES`; none if all are of the official one."""
    cells = {cell.dataset: cell for row in rows for cell in row.cells if cell.summary and FAMILY_METRIC in cell.summary.tallies}
    found = {record.family for cell in cells.values() for record in cell.records}
    return [family for family in FAMILIES if family in found] if found - {OFFICIAL} else []


def by_family(row: Row, families: Sequence[str]) -> dict[str, Row]:
    """The row restricted to each family of questions, with all metrics: its records are read."""
    cells = [_of_families(cell, families) for cell in row.cells]
    return {family: replace(row, cells=tuple(column)) for family, column in zip(families, zip(*cells, strict=True), strict=True)}


def _of_families(cell: CellResult, families: Sequence[str]) -> list[CellResult]:
    if cell.status != ResultStatus.COMPLETE:
        return [cell] * len(families)
    try:
        details = list(zip(*cell.read(), strict=True))
    except RunFolderError as error:
        return [cell.without_numbers(status=ResultStatus.FAILED, error=str(error))] * len(families)
    found = []
    for family in families:
        some = [(record, scores) for record, scores in details if record.family == family]
        summary, _ = summarise_cell([record for record, _ in some], [scores for _, scores in some])
        found.append(cell.without_numbers(summary=summary, dataset_summary=cell.summary, n_manifest=len(some)))
    return found


def restricted(cells: Sequence[CellResult], members: Membership, group: str) -> list[CellResult]:
    """Complete cells with the samples of one subgroup alone, for paired differences; other cells stay as they are."""

    def samples_of(cell: CellResult) -> Samples:
        samples = cell.samples()
        is_member = np.array([members.get((cell.dataset, name)) == group for name in samples.names.ids], dtype=bool)
        ids, groups = (tuple(np.array(names, dtype=object)[is_member]) for names in (samples.names.ids, samples.names.groups))
        return Samples(Names(ids, groups), samples.facts[is_member], samples.outcomes[is_member])

    found = []
    for cell in cells:
        if cell.status == ResultStatus.COMPLETE:
            n_members = len(samples_of(cell).names.ids)
            cell = replace(cell, samples=partial(samples_of, cell), n_manifest=n_members)
        found.append(cell)
    return found


def _facts(rows: Sequence[Row], is_known: Callable[[NDArray[np.void]], NDArray[np.bool_]]) -> Iterator[tuple[str, str, np.void]]:
    """(data set, sample id, facts) of every sample whose facts are known.

    The record of one method may have the facts of a sample and that of another may not, so all cells are read; those with the
    same samples and facts count once.
    """
    seen: dict[tuple[str, int, int], object] = {}
    for cell in (cell for row in rows for cell in row.cells if cell.status == ResultStatus.COMPLETE):
        samples = cell.samples()
        key = cell.dataset, id(samples.names), id(samples.facts)
        if key not in seen:
            seen[key] = samples  # storing them keeps their ids unique
            known = np.flatnonzero(is_known(samples.facts))
            yield from ((cell.dataset, samples.names.ids[i], samples.facts[i]) for i in known)
