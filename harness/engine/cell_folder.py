"""The folder of one cell: what it is, its records, its seal and its scores.

cell.json (identity, labels, provenance), records.jsonl, maps/<n>.png, sealed.json, scores.json, error.json.
"""

from __future__ import annotations

import math
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.types import Labels, PromptSource, TextSource, Weights
from prsbench.harness.engine.grid import CellNode
from prsbench.harness.engine.journal import RECORDS, read_records
from prsbench.harness.engine.keys import file_hash
from prsbench.harness.engine.ledger import SEAL, read_json, write_json
from prsbench.metrics.placed_texts import TextModels

CELL = "cell.json"
SCORES = "scores.json"
MAPS = "maps"
MAP_LEVELS = 65535  # 16-bit grey


def begin(folder: Path, node: CellNode, labels: Labels, weights: str | None, provenance: Mapping[str, Any]) -> None:
    """Say what the folder holds. Records made with other weights or under other labels are taken away first."""
    identity = {"node": asdict(node), "labels": asdict(labels), "weights": weights}
    identity["labels"]["notes"] = list(labels.notes)
    known = read_json(folder / CELL)
    if known and all(known[name] == value for name, value in identity.items()):
        return
    discard(folder)
    write_json(folder / CELL, {**identity, "provenance": provenance})


def discard(folder: Path) -> None:
    """Take away all numbers an attempt has made, the seal first, so that no instant shows half of it as finished."""
    for name in (SEAL, SCORES, RECORDS):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / MAPS, ignore_errors=True)


def seal(folder: Path, records: Sequence[Record], weights: str | None) -> None:
    """Declare the records complete."""
    statuses = Counter(record.status for record in records)
    digest = file_hash(folder / RECORDS)
    write_json(folder / SEAL, {"records_sha256": digest, "weights": weights, "n": len(records), "statuses": statuses})


def is_sealed(folder: Path, weights: str | None) -> bool:
    """Whether the cell is complete, and made with these weights. None asks for no particular ones."""
    found = read_json(folder / SEAL)
    return found is not None and weights in (None, found["weights"])


def is_intact(folder: Path) -> bool:
    """Whether a sealed cell's records are still the bytes that were sealed."""
    path = folder / RECORDS
    return path.exists() and file_hash(path) == read_json(folder / SEAL)["records_sha256"]


def damage(folder: Path) -> str:
    """What to say of a sealed cell that is not intact."""
    return f"{folder / RECORDS} is not the file that was sealed. Delete its folder; the cell is computed again."


def sealed_records(folder: Path) -> tuple[list[Record], str]:
    """The records of a sealed cell and their hash.

    Raises:
        RunFolderError: the file is not the one that was sealed.
    """
    if not is_intact(folder):
        raise RunFolderError(damage(folder))
    found = read_json(folder / SEAL)
    return read_records(folder / RECORDS, batch_size=found["n"], total=found["n"]), found["records_sha256"]


def labels_of(folder: Path) -> Labels | None:
    """The labels of a cell's row, or None if it never got as far as loading its method."""
    known = read_json(folder / CELL)
    if known is None:
        return None
    found = known["labels"]
    return Labels(
        PromptSource(found["prompt_source"]), Weights(found["weights"]), TextSource(found["text_source"]), tuple(found["notes"])
    )


def write_scores(folder: Path, identity: Mapping[str, str], judges: TextModels, scores: Sequence[Mapping[str, float]]) -> None:
    """Keep the scores beside what they depend on; a value that is not defined (NaN) is null."""
    rows = [{name: None if math.isnan(value) else value for name, value in row.items()} for row in scores]
    judged = {"text_models_checksum": judges.checksum, "text_models_notes": list(judges.notes)}
    write_json(folder / SCORES, {"identity": identity, **judged, "scores": rows})


def read_scores(folder: Path, identity: Mapping[str, str | None]) -> list[dict[str, float]] | None:
    """The scores, or None if there are none with this identity. A None in the identity asks for nothing."""
    found = read_json(folder / SCORES)
    if found is None or any(value not in (None, found["identity"].get(name)) for name, value in identity.items()):
        return None
    return [{name: math.nan if value is None else value for name, value in row.items()} for row in found["scores"]]


def judge_notes(folder: Path) -> tuple[str, ...]:
    """What a reader must know of the models that judged the text of this cell."""
    return tuple((read_json(folder / SCORES) or {}).get("text_models_notes", ()))


def write_map(folder: Path, index: int, probability: NDArray[np.float32]) -> None:
    """Keep the map of the index-th sample: 16-bit grey, without loss beyond those 16 bits."""
    path = folder / MAPS / f"{index}.png"
    path.parent.mkdir(exist_ok=True)
    levels = np.rint(probability.astype(np.float64) * MAP_LEVELS).astype(np.uint16)
    with path.open("wb") as stream:
        Image.fromarray(levels).save(stream, format="PNG", compress_level=3)
        stream.flush()
        os.fsync(stream.fileno())


def read_map(folder: Path, index: int) -> NDArray[np.float32] | None:
    """(H, W) float32 in [0, 1], or None if the sample has no map."""
    path = folder / MAPS / f"{index}.png"
    if not path.exists():
        return None
    with Image.open(path) as image:
        return (np.asarray(image, dtype=np.float64) / MAP_LEVELS).astype(np.float32)
