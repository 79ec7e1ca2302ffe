"""The run folder: names, atomic JSON files, seals, locks and attempts. A reader sees a finished file or none, at any time."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prsbench.harness.contract.errors import RunFolderError
from prsbench.harness.contract.files import file_hash, sync_folder
from prsbench.harness.engine.store.json_files import read_json, write_json
from prsbench.harness.engine.store.keys import key_of

SEAL = "sealed.json"
PROGRESS = "progress.json"  # of a running node; for display only
ATTEMPTS = "attempts.json"  # how each attempt at a node ended, what it took
LOG = "log.txt"
WEIGHTS = "weights"  # folder of what a training's `save` wrote


def seal_folder(partial: Path, final: Path, facts: Mapping[str, Any]) -> None:
    """Rename a finished folder to its final name and write, next to it, a seal with the hash of each file."""
    files = {path.relative_to(partial).as_posix(): path for path in sorted(partial.rglob("*")) if path.is_file()}
    for path in files.values():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    hashes = {name: file_hash(path) for name, path in files.items()}
    if final.exists():  # a previous attempt was killed between rename and seal
        shutil.rmtree(final)
    os.replace(partial, final)
    sync_folder(final.parent)
    write_json(final.parent / SEAL, {**facts, "files": hashes, "digest": key_of(hashes)})


def digest_of(folder: Path) -> str | None:
    """The digest in a folder's seal, or None if it is not sealed."""
    seal = read_json(folder / SEAL)
    return seal["digest"] if seal else None


@contextmanager
def node_lock(folder: Path) -> Iterator[None]:
    """Wait for and hold the lock of a node's folder: a worker that outlives its driver must not write with its successor."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


class RunFolder:
    """The paths in a run folder.

    run.json describes the run; data/ holds synthetic images; trainings/ and cells/ hold one folder per node, named by its key.
    """

    def __init__(self, path: Path):
        self.path = path

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
        try:
            with (self.path / ".driver.lock").open() as stream:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @contextmanager
    def driver_lock(self) -> Iterator[None]:
        """Be the only driver of this run; the lock ends with the process."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            stream = (self.path / ".driver.lock").open("a+")
        except OSError as error:
            raise RunFolderError(f"{self.path}: cannot write here ({error.strerror}). Choose another place with --out.") from None
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
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


def record_attempt(folder: Path, attempt: Mapping[str, Any]) -> None:
    """Append an attempt to a node's attempts.json: its kind ("done", "failed" or "skipped") and whatever else is known."""
    write_json(folder / ATTEMPTS, {"attempts": [*attempts_of(folder), attempt]})


def attempts_of(folder: Path) -> list[dict[str, Any]]:
    """The attempts at a node that ended, oldest first. An attempt killed with its driver has no entry."""
    return (read_json(folder / ATTEMPTS) or {"attempts": []})["attempts"]


def last_failure(folder: Path) -> dict[str, Any] | None:
    """The latest attempt at a node if it failed or was skipped, otherwise None."""
    attempts = attempts_of(folder)
    return attempts[-1] if attempts and attempts[-1]["kind"] != "done" else None
