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


def read_mapping(text: str, where: str) -> dict[str, Any]:
    """The content of a grid file.

    Raises:
        ConfigError: it is not YAML, is not a mapping, gives a key twice (YAML itself would silently use the last), or `read_value`
            refuses one of its values.
    """
    content = read_value(text, where)
    if not isinstance(content, dict):
        kind = {type(None): "nothing: the file is empty", list: "a list", str: "one text"}.get(type(content), repr(content))
        raise ConfigError(f"{where}: expected a mapping with name, data and methods, got {kind}.")
    seen: dict[Place, int] = {}
    for path, line in _places(_compose(text), ()):
        if path in seen:
            name = ".".join(map(str, path))
            raise ConfigError(f"{where} line {line}: '{name}' is given twice, first in line {seen[path]}. Remove one.")
        seen[path] = line
    return content


def read_value(text: str, where: str, in_line: bool = True) -> Any:
    """The value that a YAML text holds, in which no object is in two places. in_line: errors name the line in the text.

    Raises:
        ConfigError: the text is not YAML, is too long, too deep or refers to itself; a number is octal or sexagesimal by YAML's
            rules, which few expect, or has thousands of digits; a string is too long, or holds control characters.
    """

    def place(line: int | None) -> str:
        return f"{where} line {line}: " if in_line and line else f"{where}: "

    if len(text) > MOST_CHARACTERS:
        raise ConfigError(f"{where}: expected at most {MOST_CHARACTERS:,} characters of YAML, got {len(text):,}.")
    try:
        node = _compose(text)
        for line, problem in _problems(node):
            raise ConfigError(place(line) + problem)
        return _constructed(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(filter(None, (error.context, error.problem)))
        raise ConfigError(f"{place(mark and mark.line + 1)}this is not YAML that prsbench reads ({what}).") from None
    except yaml.reader.ReaderError as error:  # a character that YAML does not allow
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{place(line)}this is not YAML: it holds the character {chr(error.character)!r}.") from None  # type: ignore[arg-type]
    except RecursionError:
        raise ConfigError(f"{where}: values lie more than {_DEEPEST} levels deep.") from None


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
    return yaml.compose(text, Loader=yaml.SafeLoader)


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
    """(line from 1, what is wrong) of the values that YAML allows and a grid does not; sizes are counted without unfolding."""
    sizes: dict[int, int] = {}  # by node: the number of values in it; 0 while they are counted

    def walk(node: yaml.Node, depth: int) -> Iterator[tuple[int, str]]:
        line, sizes[id(node)] = node.start_mark.line + 1, 0
        if depth > _DEEPEST:
            yield line, f"values lie more than {_DEEPEST} levels deep."
        elif isinstance(node, yaml.ScalarNode):
            if problem := _problem_of(node):
                yield line, problem
            size = 0
        else:
            size = 0
            for inner in _inner(node):
                if id(inner) not in sizes:
                    yield from walk(inner, depth + 1)
                elif not sizes[id(inner)]:
                    yield line, "a value refers to itself by an alias (*). Write it out."
                size += sizes[id(inner)]
        sizes[id(node)] = size + 1
        if size > _MOST_VALUES:
            yield line, f"aliases (*) unfold to more than {_MOST_VALUES:,} values. Write out what is meant."

    if root is not None:
        yield from walk(root, 0)


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
    try:
        _constructed(node)
    except (ValueError, OverflowError):  # int() and datetime.date() of what only looks like a number or a date
        return f"{written} looks like a number or a date, but is none. Correct it, or put it in quotes."
    return ""


def _constructed(node: yaml.Node | None) -> Any:
    if node is None:
        return None
    return _unshared(yaml.SafeLoader("").construct_document(node))


def _unshared(value: Any) -> Any:
    """A copy without YAML's aliases, which are one object in several places: changing one row would change the others."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value
