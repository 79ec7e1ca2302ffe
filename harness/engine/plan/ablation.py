"""Ablations: a grid of one method and its variants, each of which changes one value, on the data of another grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prsbench.harness.contract.errors import unknown_name
from prsbench.harness.engine.grid.packaged import ABLATIONS, packaged_ablations
from prsbench.harness.engine.grid.schema import Ablation, CellFilter, GridConfig, base_name
from prsbench.harness.engine.grid.validation import validated
from prsbench.harness.engine.grid.yaml_lines import read_mapping
from prsbench.harness.engine.plan.choices import Registry, resolved

SEEDS = (0, 1, 2)  # one pair of trainings cannot tell a difference from noise


def ablation_grid(name: str, registry: Registry, grid: GridConfig) -> GridConfig:
    """The grid with only the ablated method as configured there, its variants, and at least three seeds.

    A value that the method already has makes no variant.

    Raises:
        ConfigError: there is no such ablation, or the method cannot be configured as the grid says.
    """
    if name not in packaged_ablations():
        raise unknown_name("ablation", name, packaged_ablations())
    path = ABLATIONS / f"{name}.yaml"
    place = f"ablation '{name}': "
    ablation = validated(Ablation, read_mapping(path.read_text(), str(path)), lambda _: place)
    overrides = [choice.overrides for choice in grid.methods if choice.name == ablation.method]
    content = {
        **grid.model_dump(mode="json"),
        "name": f"{grid.name}-{name}",
        "seeds": grid.seeds if len(grid.seeds) >= len(SEEDS) else SEEDS,
        "methods": [{ablation.method: dict(overrides[0]) if overrides else {}}],
        "sweeps": [],
        "ablations": [],
    }
    for kind in ("include", "exclude"):  # a filter for other methods would match nothing here
        filters = zip(content[kind], getattr(grid, kind), strict=True)
        content[kind] = [item for item, cell_filter in filters if _concerns(cell_filter, ablation.method)]
    ((_, parent),) = resolved(validated(GridConfig, content, lambda _: place), registry)["methods"][0].items()
    others = {key: [value for value in values if value != _value_at(parent, key)] for key, values in ablation.change.items()}
    content["ablations"] = [{"method": ablation.method, "change": {key: values for key, values in others.items() if values}}]
    return validated(GridConfig, content, lambda _: place)


def _value_at(config: Any, key: str) -> Any:
    """The value of a key, which may have dots; None if the config has no such key."""
    for name in key.split("."):
        config = config.get(name) if isinstance(config, Mapping) else None
    return config


def _concerns(cell_filter: CellFilter, method: str) -> bool:
    """Whether the filter selects the method or a variant of it."""
    return cell_filter.selects_row(method) or base_name(cell_filter.method) == method
