"""Ablations: a grid of one method and its variants, on the data of another grid.

An ablation changes one value at a time. Each of its settings is an experiment of its own: combinations of values on a fixed
number of images and seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prsbench.harness.contract.config import merged
from prsbench.harness.contract.errors import ConfigError, unknown_name
from prsbench.harness.engine.grid.packaged import ABLATIONS, packaged_ablations, packaged_settings
from prsbench.harness.engine.grid.schema import Ablation, AblationSetting, CellFilter, GridConfig, base_name
from prsbench.harness.engine.grid.validation import validated
from prsbench.harness.engine.grid.yaml_lines import read_mapping
from prsbench.harness.engine.plan.choices import Registry, resolved

NEEDS_PHANTOMS = {"answers", "two_share"}  # keys of synthetic data without which a setting makes no sense
SEEDS = (0, 1, 2)  # one pair of trainings cannot tell a difference from noise


def ablation_grid(name: str, registry: Registry, grid: GridConfig, setting: str | None = None) -> GridConfig:
    """The grid with only the ablated method as configured there, its variants, and at least three seeds.

    A value that the method already has makes no variant. With a setting, that setting's rows, seeds and images.

    Raises:
        ConfigError: there is no such ablation or setting, the method cannot be configured as the grid says, or the setting needs
            synthetic data and the grid has none.
    """
    if name not in packaged_ablations():
        raise unknown_name("ablation", name, packaged_ablations())
    if setting is not None:
        return _setting_grid(name, setting, grid)
    path = ABLATIONS / f"{name}.yaml"
    place = f"ablation '{name}': "
    ablation = validated(Ablation, read_mapping(path.read_text(), str(path)), lambda _: place)
    content = _of_method(grid, ablation.method, name, grid.seeds if len(grid.seeds) >= len(SEEDS) else SEEDS)
    ((_, parent),) = resolved(validated(GridConfig, content, lambda _: place), registry)["methods"][0].items()
    others = {key: [value for value in values if value != _value_at(parent, key)] for key, values in ablation.change.items()}
    content["ablations"] = [{"method": ablation.method, "change": {key: values for key, values in others.items() if values}}]
    return validated(GridConfig, content, lambda _: place)


def _setting_grid(name: str, setting: str, grid: GridConfig) -> GridConfig:
    if setting not in packaged_settings(name):
        raise unknown_name("setting", setting, packaged_settings(name))
    path = ABLATIONS / name / f"{setting}.yaml"
    place = f"ablation '{name}', setting '{setting}': "
    asked = validated(AblationSetting, read_mapping(path.read_text(), str(path)), lambda _: place)
    content = _of_method(grid, asked.method, f"{name}-{setting}", asked.seeds)
    synthetic = [data for data in content["data"] if data["source"] == "phantoms"]
    if NEEDS_PHANTOMS & asked.phantoms.keys() and not synthetic:
        raise ConfigError(f"{place}needs synthetic data (source: phantoms), and this grid has none. Name another grid.")
    for data in synthetic:
        data.update(asked.phantoms)
    ((method, given),) = content["methods"][0].items()
    content["methods"] = [{method: merged(given, asked.shared)}]
    content["sweeps"] = [{"method": asked.method, "over": asked.over}]
    return validated(GridConfig, content, lambda _: place)


def _of_method(grid: GridConfig, method: str, name: str, seeds: Sequence[int]) -> dict[str, Any]:
    """The grid's content with this method alone, without sweeps and ablations."""
    overrides = [choice.overrides for choice in grid.methods if choice.name == method]
    content = {
        **grid.model_dump(mode="json"),
        "name": f"{grid.name}-{name}",
        "seeds": seeds,
        "methods": [{method: dict(overrides[0]) if overrides else {}}],
        "sweeps": [],
        "ablations": [],
    }
    for kind in ("include", "exclude"):  # a filter for other methods would match nothing here
        filters = zip(content[kind], getattr(grid, kind), strict=True)
        content[kind] = [item for item, cell_filter in filters if _concerns(cell_filter, method)]
    return content


def _value_at(config: Any, key: str) -> Any:
    """The value of a key, which may have dots; None if the config has no such key."""
    for name in key.split("."):
        config = config.get(name) if isinstance(config, Mapping) else None
    return config


def _concerns(cell_filter: CellFilter, method: str) -> bool:
    """Whether the filter selects the method or a variant of it."""
    return cell_filter.selects_row(method) or base_name(cell_filter.method) == method
