"""The methods a worker process holds: loaded once, used by every cell that asks for the same one, dropped when no cell does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import ContractError
from prsbench.harness.contract.types import Method, PromptSource, ReferenceRow
from prsbench.harness.engine.grid import CellNode
from prsbench.harness.engine.keys import key_of
from prsbench.harness.engine.ledger import digest_of
from prsbench.harness.engine.process import Setting

BOXES = (PromptSource.ORACLE_BOX, PromptSource.JITTERED_BOX)
_held: dict[str, Method | ReferenceRow] = {}


def hold_only(cells: Iterable[CellNode], setting: Setting) -> None:
    """Let go of every method that none of these cells uses: a worker never holds more than one job needs."""
    wanted = {_identity(cell, setting) for cell in cells}
    for identity in _held.keys() - wanted:
        del _held[identity]


def let_go() -> None:
    """Load everything anew from here on."""
    _held.clear()


def method_of(cell: CellNode, setting: Setting) -> Method | ReferenceRow:
    """The method of a cell with its weights.

    Raises:
        MissingPrerequisite: it cannot be loaded here.
        ContractError: it says another prompt source than its config.
    """
    identity = _identity(cell, setting)
    if identity not in _held:
        _held[identity] = _load(cell, setting)
    return _held[identity]


def _identity(cell: CellNode, setting: Setting) -> str:
    weights = digest_of(setting.training_folder(cell.training)) if cell.training else None
    content = {"factory": cell.factory, "config": cell.config, "training": cell.training, "weights": weights}
    return key_of({**content, "origin": cell.origin["checkpoints"], "device": setting.device})


def _load(cell: CellNode, setting: Setting) -> Method | ReferenceRow:
    """One without a training loads from an empty folder."""
    method = resolve(cell.factory)(resolve(cell.config_type).model_validate(cell.config))
    if cell.training:
        method.load(setting.weights_folder(cell.training), setting.device)
    else:
        with TemporaryDirectory() as nothing_saved:
            method.load(Path(nothing_saved), setting.device)
    source = PromptSource(cell.config["prompt_source"])
    if source in (*BOXES, PromptSource.ORACLE_POINT) and method.labels.prompt_source != source:
        said = method.labels.prompt_source
        raise ContractError(f"{cell.method}: its prompt is the {source}, but its labels say '{said}'. Correct `labels`.")
    return method
