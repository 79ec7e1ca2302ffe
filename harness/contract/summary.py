"""Summary of a cell, which a report reads instead of the records: a tally per metric, and a few numbers per sample."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import fsum, isfinite, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.errors import first_line
from prsbench.harness.contract.position import NO_MASK, ZONES
from prsbench.harness.contract.records import Record, SampleStatus

STORED_METRICS = (  # per sample: for intervals, pairs and subgroups
    "mdice_pranet", "miou_pranet", "dice@0.5", "prscore", "position_accuracy", "position_constant", "centroid_error_of_text",
    "judge_error", "mean_point_error",
)  # fmt: skip
STATUSES = tuple(SampleStatus)
_OK, _FAILED, _EXCLUDED = range(3)
FACTS = np.dtype([("no_mask", "?"), ("zone", "i1"), ("n_lesions", "<i4"), ("area_share", "<f8")])
OUTCOMES = np.dtype([("status", "u1"), *((metric, "<f8") for metric in STORED_METRICS)])


class Tally(NamedTuple):
    """Mean of one metric over a cell (NaN: nothing scored), and how its records divide, apart from those that failed."""

    mean: float
    n_scored: int
    n_empty: int
    n_undefined: int


@dataclass(frozen=True, eq=False)
class Names:
    """Sample ids and groups, in the order of the records; one object for all cells with the same samples."""

    ids: tuple[str, ...]
    groups: tuple[str, ...]

    @cached_property
    def index_of(self) -> Mapping[str, int]:
        """The place of each sample id in the order."""
        return {name: number for number, name in enumerate(self.ids)}

    @cached_property
    def grouped(self) -> tuple[list[str], NDArray[np.intp]]:
        """The sorted distinct groups, and for each sample the index of its group in them."""
        distinct = sorted(set(self.groups))
        rank = {group: number for number, group in enumerate(distinct)}
        return distinct, np.array([rank[group] for group in self.groups], dtype=np.intp)


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of a cell as columns of N values.

    facts: of the truth, as far as records hold them: no_mask, zone (index in ZONES; -1: none), n_lesions, and area_share of the
    image (NaN: unknown or no lesion). outcomes: status (index in STATUSES) and STORED_METRICS, NaN unless defined and "ok".
    """

    names: Names
    facts: NDArray[np.void]
    outcomes: NDArray[np.void]

    @property
    def is_failed(self) -> NDArray[np.bool_]:
        is_failed: NDArray[np.bool_] = self.outcomes["status"] == _FAILED
        return is_failed

    @property
    def is_empty(self) -> NDArray[np.bool_]:
        """(N,) bool: whether the truth is empty or the row excludes the sample."""
        is_empty: NDArray[np.bool_] = (self.outcomes["status"] == _EXCLUDED) | self.facts["no_mask"]
        return is_empty

    def tally(self, values: NDArray[np.float64]) -> Tally:
        """Tally of one metric's (N,) values. The sum is exact (fsum), so the order of the records cannot change a digit."""
        is_ok = self.outcomes["status"] == _OK
        is_scored = np.isfinite(values) & is_ok
        scored = values[is_scored].tolist()
        n_empty = int((self.is_empty & ~self.is_failed & ~is_scored).sum())
        n_undefined = len(values) - len(scored) - int(self.is_failed.sum()) - n_empty
        return Tally(fsum(scored) / len(scored) if scored else nan, len(scored), n_empty, n_undefined)

    def subset(self, is_selected: NDArray[np.bool_]) -> Summary:
        """The summary of the selected samples, for STORED_METRICS only."""
        some = Samples(self.names, self.facts[is_selected], self.outcomes[is_selected])  # a tally reads no names
        tallies = {metric: some.tally(some.outcomes[metric]) for metric in STORED_METRICS}
        return Summary(len(some.outcomes), int(some.is_failed.sum()), tallies)


@dataclass(frozen=True)
class Summary:
    """A cell in a few numbers.

    first_error is the error of a failed sample ("" if none failed); seconds is the mean per prediction (NaN if there is none).
    """

    n_records: int
    n_failed: int
    tallies: Mapping[str, Tally]
    first_error: str = ""
    seconds: float = nan


def summarise_cell(records: Sequence[Record], scores: Sequence[Mapping[str, float]]) -> tuple[Summary, Samples]:
    """Summarise a cell's records and their scores; scores[i] belongs to records[i]."""
    names = Names(tuple(record.sample_id for record in records), tuple(record.group for record in records))
    facts = np.array([facts_of(record) for record in records], dtype=FACTS)
    statuses, errors, seconds = ([getattr(record, name) for record in records] for name in ("status", "error", "seconds"))
    metrics = dict.fromkeys((*STORED_METRICS, *(scores[0] if scores else ())))
    columns = {name: [values.get(name, nan) for _, values in zip(records, scores, strict=True)] for name in metrics}
    return summarise_columns(names, facts, statuses, errors, seconds, columns)


def summarise_columns(
    names: Names,
    facts: NDArray[np.void],
    statuses: Sequence[SampleStatus],
    errors: Sequence[str],
    seconds: Sequence[float],
    columns: Mapping[str, Sequence[float]],
) -> tuple[Summary, Samples]:
    """`summarise_cell` of N samples as columns; the values of a sample that is not "ok" do not count."""
    is_ok = np.array([status == SampleStatus.OK for status in statuses], dtype=bool)
    values = {name: np.where(is_ok, np.array(column, dtype=np.float64), nan) for name, column in columns.items()}
    outcomes = np.zeros(len(statuses), dtype=OUTCOMES)
    outcomes["status"] = [STATUSES.index(status) for status in statuses]
    for metric in STORED_METRICS:
        outcomes[metric] = values[metric]
    samples = Samples(names, facts, outcomes)
    failures = [f"{i}: {first_line(e)}" for i, e, s in zip(names.ids, errors, statuses, strict=True) if s == SampleStatus.FAILED]
    tallies = {name: samples.tally(column) for name, column in values.items()}
    took = [value for value, ok in zip(seconds, is_ok, strict=True) if ok]
    mean_s = fsum(took) / len(took) if took else nan
    return Summary(len(statuses), int(samples.is_failed.sum()), tallies, min(failures, default=""), mean_s), samples


def to_bytes(summary: Summary, samples: Samples) -> bytes:
    """Summary and samples as one file: a line of JSON, the names as JSON, then the columns, little-endian."""
    names = json.dumps([samples.names.ids, samples.names.groups], ensure_ascii=False).encode()
    tallies = {name: [mean if isfinite(mean) else None, *counts] for name, (mean, *counts) in summary.tallies.items()}
    seconds = summary.seconds if isfinite(summary.seconds) else None
    head = {"n": summary.n_records, "n_failed": summary.n_failed, "first_error": summary.first_error, "seconds": seconds}
    head |= {"names": len(names), "stored": STORED_METRICS}
    columns = samples.facts.tobytes() + samples.outcomes.tobytes()
    return json.dumps({**head, "tallies": tallies}, ensure_ascii=False).encode() + b"\n" + names + columns


def is_current(data: bytes) -> bool:
    """Whether a file of `to_bytes` stores STORED_METRICS; those of other versions stored other metrics."""
    stored: object = json.loads(data[: data.index(b"\n")]).get("stored")
    return stored == list(STORED_METRICS)


def summary_from(data: bytes) -> Summary:
    """The summary in a file of `to_bytes`; the caller checks that the file is intact and current."""
    head = json.loads(data[: data.index(b"\n")])
    tallies = {name: Tally(nan if mean is None else mean, *counts) for name, (mean, *counts) in head["tallies"].items()}
    seconds = nan if head["seconds"] is None else head["seconds"]
    return Summary(head["n"], head["n_failed"], tallies, head["first_error"], seconds)


def samples_from(data: bytes) -> Samples:
    """The samples in a file of `to_bytes`."""
    end = data.index(b"\n") + 1
    head = json.loads(data[:end])
    names, facts = end + head["names"], end + head["names"] + head["n"] * FACTS.itemsize
    return Samples(_names(data[end:names]), _facts(data[names:facts]), np.frombuffer(data[facts:], OUTCOMES))


@lru_cache(maxsize=256)  # the cells of a data set share their samples: one object for all of them
def _names(data: bytes) -> Names:
    return Names(*map(tuple, json.loads(data)))


@lru_cache(maxsize=256)
def _facts(data: bytes) -> NDArray[np.void]:
    return np.frombuffer(data, FACTS)


def facts_of(record: Record) -> tuple[bool, int, int, float]:
    """A line of FACTS."""
    area_px = record.counts.tp + record.counts.fn if record.counts else 0
    zone = ZONES.index(record.position_of_centroid) if record.position_of_centroid in ZONES else -1
    n_lesions = len(record.measures.lesion_ious) if record.measures else 0
    return record.position == (NO_MASK,), zone, n_lesions, area_px / (record.height * record.width) if area_px else nan
