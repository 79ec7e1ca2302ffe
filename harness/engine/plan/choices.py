"""From the names in a grid to catalog entries with checked configs; the resolved grid and the grid's JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from prsbench.harness.contract.catalog import Catalog, Entry, resolve
from prsbench.harness.contract.config import PartConfig, merged
from prsbench.harness.contract.errors import ConfigError, unknown_name
from prsbench.harness.contract.types import Need
from prsbench.harness.engine.grid.schema import CellFilter, GridConfig, MethodChoice
from prsbench.harness.engine.grid.validation import validated
from prsbench.harness.engine.plan.described import described, described_schema

PlaceOf = Callable[[Sequence[str | int]], str]


@dataclass(frozen=True)
class Registry:
    """What can be run, handed in by the command line: the engine itself knows no method.

    text_models is "module:function" of (folder, device) -> TextModels; text_part is the part whose training it loads.
    packaged_judge is the entry of text models that need no training; its factory is called with (None, device), and so is the
    function training_head, which loads the Text2Centroid that methods are trained with unless they train their own.
    """

    methods: Catalog
    parts: Catalog
    text_models: str
    text_part: str
    packaged_judge: Entry
    training_head: str = ""

    def judge_loader(self, judge: str) -> str:
        """The function that loads the text models of a grid's judge."""
        return self.text_models if judge == "val" else self.packaged_judge.factory


def check_choices(grid: GridConfig, registry: Registry) -> None:
    """Refuse unknown methods and keys, parts they cannot have and filters of no row, before any data is drawn or opened.

    Raises:
        ConfigError: all that is wrong, at once.
    """
    for choice, (_, _, config) in zip(grid.rows, resolve_choices(grid, registry), strict=True):
        for need in config.needs().values():
            part_of(need, registry.parts, partial(_place_of_part, grid, choice))
    refuse_idle_filters(item for item in (*grid.include, *grid.exclude) if not _selects_any_row(item, grid))


def notes_of_rows(grid: GridConfig, registry: Registry, sample_ids: Collection[str]) -> list[str]:
    """What rows have to say about the samples they will be asked for, such as saved predictions that lack some."""
    found = ((row, config.note_on(sample_ids)) for row, _, config in resolve_choices(grid, registry))
    return [f"{row}: {note}" for row, note in found if note]


def _selects_any_row(cell_filter: CellFilter, grid: GridConfig) -> bool:
    anywhere = cell_filter.model_copy(update={"dataset": "*"})
    return any(anywhere.matches(choice.row, "", seed) for choice in grid.rows for seed in grid.seeds)


def resolved(grid: GridConfig, registry: Registry) -> dict[str, Any]:
    """The grid with the complete config of every row, sweeps and ablations expanded."""
    rows = [{row: config.model_dump(mode="json")} for row, _, config in resolve_choices(grid, registry)]
    return {**grid.model_dump(mode="json", exclude={"methods", "sweeps", "ablations"}), "methods": rows}


def grid_schema(registry: Registry) -> dict[str, Any]:
    """JSON Schema of a grid file: a method is a name, or a name with keys of that method's config."""
    schema = GridConfig.model_json_schema()
    with_keys = []
    for name, entry in registry.methods.items():
        template = f"#/$defs/{name}/$defs/{{model}}"
        if entry.own_process:
            keys = described_schema(entry, template)
        else:
            keys = resolve(entry.config).model_json_schema(ref_template=template)
        schema["$defs"][name] = {**keys, "required": []}
        properties = {name: {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}}
        with_keys.append({"type": "object", "required": [name], "additionalProperties": False, "properties": properties})
    schema["properties"]["methods"]["items"] = {"anyOf": [{"enum": list(registry.methods)}, *with_keys]}
    return schema


def refuse_idle_filters(filters: Iterable[CellFilter]) -> None:
    """Raise ConfigError for these filters, which select nothing; return if there are none."""
    if idle := ", ".join(f"({item})" for item in filters):
        raise ConfigError(f"include/exclude: no cell of this grid fits {idle}. Correct the names, or take it out.")


def part_of(need: Need, parts: Catalog, place_of: PlaceOf = lambda _: "") -> tuple[Entry, PartConfig]:
    """The part that a method needs, with its checked config. place_of says where in the grid a key of it is."""
    entry = parts[need.trainable]
    config = merged(entry.defaults, need.config)
    return entry, validated(resolve(entry.config), config, lambda path: f"{place_of(path)}part '{entry.name}': ")


def resolve_choices(grid: GridConfig, registry: Registry) -> list[tuple[str, Entry, PartConfig]]:
    """(row, entry, checked config) of every row of the grid.

    Raises:
        ConfigError: unknown methods or keys, all at once.
    """
    choices: list[tuple[str, Entry, PartConfig]] = []
    problems = []
    for choice in grid.rows:
        try:
            entry = registry.methods[choice.name]
            place_of = partial(_place_of, grid, choice)
            if entry.own_process:
                every = [other.overrides for other in grid.rows if other.name == choice.name]
                choices.append((choice.row, *described(entry, every, every.index(choice.overrides), place_of)))
            else:
                config = validated(resolve(entry.config), merged(entry.defaults, choice.overrides), place_of)
                choices.append((choice.row, entry, config))
        except ConfigError as error:
            problems.append(str(error))
    known = {*registry.methods, *registry.parts, *(choice.name for choice in grid.rows)}  # the last: also files and saved:NAME
    problems += [str(unknown_name("method or part", name, known)) for name in grid.execution.resources if name not in known]
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    return choices


def _place_of(grid: GridConfig, choice: MethodChoice, path: Sequence[str | int]) -> str:
    return f"{grid.place_of(choice, path)}method '{choice.name}': "


def _place_of_part(grid: GridConfig, choice: MethodChoice, path: Sequence[str | int]) -> str:
    """A row hands the keys under its `config`, if it has any, to its part unchecked."""
    return _place_of(grid, choice, ("config", *path))
