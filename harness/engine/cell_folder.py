"""The folder of one cell: what it is, its predictions and their seal, what was measured of them, and its scores.

cell.json (identity, labels, provenance); predictions.jsonl, maps.bin and sealed.json; cost.json; records.jsonl and measured.json
(what they were measured with and of); scores.json with summary.bin (what a report reads of records and scores) and scored.json
(what they were made of); attempts.json, log.txt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.records import Cost, Record
from prsbench.harness.contract.summary import summarise_cell, to_bytes
from prsbench.harness.contract.types import Labels, PromptSource, TextSource, Weights
from prsbench.harness.engine import streams
from prsbench.harness.engine.durable import sync_folder, write_atomically
from prsbench.harness.engine.grid import CellNode
from prsbench.harness.engine.journal import PREDICTIONS, RECORDS, damaged_line, read_lines
from prsbench.harness.engine.kept import KeptPrediction
from prsbench.harness.engine.keys import file_hash
from prsbench.harness.engine.ledger import SEAL, read_json, write_json
from prsbench.harness.engine.maps import MAPS
from prsbench.metrics.placed_texts import TextModels

CELL = "cell.json"
MEASURED = "measured.json"
SUMMARY = "summary.bin"
SCORES = "scores.json"
SCORED = "scored.json"
COST = "cost.json"
_MEASURED_FILES = (SCORED, SCORES, SUMMARY, MEASURED, RECORDS)  # what no longer holds goes before what it was made of


def begin(folder: Path, node: CellNode, labels: Labels, weights: str | None, provenance: Mapping[str, Any]) -> None:
    """Say what the folder holds. What was made with other weights or under other labels is taken away first."""
    identity = {"node": asdict(node), "labels": asdict(labels), "weights": weights}
    identity["labels"]["notes"] = list(labels.notes)
    known = read_json(folder / CELL)
    if known and all(known[name] == value for name, value in identity.items()):
        return
    discard(folder)
    write_json(folder / CELL, {**identity, "provenance": provenance})


def discard(folder: Path) -> None:
    """Take away all numbers an attempt has made, the seal first, so that no instant shows half of it as finished."""
    for name in (SEAL, *_MEASURED_FILES, PREDICTIONS, MAPS, COST):
        (folder / name).unlink(missing_ok=True)


def seal(folder: Path, kept: Sequence[KeptPrediction], weights: str | None) -> None:
    """Declare predictions and maps complete."""
    statuses = Counter(each.status for each in kept)
    files = {name: _fingerprint(folder / name) for name in (PREDICTIONS, MAPS) if (folder / name).exists()}
    write_json(folder / SEAL, {"files": files, "weights": weights, "n": len(kept), "statuses": statuses})


def measuring_identity(folder: Path, measuring: str) -> dict[str, str]:
    """What the records of a sealed cell have to be made of: the hash of the measures' code, and the sealed files."""
    return {"measuring": measuring} | {name: known["sha256"] for name, known in read_json(folder / SEAL)["files"].items()}


def begin_measuring(folder: Path, identity: Mapping[str, str]) -> None:
    """Say what the records are being made of. Those made of something else are taken away first, with their scores."""
    known = read_json(folder / MEASURED)
    if known != {"identity": identity, "records": None}:
        for name in _MEASURED_FILES:
            (folder / name).unlink(missing_ok=True)
        sync_folder(folder)
        write_json(folder / MEASURED, {"identity": identity, "records": None})


def finish_measuring(folder: Path, identity: Mapping[str, str]) -> None:
    """Declare the records complete."""
    write_json(folder / MEASURED, {"identity": identity, "records": _fingerprint(folder / RECORDS)})


def is_measured(folder: Path, measuring: str) -> bool:
    """Whether a sealed cell's records are complete and made with this code, of what is sealed."""
    found = read_json(folder / MEASURED)
    return bool(found and found["records"]) and found["identity"] == measuring_identity(folder, measuring)


def _fingerprint(path: Path) -> dict[str, Any]:
    """sha256, size and time of change: while the last two hold, the first is not computed again."""
    return {"sha256": file_hash(path), "bytes": path.stat().st_size, "changed_ns": path.stat().st_mtime_ns}


def is_sealed(folder: Path, weights: str | None) -> bool:
    """Whether the cell is complete, and made with these weights. None asks for no particular ones."""
    found = read_json(folder / SEAL)
    return found is not None and weights in (None, found["weights"])


def measured_with(folder: Path) -> dict[str, str]:
    """What the records of a cell were made of, finished or not; nothing if there are none."""
    found = read_json(folder / MEASURED)
    return found["identity"] if found else {}


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

    A file of the same size and time of change is taken for unchanged unless is_thorough: all are hashed again whenever they
    are read.
    """
    files = read_json(folder / SEAL)["files"]
    return [_damage(folder / name) for name, known in files.items() if not _is_same(folder / name, known, is_thorough)]


def damaged_records(folder: Path, is_thorough: bool = False) -> str:
    """What to say of a cell's records if they are not the ones that were measured; "" if they are, or none are yet."""
    known = (read_json(folder / MEASURED) or {"records": None})["records"]
    return _damage(folder / RECORDS) if known and not _is_same(folder / RECORDS, known, is_thorough) else ""


def _is_same(path: Path, known: Mapping[str, Any], is_thorough: bool) -> bool:
    if not path.exists() or path.stat().st_size != known["bytes"]:
        return False
    unchanged = path.stat().st_mtime_ns == known["changed_ns"]
    return unchanged and not is_thorough or file_hash(path) == known["sha256"]


def _damage(path: Path) -> str:
    line = damaged_line(path) if path.name != MAPS and path.exists() else None
    where = f"{path} line {line}" if line else str(path)
    if path.name == RECORDS:
        return f"{where} is not what was measured. Run `prsbench retry`; the kept predictions are measured again."
    return f"{where} is not what was sealed. Delete its folder or run `prsbench retry`; the cell is computed again."


def statuses(folder: Path) -> dict[str, int]:
    """How many records of a sealed cell have each status."""
    return read_json(folder / SEAL)["statuses"]


def put_aside(folder: Path, where: Path) -> Path:
    """Move a cell out of the way; returns its new place."""
    return folder.rename(_free_place(folder, where))


def put_records_aside(folder: Path, where: Path) -> Path:
    """Move a cell's records out of the way, so that they are made again; returns their new place."""
    place = _free_place(folder, where)
    place.mkdir()
    for name in _MEASURED_FILES:
        if (folder / name).exists():
            (folder / name).rename(place / name)
    return place


def _free_place(folder: Path, where: Path) -> Path:
    where.mkdir(parents=True, exist_ok=True)
    return next(place for n in count(1) if not (place := where / f"{folder.name}-{n}").exists())


def records_hash(folder: Path) -> str:
    """sha256 of a measured cell's records."""
    return read_json(folder / MEASURED)["records"]["sha256"]


def sealed_predictions(folder: Path) -> list[KeptPrediction]:
    """The predictions of a sealed cell; its maps are then whole too.

    Raises:
        RunFolderError: a file is not the one that was sealed.
    """
    if damage := damaged_files(folder, is_thorough=True):
        raise RunFolderError(damage[0])
    n = read_json(folder / SEAL)["n"]
    return read_lines(folder / PREDICTIONS, KeptPrediction, batch_size=n, total=n)


def sealed_records(folder: Path) -> tuple[Sequence[Record], str]:
    """The records of a measured cell, decoded when asked for, and their hash.

    Raises:
        RunFolderError: the file is not the one that was measured.
    """
    if damage := damaged_records(folder, is_thorough=True):
        raise RunFolderError(damage)
    return streams.StoredRecords(folder / RECORDS), records_hash(folder)


def labels_of(folder: Path) -> Labels | None:
    """The labels of a cell's row, or None if it never got as far as loading its method."""
    known = read_json(folder / CELL)
    if known is None:
        return None
    found = known["labels"]
    return Labels(
        PromptSource(found["prompt_source"]), Weights(found["weights"]), TextSource(found["text_source"]), tuple(found["notes"])
    )


def write_scores(
    folder: Path,
    identity: Mapping[str, str],
    judges: TextModels,
    records: Sequence[Record],
    scores: Sequence[Mapping[str, float]],
) -> None:
    """Keep the scores and their summary, then what they depend on."""
    (folder / SCORED).unlink(missing_ok=True)  # so that no instant shows new scores under an old identity
    sync_folder(folder)
    streams.write_scores(folder / SCORES, scores)
    summary = to_bytes(*summarise_cell(records, scores))
    write_atomically(folder / SUMMARY, summary)
    judged = {"text_models_checksum": judges.checksum, "text_models_notes": list(judges.notes)}
    write_json(folder / SCORED, {"identity": identity, "summary": sha256(summary).hexdigest(), **judged})


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


def is_summarised(folder: Path) -> bool:
    """Whether a summary was written with the scores of a cell; runs of earlier versions have none."""
    return "summary" in (read_json(folder / SCORED) or {})


def read_summary(folder: Path) -> bytes | None:
    """The summary of a scored cell, or None if there is none or its bytes are not those written with the scores."""
    try:
        data = (folder / SUMMARY).read_bytes()
    except FileNotFoundError:
        return None
    return data if sha256(data).hexdigest() == (read_json(folder / SCORED) or {}).get("summary") else None


def read_scores(folder: Path) -> Sequence[Mapping[str, float]]:
    """The scores of a scored cell, one row a record."""
    return streams.read_scores(folder / SCORES)
