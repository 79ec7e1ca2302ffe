"""Keys: the same content gives the same key on any machine and in any folder, and different content gives another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

FOLDER_DIGITS = 12  # hex digits of a key at the end of a folder's name
_FIELD_DIGITS = 16  # hex digits of a field's hash
_DEPTH = 3  # of a field's name, as in "node.config.epochs"


def canonical_json(value: Any) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces. NaN has no JSON and is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def key_of(content: Mapping[str, Any]) -> str:
    """sha256 of a JSON-able description, in hex."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def field_hashes(content: Mapping[str, Any]) -> dict[str, str]:
    """A hash of each field of a JSON-able description, by its dotted name; what lies deeper than three names counts as one."""
    return {name: hashlib.sha256(canonical_json(value).encode()).hexdigest()[:_FIELD_DIGITS] for name, value in _fields(content)}


def _fields(value: Any, name: str = "", depth: int = _DEPTH) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, Mapping) else list(enumerate(value)) if isinstance(value, list | tuple) else ()
    if items and depth:
        for key, inner in items:
            yield from _fields(inner, f"{name}.{key}" if name else str(key), depth - 1)
    else:
        yield name, value
