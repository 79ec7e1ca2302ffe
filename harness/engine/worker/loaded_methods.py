"""The methods loaded in a worker process: loaded once, shared by all cells of the same method, then dropped."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import ContractError, RunFolderError
from prsbench.harness.contract.memory import return_freed_memory
from prsbench.harness.contract.results import Cost
from prsbench.harness.contract.types import Method, PromptSource, ReferenceRow, check_labels
from prsbench.harness.engine.plan.nodes import CellNode, TrainingNode
from prsbench.harness.engine.store.keys import key_of
from prsbench.harness.engine.worker.process import free_device_memory
from prsbench.harness.engine.worker.seeding import seed_everything
from prsbench.harness.engine.worker.setting import Setting
from prsbench.harness.engine.worker.users_method import MEASURE, UsersMethod, start
from pydantic import ValidationError

BOXES = (PromptSource.ORACLE_BOX, PromptSource.JITTERED_BOX)
_held: dict[str, Method | ReferenceRow] = {}
_costs: dict[str, Cost | None] = {}


def evict_except(cells: Iterable[CellNode], setting: Setting) -> None:
    """Drop every method that none of these cells uses: a worker never holds more than one job needs."""
    wanted = {_identity(cell, setting) for cell in cells}
    for cache in (_held, _costs):
        for identity in cache.keys() - wanted:
            del cache[identity]


def clear_loaded_methods() -> None:
    """Drop every method, so that the next use loads it again."""
    _held.clear()
    _costs.clear()


def method_of(cell: CellNode, setting: Setting) -> Method | ReferenceRow:
    """The method of a cell with its weights.

    Raises:
        MissingPrerequisite: a package or checkpoint is missing.
        ContractError: its labels state another prompt source than its config.
    """
    identity = _identity(cell, setting)
    if identity not in _held:
        _held[identity] = _load(cell, setting)
    return _held[identity]


def cost_of(cell: CellNode, setting: Setting) -> Cost | None:
    """The cost of the cell's method, measured once while it is loaded; None for reference rows, or if measuring fails."""
    identity = _identity(cell, setting)
    if identity not in _costs:
        _costs[identity] = _measured(method_of(cell, setting))
    return _costs[identity]


def build(node: CellNode | TrainingNode) -> Any:
    """The method or part of a node, without weights; a user's method in a process of its own.

    Raises:
        RunFolderError: a run folder of another version names what this version lacks.
    """
    seed_everything(0)  # what it draws now must not depend on what ran before
    return start(node, _built) if node.own_process else _built(node)


def _built(node: CellNode | TrainingNode) -> Any:
    factory = resolve(node.factory)
    try:
        config = resolve(node.config_type).model_validate(node.config)
    except ValidationError as error:
        problem = error.errors()[0]
        where = f"'{node.config_type}' refuses '{'.'.join(map(str, problem['loc']))}' ({problem['msg']})"
        raise RunFolderError(f"{where}, so this run was made by another version of prsbench; run its grid again.") from None
    return factory(config)


def _measured(method: Method | ReferenceRow) -> Cost | None:
    if isinstance(method, ReferenceRow):
        return None
    seed_everything(0)
    return_freed_memory()
    try:
        return method.cost() if isinstance(method, UsersMethod) else resolve(MEASURE)(method)
    except Exception:  # noqa: BLE001 - must not fail the cell; if the method is broken, its samples show it
        traceback.print_exc()
        free_device_memory()
        return None


def _identity(cell: CellNode, setting: Setting) -> str:
    weights = setting.digest(cell.training)
    content = {"factory": cell.factory, "config": cell.config, "training": cell.training, "weights": weights}
    return key_of({**content, "origin": cell.origin["checkpoints"], "device": setting.device})


def _load(cell: CellNode, setting: Setting) -> Method | ReferenceRow:
    """Load the cell's method; without a training it loads from an empty folder."""
    method = build(cell)
    if cell.training:
        method.load(setting.weights_folder(cell.training), setting.device)
    else:
        with TemporaryDirectory() as empty_folder:
            method.load(Path(empty_folder), setting.device)
    source, labels = PromptSource(cell.config["prompt_source"]), method.labels
    check_labels(labels)
    if source in (*BOXES, PromptSource.ORACLE_POINT) and (stated := labels.prompt_source) != source:
        raise ContractError(f"{cell.method}: its prompt is the {source}, but its labels say '{stated}'. Correct `labels`.")
    return method
