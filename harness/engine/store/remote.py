"""A run folder at a URL of any fsspec filesystem (s3://, gs://, memory:// ...), mirrored from a local working folder.

Object stores have no locks, appends or renames, so the work is done in a local folder and each node is copied when it ends, its
seal last, so that a remote reader also sees a finished node or none. A node that was running when this machine was lost is
computed again; a sealed node never is. Filesystems that are no object stores, such as file:// and sftp://, write in place: a seal
that a kill cut short counts as not written. What a URL says of users, passwords and queries is neither stored nor printed.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from prsbench.harness.contract.errors import ConfigError, RunFolderError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.engine.store.cell_folder import MEASURED, SCORED
from prsbench.harness.engine.store.keys import FOLDER_DIGITS, key_of
from prsbench.harness.engine.store.run_folder import SEAL, RunFolder

LEASE = "driver.json"
BEATS_S = 20.0  # between two signs of life of a driver; another driver takes over after three are missing
_NODES = ("cells", "trainings")
_LATE = (SEAL, MEASURED, SCORED)  # files that declare others finished are copied last


def is_url(place: str) -> bool:
    """Whether a run folder is given as a URL, not a path."""
    return "://" in place


def without_credentials(text: str) -> str:
    """A text, such as a command line, with `***` for the user, the password and the query of each URL in it."""
    text = re.sub(r"://[^/\s]*@", "://***@", text)
    return re.sub(r"(://[^\s?]*\?)\S+", r"\1***", text)


def mirror_folder(url: str) -> Path:
    """Where the work of a run at a URL is done; a new password changes nothing."""
    named = re.sub(r"(://[^/:@]*):[^/]*@", r"\1@", url).partition("?")[0]
    return Path("runs") / ".mirrored" / key_of({"url": named})[:FOLDER_DIGITS]


class Mirror:
    """A run folder at a URL and the local folder in which the work is done."""

    def __init__(self, url: str, local: Path):
        import fsspec

        self.url, self._local, self._lease_lock = without_credentials(url), local, threading.Lock()
        parts = re.findall(r"://([^/\s]*)@", url) + re.findall(r"=([^&\s]+)", url.partition("?")[2])
        parts += [part.partition(":")[2] for part in parts]
        secrets = {secret for part in parts for secret in (part, unquote(part)) if secret}
        self._secrets = sorted(secrets, key=len, reverse=True)
        try:
            self._remote, root = fsspec.core.url_to_fs(url)
        except Exception as error:  # noqa: BLE001 (each filesystem has its own, and some connect here)
            said = f"--out {self.url}: {self._said(error)}"
            raise ConfigError(f"{said}. Name a path, or a URL of a filesystem that fsspec knows and can reach.") from None
        self._root = root.rstrip("/")

    def pull(self) -> int:
        """Copy every sealed node that is missing locally; returns how many."""
        n_copied = 0
        self._call("invalidate_cache")
        for kind in _NODES:
            for source in self._folders(f"{self._root}/{kind}"):
                folder = self._local / kind / source.rpartition("/")[2]
                if not (folder / SEAL).exists() and self._has_whole(f"{source}/{SEAL}"):
                    self._download(source, folder)
                    n_copied += 1
        return n_copied

    def push_missing(self) -> None:
        """Copy every node that is sealed here and not at the URL, or not whole: the URL was out of reach, or this was killed."""
        for kind in _NODES:
            for seal in sorted((self._local / kind).glob(f"*/{SEAL}")):
                sent = self._sizes(self._name_of(seal.parent))
                late = [seal.with_name(name) for name in _LATE]
                if any(path.exists() and path.stat().st_size != sent.get(path.name) for path in late):
                    self.push(seal.parent)

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
            with suppress(RunFolderError):  # if it cannot be reached, the next driver waits for the lease to die
                if self.is_ours():
                    self._call("rm_file", f"{self._root}/{LEASE}")

    def is_ours(self) -> bool:
        """Whether no other driver has taken over the run, as one may if this machine was unreachable for long."""
        with self._lease_lock:  # file:// empties a file before it writes it: our own next beat must not look like a takeover
            return self._read_lease().get("driver") == self._driver

    def _keep_beating(self, over: threading.Event) -> None:
        number = 0
        while not over.wait(BEATS_S):
            with suppress(RunFolderError):  # the network may be back at the next beat
                if not self.is_ours():
                    return
                number += 1
                self._beat(number)

    def _beat(self, number: int) -> None:
        with self._lease_lock:
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
            found: dict[str, Any] = json.loads(self._call("cat_file", f"{self._root}/{LEASE}"))
            return found
        except FileNotFoundError:
            return {}
        except ValueError:  # another driver is writing it at this moment, or was killed while it did
            return {"driver": None}

    def _folders(self, parent: str) -> list[str]:
        return sorted(entry["name"].rstrip("/") for entry in self._entries(parent) if entry["type"] == "directory")

    def _sizes(self, parent: str) -> dict[str, int]:
        """The bytes of each file in a folder at the URL, by name; empty if there is no such folder."""
        return {entry["name"].rpartition("/")[2]: entry["size"] for entry in self._entries(parent) if entry["type"] == "file"}

    def _entries(self, parent: str) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self._call("ls", parent, detail=True)
            return found
        except FileNotFoundError:
            return []

    def _has_whole(self, name: str) -> bool:
        """Whether a JSON file is at the URL and no kill cut it short. One that was changed is whole: its reader finds it out."""
        try:
            return _is_json(self._call("cat_file", name))
        except FileNotFoundError:
            return False

    def _download(self, source: str, folder: Path) -> None:
        """Copy a node, its seal last, so that a kill leaves no partial node that looks complete."""
        files = sorted(self._call("find", source), key=lambda name: name.rpartition("/")[2] in _LATE)
        for name in files:
            inner = PurePosixPath(name[len(source) :].lstrip("/"))
            if ".." in inner.parts:
                raise RunFolderError(f"{self.url}: a file there is named '{name}', which leaves the run folder. Delete it.")
            data = self._call("cat_file", name)
            if inner.name not in _LATE or _is_json(data):
                write_atomically(folder / inner, data, durable=False)

    def _upload(self, path: Path) -> None:
        self._write(self._name_of(path), path.read_bytes())

    def _delete_if_changed(self, path: Path) -> None:
        name = self._name_of(path)
        if path.exists() and self._call("exists", name) and self._call("cat_file", name) != path.read_bytes():
            self._call("rm_file", name)

    def _name_of(self, path: Path) -> str:
        return f"{self._root}/{path.relative_to(self._local).as_posix()}"

    def _write(self, name: str, data: bytes) -> None:
        self._call("makedirs", name.rpartition("/")[0], exist_ok=True)
        self._call("pipe_file", name, data)

    def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the filesystem.

        Raises:
            FileNotFoundError: as the filesystem does.
            RunFolderError: whatever else it raises; each filesystem has its own errors.
        """
        try:
            return getattr(self._remote, method)(*arguments, **named)
        except FileNotFoundError:
            raise FileNotFoundError(self.url) from None
        except Exception as error:  # noqa: BLE001
            kept = "What is finished is kept; the same command then resumes."
            raise RunFolderError(
                f"{self.url}: {method} failed ({self._said(error)}). Check the address, its credentials and the network. {kept}"
            ) from None

    def _said(self, error: Exception) -> str:
        """What an error says, without the credentials in the URL."""
        text = without_credentials(f"{type(error).__name__}: {error}")
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text.rstrip(".")


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _is_temporary(path: Path) -> bool:
    """Whether a file is temporary: a lock, a partly written file, weights that are not sealed yet."""
    return any(name.startswith(".") or name.endswith(".partial") for name in path.parts)


class RemoteRunFolder(RunFolder):
    """A run folder whose finished nodes are copied to a URL."""

    def __init__(self, url: str, local: Path):
        super().__init__(local)
        self._mirror = Mirror(url, self.path)

    @contextmanager
    def driver_lock(self, share: tuple[int, int] | None = None) -> Iterator[None]:
        if share:
            raise ConfigError(
                f"--shard: its drivers lock files of one folder, and {self._mirror.url} is none. Name a path with --out."
            )
        with super().driver_lock(), self._mirror.lease(print):
            self._mirror.pull()
            self._mirror.push_missing()
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
