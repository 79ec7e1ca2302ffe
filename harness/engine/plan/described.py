"""What planning has to know of a user's method: found out in a process of its own, because the file is run to be imported."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from prsbench.harness.contract.catalog import Entry, imported, resolve
from prsbench.harness.contract.config import PartConfig, merged
from prsbench.harness.contract.errors import ConfigError, PrsbenchError, reason_of
from prsbench.harness.contract.types import Need
from prsbench.harness.engine.apart.process import Apart
from prsbench.harness.engine.grid.validation import validated
from pydantic import PrivateAttr

IMPORT_S = 120.0  # a file that takes longer hangs
_PLACE = "\0"  # around the path of a wrong key, until the grid's file and line take its place


class StatedConfig(PartConfig):
    """A config by what it says of itself, without its class. problem tells why the class cannot be imported; "" if it can."""

    _values: dict[str, Any] = PrivateAttr()
    _needs: dict[str, Need] = PrivateAttr()
    _checkpoints: dict[str, Path] = PrivateAttr()
    _problem: str = PrivateAttr()

    def __init__(
        self, values: Mapping[str, Any], needs: Mapping[str, Any], checkpoints: Mapping[str, str], problem: str = ""
    ) -> None:
        super().__init__()
        self._values, self._problem = dict(values), problem
        self._needs = {role: Need(**need) for role, need in needs.items()}
        self._checkpoints = {name: Path(path) for name, path in checkpoints.items()}

    @property
    def problem(self) -> str:
        return self._problem

    def needs(self) -> Mapping[str, Need]:
        return self._needs

    def checkpoints(self) -> Mapping[str, Path]:
        return self._checkpoints

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return dict(self._values)


def described(
    entry: Entry, overrides: Sequence[Mapping[str, Any]], number: int, place_of: Callable[[Sequence[str | int]], str]
) -> tuple[Entry, StatedConfig]:
    """The entry of a user's method, and its config with one of these changes. One process checks all of them.

    A file that cannot be imported is a config with that problem, whose row fails when it is run; the other rows are not touched.

    Raises:
        ConfigError: there is no such file or class, or the config refuses the changes.
    """
    found = _described(
        entry.name,
        entry.factory,
        _content(entry),
        json.dumps([merged(entry.defaults, changes) for changes in overrides], default=str),
    )
    if "problem" in found:
        return replace(entry, trains=False), StatedConfig(overrides[number], {}, {}, found["problem"])
    config = found["configs"][number]
    if "refused" in config:
        raise ConfigError(re.sub(f"{_PLACE}(.*?){_PLACE}", lambda path: place_of(json.loads(path[1])), config["refused"]))
    return replace(entry, trains=found["trains"]), StatedConfig(**config)


def described_schema(entry: Entry, template: str) -> dict[str, Any]:
    """JSON Schema of the config of a user's method; any keys will do if it cannot be imported."""
    try:
        schema: dict[str, Any] = Apart().call(_schema, entry, template, timeout_s=IMPORT_S)
    except (PrsbenchError, OSError):
        return {"type": "object"}
    return schema


@lru_cache(maxsize=64)
def _described(name: str, factory: str, content: bytes, changes: str) -> dict[str, Any]:  # noqa: ARG001
    """What `_describe` says, or the problem; asked once for each content of the file."""
    entry, module = Entry(name, "", factory, f"{factory}Config"), factory.rpartition(":")[0]
    try:
        found: dict[str, Any] = Apart().call(_describe, entry, changes, timeout_s=IMPORT_S)
    except ConfigError:
        raise
    except (PrsbenchError, OSError) as error:
        what = "Correct the file, or install what it imports; the other rows are not affected."
        return {"problem": f"{module} cannot be imported: {reason_of(error)}. {what}"}
    return found


def _content(entry: Entry) -> bytes:
    path = Path(entry.factory.rpartition(":")[0])
    return path.read_bytes() if path.suffix == ".py" and path.is_file() else b""


def _describe(entry: Entry, changes: str) -> dict[str, Any]:
    """In the process of its own: whether the method trains, and its config with each of these changes."""
    entry = imported(entry)
    return {"trains": entry.trains, "configs": [_config(entry, each) for each in json.loads(changes)]}


def _config(entry: Entry, changes: Mapping[str, Any]) -> dict[str, Any]:
    try:
        config = validated(resolve(entry.config), changes, lambda path: f"{_PLACE}{json.dumps(path)}{_PLACE}")
    except ConfigError as error:
        return {"refused": str(error)}
    needs = {role: _fields(need) for role, need in config.needs().items()}
    checkpoints = {name: str(path) for name, path in config.checkpoints().items()}
    return {"values": config.model_dump(mode="json"), "needs": needs, "checkpoints": checkpoints}


def _fields(need: Need) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(dict(need.config), default=str))
    return {"trainable": need.trainable, "config": plain, "split": need.split, "seed": need.seed}


def _schema(entry: Entry, template: str) -> dict[str, Any]:
    schema: dict[str, Any] = resolve(imported(entry).config).model_json_schema(ref_template=template)
    return schema
