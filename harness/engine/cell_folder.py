"""The folder of one cell: what it is, its records, its seal and its scores.

cell.json (identity, labels, provenance), records.jsonl, maps.bin, sealed.json, scores.json and scored.json (what they were
made of), cost.json, attempts.json, log.txt.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.records import Cost, Record
from prsbench.harness.contract.types import Labels, PromptSource, TextSource, Weights
from prsbench.harness.engine.durable import sync_folder
from prsbench.harness.engine.grid import CellNode
from prsbench.harness.engine.journal import RECORDS, damaged_line, read_records
from prsbench.harness.engine.keys import file_hash
from prsbench.harness.engine.ledger import SEAL, read_json, write_json
from prsbench.harness.engine.maps import MAPS
from prsbench.metrics.placed_texts import TextModels

CELL = "cell.json"
SCORES = "scores.json"
SCORED = "scored.json"
COST = "cost.json"


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
    for name in (SEAL, SCORED, SCORES, RECORDS, MAPS, COST):
        (folder / name).unlink(missing_ok=True)


def seal(folder: Path, records: Sequence[Record], weights: str | None) -> None:
    """Declare records and maps complete."""
    statuses = Counter(record.status for record in records)
    files = {name: _fingerprint(folder / name) for name in (RECORDS, MAPS) if (folder / name).exists()}
    write_json(folder / SEAL, {"files": files, "weights": weights, "n": len(records), "statuses": statuses})


def _fingerprint(path: Path) -> dict[str, Any]:
    """sha256, size and time of change: while the last two hold, the first is not computed again."""
    return {"sha256": file_hash(path), "bytes": path.stat().st_size, "changed_ns": path.stat().st_mtime_ns}


def is_sealed(folder: Path, weights: str | None) -> bool:
    """Whether the cell is complete, and made with these weights. None asks for no particular ones."""
    found = read_json(folder / SEAL)
    return found is not None and weights in (None, found["weights"])


def write_cost(folder: Path, cost: Cost | None) -> None:
    """Keep what an image costs beside the records. It differs between machines, so no seal or key holds it."""
    if cost is not None:
        write_json(folder / COST, cost.to_json())


def cost_of(folder: Path) -> Cost | None:
    """What was measured, or None."""
    found = read_json(folder / COST)
    return Cost.from_json(found) if found else None


def damaged_files(folder: Path, is_thorough: bool = False) -> list[str]:
    """What to say of each file of a sealed cell that is not the one that was sealed; nothing if all are.

    A file of the same size and time of change is taken for unchanged unless is_thorough: records are hashed again whenever
    they are read.
    """
    files = read_json(folder / SEAL)["files"]
    return [_damage(folder / name) for name, known in files.items() if not _is_same(folder / name, known, is_thorough)]


def _is_same(path: Path, known: Mapping[str, Any], is_thorough: bool) -> bool:
    if not path.exists() or path.stat().st_size != known["bytes"]:
        return False
    unchanged = path.stat().st_mtime_ns == known["changed_ns"]
    return unchanged and not is_thorough or file_hash(path) == known["sha256"]


def _damage(path: Path) -> str:
    line = damaged_line(path) if path.name == RECORDS and path.exists() else None
    where = f"{path} line {line}" if line else str(path)
    return f"{where} is not what was sealed. Delete its folder or run `prsbench retry`; the cell is computed again."


def statuses(folder: Path) -> dict[str, int]:
    """How many records of a sealed cell have each status."""
    return read_json(folder / SEAL)["statuses"]


def put_aside(folder: Path, where: Path) -> Path:
    """Move a cell out of the way; returns its new place."""
    where.mkdir(parents=True, exist_ok=True)
    number = next(n for n in count(1) if not (where / f"{folder.name}-{n}").exists())
    return folder.rename(where / f"{folder.name}-{number}")


def records_hash(folder: Path) -> str:
    """sha256 of a sealed cell's records, as its seal says."""
    return read_json(folder / SEAL)["files"][RECORDS]["sha256"]


def sealed_records(folder: Path) -> tuple[list[Record], str]:
    """The records of a sealed cell and their hash.

    Raises:
        RunFolderError: the file is not the one that was sealed.
    """
    found = read_json(folder / SEAL)
    if not _is_same(folder / RECORDS, found["files"][RECORDS], is_thorough=True):
        raise RunFolderError(_damage(folder / RECORDS))
    return read_records(folder / RECORDS, batch_size=found["n"], total=found["n"]), found["files"][RECORDS]["sha256"]


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
    """Keep the scores, then what they depend on; a value that is not defined (NaN) is null."""
    rows = [{name: None if math.isnan(value) else value for name, value in row.items()} for row in scores]
    (folder / SCORED).unlink(missing_ok=True)  # so that no instant shows new scores under an old identity
    sync_folder(folder)
    write_json(folder / SCORES, rows)
    judged = {"text_models_checksum": judges.checksum, "text_models_notes": list(judges.notes)}
    write_json(folder / SCORED, {"identity": identity, **judged})


def scored_with(folder: Path) -> dict[str, str]:
    """What the scores of a cell were made of; nothing if it has none."""
    found = read_json(folder / SCORED)
    return found["identity"] if found else {}


def is_scored(folder: Path, identity: Mapping[str, str | None]) -> bool:
    """Whether there are scores with this identity. A None in the identity asks for nothing."""
    found = scored_with(folder)
    return bool(found) and all(value in (None, found.get(name)) for name, value in identity.items())


def judge_notes(folder: Path) -> tuple[str, ...]:
    """What a reader must know of the models that judged the text of this cell."""
    return tuple((read_json(folder / SCORED) or {}).get("text_models_notes", ()))


def read_scores(folder: Path) -> list[dict[str, float]]:
    """The scores of a scored cell, one row a record."""
    return [{name: math.nan if v is None else v for name, v in row.items()} for row in read_json(folder / SCORES)]
