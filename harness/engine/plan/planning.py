"""From a grid to its nodes: which trainings, which cells, what depends on what, and the key of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prsbench.datasets.official_reader import FolderDataset
from prsbench.harness.contract.catalog import Catalog, Entry
from prsbench.harness.contract.config import PartConfig
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.source_code import import_closure
from prsbench.harness.contract.types import Need
from prsbench.harness.engine.grid.schema import CellFilter, GridConfig
from prsbench.harness.engine.plan.choices import Registry, _part, _refuse_idle, _resolve_choices
from prsbench.harness.engine.plan.data import manifest_hash
from prsbench.harness.engine.plan.fingerprints import checkpoint_hash, code_hashes, packaged_hash
from prsbench.harness.engine.plan.nodes import CellNode, Plan, TrainingNode
from prsbench.harness.engine.store.keys import key_of

PROTOCOL = "prsbench-1"  # published 256 thresholds and 0.5; empty truths excluded and counted
_SHARED_CODE = (
    *(f"prsbench.harness.contract.{name}" for name in ("config", "geometry", "position", "types")),
    "prsbench.harness.engine.worker.seeding",
    "prsbench.datasets.official_table",
    "prsbench.datasets.pictures",
    "prsbench.datasets.official_reader",
)
_TRAINING_CODE = (*_SHARED_CODE, "prsbench.harness.engine.worker.training")
_KEEPING_CODE = (
    "prsbench.harness.engine.store.journal",
    "prsbench.harness.engine.store.prediction_maps",
    "prsbench.metrics.mask.grey",
)
_CELL_CODE = (
    *_SHARED_CODE,
    "prsbench.harness.engine.worker.prediction",
    "prsbench.harness.engine.worker.loaded_methods",
    *_KEEPING_CODE,
)
# Not in a cell's key: when it changes, records are made again from the stored predictions, and scores from the records.
_MEASURING_CODE = ("prsbench.harness.engine.worker.measuring",)
_SCORING_CODE = ("prsbench.metrics.score", "prsbench.harness.contract.summary")
_SCORES_ROOMS = ("prsbench.metrics", "prsbench.harness.contract")  # where the imports of both are followed


def make_plan(grid: GridConfig, datasets: Sequence[FolderDataset], registry: Registry) -> Plan:
    """Every node of the grid with its key.

    Raises:
        ConfigError: an unknown method or config key, all of them at once.
        DataError: a method has to be trained, and no data set has training samples.
    """
    choices = _resolve_choices(grid, registry)
    # Once a data set and not once a cell: of a large grid this is most of the planning.
    tests = [(dataset, manifest_hash(dataset, grid.split), len(dataset.samples(grid.split))) for dataset in datasets]
    trainings = _Trainings(datasets, registry.parts)
    text_models = trainings.add_part(Need(registry.text_part, {}, split="val"), seed=0)  # one judge for all seeds
    cells = []
    wanted = _Wanted(grid)
    for row, entry, config in choices:
        origin = {"protocol": PROTOCOL, **_origin(entry, config, _CELL_CODE)}
        for seed in grid.seeds:
            kept = [test for test in tests if wanted(row, test[0].name, seed)]
            training = trainings.add(entry, config, seed, "train") if entry.trains and kept else None
            for dataset, manifest, n in kept:
                facts = {"manifest": manifest, **origin}
                cells.append(_cell(row, entry, config, facts, seed, dataset, grid.split, n, training))
    wanted.refuse_idle_filters()
    measuring, scoring = (
        key_of(code_hashes(import_closure(code, inside=_SCORES_ROOMS))) for code in (_MEASURING_CODE, _SCORING_CODE)
    )
    return Plan(PROTOCOL, trainings.nodes, tuple(cells), text_models, measuring, scoring)


class _Wanted:
    """Whether a cell is part of the grid; a filter that meets no cell is taken for a mistake."""

    def __init__(self, grid: GridConfig):
        self._include, self._exclude = grid.include, grid.exclude
        self._met: set[CellFilter] = set()

    def __call__(self, row: str, dataset: str, seed: int) -> bool:
        met = {each for each in (*self._include, *self._exclude) if each.matches(row, dataset, seed)}
        self._met |= met
        return (not self._include or not met.isdisjoint(self._include)) and met.isdisjoint(self._exclude)

    def refuse_idle_filters(self) -> None:
        _refuse_idle(each for each in (*self._include, *self._exclude) if each not in self._met)


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
        origin = {**_origin(entry, config, _TRAINING_CODE), "manifests": used}
        content = {
            "factory": entry.factory,
            "config": _without_paths(values, config),
            "seed": seed,
            "split": split,
            "needs": needs,
            **origin,
        }
        key = key_of(content)
        self.nodes[key] = TrainingNode(key, entry.name, entry.factory, entry.config, values, seed, split, needs, origin)
        return key

    def add_part(self, need: Need, seed: int) -> str:
        entry, config = _part(need, self._parts)
        return self.add(entry, config, seed if need.seed is None else need.seed, need.split)


def _origin(entry: Entry, config: PartConfig, code: Iterable[str]) -> dict[str, Any]:
    """Code and weight files, by name."""
    return {
        "code": code_hashes((*entry.sources, *code)),
        "packaged": {file.requirement: packaged_hash(file) for file in entry.packaged},
        "checkpoints": {name: checkpoint_hash(path) for name, path in config.checkpoints().items()},
    }


def _without_paths(values: Mapping[str, Any], config: PartConfig) -> dict[str, Any]:
    """The config as it enters a key: the bytes of a checkpoint count, not where it lies."""
    return {name: value for name, value in values.items() if name not in config.checkpoints()}


def _cell(
    row: str,
    entry: Entry,
    config: PartConfig,
    origin: Mapping[str, Any],
    seed: int,
    dataset: FolderDataset,
    split: str,
    n_manifest: int,
    training: str | None,
) -> CellNode:
    values = config.model_dump(mode="json")
    content = {
        "factory": entry.factory,
        "config": _without_paths(values, config),  # holds the prompt source
        "seed": seed,
        "split": split,
        "modality": dataset.modality,
        "data_kind": str(dataset.data_kind),
        "training": training,
        **origin,
    }
    return CellNode(
        key=key_of(content),
        method=row,
        factory=entry.factory,
        config_type=entry.config,
        config=values,
        seed=seed,
        dataset=dataset.name,
        modality=dataset.modality,
        data_kind=str(dataset.data_kind),
        split=split,
        n_manifest=n_manifest,
        training=training,
        origin=origin,
        shares=entry.shares,
    )
