"""What the report gets of a finished cell or training: its result, its cost, and errors on held-out data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from math import isnan, nan
from typing import Any, NoReturn

from prsbench.harness.contract.records import Record
from prsbench.harness.contract.summary import Samples, Summary
from prsbench.harness.contract.types import DataKind, Labels

CHANGE_MARK = "+"  # between a data set and the change of its test pictures, and between that and a sample's id
HELD_OUT = "held_out.csv"  # a training may write this file next to its weights; see HeldOut
Details = tuple[Sequence[Record], Sequence[Mapping[str, float]]]  # the records of a cell and, in parallel, their scores


def _not_there() -> NoReturn:
    raise LookupError("only complete cells have samples to read")


def _nothing() -> Details:
    return (), ()


class ResultStatus(StrEnum):
    """How far a cell of the results table got."""

    COMPLETE = "complete"
    FAILED = "failed"
    SKIPPED = "skipped"  # a prerequisite is missing
    MISSING = "missing"  # not run yet


@dataclass(frozen=True, slots=True)
class Cost:
    """A method's cost on one standard image (`methods.cost`); its seconds are in the records.

    parameters: of all its networks, shared ones counted once; trainable_parameters: those that training changes.
    flops_per_image: 2 per multiply-add of matrix products, convolutions and attention; 0 without a network.
    peak_memory_bytes: of the device on CUDA, otherwise of the worker process; NaN if unknown.
    """

    parameters: int
    trainable_parameters: int
    flops_per_image: int
    peak_memory_bytes: float
    device: str

    def __str__(self) -> str:
        return (
            f"{self.parameters / 1e6:.2f} M parameters ({self.trainable_parameters / 1e6:.2f} M trainable), "
            f"{self.flops_per_image / 1e9:.2f} GFLOPs an image, peak memory {self.peak_memory_bytes / 2**20:.0f} MiB"
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "peak_memory_bytes": None if isnan(self.peak_memory_bytes) else self.peak_memory_bytes}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cost:
        peak = data["peak_memory_bytes"]
        return cls(**{**data, "peak_memory_bytes": nan if peak is None else peak})


@dataclass(frozen=True)
class CellResult:
    """One method on one data set with one seed, as the report sees it.

    n_manifest counts the samples the data set lists for this split: n_manifest = scored + failed or missing + excluded, in every
    table. judge names the models that judged the text, with their version; judge_notes say what a reader must know of them, above
    all that their weights are RANDOM; data_note is what he must know of the data set. dataset_summary is of the entire data set,
    if the cell is a subgroup of it.

    A complete cell holds only its `summary` in memory; `samples` and `read` load the rest from disk on each call, so that a
    report of thousands of cells holds few of them at once. An incomplete cell has nothing to read.
    """

    method: str
    dataset: str
    modality: str
    seed: int
    data_kind: DataKind
    protocol: str
    status: ResultStatus
    error: str
    n_manifest: int
    labels: Labels | None = None  # None if the cell never got as far as loading its method
    judge: str = ""  # "" where the run does not say
    judge_notes: tuple[str, ...] = ()
    data_note: str = ""
    digest: str = ""  # a hash of the records and scores of a complete cell, but for times and the texts of errors
    cost: Cost | None = None  # None where none was measured, as for rows made from the truth
    summary: Summary | None = None
    dataset_summary: Summary | None = None
    samples: Callable[[], Samples] = field(default=_not_there, repr=False, compare=False)
    read: Callable[[], Details] = field(default=_nothing, repr=False, compare=False)

    def without_numbers(self, **changes: Any) -> CellResult:
        """A copy with these changes and nothing to read."""
        return replace(self, **{"summary": None, "samples": _not_there, "read": _nothing, **changes})

    @property
    def records(self) -> Sequence[Record]:
        """The records, read from disk now."""
        return self.read()[0]

    @property
    def scores(self) -> Sequence[Mapping[str, float]]:
        """Read from disk now; scores[i] holds the metric values of records[i]. NaN: undefined, counted but left out of means."""
        return self.read()[1]


def change_of(dataset: str) -> str:
    """The change of the data set's test pictures, as in "lung_CT+blur2"; "" where they are as they are."""
    return dataset.partition(CHANGE_MARK)[2]


def unchanged_id(sample_id: str, dataset: str) -> str:
    """The id that a sample of the data set has before the change, if there is one."""
    change = change_of(dataset)
    return sample_id.removeprefix(f"{change}{CHANGE_MARK}") if change else sample_id


def unchanged(cells: Iterable[CellResult]) -> list[CellResult]:
    """The cells on test pictures as they are. Those on changed ones are in the table of robustness only."""
    return [cell for cell in cells if not change_of(cell.dataset)]


def notes_by_text(notes: Mapping[str, str]) -> list[str]:
    """Notes on data sets, by name, as lines: one for each text, with the names it is true of."""
    names: dict[str, list[str]] = {}
    for name, text in notes.items():
        names.setdefault(text, []).append(name)
    return [f"{', '.join(some)}: {text}" for text, some in names.items()]


def digest_of(cells: Iterable[CellResult]) -> str:
    """One sha256 of all that decides the tables of these cells, so that a published table can be held against its run folder.

    The order of the cells, costs, times, paths and the texts of errors do not count: they differ between machines.
    """
    facts = (
        [c.method, c.dataset, c.modality, c.seed, c.data_kind, c.data_note, c.protocol, c.status, c.n_manifest]
        + [c.labels and c.labels.to_json(), c.judge, list(c.judge_notes), c.digest]
        for c in cells
    )
    return sha256("\n".join(sorted(json.dumps(fact, sort_keys=True) for fact in facts)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a training measured on samples held out from it, as formatted text: two columns of labels, then numbers."""

    training: str
    seed: int
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
