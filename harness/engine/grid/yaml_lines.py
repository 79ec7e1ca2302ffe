"""YAML with line numbers, so that an error in a grid names its line. Loading is safe: no tag creates an object."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import yaml
from prsbench.harness.contract.errors import ConfigError

Place = tuple[str | int, ...]
MOST_CHARACTERS = 200_000  # of a grid; a text of this length is read in a second or two
MOST_IN_A_STRING = 4096  # a path can be no longer
_MOST_VALUES = 100_000  # with each alias counted as often as it is used
_DEEPEST = 40
# Text that no file, table or terminal can hold as it is: control characters, half of a surrogate pair.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_OTHER_BASE = re.compile(r"[-+]?(0[0-7_]+|[1-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")


class _Loader(yaml.SafeLoader):
    """Stops at the bracket or indent that lies too deep, for which YAML itself takes seconds before its recursion fails."""

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        self._refuse_depth(self.flow_level)
        super().fetch_flow_collection_start(token)

    def add_indent(self, column: int) -> bool:
        self._refuse_depth(len(self.indents))
        return super().add_indent(column)

    def _refuse_depth(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"values lie more than {_DEEPEST} levels deep", problem_mark=self.get_mark())


def read_mapping(text: str, where: str) -> dict[str, Any]:
    """The content of a grid file.

    Raises:
        ConfigError: it is no mapping, gives a key twice (YAML itself would silently use the last), or `read_value` refuses it.
    """
    content, places = _read(text, where, has_lines=True)
    if not isinstance(content, dict):
        kind = {type(None): "nothing: it is empty", list: "a list", str: "one text"}.get(type(content), repr(content))
        raise ConfigError(f"{where}: expected a mapping with name, data and methods, got {kind}.")
    seen: dict[Place, int] = {}
    for path, line in places:
        if path in seen:
            name = ".".join(map(str, path))
            raise ConfigError(f"{where} line {line}: '{name}' is given twice, first in line {seen[path]}. Remove one.")
        seen[path] = line
    return content


def read_value(text: str, where: str) -> Any:
    """The value that a short YAML text holds, as after `--set`; errors name no line. No object in it is in two places.

    Raises:
        ConfigError: it is not YAML, is too long, too deep or refers to itself; a number is octal or in base 60 by YAML's rules,
            which few expect, or has thousands of digits; a string is too long, or holds control characters.
    """
    return _read(text, where)[0]


def _read(text: str, where: str, has_lines: bool = False) -> tuple[Any, list[tuple[Place, int]]]:
    """The value, and (path, line) of every key and item."""
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(f"{where}: expected at most {MOST_CHARACTERS:,} characters of YAML, got {len(text):,}.")

    def place(line: int) -> str:
        return f"{where} line {line}: " if has_lines else f"{where}: "

    try:
        node = _compose(text)
        for line, problem in _problems(node):
            raise ConfigError(place(line) + problem)
        places = list(_places(node, ()))  # before the node is read, which unfolds its merged keys (<<)
        return _unshared(_constructed(node)), places
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(filter(None, (error.context, error.problem)))
        raise ConfigError(f"{place(mark.line + 1 if mark else 1)}this is not plain YAML ({what}).") from None
    except yaml.reader.ReaderError as error:
        character = error.character if isinstance(error.character, str) else chr(error.character)
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{place(line)}this is not YAML, which has no character {character!r}. Take it out.") from None


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """The line, from 1, of the key or item at this path. Steps that are not in the file, such as a union's tag, are skipped."""
    places = _all_places(text) if text else {}
    place: Place = ()
    line = None
    for step in path:
        if (*place, step) in places:
            place = (*place, step)
            line = places[place]
    return line


def _compose(text: str) -> yaml.Node | None:
    return yaml.compose(text, Loader=_Loader)


@lru_cache(maxsize=4)
def _all_places(text: str) -> dict[Place, int]:
    return dict(_places(_compose(text), ()))


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


def _problems(root: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """(line from 1, what is wrong) of what YAML allows and a grid does not. Aliases are counted, not unfolded."""
    measured: dict[int, tuple[int, int]] = {}  # by node: number of values and levels in it; none while it is being measured

    def measure(node: yaml.Node) -> Iterator[tuple[int, str]]:
        line, size, levels = node.start_mark.line + 1, 1, 1
        measured[id(node)] = (0, 0)
        if isinstance(node, yaml.ScalarNode):
            if problem := _problem_of(node):
                yield line, problem
        else:
            for inner in _inner(node):
                if id(inner) not in measured:
                    yield from measure(inner)
                elif measured[id(inner)] == (0, 0):
                    yield line, "a value refers to itself by an alias (*). Write it out."
                size, levels = size + measured[id(inner)][0], max(levels, measured[id(inner)][1] + 1)
        measured[id(node)] = size, levels
        if size > _MOST_VALUES:
            yield line, f"aliases (*) unfold to more than {_MOST_VALUES:,} values. Write out what is meant."
        if levels > _DEEPEST:
            yield line, f"values lie more than {_DEEPEST} levels deep."

    if root is not None:
        yield from measure(root)


def _inner(node: yaml.Node) -> list[yaml.Node]:
    """The keys and values of a mapping, the items of a list."""
    return [inner for pair in node.value for inner in pair] if isinstance(node, yaml.MappingNode) else list(node.value)


def _problem_of(node: yaml.ScalarNode) -> str:
    """What is wrong with one value as it is written; "" if nothing is."""
    written = f"{node.value[:40]}..." if len(node.value) > 40 else node.value
    if len(node.value) > MOST_IN_A_STRING:
        return f"'{written}' has {len(node.value):,} characters, at most {MOST_IN_A_STRING:,} are allowed."
    if found := UNPRINTABLE.search(node.value):
        return f"a text holds the character {found[0]!r}. Take it out."
    if node.tag.endswith((":int", ":float")) and _OTHER_BASE.fullmatch(node.value):
        meant = "a number in base 60" if ":" in node.value else "an octal number"
        return f"YAML reads {written} as {meant}. Write it in another way, or in quotes if it is a text."
    if not node.tag.endswith((":str", ":merge")):
        try:
            _constructed(node)
        except (ValueError, LookupError, OverflowError, AttributeError):  # of int() or datetime, for what only looks so
            return f"{written} looks like a number or a date, but cannot be read as one. Correct it, or put it in quotes."
    return ""


def _constructed(node: yaml.Node | None) -> Any:
    return None if node is None else yaml.SafeLoader("").construct_document(node)


def _unshared(value: Any) -> Any:
    """A copy without YAML's aliases, which are one object in several places: changing one row would change the others."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value
