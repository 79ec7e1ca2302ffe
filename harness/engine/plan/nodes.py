"""The nodes of a plan (trainings and cells), their graph (`Plan`), and which cells one worker evaluates together (`units`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from prsbench.harness.engine.store.keys import FOLDER_DIGITS


@dataclass(frozen=True)
class TrainingNode:
    """One fit: a method, or a part that methods share. needs maps a role to the key of a training that comes first.

    origin is the rest of what the key is a hash of: code by module, weight files, data. own_process, gpu_gib and memory_gib as in
    `Entry`.
    """

    key: str
    name: str
    factory: str
    config_type: str
    config: Mapping[str, Any]
    seed: int
    split: str
    needs: Mapping[str, str]
    origin: Mapping[str, Any]
    own_process: bool = False
    gpu_gib: float = 0.0
    memory_gib: float = 0.0

    @property
    def folder(self) -> str:
        where = "" if self.split == "train" else f"-on-{self.split}"
        return f"{_folder_name(self.name)}{where}-s{self.seed}-{self.key[:FOLDER_DIGITS]}"


@dataclass(frozen=True)
class CellNode:
    """One method on one data set with one seed; training is the key it depends on, if any. origin as in TrainingNode.

    shares, own_process, gpu_gib and memory_gib as in `Entry`. origin holds "problem", a text, if the file of its method cannot
    be imported.
    """

    key: str
    method: str
    factory: str
    config_type: str
    config: Mapping[str, Any]
    seed: int
    dataset: str
    modality: str
    data_kind: str
    split: str
    n_manifest: int
    training: str | None
    origin: Mapping[str, Any]
    shares: str = ""  # old run folders have no such key, nor the next ones
    own_process: bool = False
    gpu_gib: float = 0.0
    memory_gib: float = 0.0

    @property
    def folder(self) -> str:
        return f"{_folder_name(self.method)}--{self.dataset}--s{self.seed}-{self.key[:FOLDER_DIGITS]}"


_MOST_BYTES = 120  # file systems allow 255; the rest of a folder's name tells its node from others


def _folder_name(name: str) -> str:
    """A method's name as part of a folder's, cut to fit: a user's method is named by its file, as in ./mine/net.py:Net."""
    return name.replace("/", "-").lstrip(".-").encode()[:_MOST_BYTES].decode(errors="ignore")


@dataclass(frozen=True)
class LeftOut:
    """A cell that the grid asks for and the plan lacks, because its data set cannot be used; error says why."""

    method: str
    dataset: str
    modality: str
    data_kind: str
    seed: int
    error: str


@dataclass(frozen=True)
class Plan:
    """The graph of a grid. text_models_key is of what judges the text of every cell: of a training, or of shipped text models.

    datasets names those that are used, for training too; empty in run folders of older versions, which used all. disclosed says,
    by data set, what a reader of its numbers must know.
    """

    protocol: str
    trainings: Mapping[str, TrainingNode]  # by key; a training comes after those it needs
    cells: tuple[CellNode, ...]
    text_models_key: str
    measuring_hash: str  # of the code that makes records of predictions
    scoring_hash: str  # of the code that makes scores of records
    datasets: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    disclosed: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON; asdict would copy the origin of every cell."""
        return {
            "protocol": self.protocol,
            "trainings": {key: dict(vars(node)) for key, node in self.trainings.items()},
            "cells": [dict(vars(cell)) for cell in self.cells],
            "text_models": self.text_models_key,
            "measuring": self.measuring_hash,
            "scoring": self.scoring_hash,
            "datasets": list(self.datasets),
            "left_out": [asdict(cell) for cell in self.left_out],
            "disclosed": dict(self.disclosed),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        trainings = {key: TrainingNode(**node) for key, node in data["trainings"].items()}
        cells = tuple(CellNode(**cell) for cell in data["cells"])
        left_out = tuple(LeftOut(**cell) for cell in data.get("left_out", ()))
        of_data = (tuple(data.get("datasets", ())), left_out, data.get("disclosed", {}))
        return cls(data["protocol"], trainings, cells, data["text_models"], data["measuring"], data["scoring"], *of_data)


def left_out_lines(plan: Plan) -> Iterator[str]:
    """A sentence for every reason that cells are left out, with their rows and data sets."""
    for error in dict.fromkeys(cell.error for cell in plan.left_out):
        cells = [cell for cell in plan.left_out if cell.error == error]
        rows, datasets = (", ".join(dict.fromkeys(names)) for names in zip(*((c.method, c.dataset) for c in cells), strict=True))
        yield f"LEFT OUT, as failed rows: {rows} on {datasets}, {error}"


def units(cells: Iterable[CellNode]) -> list[tuple[CellNode, ...]]:
    """Cells that go to one worker together: with one seed and on one data set, those that share what they compute of an image.

    Rows that are configured alike have cells with equal keys; each goes to another unit.
    """
    groups: dict[object, list[CellNode]] = {}
    copies = Counter[str]()
    for cell in cells:
        copies[cell.key] += 1
        together = (cell.shares, cell.dataset, cell.seed) if cell.shares else cell.key
        groups.setdefault((together, copies[cell.key]), []).append(cell)
    return [tuple(group) for group in groups.values()]


def trainings_for(plan: Plan, wanted: Iterable[str], is_sealed: Callable[[TrainingNode], bool]) -> list[TrainingNode]:
    """The unsealed trainings among the wanted keys and what those need, each after what it needs."""
    missing: set[str] = set()
    waiting = list(wanted)
    while waiting:
        node = plan.trainings[waiting.pop()]
        if node.key not in missing and not is_sealed(node):
            missing.add(node.key)
            waiting += node.needs.values()
    return [node for key, node in plan.trainings.items() if key in missing]
