"""From a grid to its nodes: which trainings, which cells, what depends on what, and the key of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prsbench.datasets.prs_med import FolderDataset
from prsbench.harness.contract.catalog import Catalog, Entry, resolve
from prsbench.harness.contract.config import PartConfig
from prsbench.harness.contract.errors import ConfigError, DataError, unknown_name
from prsbench.harness.contract.source_code import import_closure
from prsbench.harness.contract.types import Need
from prsbench.harness.engine.config import CellFilter, GridConfig, MethodChoice, validated
from prsbench.harness.engine.data import manifest_hash
from prsbench.harness.engine.fingerprints import checkpoint_hash, code_hashes, packaged_hash
from prsbench.harness.engine.keys import FOLDER_DIGITS, key_of

PROTOCOL = "prsbench-1"  # published 256 thresholds and 0.5; empty truths excluded and counted
_SHARED_CODE = (
    *(f"prsbench.harness.contract.{name}" for name in ("config", "geometry", "position", "types")),
    "prsbench.harness.engine.seeding",
    "prsbench.datasets.official_table",
    "prsbench.datasets.pictures",
    "prsbench.datasets.prs_med",
)
_TRAINING_CODE = (*_SHARED_CODE, "prsbench.harness.engine.training")
_KEEPING_CODE = ("prsbench.harness.engine.kept", "prsbench.harness.engine.maps", "prsbench.metrics.grey")
_CELL_CODE = (*_SHARED_CODE, "prsbench.harness.engine.evaluation", "prsbench.harness.engine.loaded", *_KEEPING_CODE)
# Not in a cell's key: when it changes, records are made again from the stored predictions, and scores from the records.
_MEASURING_CODE = ("prsbench.harness.engine.measuring",)
_SCORING_CODE = ("prsbench.metrics.score", "prsbench.harness.contract.summary")
_SCORES_ROOMS = ("prsbench.metrics", "prsbench.harness.contract")  # where the imports of both are followed


@dataclass(frozen=True)
class Registry:
    """What can be run, handed in by the command line: the engine itself knows no method.

    text_models is "module:function" of (folder, device) -> TextModels; text_part is the part whose training it loads.
    """

    methods: Catalog
    parts: Catalog
    text_models: str
    text_part: str


def _folder_name(name: str) -> str:
    """A method's name as part of a folder's: a user's method is named by its file, as in ./mine/net.py:Net."""
    return name.replace("/", "-").lstrip(".-")


@dataclass(frozen=True)
class TrainingNode:
    """One fit: a method, or a part that methods share. needs maps a role to the key of an earlier training.

    origin is the rest of what the key is a hash of: code by module, weight files, data.
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

    @property
    def folder(self) -> str:
        where = "" if self.split == "train" else f"-on-{self.split}"
        return f"{_folder_name(self.name)}{where}-s{self.seed}-{self.key[:FOLDER_DIGITS]}"


@dataclass(frozen=True)
class CellNode:
    """One method on one data set with one seed; training is the key it depends on, if any. origin as in TrainingNode.

    shares as in `Entry`.
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
    shares: str = ""  # run folders written before it was there hold none

    @property
    def folder(self) -> str:
        return f"{_folder_name(self.method)}--{self.dataset}--s{self.seed}-{self.key[:FOLDER_DIGITS]}"


@dataclass(frozen=True)
class Plan:
    """The graph of a grid. text_models is the training that judges the text of every cell.

    measuring and scoring hash the code that makes records of predictions, and scores of records.
    """

    protocol: str
    trainings: Mapping[str, TrainingNode]  # by key; a training stands after those it needs
    cells: tuple[CellNode, ...]
    text_models: str
    measuring: str
    scoring: str

    def to_json(self) -> dict[str, Any]:
        """The fields as they are; asdict would copy the origin of every cell."""
        trainings = {key: dict(vars(node)) for key, node in self.trainings.items()}
        return {**vars(self), "trainings": trainings, "cells": [dict(vars(cell)) for cell in self.cells]}

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


def check_choices(grid: GridConfig, registry: Registry) -> None:
    """Refuse unknown methods and keys, parts they cannot have and filters of no row, before any data is drawn or opened.

    Raises:
        ConfigError: all that is wrong, at once.
    """
    for _, _, config in _resolve_choices(grid, registry):
        for need in config.needs().values():
            _part(need, registry.parts)
    _refuse_idle(each for each in (*grid.include, *grid.exclude) if not _meets_a_row(each, grid))


def _meets_a_row(each: CellFilter, grid: GridConfig) -> bool:
    anywhere = each.model_copy(update={"dataset": "*"})
    return any(anywhere.matches(choice.row, "", seed) for choice in grid.rows for seed in grid.seeds)


def resolved(grid: GridConfig, registry: Registry) -> dict[str, Any]:
    """The grid with every row's config whole, sweeps laid out."""
    rows = [{row: config.model_dump(mode="json")} for row, _, config in _resolve_choices(grid, registry)]
    return {**grid.model_dump(mode="json", exclude={"methods", "sweeps", "ablations"}), "methods": rows}


def grid_schema(registry: Registry) -> dict[str, Any]:
    """JSON Schema of a grid file: a method is a name, or a name with keys of that method's config."""
    schema = GridConfig.model_json_schema()
    one_each = []
    for name, entry in registry.methods.items():
        keys = resolve(entry.config).model_json_schema(ref_template=f"#/$defs/{name}/$defs/{{model}}")
        schema["$defs"][name] = {**keys, "required": []}
        one_each.append({"type": "object", "required": [name], "additionalProperties": False, "properties": {name: _ref(name)}})
    schema["properties"]["methods"]["items"] = {"anyOf": [{"enum": list(registry.methods)}, *one_each]}
    return schema


def _ref(name: str) -> dict[str, Any]:
    return {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}


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


def _refuse_idle(filters: Iterable[CellFilter]) -> None:
    if idle := ", ".join(f"({each})" for each in filters):
        raise ConfigError(f"include/exclude: no cell of this grid fits {idle}. Correct the names, or take it out.")


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


def _part(need: Need, parts: Catalog) -> tuple[Entry, PartConfig]:
    entry = parts[need.trainable]
    return entry, validated(resolve(entry.config), {**entry.defaults, **need.config}, lambda path: f"part '{entry.name}': ")


def _resolve_choices(grid: GridConfig, registry: Registry) -> list[tuple[str, Entry, PartConfig]]:
    choices, problems = [], []
    for choice in grid.rows:
        try:
            entry = registry.methods[choice.name]
            choices.append((choice.row, entry, _config_of(choice, entry, grid)))
        except ConfigError as error:
            problems.append(str(error))
    known = (*registry.methods, *registry.parts)
    problems += [str(unknown_name("method or part", name, known)) for name in grid.execution.resources if name not in known]
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    return choices


def _config_of(choice: MethodChoice, entry: Entry, grid: GridConfig) -> PartConfig:
    def place_of(path: Sequence[str | int]) -> str:
        return f"{grid.place_of(choice.name, str(path[0]) if path else '')}method '{choice.name}': "

    return validated(resolve(entry.config), {**entry.defaults, **choice.overrides}, place_of)


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


def units(cells: Iterable[CellNode]) -> list[tuple[CellNode, ...]]:
    """Cells that go to one worker together: with one seed and on one data set, those that share what they compute of an image."""
    groups: dict[object, list[CellNode]] = {}
    for cell in cells:
        together = (cell.shares, cell.dataset, cell.seed) if cell.shares else cell.key
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
