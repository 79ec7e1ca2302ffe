"""YAML with line numbers, so that an error in a grid names its line. Loading is safe: no tag creates an object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from prsbench.harness.contract.errors import ConfigError

Place = tuple[str | int, ...]


def read_mapping(text: str, where: str) -> dict[str, Any]:
    """The content of a grid file.

    Raises:
        ConfigError: it is not YAML, is not a mapping, or gives a key twice (YAML itself would silently use the last).
    """
    try:
        content = yaml.safe_load(text)
        places = list(_places(yaml.compose(text, Loader=yaml.SafeLoader), ()))
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: expected a mapping with name, data and methods, got {type(content).__name__}.")
    seen: dict[Place, int] = {}
    for path, line in places:
        if path in seen:
            name = ".".join(map(str, path))
            raise ConfigError(f"{where} line {line}: '{name}' is given twice, first in line {seen[path]}. Remove one.")
        seen[path] = line
    return content


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """The line, from 1, of the key or item at this path. Steps that are not in the file, such as a union's tag, are skipped."""
    places = dict(_places(yaml.compose(text, Loader=yaml.SafeLoader), ())) if text else {}
    place: Place = ()
    line = None
    for step in path:
        if (*place, step) in places:
            place = (*place, step)
            line = places[place]
    return line


def _places(node: yaml.Node | None, path: Place) -> Iterator[tuple[Place, int]]:
    """(path, line from 1) of every key and item."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, key.value), key.start_mark.line + 1
            yield from _places(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item.start_mark.line + 1
            yield from _places(item, (*path, index))
