"""The run folder and its nodes' folders: names, seals, locks and attempts. A reader sees a finished file or none, at any time."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.files import folder_hashes, sync
from prsbench.harness.engine.store.json_files import damaged, read_json, read_sealed_json, sealed, write_json
from prsbench.harness.engine.store.keys import key_of

SEAL = "sealed.json"
PROGRESS = "progress.json"  # of a running node; for display only
ATTEMPTS = "attempts.json"  # how each attempt at a node ended, what it took
LOG = "log.txt"
_DRIVER = ".driver"  # begins the names of drivers' lock files
WEIGHTS = "weights"  # folder of what a training's `save` wrote
_NOT_SEALED = (PROGRESS, ATTEMPTS)  # files that no number depends on: what happened, and when


class Ending(StrEnum):
    """How an attempt at a node ended, under "kind" in attempts.json."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"  # a prerequisite is missing; the error holds instructions


class NodeFolder:
    """The folder of a training or a cell.

    Each JSON file is read once, and again after this object wrote it: make a new object to see what another process wrote.
    Callers share what was read and must not change it. All but attempts and progress hold the hashes of their fields.
    """

    def __init__(self, path: Path):
        self.path = path
        self._stored: dict[str, Any] = {}

    def read(self, name: str) -> Any:
        """The content of a JSON file, or None if there is no such file.

        Raises:
            RunFolderError: it is not what was written; names the fields that changed.
        """
        if name not in self._stored:
            self._stored[name] = (read_json if name in _NOT_SEALED else read_sealed_json)(self.path / name)
        return self._stored[name]

    def write(self, name: str, content: Any) -> None:
        write_json(self.path / name, content if name in _NOT_SEALED else sealed(content))
        self._stored.pop(name, None)

    def delete(self, *names: str) -> None:
        """Delete these files, in this order."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)
            self._stored.pop(name, None)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Wait for and hold the lock of the folder: a worker that outlives its driver must not write with its successor."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            self._stored.clear()  # another process may have written while this one waited
            yield

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """The attempts at the node that ended, oldest first; none if their file is damaged.

        An attempt killed with its driver has no entry.
        """
        try:
            return self.checked_attempts()
        except RunFolderError:
            return []

    def checked_attempts(self) -> list[dict[str, Any]]:
        """The attempts at the node that ended.

        Raises:
            RunFolderError: their file is damaged.
        """
        stored = self.read(ATTEMPTS)
        found = [] if stored is None else stored.get("attempts") if isinstance(stored, dict) else None
        if not isinstance(found, list) or not all(map(_is_attempt, found)):
            raise damaged(self.path / ATTEMPTS, ValueError("it does not list attempts"), "Delete it; no number depends on it.")
        return [{"reason": None, "error": "", "trace": "", "time": "", "seconds": 0.0, **attempt} for attempt in found]

    @property
    def last_failure(self) -> dict[str, Any] | None:
        """The latest attempt at the node if it failed or was skipped, otherwise None."""
        return self.attempts[-1] if self.attempts and self.attempts[-1]["kind"] != Ending.DONE else None

    def record_attempt(self, attempt: Mapping[str, Any]) -> None:
        """Append an attempt: its kind (an `Ending`) and whatever else is known."""
        self.write(ATTEMPTS, {"attempts": [*self.attempts, attempt]})


def _is_attempt(entry: Any) -> bool:
    texts, numbers = ("error", "trace", "time"), ("seconds", "samples", "peak_memory_bytes")
    return (
        isinstance(entry, dict)
        and entry.get("kind") in list(Ending)
        and all(isinstance(entry.get(name, ""), str) for name in texts)
        and all(isinstance(entry.get(name, 0), int | float) for name in numbers)
    )


class TrainingFolder(NodeFolder):
    """The folder of one training: the weights that `save` wrote, and their seal."""

    @property
    def weights(self) -> Path:
        return self.path / WEIGHTS

    @property
    def digest(self) -> str | None:
        """The hash of the sealed weights; None if they are not sealed, or if their seal is damaged: they are trained again."""
        try:
            stored = self.read(SEAL)
        except RunFolderError:
            return None
        return stored["digest"] if stored else None

    def seal(self, partial: Path, facts: Mapping[str, Any]) -> None:
        """Rename a finished folder of weights to its final name, then write the seal with the hash of each file."""
        for path in partial.rglob("*"):
            sync(path)
        hashes = folder_hashes(partial)
        if self.weights.exists():  # a previous attempt was killed between rename and seal
            shutil.rmtree(self.weights)
        partial.rename(self.weights)
        sync(self.path)
        self.write(SEAL, {**facts, "files": hashes, "digest": key_of(hashes)})


class RunFolder:
    """The paths in a run folder.

    run.json describes the run; data/ holds synthetic images; trainings/ and cells/ hold one folder per node, named by its key.
    """

    def __init__(self, path: Path):
        self.path = path.absolute()  # what runs here may change the working folder

    @property
    def description(self) -> Path:
        return self.path / "run.json"

    @property
    def data(self) -> Path:
        return self.path / "data"

    def training(self, name: str) -> Path:
        return self.path / "trainings" / name

    def cell(self, name: str) -> Path:
        return self.path / "cells" / name

    def node_ended(self, folder: Path) -> None:
        """Called by the driver when a node has ended, after its attempt is recorded."""

    def run_described(self) -> None:
        """Called after run.json was written."""

    def report_written(self) -> None:
        """Called after tables and figures were written."""

    def is_driven(self) -> bool:
        """Whether a driver is working in this run folder."""
        return any(_is_locked(path) for path in self.path.glob(f"{_DRIVER}*.lock"))

    @contextmanager
    def plan_lock(self) -> Iterator[None]:
        """Wait for and hold the lock of what drivers that share this run write before they work."""
        with (self.path / ".plan.lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    @contextmanager
    def driver_lock(self, share: tuple[int, int] | None = None) -> Iterator[None]:
        """Be the only driver of this run, or the only one with this share (i, n); the lock ends with the process.

        Raises:
            RunFolderError: another driver works here, also one with a share of another number of drivers.
        """
        if share is None:
            with self._locked(f"{_DRIVER}.lock", fcntl.LOCK_EX):
                yield
            return
        number, count = share
        with self._locked(f"{_DRIVER}.lock", fcntl.LOCK_SH), self._locked(f"{_DRIVER}-{number}-of-{count}.lock", fcntl.LOCK_EX):
            others = [path for path in self.path.glob(f"{_DRIVER}-*.lock") if not path.stem.endswith(f"-of-{count}")]
            if at_work := next(filter(_is_locked, others), None):
                named = at_work.stem.removeprefix(f"{_DRIVER}-").replace("-of-", "/")
                raise RunFolderError(
                    f"{self.path}: a driver with --shard {named} works here, and this one has {number}/{count}. Wait."
                )
            yield

    @contextmanager
    def _locked(self, name: str, how: int) -> Iterator[None]:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            stream = (self.path / name).open("a+")
        except OSError as error:
            raise RunFolderError(f"{self.path}: cannot write here ({error.strerror}). Choose another place with --out.") from None
        with stream:
            try:
                fcntl.flock(stream, how | fcntl.LOCK_NB)
            except BlockingIOError:
                stream.seek(0)
                raise RunFolderError(
                    f"{self.path}: another driver (process {stream.read().strip() or 'unknown'}) works in this run folder. "
                    "Wait for it, or choose another place with --out."
                ) from None
            stream.truncate(0)
            stream.write(f"{os.getpid()} on {platform.node()}")
            stream.flush()
            yield


def _is_locked(path: Path) -> bool:
    """Whether a process holds this lock for itself alone."""
    try:
        with path.open() as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such file, or none that can be locked
        return False
    return False
