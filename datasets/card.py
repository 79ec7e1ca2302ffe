"""The card of a data root (prsbench.json): whether its images are synthetic or real, and what it contains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import DataKind

CARD = "prsbench.json"
SCHEMA = 1


def read_card(root: Path) -> dict[str, Any]:
    """The card of a root, or {} if it has none.

    Raises:
        DataError: the card cannot be read, has another schema, or says that pictures were being replaced when it was written.
    """
    card = _card(root)
    if "interrupted" in card:
        archive = " in ".join(card["interrupted"])
        raise DataError(
            f"{root}: `prsbench prepare` was stopped while it replaced the pictures of {archive}, so that questions and pictures "
            "may not belong together. Prepare that archive again."
        )
    return card


def joinable_card(root: Path, folder: str, target_noun: str, data_kind: DataKind, archive: str) -> dict[str, Any]:
    """The root's card, or {} if the root is new. A replacement of this very archive that was interrupted is no obstacle.

    Raises:
        DataError: the root holds the other kind of data, tables not made by prsbench, or this modality with another target.
    """
    card = _card(root)
    if card.get("interrupted") == [archive, folder]:
        del card["interrupted"]
    else:
        card = read_card(root)
    if not card and any(root.glob("*.csv")):
        raise DataError(f"{root}: expected an empty folder or one of prsbench, got tables but no {CARD}. Choose another folder.")
    if card and card["data_kind"] != data_kind:
        raise DataError(
            f"{root}: expected {data_kind} data, got a folder of {card['data_kind']} data. "
            "Real and synthetic images must not be mixed: choose another folder."
        )
    existing = card.get("modalities", {}).get(folder, {}).get("target", target_noun)
    if existing != target_noun:
        raise DataError(
            f"{root / folder}: expected masks of '{existing}', as in the existing data, got '{target_noun}'. A modality has one "
            "target: choose another folder."
        )
    return card


def _card(root: Path) -> dict[str, Any]:
    path = root / CARD
    if not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        DataKind(card["data_kind"])
        if card["schema"] != SCHEMA:
            raise ValueError(f"schema {card['schema']!r}")
        targets = [entry.get("target", "") for entry in card.get("modalities", {}).values()]
        if not all(isinstance(text, str) for text in [*targets, *card.get("interrupted", [])]):
            raise ValueError("another shape")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: expected a card of schema {SCHEMA}, got {error!r}. Prepare the data set again.") from error
    return card
