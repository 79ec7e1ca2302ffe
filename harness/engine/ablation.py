"""An ablation: a grid's data and one of its methods, beside variants of it that differ in one value each. It is a grid again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prsbench.harness.contract.errors import unknown_name
from prsbench.harness.engine.config import Ablation, CellFilter, GridConfig, base_name, validated
from prsbench.harness.engine.earlier import Earlier
from prsbench.harness.engine.forecast import forecast
from prsbench.harness.engine.grid import Registry, resolved
from prsbench.harness.engine.grid_files import ABLATIONS, packaged_ablations
from prsbench.harness.engine.marked_yaml import read_mapping
from prsbench.harness.engine.results import Run

SEEDS = (0, 1, 2)  # a difference between two single trainings says nothing of the next pair


def ablation_grid(name: str, registry: Registry, grid: GridConfig) -> GridConfig:
    """The grid with the method alone, as configured there, its variants, and three seeds unless it has as many.

    Values that are the method's own already make no variant.

    Raises:
        ConfigError: there is no such ablation, or the method cannot be configured as the grid says.
    """
    if name not in packaged_ablations():
        raise unknown_name("ablation", name, packaged_ablations())
    path = ABLATIONS / f"{name}.yaml"
    place = f"ablation '{name}': "
    ablation = validated(Ablation, read_mapping(path.read_text(), str(path)), lambda _: place)
    own = [choice.overrides for choice in grid.methods if choice.name == ablation.method]
    content = {
        **grid.model_dump(mode="json"),
        "name": f"{grid.name}-{name}",
        "seeds": grid.seeds if len(grid.seeds) >= len(SEEDS) else SEEDS,
        "methods": [{ablation.method: dict(own[0]) if own else {}}],
        "sweeps": [],
        "ablations": [],
    }
    for kind in ("include", "exclude"):  # filters that speak of other methods would be idle here
        given = zip(content[kind], getattr(grid, kind), strict=True)
        content[kind] = [said for said, each in given if _concerns(each, ablation.method)]
    ((_, parent),) = resolved(validated(GridConfig, content, lambda _: place), registry)["methods"][0].items()
    others = {key: [value for value in values if value != parent[key]] for key, values in ablation.change.items()}
    content["ablations"] = [{"method": ablation.method, "change": {key: values for key, values in others.items() if values}}]
    return validated(GridConfig, content, lambda _: place)


def _concerns(each: CellFilter, method: str) -> bool:
    """Whether it speaks of the method or of a variant of it; what speaks of others would be idle here."""
    return each.speaks_of(method) or base_name(each.method) == method


def estimate(run: Run, workers: int, like: Path) -> str:
    """What the run would take from scratch if every variant cost what its parent took in another run folder."""
    earlier = Earlier(run.plan, replace(run.setting, folder=like.resolve()))
    cells = [replace(cell, method=base_name(cell.method)) for cell in run.plan.cells]
    return f"By the times of {like}, from scratch: {forecast(cells, list(run.plan.trainings.values()), earlier).text(workers)}"
