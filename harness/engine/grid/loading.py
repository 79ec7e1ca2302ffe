"""Loading a grid, packaged or from a YAML file: `--set` applied, every key checked (`load_grid`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from prsbench.harness.contract.errors import ConfigError, unknown_name
from prsbench.harness.engine.grid.packaged import GRIDS, packaged_grids
from prsbench.harness.engine.grid.schema import GridConfig
from prsbench.harness.engine.grid.validation import validated
from prsbench.harness.engine.grid.yaml_lines import line_of, read_mapping


def load_grid(name_or_path: str, changes: Iterable[str] = (), data_root: Path | None = None) -> GridConfig:
    """Read and check a grid.

    Args:
        name_or_path: the name of a packaged grid, or the path of a YAML file.
        changes: overrides `a.b=value`, the value in YAML; list items are counted from 0, as in `data.0.train=20`.
        data_root: the folder for every `prs_med` source that names none.

    Raises:
        ConfigError: a key or value is wrong; it names file, line and the nearest known key.
    """
    where, text = _read(name_or_path)
    content = _without_aliases(read_mapping(text, where))
    for change in changes:
        _apply(content, change)
    for source in content["data"] if isinstance(content.get("data"), list) else ():
        if isinstance(source, dict) and source.get("source") == "prs_med" and data_root is not None:
            source.setdefault("root", str(data_root.resolve()))
    return validated(GridConfig, content, lambda path: f"{where}{_in_line(text, path)}: ").read_from(where, text)


def changed(grid: GridConfig, changes: Iterable[str]) -> GridConfig:
    """The grid with changes applied, as in `load_grid`."""
    content = grid.model_dump(mode="json")
    for change in changes:
        _apply(content, change)
    return validated(GridConfig, content, lambda _: "--set: ")


def _in_line(text: str, path: Sequence[str | int]) -> str:
    line = line_of(text, path)
    return f" line {line}" if line else ""


def _read(name_or_path: str) -> tuple[str, str]:
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        try:
            return str(path), path.read_text()
        except OSError as error:
            raise ConfigError(f"{path}: the grid file cannot be read ({error.strerror}).") from None
    if name_or_path not in packaged_grids():
        raise unknown_name("grid", name_or_path, packaged_grids())
    return f"grid '{name_or_path}'", (GRIDS / f"{name_or_path}.yaml").read_text()


def _without_aliases(value: Any) -> Any:
    """A copy without YAML's aliases, which are one object in several places: changing one row would change the others."""
    if isinstance(value, dict):
        return {key: _without_aliases(item) for key, item in value.items()}
    return [_without_aliases(item) for item in value] if isinstance(value, list) else value


def _apply(content: dict[str, Any], change: str) -> None:
    path, equals, value = change.partition("=")
    if not equals:
        raise ConfigError(f"--set {change}: expected a.b=value, got no '='.")
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    target: Any = content
    try:
        for step in parents:
            target = _child(target, step)
        target[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"--set {change}: the value is not plain YAML ({problem}).") from None
    except (IndexError, StopIteration, TypeError, AttributeError):
        methods = [next(iter(item), "") if isinstance(item, dict) else item for item in content.get("methods") or ()]
        near = get_close_matches(path, [f"methods.{name}" for name in methods], n=1, cutoff=0.6)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ConfigError(
            f"--set {change}: the grid has no key '{path}'.{hint} "
            "Give a method by its name, as in methods.cg_reasoner.epochs=12; items of other lists are counted from 0."
        ) from None


def _child(parent: Any, step: str | int) -> Any:
    """The value under `step`, an empty mapping if there is none yet. A method in the list is found by its name."""
    if isinstance(parent, dict):
        parent[step] = {} if parent.get(step) is None else parent[step]
        return parent[step]
    if isinstance(step, int):
        return parent[step]
    index = next(i for i, item in enumerate(parent) if item == step or isinstance(item, dict) and step in item)
    if not isinstance(parent[index], dict):
        parent[index] = {step: {}}  # a bare name
    return _child(parent[index], step)
