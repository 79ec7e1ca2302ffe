"""A run folder at a URL of any fsspec filesystem (s3://, gs://, memory:// ...), mirrored from a local working folder.

Object stores have no locks, appends or renames, so the work is done in a local folder and each node is copied when it ends, its
seal last, so that a remote reader also sees a finished node or none. A node that was running when this machine was lost is
computed again; a sealed node never is.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from prsbench.harness.contract.errors import ConfigError, RunFolderError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.engine.store.cell_folder import MEASURED, SCORED
from prsbench.harness.engine.store.run_folder import SEAL, RunFolder

LEASE = "driver.json"
BEATS_S = 20.0  # between two signs of life of a driver; another driver takes over after three are missing
_NODES = ("cells", "trainings")
_LATE = (SEAL, MEASURED, SCORED)  # files that declare others finished are copied last


def is_url(place: str) -> bool:
    """Whether a run folder is given as a URL, not a path."""
    return "://" in place


class Mirror:
    """A run folder at a URL and the local folder in which the work is done."""

    def __init__(self, url: str, local: Path):
        import fsspec

        try:
            self._remote, self._root = fsspec.core.url_to_fs(url.rstrip("/"))
        except (ImportError, ValueError) as error:
            raise ConfigError(f"--out {url}: {error}. Name a path, or a URL of a filesystem that fsspec knows.") from None
        self.url, self._local = url, local

    def pull(self) -> int:
        """Copy every sealed node that is missing locally; returns how many."""
        n_copied = 0
        for kind in _NODES:
            for source in self._folders(f"{self._root}/{kind}"):
                folder = self._local / kind / source.rpartition("/")[2]
                if not (folder / SEAL).exists() and self._remote.exists(f"{source}/{SEAL}"):
                    self._download(source, folder)
                    n_copied += 1
        return n_copied

    def push(self, folder: Path) -> None:
        """Copy a node, or any folder or file of the run, to the URL."""
        if folder.is_file():
            self._upload(folder)
            return
        for name in reversed(_LATE):  # a seal of old files must never cover new ones
            self._delete_if_changed(folder / name)
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_temporary(path.relative_to(folder)))
        for path in sorted(files, key=lambda path: _LATE.index(path.name) + 1 if path.name in _LATE else 0):
            self._upload(path)

    def push_all(self) -> None:
        """Copy everything but nodes and data: run.json, tables, figures, the page."""
        for path in sorted(self._local.iterdir()):
            if path.name not in (*_NODES, "data") and not path.name.startswith("."):
                self.push(path)

    @contextmanager
    def lease(self, say: Callable[[str], None]) -> Iterator[None]:
        """Be the only driver of the run at the URL.

        Clocks are not compared: another driver's lease is dead once it has not changed for three beats.
        """
        self._wait_for_another(say)
        self._driver, over = uuid4().hex, threading.Event()
        self._beat(0)
        beating = threading.Thread(target=self._keep_beating, args=(over,), daemon=True)
        beating.start()
        try:
            yield
        finally:
            over.set()
            beating.join()
            if self.is_ours():
                self._remote.rm_file(f"{self._root}/{LEASE}")

    def is_ours(self) -> bool:
        """Whether no other driver has taken over the run, as one may if this machine was unreachable for long."""
        return self._read_lease().get("driver") == self._driver

    def _keep_beating(self, over: threading.Event) -> None:
        number = 0
        while not over.wait(BEATS_S) and self.is_ours():
            number += 1
            self._beat(number)

    def _beat(self, number: int) -> None:
        self._write(f"{self._root}/{LEASE}", json.dumps({"driver": self._driver, "beat": number}).encode())

    def _wait_for_another(self, say: Callable[[str], None]) -> None:
        lease = self._read_lease()
        if not lease:
            return
        say(f"{self.url}: a driver was working here; waiting {3 * BEATS_S:.0f} s for a sign of life ...")
        time.sleep(3 * BEATS_S)
        if self._read_lease() not in ({}, lease):
            raise RunFolderError(f"{self.url}: another driver works in this run folder. Wait for it, or choose another --out.")

    def _read_lease(self) -> dict[str, Any]:
        try:
            return json.loads(self._remote.cat_file(f"{self._root}/{LEASE}"))
        except FileNotFoundError:
            return {}

    def _folders(self, parent: str) -> list[str]:
        try:
            return sorted(entry["name"] for entry in self._remote.ls(parent, detail=True) if entry["type"] == "directory")
        except FileNotFoundError:
            return []

    def _download(self, source: str, folder: Path) -> None:
        """Copy a node, its seal last, so that a kill leaves no partial node that looks complete."""
        files = sorted(self._remote.find(source), key=lambda name: name.rpartition("/")[2] in _LATE)
        for name in files:
            write_atomically(folder / name[len(source) :].lstrip("/"), self._remote.cat_file(name), durable=False)

    def _upload(self, path: Path) -> None:
        self._write(self._name_of(path), path.read_bytes())

    def _delete_if_changed(self, path: Path) -> None:
        name = self._name_of(path)
        if path.exists() and self._remote.exists(name) and self._remote.cat_file(name) != path.read_bytes():
            self._remote.rm_file(name)

    def _name_of(self, path: Path) -> str:
        return f"{self._root}/{path.relative_to(self._local).as_posix()}"

    def _write(self, name: str, data: bytes) -> None:
        self._remote.makedirs(name.rpartition("/")[0], exist_ok=True)
        self._remote.pipe_file(name, data)


def _is_temporary(path: Path) -> bool:
    """Whether a file is temporary: a lock, a partly written file, weights that are not sealed yet."""
    return any(name.startswith(".") or name.endswith(".partial") for name in path.parts)


class RemoteRunFolder(RunFolder):
    """A run folder whose finished nodes are copied to a URL."""

    def __init__(self, url: str, local: Path):
        super().__init__(local)
        self._mirror = Mirror(url, local)

    @contextmanager
    def driver_lock(self) -> Iterator[None]:
        with super().driver_lock(), self._mirror.lease(print):
            self._mirror.pull()
            yield

    def node_ended(self, folder: Path) -> None:
        if not self._mirror.is_ours():
            url = self._mirror.url
            raise RunFolderError(f"{url}: another driver has taken over this run. This one stops; nothing finished is lost.")
        self._mirror.push(folder)

    def run_described(self) -> None:
        self._mirror.push(self.description)

    def report_written(self) -> None:
        self._mirror.push_all()
