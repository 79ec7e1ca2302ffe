"""Planning: from a grid to its trainings and cells, what they depend on, and the key of each (`make_plan`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from prsbench.datasets.official_reader import FolderDataset
from prsbench.harness.contract.catalog import Catalog, Entry
from prsbench.harness.contract.config import PartConfig
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.source_code import import_closure
from prsbench.harness.contract.types import Need
from prsbench.harness.engine.grid.schema import GridConfig
from prsbench.harness.engine.plan.choices import Registry, part_of, refuse_idle_filters, resolve_choices
from prsbench.harness.engine.plan.data import manifest_hash
from prsbench.harness.engine.plan.described import StatedConfig
from prsbench.harness.engine.plan.fingerprints import checkpoint_hash, code_hashes, packaged_hash, read_hashes
from prsbench.harness.engine.plan.nodes import CellNode, LeftOut, Plan, TrainingNode
from prsbench.harness.engine.store.keys import key_of

PROTOCOL = "prsbench-1"  # published 256 thresholds and 0.5; empty truths excluded and counted
_SHARED_CODE = (
    *(f"prsbench.harness.contract.{name}" for name in ("config", "geometry", "modalities", "position", "types")),
    "prsbench.harness.engine.worker.seeding",
    "prsbench.datasets.official_table",
    "prsbench.datasets.pictures",
    "prsbench.datasets.rows",
    "prsbench.datasets.official_reader",
    "prsbench.datasets.index",
)
_TRAINING_CODE = (*_SHARED_CODE, "prsbench.harness.engine.worker.training")
_CELL_CODE = (
    *_SHARED_CODE,
    "prsbench.harness.engine.worker.prediction",
    "prsbench.harness.engine.worker.loaded_methods",
    "prsbench.harness.engine.store.journal",
    "prsbench.harness.engine.store.prediction_maps",
    "prsbench.metrics.mask.grey",
)
# Not in a cell's key: when it changes, records are made again from the stored predictions, and scores from the records.
_MEASURING_CODE = ("prsbench.harness.engine.worker.measuring",)
_SCORING_CODE = ("prsbench.metrics.score", "prsbench.metrics.text.parser_judge", "prsbench.harness.contract.summary")
_SCORE_PACKAGES = ("prsbench.metrics", "prsbench.harness.contract")  # where the imports of both are followed


def make_plan(
    grid: GridConfig,
    datasets: Sequence[FolderDataset],
    registry: Registry,
    refused: Sequence[tuple[FolderDataset, str]] = (),
    disclosed: Mapping[str, str] | None = None,
) -> Plan:
    """Every node of the grid with its key.

    Args:
        refused: data sets that cannot be used, and why; their cells are listed as left out.
        disclosed: as in `CheckedData`.

    Raises:
        ConfigError: an unknown method or config key, all of them at once.
        DataError: no cell is left, because every method has to be trained, and no data set has training samples.
    """
    choices = resolve_choices(grid, registry)
    # Once per data set, not per cell: in a large grid this is most of the planning.
    tests = [(dataset, manifest_hash(dataset, grid.split), len(dataset.samples(grid.split))) for dataset in datasets]
    trainings = _Trainings(datasets, registry.parts)
    if grid.judge == "val" and not trainings.has_split("val"):
        text_models_key = key_of({"judge": "none"})
    elif grid.judge == "val":  # one judge for all seeds
        text_models_key = trainings.add_part(Need(registry.text_part, {}, split="val"), seed=0)
    else:
        text_models_key = key_of({"judge": grid.judge, **_origin(registry.packaged_judge, PartConfig(), ())})
    cells, left_out = [], []
    is_selected = _Selection(grid)
    for row, entry, config in choices:
        origin = {"protocol": PROTOCOL, **_origin(entry, config, _CELL_CODE)}
        for seed in grid.seeds:
            selected = [test for test in tests if is_selected(row, test[0].name, seed)]
            missing = [(dataset, f"not read: {error}") for dataset, error in refused if is_selected(row, dataset.name, seed)]
            training = None
            try:
                training = trainings.add(entry, config, seed, "train") if entry.trains and selected else None
            except DataError as untrained:  # no samples to train on
                missing += [(dataset, str(untrained)) for dataset, _, _ in selected]
                selected = []
            for dataset, manifest, n in selected:
                facts = {"manifest": manifest, **origin}
                machine = _machine(entry, config, [trainings.nodes[training]] if training else [])
                cells.append(_cell(row, entry, config, facts, seed, dataset, grid.split, n, training, machine))
            for dataset, error in missing:
                left_out.append(LeftOut(row, dataset.name, dataset.modality, str(dataset.data_kind), seed, error))
    refuse_idle_filters(is_selected.idle_filters)
    if left_out and not cells:
        raise DataError("\n".join(dict.fromkeys(cell.error for cell in left_out)))
    measuring_hash, scoring_hash = (
        key_of(code_hashes(import_closure(code, inside=_SCORE_PACKAGES))) for code in (_MEASURING_CODE, _SCORING_CODE)
    )
    names = tuple(dataset.name for dataset in datasets)
    judged = (text_models_key, measuring_hash, scoring_hash)
    return Plan(PROTOCOL, trainings.nodes, tuple(cells), *judged, names, tuple(left_out), disclosed or {})


class _Selection:
    """Whether a cell is part of the grid, by its filters. A filter that matches no cell is idle, probably by mistake."""

    def __init__(self, grid: GridConfig):
        self._include, self._exclude = grid.include, grid.exclude
        self.idle_filters = list(dict.fromkeys((*grid.include, *grid.exclude)))

    def __call__(self, row: str, dataset: str, seed: int) -> bool:
        matching = {item for item in (*self._include, *self._exclude) if item.matches(row, dataset, seed)}
        self.idle_filters = [item for item in self.idle_filters if item not in matching]
        return (not self._include or not matching.isdisjoint(self._include)) and matching.isdisjoint(self._exclude)


class _Trainings:
    """The trainings added so far, by key; one that is added twice is one."""

    def __init__(self, datasets: Sequence[FolderDataset], parts: Catalog):
        self._parts = parts
        self._manifests = {
            split: [manifest_hash(dataset, split) for dataset in datasets if split in dataset.splits]  # their order counts
            for split in ("train", "val")
        }
        self.nodes: dict[str, TrainingNode] = {}

    def has_split(self, split: str) -> bool:
        """Whether any data set has samples in this split."""
        return bool(self._manifests[split])

    def add(self, entry: Entry, config: PartConfig, seed: int, split: str) -> str:
        """Add a training with everything it needs; returns its key."""
        if not self.has_split(split):
            raise DataError(
                f"'{entry.name}' is trained on the {split} split, and no data set has one. Add samples of split {split}, or take "
                "the row out of the grid: rows that are not trained here need the test split alone."
            )
        needs = {role: self.add_part(need, seed) for role, need in sorted(config.needs().items())}
        values = config.model_dump(mode="json")
        used = {name: self._manifests[name] for name in ("train", "val") if split in ("train", name)}
        origin = {**_origin(entry, config, _TRAINING_CODE), "manifests": used}
        identity = {"factory": entry.factory, "seed": seed, "split": split, "needs": needs, **origin}
        key = key_of({**identity, "config": _without_paths(values, config.checkpoints())})
        made = (key, entry.name, entry.factory, entry.config, values, seed, split, needs, origin, entry.own_process)
        self.nodes[key] = TrainingNode(*made, **_machine(entry, config, [self.nodes[needed] for needed in needs.values()]))
        return key

    def add_part(self, need: Need, seed: int) -> str:
        entry, config = part_of(need, self._parts)
        return self.add(entry, config, seed if need.seed is None else need.seed, need.split)


def _origin(entry: Entry, config: PartConfig, code: Iterable[str]) -> dict[str, Any]:
    """Code, weight files and, of a user's method, the files it reads, by name; of a file that cannot be imported, why not."""
    if isinstance(config, StatedConfig) and config.problem:
        return {"code": {}, "packaged": {}, "checkpoints": {}, "problem": config.problem}
    origin = {
        "code": code_hashes((*entry.sources, *code)),
        "packaged": {f"{file.requirement}: {file.path}": packaged_hash(file) for file in entry.packaged},
        "checkpoints": {name: checkpoint_hash(path) for name, path in config.checkpoints().items()},
    }
    if entry.own_process:
        origin["reads"] = read_hashes(entry.sources, _without_paths(config.model_dump(mode="json"), config.checkpoints()))
    return origin


def _machine(entry: Entry, config: PartConfig, trainings: Sequence[TrainingNode]) -> dict[str, Any]:
    """What a job of a row with this config needs of its machine: no less than the trainings whose weights it loads."""
    own = config.gpu_gib()
    gpu_gib = entry.gpu_gib if own is None else own
    most = max([gpu_gib, *(node.gpu_gib for node in trainings)]) if gpu_gib else 0.0
    return {"gpu_gib": most, "memory_gib": max([entry.memory_gib, *(node.memory_gib for node in trainings)])}


def _without_paths(values: Mapping[str, Any], paths: Collection[str], group: str = "") -> dict[str, Any]:
    """A config as it enters a key, without its paths ("key" or "group.key"): a checkpoint counts by its bytes."""
    left = {name: value for name, value in values.items() if group + name not in paths}
    return {k: _without_paths(v, paths, f"{group}{k}.") if isinstance(v, Mapping) else v for k, v in left.items()}


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
    machine: Mapping[str, Any],
) -> CellNode:
    values = config.model_dump(mode="json")
    identity: dict[str, Any] = {"factory": entry.factory, "seed": seed, "split": split, "training": training}
    identity |= {"modality": dataset.modality, "data_kind": str(dataset.data_kind)}
    return CellNode(
        key=key_of({**identity, **origin, "config": _without_paths(values, config.checkpoints())}),  # holds the prompt source
        method=row,
        config_type=entry.config,
        config=values,
        dataset=dataset.name,
        n_manifest=n_manifest,
        origin=origin,
        shares=entry.shares,
        own_process=entry.own_process,
        **machine,
        **identity,
    )
