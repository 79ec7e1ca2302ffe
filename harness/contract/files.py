"""Atomic and durable writes of files, and sha256 of files and folders."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

LARGE_BYTES = 2**25  # from here on, the user's cache keeps the hash
AT_REST_NS = 2 * 10**9


def write_atomically(path: Path, data: bytes | Iterable[bytes], durable: bool = True) -> None:
    """Write to a temporary file, flush it to disk, rename it over the target. A kill leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as stream:
            stream.writelines([data] if isinstance(data, bytes) else data)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)
    except Exception:  # such as a full disk: the partial file must not use up the space that is left
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def append_durably(path: Path, data: bytes) -> None:
    """Append in one write, flushed to the disk before this returns."""
    is_new = not path.exists()
    with path.open("ab", buffering=0) as stream:
        written = stream.write(data)
        if written != len(data):  # a full disk; the torn end is cut off when the run is resumed
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes could be written", str(path))
        os.fsync(stream.fileno())
    if is_new:
        sync(path.parent)


def truncate_durably(path: Path, size: int) -> None:
    """Cut a file back to this many bytes, flushed to the disk; a file of this size and a missing file are left as they are."""
    if path.exists() and path.stat().st_size != size:
        with path.open("r+b") as stream:
            stream.truncate(size)
            os.fsync(stream.fileno())


def sync(path: Path) -> None:
    """Flush a file's bytes or a folder's entries (new names, renames) to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


NO_CACHE = "PRSBENCH_NO_CACHE"  # set where code that is not ours runs: other processes trust what is stored


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/prsbench, by default ~/.cache/prsbench; where NO_CACHE is set, a folder in which nothing can be stored."""
    if os.environ.get(NO_CACHE):
        return Path(os.devnull) / "prsbench"
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "prsbench"  # noqa: PTH111 (Path raises without a home)


def remembered_hash(path: Path) -> str:
    """`file_hash`, computed once for a large file at rest: the user's cache keeps it, with the file's size and times."""
    facts = path.stat()
    if facts.st_size < LARGE_BYTES:
        return file_hash(path)
    state = [str(path.resolve()), facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns]
    kept = cache_folder() / "hashes" / f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]}.json"
    try:
        stored = json.loads(kept.read_text(encoding="utf-8"))
        if stored["state"] == state:
            return str(stored["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing is kept, or nothing that can be read
    is_at_rest = time.time_ns() - max(facts.st_mtime_ns, facts.st_ctime_ns) > AT_REST_NS  # else a later write may keep the times
    digest = file_hash(path)
    after = path.stat()
    if is_at_rest and [after.st_size, after.st_mtime_ns, after.st_ctime_ns] == state[3:] and kept.is_absolute():
        with suppress(OSError):
            write_atomically(kept, json.dumps({"state": state, "sha256": digest}).encode(), durable=False)
    return digest


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_hashes(folder: Path, hashed: Callable[[Path], str] = file_hash) -> dict[str, str]:
    """The hash of each file in a folder and the folders in it, by path relative to the folder; sorted."""
    return {path.relative_to(folder).as_posix(): hashed(path) for path in sorted(folder.rglob("*")) if path.is_file()}
