"""From a grid to its nodes: which trainings, which cells, what depends on what, and the key of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from prsbench.datasets.prs_med import FolderDataset
from prsbench.harness.contract.catalog import Catalog, Entry, resolve
from prsbench.harness.contract.config import PartConfig
from prsbench.harness.contract.errors import ConfigError, DataError
from prsbench.harness.contract.types import Need
from prsbench.harness.engine.config import GridConfig, validated
from prsbench.harness.engine.data import manifest_hash
from prsbench.harness.engine.keys import FOLDER_DIGITS, code_hash, key_of

PROTOCOL = "prsbench-1"  # published 256 thresholds and 0.5; empty truths excluded and counted
_SHARED_CODE = (
    "prsbench.harness.contract",
    "prsbench.harness.engine.seeding",
    "prsbench.datasets.official_table",
    "prsbench.datasets.pictures",
    "prsbench.datasets.prs_med",
)
_TRAINING_CODE = (*_SHARED_CODE, "prsbench.harness.engine.training")
_CELL_CODE = (*_SHARED_CODE, "prsbench.harness.engine.evaluation", "prsbench.metrics.counts")
_SCORING_CODE = ("prsbench.harness.contract", "prsbench.metrics")


@dataclass(frozen=True)
class Registry:
    """What can be run, handed in by the command line: the engine itself knows no method.

    text_models is "module:function" of (folder, device) -> TextModels; text_part is the part whose training it loads.
    """

    methods: Catalog
    parts: Catalog
    text_models: str
    text_part: str


@dataclass(frozen=True)
class TrainingNode:
    """One fit: a method, or a part that methods share. needs maps a role to the key of an earlier training."""

    key: str
    name: str
    factory: str
    config_type: str
    config: Mapping[str, Any]
    seed: int
    split: str
    needs: Mapping[str, str]

    @property
    def folder(self) -> str:
        where = "" if self.split == "train" else f"-on-{self.split}"
        return f"{self.name.replace('/', '-')}{where}-s{self.seed}-{self.key[:FOLDER_DIGITS]}"


@dataclass(frozen=True)
class CellNode:
    """One method on one data set with one seed; training is the key it depends on, if any."""

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

    @property
    def folder(self) -> str:
        method = self.method.replace("/", "-")  # a user's method is named by its file
        return f"{method}--{self.dataset}--s{self.seed}-{self.key[:FOLDER_DIGITS]}"


@dataclass(frozen=True)
class Plan:
    """The graph of a grid. text_models is the training that judges the text of every cell; scoring hashes the metrics."""

    protocol: str
    trainings: Mapping[str, TrainingNode]  # by key; a training stands after those it needs
    cells: tuple[CellNode, ...]
    text_models: str
    scoring: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        trainings = {key: TrainingNode(**node) for key, node in data["trainings"].items()}
        return cls(**{**data, "trainings": trainings, "cells": tuple(CellNode(**cell) for cell in data["cells"])})


def make_plan(grid: GridConfig, datasets: Sequence[FolderDataset], registry: Registry) -> Plan:
    """Every node of the grid with its key.

    Raises:
        ConfigError: an unknown method or config key, all of them at once.
        DataError: a method has to be trained, and no data set has training samples.
    """
    choices = _resolve_choices(grid, registry)
    trainings = _Trainings(datasets, registry.parts)
    text_models = trainings.add_part(Need(registry.text_part, {}, split="val"), seed=0)  # one judge for all seeds
    cells = []
    for entry, config in choices:
        code = code_hash((*entry.sources, *_CELL_CODE))
        for seed in grid.seeds:
            training = trainings.add(entry, config, seed, "train") if entry.trains else None
            cells += [_cell(entry, config, code, seed, dataset, grid.split, training) for dataset in datasets]
    return Plan(PROTOCOL, trainings.nodes, tuple(cells), text_models, code_hash(_SCORING_CODE))


class _Trainings:
    """The trainings asked for so far; the same one asked for twice is one."""

    def __init__(self, datasets: Sequence[FolderDataset], parts: Catalog):
        self._parts = parts
        self._manifests = {
            split: [manifest_hash(dataset, split) for dataset in datasets if split in dataset.splits]  # their order counts
            for split in ("train", "val")
        }
        self.nodes: dict[str, TrainingNode] = {}

    def add(self, entry: Entry, config: PartConfig, seed: int, split: str) -> str:
        """The key of this training, added with everything it needs."""
        if not self._manifests[split]:
            raise DataError(f"'{entry.name}' is trained on the {split} split, and no data set has one.")
        needs = {role: self.add_part(need, seed) for role, need in sorted(config.needs().items())}
        values = config.model_dump(mode="json")
        used = {name: self._manifests[name] for name in ("train", "val") if split in ("train", name)}
        content = {
            "code": code_hash((*entry.sources, *_TRAINING_CODE)),
            "factory": entry.factory,
            "config": values,
            "seed": seed,
            "split": split,
            "manifests": used,
            "needs": needs,
        }
        key = key_of(content)
        self.nodes[key] = TrainingNode(key, entry.name, entry.factory, entry.config, values, seed, split, needs)
        return key

    def add_part(self, need: Need, seed: int) -> str:
        entry = self._parts[need.trainable]
        config = validated(resolve(entry.config), {**entry.defaults, **need.config}, f"part '{entry.name}'")
        return self.add(entry, config, seed, need.split)


def _resolve_choices(grid: GridConfig, registry: Registry) -> list[tuple[Entry, PartConfig]]:
    choices, problems = [], []
    for choice in grid.methods:
        try:
            entry = registry.methods[choice.name]
            content = {**entry.defaults, **choice.overrides}
            choices.append((entry, validated(resolve(entry.config), content, f"method '{choice.name}'")))
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return choices


def _cell(
    entry: Entry, config: PartConfig, code: str, seed: int, dataset: FolderDataset, split: str, training: str | None
) -> CellNode:
    values = config.model_dump(mode="json")
    content = {
        "protocol": PROTOCOL,
        "code": code,
        "factory": entry.factory,
        "config": values,  # holds the prompt source
        "seed": seed,
        "split": split,
        "modality": dataset.modality,
        "data_kind": str(dataset.data_kind),
        "manifest": manifest_hash(dataset, split),
        "training": training,
    }
    return CellNode(
        key=key_of(content),
        method=entry.name,
        factory=entry.factory,
        config_type=entry.config,
        config=values,
        seed=seed,
        dataset=dataset.name,
        modality=dataset.modality,
        data_kind=str(dataset.data_kind),
        split=split,
        n_manifest=len(dataset.samples(split)),
        training=training,
    )


def units(cells: Iterable[CellNode]) -> list[tuple[CellNode, ...]]:
    """Cells that go to one worker together: training-free ones with the same code, data set and seed share image features."""
    groups: dict[object, list[CellNode]] = {}
    for cell in cells:
        together = cell.key if cell.training else (cell.factory, cell.dataset, cell.seed)
        groups.setdefault(together, []).append(cell)
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
