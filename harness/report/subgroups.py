"""The same numbers for parts of the samples: small and large lesions, each zone, one lesion or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from prsbench.harness.contract.position import ZONES
from prsbench.harness.contract.records import CellResult
from prsbench.harness.report.rows import Row

SIZES = ("small", "medium", "large")
LESIONS = ("one lesion", "several")

Place = tuple[str, str]  # data set, sample
Membership = Mapping[Place, str]  # the subgroup of each sample that has one


def by_size(rows: Sequence[Row]) -> Membership:
    """Terciles of the true mask's share of the image, within each data set; samples on a bound go to the smaller one."""
    shares: dict[str, dict[str, float]] = {}
    for cell, record in _records(rows):
        if record.counts and (area_px := record.counts.tp + record.counts.fn):
            shares.setdefault(cell.dataset, {})[record.sample_id] = area_px / (record.height * record.width)
    members = {}
    for dataset, share in shares.items():
        bounds = np.quantile(list(share.values()), [1 / 3, 2 / 3])
        members |= {(dataset, name): SIZES[int(np.searchsorted(bounds, value))] for name, value in share.items()}
    return members


def by_zone(rows: Sequence[Row]) -> Membership:
    """The zone of the true centroid."""
    return {
        (cell.dataset, record.sample_id): record.position_of_centroid
        for cell, record in _records(rows)
        if record.position_of_centroid in ZONES
    }


def by_lesion_count(rows: Sequence[Row]) -> Membership:
    """Whether the true mask has one component or several."""
    return {
        (cell.dataset, record.sample_id): LESIONS[len(record.measures.lesion_ious) > 1]
        for cell, record in _records(rows)
        if record.measures and record.measures.lesion_ious
    }


KINDS: Mapping[str, tuple[str, Sequence[str], Callable[[Sequence[Row]], Membership]]] = {
    "by_lesion_size": ("Lesion size", SIZES, by_size),
    "by_zone": ("Position zone", ZONES, by_zone),
    "by_lesion_count": ("One lesion or several", LESIONS, by_lesion_count),
}


def part(row: Row, members: Membership, name: str) -> Row:
    """The row as if its data sets held only the samples of one subgroup; cells without numbers stay as they are."""
    return replace(row, cells=tuple(_part(cell, members, name) for cell in row.cells))


def _part(cell: CellResult, members: Membership, name: str) -> CellResult:
    if cell.status != "complete":
        return cell
    kept = [i for i, record in enumerate(cell.records) if members.get((cell.dataset, record.sample_id)) == name]
    records, scores = (tuple(values[i] for i in kept) for values in (cell.records, cell.scores))
    return replace(cell, records=records, scores=scores, n_manifest=len(kept))


def _records(rows: Sequence[Row]):
    """Every record with its cell; what is true of a sample may be kept by one method's record and not by another's."""
    return ((cell, record) for row in rows for cell in row.cells for record in cell.records)
