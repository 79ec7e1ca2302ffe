"""The folder of one cell: identity, predictions with their seal, records, and scores.

cell.json (identity, labels, provenance); predictions.jsonl, maps.bin and sealed.json; cost.json; records.jsonl and measured.json
(the code and predictions they were measured with); scores.json with summary.bin (what a report reads of records and scores) and
scored.json (what they were computed from); attempts.json, log.txt.
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
from prsbench.harness.contract.files import file_hash, sync_folder, write_atomically
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.results import Cost
from prsbench.harness.contract.summary import summarise_cell, to_bytes
from prsbench.harness.contract.types import Labels, PromptSource, TextSource, Weights
from prsbench.harness.engine.plan.nodes import CellNode
from prsbench.harness.engine.store import record_files
from prsbench.harness.engine.store.journal import PREDICTIONS, RECORDS, StoredPrediction, damaged_line, read_lines
from prsbench.harness.engine.store.json_files import read_json, write_json
from prsbench.harness.engine.store.prediction_maps import MAPS
from prsbench.harness.engine.store.run_folder import SEAL
from prsbench.metrics.text.placed_texts import TextModels

CELL = "cell.json"
MEASURED = "measured.json"
SUMMARY = "summary.bin"
SCORES = "scores.json"
SCORED = "scored.json"
COST = "cost.json"
_MEASURED_FILES = (SCORED, SCORES, SUMMARY, MEASURED, RECORDS)  # in the order to delete them: a file before its source


def begin(folder: Path, node: CellNode, labels: Labels, weights: str | None, provenance: Mapping[str, Any]) -> None:
    """Write cell.json. Results of other weights or labels are deleted first."""
    identity = {"node": asdict(node), "labels": asdict(labels), "weights": weights}
    identity["labels"]["notes"] = list(labels.notes)
    known = read_json(folder / CELL)
    if known and all(known[name] == value for name, value in identity.items()):
        return
    discard(folder)
    write_json(folder / CELL, {**identity, "provenance": provenance})


def discard(folder: Path) -> None:
    """Delete all results of an attempt, the seal first, so that a partly deleted cell never looks finished."""
    for name in (SEAL, *_MEASURED_FILES, PREDICTIONS, MAPS, COST):
        (folder / name).unlink(missing_ok=True)


def seal(folder: Path, predictions: Sequence[StoredPrediction], weights: str | None) -> None:
    """Declare predictions and maps complete."""
    statuses = Counter(prediction.status for prediction in predictions)
    files = {name: _fingerprint(folder / name) for name in (PREDICTIONS, MAPS) if (folder / name).exists()}
    write_json(folder / SEAL, {"files": files, "weights": weights, "n": len(predictions), "statuses": statuses})


def measuring_identity(folder: Path, measuring: str) -> dict[str, str]:
    """What a sealed cell's records must be measured with: the hashes of the measuring code and of the sealed files."""
    return {"measuring": measuring} | {name: facts["sha256"] for name, facts in read_json(folder / SEAL)["files"].items()}


def begin_measuring(folder: Path, identity: Mapping[str, str]) -> None:
    """Write what the records are being measured with. Other records are deleted first, with their scores."""
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
    """Whether a sealed cell's records are complete and were measured with this code, from the sealed files."""
    stored = read_json(folder / MEASURED)
    return bool(stored and stored["records"]) and stored["identity"] == measuring_identity(folder, measuring)


def _fingerprint(path: Path) -> dict[str, Any]:
    """Hash, size and modification time: while the last two are unchanged, the hash is not computed again."""
    return {"sha256": file_hash(path), "bytes": path.stat().st_size, "changed_ns": path.stat().st_mtime_ns}


def is_sealed(folder: Path, weights: str | None) -> bool:
    """Whether the cell is sealed, with predictions of these weights. None accepts any weights."""
    stored = read_json(folder / SEAL)
    return stored is not None and weights in (None, stored["weights"])


def measured_with(folder: Path) -> dict[str, str]:
    """What a cell's records were measured with, complete or not; empty if there are none."""
    stored = read_json(folder / MEASURED)
    return stored["identity"] if stored else {}


def write_cost(folder: Path, cost: Cost | None) -> None:
    """Store the method's cost. It differs between machines, so no seal or key includes it."""
    if cost is not None:
        write_json(folder / COST, cost.to_json())


def cost_of(folder: Path) -> Cost | None:
    """The stored cost, or None."""
    stored = read_json(folder / COST)
    return Cost.from_json(stored) if stored else None


def damaged_files(folder: Path, is_thorough: bool = False) -> list[str]:
    """A message for each file of a sealed cell that is not the one that was sealed; empty if all are.

    A file of unchanged size and modification time counts as intact, unless is_thorough: then every file is hashed again, as
    before it is read.
    """
    files = read_json(folder / SEAL)["files"]
    return [_damage(folder / name) for name, known in files.items() if not _is_same(folder / name, known, is_thorough)]


def damaged_records(folder: Path, is_thorough: bool = False) -> str:
    """A message if a cell's records are not the ones that were measured; "" if they are, or if there are none yet."""
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
        return f"{where} is not what was measured. Run `prsbench retry`; the stored predictions are measured again."
    return f"{where} is not what was sealed. Delete its folder or run `prsbench retry`; the cell is computed again."


def statuses(folder: Path) -> dict[str, int]:
    """How many records of a sealed cell have each status."""
    return read_json(folder / SEAL)["statuses"]


def put_aside(folder: Path, where: Path) -> Path:
    """Move a cell's folder into `where`; returns its new path."""
    return folder.rename(_free_place(folder, where))


def put_records_aside(folder: Path, where: Path) -> Path:
    """Move a cell's records and scores into `where`, so that they are made again; returns their new folder."""
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


def sealed_predictions(folder: Path) -> list[StoredPrediction]:
    """The predictions of a sealed cell, after a check of predictions and maps against the seal.

    Raises:
        RunFolderError: a file is not the one that was sealed.
    """
    if damage := damaged_files(folder, is_thorough=True):
        raise RunFolderError(damage[0])
    n = read_json(folder / SEAL)["n"]
    return read_lines(folder / PREDICTIONS, StoredPrediction, batch_size=n, total=n)


def sealed_records(folder: Path) -> tuple[Sequence[Record], str]:
    """The records of a measured cell, decoded on access, and their hash.

    Raises:
        RunFolderError: the file is not the one that was measured.
    """
    if damage := damaged_records(folder, is_thorough=True):
        raise RunFolderError(damage)
    return record_files.StoredRecords(folder / RECORDS), records_hash(folder)


def labels_of(folder: Path) -> Labels | None:
    """The labels of a cell's row, or None if the cell's method was never loaded."""
    cell = read_json(folder / CELL)
    if cell is None:
        return None
    prompt, weights, text, notes = (cell["labels"][name] for name in ("prompt_source", "weights", "text_source", "notes"))
    return Labels(PromptSource(prompt), Weights(weights), TextSource(text), tuple(notes))


def write_scores(
    folder: Path,
    identity: Mapping[str, str],
    judges: TextModels,
    records: Sequence[Record],
    scores: Sequence[Mapping[str, float]],
) -> None:
    """Write the scores and their summary, then what they were computed from."""
    (folder / SCORED).unlink(missing_ok=True)  # new scores must never stand under an old identity
    sync_folder(folder)
    record_files.write_scores(folder / SCORES, scores)
    summary = to_bytes(*summarise_cell(records, scores))
    write_atomically(folder / SUMMARY, summary)
    judged = {"text_models_checksum": judges.checksum, "text_models_notes": list(judges.notes)}
    write_json(folder / SCORED, {"identity": identity, "summary": sha256(summary).hexdigest(), **judged})


def scored_with(folder: Path) -> dict[str, str]:
    """What a cell's scores were computed from; empty if it has none."""
    stored = read_json(folder / SCORED)
    return stored["identity"] if stored else {}


def is_scored(folder: Path, identity: Mapping[str, str | None]) -> bool:
    """Whether there are scores with this identity. A None in the identity accepts any value."""
    stored = scored_with(folder)
    return bool(stored) and all(value in (None, stored.get(name)) for name, value in identity.items())


def judge_notes(folder: Path) -> tuple[str, ...]:
    """What a reader must know about the models that judged this cell's text."""
    return tuple((read_json(folder / SCORED) or {}).get("text_models_notes", ()))


def is_summarised(folder: Path) -> bool:
    """Whether a cell's scores come with a summary; runs of older versions have none."""
    return "summary" in (read_json(folder / SCORED) or {})


def read_summary(folder: Path) -> bytes | None:
    """The bytes of a scored cell's summary, or None if there is none or it is not the one written with the scores."""
    try:
        data = (folder / SUMMARY).read_bytes()
    except FileNotFoundError:
        return None
    return data if sha256(data).hexdigest() == (read_json(folder / SCORED) or {}).get("summary") else None


def read_scores(folder: Path) -> Sequence[Mapping[str, float]]:
    """The scores of a scored cell, one mapping per record."""
    return record_files.read_scores(folder / SCORES)
