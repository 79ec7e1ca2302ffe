"""Loading a grid, packaged or from a YAML file: `--set` applied, every key checked (`load_grid`)."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import ConfigError, unknown_name
from prsbench.harness.engine.grid.packaged import GRIDS, packaged_grids
from prsbench.harness.engine.grid.schema import GridConfig, GridText
from prsbench.harness.engine.grid.validation import shortened, validated
from prsbench.harness.engine.grid.yaml_lines import MOST_CHARACTERS, Place, read_mapping, read_value

_MOST_BYTES = 4 * MOST_CHARACTERS
_SUFFIXES = (".yaml", ".yml")
_OTHER_KINDS = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}


def load_grid(
    name_or_path: str, changes: Iterable[str] = (), data_root: Path | None = None, selection: Mapping[str, Any] | None = None
) -> GridConfig:
    """Read and check a grid.

    Args:
        name_or_path: the name of a packaged grid, or the path of a YAML file.
        changes: overrides `a.b=value`, the value in YAML; list items are counted from 0, as in `data.0.train=20`.
        data_root: the folder for every `prs_med` source that names none.
        selection: further keys of every `prs_med` source, such as limit, in place of its own.

    Raises:
        ConfigError: a key or value is wrong; it names file, line, a change that set it, and the nearest known key.
    """
    where, text = _read(name_or_path)
    content = read_mapping(text, where)
    source = GridText(where, text, tuple((_apply(content, change), change) for change in changes))
    for data in content["data"] if isinstance(content.get("data"), list) else ():
        if isinstance(data, dict) and data.get("source") == "prs_med":
            data.update(selection or {})
            if data_root is not None:
                data.setdefault("root", os.path.realpath(data_root))
    return validated(GridConfig, content, source.place_of).read_from(source)


def changed(grid: GridConfig, changes: Iterable[str]) -> GridConfig:
    """The grid with changes applied, as in `load_grid`."""
    content = grid.model_dump(mode="json")
    for change in changes:
        _apply(content, change)
    return validated(GridConfig, content, lambda _: "--set: ")


def _read(name_or_path: str) -> tuple[str, str]:
    """What to call the grid in messages, and its text. A file takes precedence over a packaged grid of the same name."""
    path, is_packaged = Path(name_or_path), name_or_path in packaged_grids()
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        mode, why = None, getattr(error, "strerror", "") or "no file can have this name"
    if mode is not None and stat.S_ISREG(mode):
        return str(path), _text_of(path)
    if is_packaged:
        return f"grid '{name_or_path}'", (GRIDS / f"{name_or_path}.yaml").read_text(encoding="utf-8")
    if mode is not None:  # opening a pipe would wait for a writer
        why = f"it is {next((kind for is_one, kind in _OTHER_KINDS.items() if is_one(mode)), 'a device')}, not a file"
    elif path.suffix not in _SUFFIXES:
        raise unknown_name("grid", name_or_path, packaged_grids())
    raise _unreadable(path, why)


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise _unreadable(path, f"it has more than {_MOST_BYTES:,} bytes")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise _unreadable(path, error.strerror) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = f"{error.object[error.start]:#04x}"
        raise ConfigError(f"{path} line {line}: byte {byte} is not UTF-8. Save the grid in UTF-8.") from None


def _unreadable(path: Path, why: str | None) -> ConfigError:
    return ConfigError(f"{shortened(str(path))}: the grid file cannot be read ({why}).")


def _apply(content: dict[str, Any], change: str) -> Place:
    """Set one value in the content; returns the path of what was set."""
    path, equals, text = change.partition("=")
    shown = f"--set {shortened(change)}"
    if not equals:
        raise ConfigError(f"{shown}: expected a.b=value, got no '='.")
    value = read_value(text, shown)
    target: Any = content
    place: Place = ()
    steps = path.split(".")
    methods = content["methods"] if isinstance(content.get("methods"), list) else []
    while True:
        names = list(map(_name, target)) if isinstance(target, list) else []
        steps = _whole_name(steps, {*map(_name, methods), *(target if isinstance(target, dict) else names)})
        if steps[0] in names:  # a method by its name
            index = names.index(steps[0])
            target[index] = target[index] if isinstance(target[index], dict) else {steps[0]: {}}
            target, place = target[index], (*place, index)
        key = _key(target, steps[0])
        if key is None:
            raise _not_there(shown, target, place, steps)
        place = (*place, key)
        if len(steps) == 1:
            target[key] = value
            return place
        if isinstance(target, dict) and target.get(key) is None:
            target[key] = {}
        target, steps = target[key], steps[1:]


def _whole_name(steps: list[str], names: Collection[str]) -> list[str]:
    """The steps, with those that are one name with dots put together."""
    counts = (count for count in range(len(steps), 1, -1) if ".".join(steps[:count]) in names)
    count = next(counts, 1)
    return [".".join(steps[:count]), *steps[count:]]


def _name(item: Any) -> str:
    """The name of a list's item, which is a name or a mapping with the name as its only key; "" if it is neither."""
    name = next(iter(item)) if isinstance(item, dict) and len(item) == 1 else item
    return name if isinstance(name, str) else ""


def _key(target: Any, step: str) -> str | int | None:
    """The step as a key of the target; None if it has no such key. A mapping takes any: it is checked with the grid."""
    if isinstance(target, list):
        return int(step) if step.isascii() and step.isdecimal() and len(step) < 9 and int(step) < len(target) else None
    return step if isinstance(target, dict) else None


def _not_there(shown: str, target: Any, place: Place, steps: Sequence[str]) -> ConfigError:
    here = ".".join(map(str, place))
    if not isinstance(target, list):
        return ConfigError(f"{shown}: '{here}' is {type(target).__name__} {shortened(repr(target))}, which has no keys.")
    names = [name for item in target if (name := _name(item))]
    starts = [".".join(steps[:count]) for count in range(1, len(steps) + 1)]
    near = next((near[0] for start in starts if (near := get_close_matches(start, names, n=1, cutoff=0.6))), None)
    hint = f" Did you mean '{here}.{near}'?" if near else ""
    known = ", ".join(names) if names else f"items 0 to {len(target) - 1}" if target else "nothing yet"
    return ConfigError(f"{shown}: '{here}' has no '{shortened(steps[0])}'.{hint} Known: {shortened(known, 600)}")
