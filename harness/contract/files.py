"""Atomic and durable writes of files, sha256 of files and folders, and names of files for samples."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

LARGE_BYTES = 2**25  # from here on, the user's cache keeps the hash
AT_REST_NS = 2 * 10**9


def write_atomically(path: Path, data: bytes | Iterable[bytes], durable: bool = True) -> None:
    """Write to a temporary file, flush it to disk, rename it over the target. A kill leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}.partial")  # of this call alone, on any machine
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


def remembered_hash(*paths: Path) -> str:
    """`file_hash` of one file, or a hash of those of several, computed once for large files at rest.

    The user's cache keeps it, with sizes and times: as long as none of them changes, no byte is read. A file that is missing
    counts as such among several.
    """
    before = [file_facts(path) for path in paths]
    if sum(size for *_, size, _, _ in before) < LARGE_BYTES:
        return _hash_of(paths)
    state = [[str(path.resolve()), *facts] for path, facts in zip(paths, before, strict=True)]
    names = "\0".join(str(path.resolve()) for path in paths)
    kept = cache_folder() / "hashes" / f"{hashlib.sha256(os.fsencode(names)).hexdigest()[:16]}.json"
    try:
        stored = json.loads(kept.read_text(encoding="utf-8"))
        if stored["state"] == state:
            return str(stored["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing is kept, or nothing that can be read
    newest = max(time_ns for *_, modified, changed in before for time_ns in (modified, changed))
    is_at_rest = time.time_ns() - newest > AT_REST_NS  # else a later write may keep the times
    digest = _hash_of(paths)
    if is_at_rest and [file_facts(path) for path in paths] == before and kept.is_absolute():
        with suppress(OSError):
            write_atomically(kept, json.dumps({"state": state, "sha256": digest}).encode(), durable=False)
    return digest


def file_facts(path: Path) -> list[int]:
    """Device, inode, bytes, and the times of the last writing and of the last change; zeros if there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return [0] * 5
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _hash_of(paths: Sequence[Path]) -> str:
    if len(paths) == 1:
        return file_hash(paths[0])
    hashes = (file_hash(path) if path.is_file() else "not there" for path in paths)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def safe_stem(sample_id: str) -> str:
    """A file's name, without its suffix, for a sample: its id in safe letters, and eight digits of its hash."""
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', sample_id)[:100]}-{hashlib.sha256(sample_id.encode()).hexdigest()[:8]}"


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_hashes(folder: Path, hashed: Callable[[Path], str] = file_hash) -> dict[str, str]:
    """The hash of each file in a folder and the folders in it, by path relative to the folder; sorted."""
    return {path.relative_to(folder).as_posix(): hashed(path) for path in sorted(folder.rglob("*")) if path.is_file()}
