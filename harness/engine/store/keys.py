"""Keys: the same content gives the same key on any machine and in any folder, and different content gives another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

FOLDER_DIGITS = 12  # hex digits of a key at the end of a folder's name


def canonical_json(value: Any) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces. NaN has no JSON and is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def key_of(content: Mapping[str, Any]) -> str:
    """sha256 of a JSON-able description, in hex."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()
