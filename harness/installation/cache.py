"""`prsbench cache`: what the user's cache folder holds, by kind and size, and its deletion. It costs only time."""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from prsbench.harness.contract.files import cache_folder

KINDS = {  # by the start of a name in the cache folder
    "hashes": "hashes of large files",
    "data": "indexes of data sets",
    "sentences": "embedded sentences",
    "smollm2": "unpacked SmolLM2",
}
OTHER = "other files"


@dataclass(frozen=True)
class Kind:
    """One kind of things in the cache: its name for `--clear`, what it is, its paths, and their bytes on disk together."""

    name: str
    title: str
    paths: tuple[Path, ...]
    n_bytes: int


def cached() -> list[Kind]:
    """What the cache folder holds, the largest kind first; empty if there is no such folder."""
    folder, found = cache_folder(), defaultdict[str, list[Path]](list)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        found[next((name for name in KINDS if path.name.startswith(name)), "other")].append(path)
    kinds = [Kind(name, KINDS.get(name, OTHER), tuple(paths), sum(map(_bytes_of, paths))) for name, paths in found.items()]
    return sorted(kinds, key=lambda kind: -kind.n_bytes)


def clear(kinds: list[Kind]) -> int:
    """Delete these kinds; returns the bytes on disk. Symbolic links are deleted, not followed.

    A run that works at the same time goes on: it computes again what it misses.
    """
    for path in [path for kind in kinds for path in kind.paths]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return sum(kind.n_bytes for kind in kinds)


def size_text(n_bytes: float) -> str:
    """A size for people, such as "63.5 MiB"."""
    for unit in ("bytes", "KiB", "MiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}" if unit == "bytes" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.1f} GiB"


def _bytes_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 for what is gone meanwhile."""
    try:
        if path.is_dir() and not path.is_symlink():
            return sum(map(_bytes_of, path.iterdir()))
        return path.lstat().st_size
    except OSError:
        return 0
