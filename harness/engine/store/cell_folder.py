"""The folder of one cell: identity, predictions with their seal, records, and scores.

cell.json (identity, labels, provenance), predictions.jsonl, maps.bin and cost.json, all under the seal in sealed.json;
records.jsonl and measured.json (the code and predictions they were measured with); scores.json with summary.bin (what a report
reads of records and scores) and scored.json (what they were computed from); attempts.json, log.txt.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import count
from math import isnan
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.files import file_hash, sync, write_atomically
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.results import Cost
from prsbench.harness.contract.summary import is_current, summarise_cell, to_bytes
from prsbench.harness.contract.types import Labels
from prsbench.harness.engine.store import record_files
from prsbench.harness.engine.store.journal import PREDICTIONS, RECORDS, StoredPrediction, damaged_line, read_lines
from prsbench.harness.engine.store.json_files import damaged, read_sealed_json
from prsbench.harness.engine.store.keys import canonical_json
from prsbench.harness.engine.store.prediction_maps import MAPS
from prsbench.harness.engine.store.run_folder import SEAL, NodeFolder
from prsbench.metrics.text.placed_texts import TextModels

CELL = "cell.json"
MEASURED = "measured.json"
SUMMARY = "summary.bin"
SCORES = "scores.json"
SCORED = "scored.json"
COST = "cost.json"
_MEASURED_FILES = (SCORED, SCORES, SUMMARY, MEASURED, RECORDS)  # in the order to delete them: a file before its source
_PREDICTED = (PREDICTIONS, MAPS)
_SEALED_FILES = (CELL, COST, *_PREDICTED)
_DIFFER = ("seconds", "batch_size", "error")  # fields of a record that differ between machines


class CellFolder(NodeFolder):
    """The files of one cell."""

    def begin(self, node: Mapping[str, Any], labels: Labels, weights: str | None, provenance: Mapping[str, Any]) -> None:
        """Write cell.json. Results of another node, other weights or other labels are deleted first."""
        identity = {"node": node, "labels": labels.to_json(), "weights": weights}
        with suppress(RunFolderError):  # a damaged file is written again
            known = self.read(CELL)
            if known and all(known.get(name) == value for name, value in identity.items()):
                return
        self.discard()
        self.write(CELL, {**identity, "provenance": provenance})

    def discard(self) -> None:
        """Delete all results of an attempt, the seal first, so that a partly deleted cell never looks finished."""
        self.delete(SEAL, *_MEASURED_FILES, PREDICTIONS, MAPS, COST)

    @property
    def labels(self) -> Labels | None:
        """The labels of the cell's row, or None if its method was never loaded.

        Raises:
            RunFolderError: cell.json is not what was written.
        """
        cell = self.read(CELL)
        if cell is None:
            return None
        try:
            return Labels.from_json(cell["labels"])
        except (ValueError, KeyError, TypeError) as error:
            raise damaged(self.path / CELL, error) from None

    @property
    def node(self) -> Mapping[str, Any]:
        """The node that the cell was computed as; empty if its method was never loaded."""
        return (self.read(CELL) or {"node": {}})["node"]

    @property
    def cost(self) -> Cost | None:
        """The stored cost of the cell's method, or None.

        Raises:
            RunFolderError: cost.json is not what was written.
        """
        stored = self.read(COST)
        try:
            return Cost.from_json(stored) if stored else None
        except (KeyError, TypeError) as error:
            raise damaged(self.path / COST, error) from None

    def write_cost(self, cost: Cost | None) -> None:
        """Store the method's cost. It differs between machines: it is sealed, but no key and no digest of results includes it."""
        if cost is not None:
            self.write(COST, cost.to_json())

    def seal(self, predictions: Sequence[StoredPrediction], weights: str | None) -> None:
        """Declare predictions and maps complete, with the identity, labels and cost that lie beside them."""
        statuses = Counter(prediction.status for prediction in predictions)
        files = {name: _fingerprint(self.path / name) for name in _SEALED_FILES if (self.path / name).exists()}
        self.write(SEAL, {"files": files, "weights": weights, "n": len(predictions), "statuses": statuses})

    def is_sealed(self, weights: str | None = None) -> bool:
        """Whether the cell is sealed, with predictions of these weights. None accepts any weights."""
        stored = self.read(SEAL)
        return stored is not None and weights in (None, stored["weights"])

    @property
    def statuses(self) -> Mapping[str, int]:
        """How many samples of the sealed cell have each status."""
        return self.read(SEAL)["statuses"]

    def predictions(self) -> list[StoredPrediction]:
        """The predictions of the sealed cell, after a check of predictions and maps against the seal.

        Raises:
            RunFolderError: a file is not the one that was sealed.
        """
        if damage := self.damaged_files(is_thorough=True):
            raise RunFolderError(damage[0])
        n = self.read(SEAL)["n"]
        return read_lines(self.path / PREDICTIONS, StoredPrediction, batch_size=n, total=n)

    def measuring_identity(self, measuring: str) -> dict[str, str]:
        """What the sealed cell's records must be measured with: the hashes of the measuring code and of the sealed files."""
        files = self.read(SEAL)["files"]
        return {"measuring": measuring} | {name: files[name]["sha256"] for name in _PREDICTED if name in files}

    def begin_measuring(self, identity: Mapping[str, str]) -> None:
        """Write what the records are being measured with. Other records are deleted first, with their scores."""
        begun = {"identity": identity, "records": None}
        if self.read(MEASURED) != begun:
            self.delete(*_MEASURED_FILES)
            sync(self.path)
            self.write(MEASURED, begun)

    def finish_measuring(self, identity: Mapping[str, str]) -> None:
        """Declare the records complete."""
        self.write(MEASURED, {"identity": identity, "records": _fingerprint(self.path / RECORDS)})

    @property
    def measured_with(self) -> dict[str, str]:
        """What the cell's records were measured with, complete or not; empty if there are none."""
        return (self.read(MEASURED) or {"identity": {}})["identity"]

    def is_measured(self, measuring: str) -> bool:
        """Whether the sealed cell's records are complete and were measured with this code, from the sealed files."""
        return self._measured_records is not None and self.measured_with == self.measuring_identity(measuring)

    @property
    def records_hash(self) -> str:
        """sha256 of the measured cell's records."""
        return self.read(MEASURED)["records"]["sha256"]

    def records(self) -> Sequence[Record]:
        """The records of the measured cell, decoded on access.

        Raises:
            RunFolderError: the file is not the one that was measured.
        """
        if (known := self._measured_records) and not _is_same(self.path / RECORDS, known, is_thorough=True):
            raise RunFolderError(_damage(self.path / RECORDS))
        return record_files.StoredRecords(self.path / RECORDS)

    @property
    def _measured_records(self) -> dict[str, Any] | None:
        return (self.read(MEASURED) or {"records": None})["records"]

    def damaged_files(self, is_thorough: bool = False) -> list[str]:
        """A message for each file of the sealed cell that is not the one that was sealed; empty if all are.

        A large file of unchanged size and modification time counts as intact, unless is_thorough: then it is hashed again, as
        before it is read.

        Raises:
            RunFolderError: the seal itself is not what was written.
        """
        found, files = [], self.read(SEAL)["files"]
        for name in _SEALED_FILES:
            path, known = self.path / name, files.get(name)
            if not _is_same(path, known, is_thorough or name in (CELL, COST)) if known else os.path.lexists(path) or name == CELL:
                found.append(_damage(path))
        return found

    def damaged_records(self, is_thorough: bool = False) -> str:
        """A message if the cell's records or scores are not the ones that were written; "" if they are, or if there are none yet.

        Raises:
            RunFolderError: measured.json or scored.json is not what was written.
        """
        for name, known in ((RECORDS, self._measured_records), (SCORES, self._scored.get("scores"))):
            if known and not _is_same(self.path / name, known, is_thorough):
                return _damage(self.path / name)
        return ""

    def damage(self, is_thorough: bool = False) -> str:
        """The message on the first changed file, files that cannot be made again first; "" if all are intact or not sealed."""
        try:
            if self.read(SEAL) is None:
                return ""
            return next(iter(self.damaged_files(is_thorough)), "") or self.damaged_records(is_thorough)
        except RunFolderError as error:
            return str(error)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            return str(damaged(self.path, ValueError(f"a file in it has another shape: {error!r}")))

    @property
    def is_predicted(self) -> bool:
        """Whether the cell's sealed files are intact, so that its records can be made again from them."""
        try:
            return not self.damaged_files(is_thorough=True)
        except (RunFolderError, KeyError, TypeError, AttributeError):
            return False

    def write_scores(
        self,
        identity: Mapping[str, str | None],
        judges: TextModels,
        records: Sequence[Record],
        scores: Sequence[Mapping[str, float]],
    ) -> None:
        """Write the scores and their summary, then what they were computed from and a hash of the results."""
        self.delete(SCORED)  # a kill must not leave new scores with an old identity
        sync(self.path)
        record_files.write_scores(self.path / SCORES, scores)
        summary = to_bytes(*summarise_cell(records, scores))
        write_atomically(self.path / SUMMARY, summary)
        judged = {"judge": judges.name, "text_models_checksum": judges.checksum, "text_models_notes": list(judges.notes)}
        hashes = {"summary": sha256(summary).hexdigest(), "scores": _fingerprint(self.path / SCORES)}
        self.write(SCORED, {"identity": identity, **hashes, "results": results_hash(records, scores), **judged})

    @property
    def scored_with(self) -> dict[str, str]:
        """What the cell's scores were computed from; empty if it has none."""
        return self._scored.get("identity", {})

    def is_scored(self, identity: Mapping[str, str | None]) -> bool:
        """Whether there are scores with this identity. A None in the identity accepts any value."""
        stored = self.scored_with
        return bool(stored) and all(value in (None, stored.get(name)) for name, value in identity.items())

    @property
    def results_hash(self) -> str:
        """`results_hash` of the scored cell."""
        return self._scored.get("results", "")

    @property
    def judge(self) -> str:
        """The name and version of the models that judged the cell's text; "" in runs of older versions."""
        return self._scored.get("judge", "")

    @property
    def judge_notes(self) -> tuple[str, ...]:
        """What a reader must know about the models that judged the cell's text."""
        return tuple(self._scored.get("text_models_notes", ()))

    def summary(self) -> bytes | None:
        """The bytes of the scored cell's summary; None if there is none, if another version wrote it, or if its bytes changed."""
        try:
            data = (self.path / SUMMARY).read_bytes()
        except OSError:
            return None
        return data if sha256(data).hexdigest() == self._scored.get("summary") and is_current(data) else None

    def scores(self) -> Sequence[Mapping[str, float]]:
        """The scores of the scored cell, one mapping per record.

        Raises:
            RunFolderError: the file is not the one that was written.
        """
        if not _is_same(self.path / SCORES, self._scored["scores"], is_thorough=True):
            raise RunFolderError(_damage(self.path / SCORES))
        return record_files.read_scores(self.path / SCORES)

    @property
    def _scored(self) -> dict[str, Any]:
        return self.read(SCORED) or {}

    def move_into(self, folder: Path) -> Path:
        """Move the cell's folder into another; returns its new path."""
        self._stored.clear()
        return self.path.rename(self._free_place(folder))

    def move_records_into(self, folder: Path) -> Path:
        """Move the cell's records and scores into a new folder there, so that they are made again; returns the new folder."""
        place = self._free_place(folder)
        place.mkdir()
        self._stored.clear()
        for path in (self.path / name for name in _MEASURED_FILES):
            if path.exists():
                path.rename(place / path.name)
        return place

    def _free_place(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return next(place for n in count(1) if not (place := folder / f"{self.path.name}-{n}").exists())


def _fingerprint(path: Path) -> dict[str, Any]:
    """Hash, size and modification time: while the last two are unchanged, the hash is not computed again."""
    return {"sha256": file_hash(path), "bytes": path.stat().st_size, "changed_ns": path.stat().st_mtime_ns}


def results_hash(records: Sequence[Record], scores: Sequence[Mapping[str, float]]) -> str:
    """sha256 of all that tables say of records and scores, but for what differs between machines: times, errors' texts."""
    found = sha256()
    for record, values in zip(records, scores, strict=True):
        facts = {name: value for name, value in record.to_json().items() if name not in _DIFFER}
        plain = {name: None if isnan(value) else value for name, value in values.items()}
        found.update(canonical_json([facts, plain]).encode())
    return found.hexdigest()


def _is_same(path: Path, known: Mapping[str, Any], is_thorough: bool) -> bool:
    try:
        facts = path.stat()
        if not path.is_file() or facts.st_size != known["bytes"]:
            return False
        return facts.st_mtime_ns == known["changed_ns"] and not is_thorough or file_hash(path) == known["sha256"]
    except OSError:  # not there, or not readable
        return False


def _damage(path: Path) -> str:
    """What is wrong with a file that is not the one that was sealed or measured, and what to do."""
    if path.name in (RECORDS, SCORES):
        said, advice = "is not what was measured", "Run `prsbench retry`; the stored predictions are measured again."
    else:
        said, advice = "is not what was sealed", "Delete its folder or run `prsbench retry`; the cell is computed again."
    where = str(path)
    with suppress(OSError):
        if path.name in (CELL, COST):
            try:
                read_sealed_json(path, advice)
            except RunFolderError as error:  # names the field
                return str(error)
        elif path.name in (RECORDS, PREDICTIONS) and (line := damaged_line(path)):
            where = f"{path} line {line}"
    return f"{where} {said}. {advice}"
