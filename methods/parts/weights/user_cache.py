"""Files in the user's cache folder (~/.cache/prsbench or $XDG_CACHE_HOME) that are built once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.methods.parts.weights.described_folder import describe, described


def write_once(folder: Path, write: Callable[[Path], None]) -> bool:
    """Call `write` unless the folder holds, byte for byte, what a previous call wrote. A lost or damaged folder costs only time.

    Returns False where nothing can be stored: no home folder, no space, no write permission.
    """
    if not folder.is_absolute():
        return False
    if _is_intact(folder):
        return True
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as temporary:
            new = Path(temporary) / folder.name
            new.mkdir()
            write(new)
            describe(new, folder.name, {})
            new.rename(folder)
    except OSError:  # no space, no permission, or another process was first
        return _is_intact(folder)
    return True


def _is_intact(folder: Path) -> bool:
    try:
        described(folder, folder.name)
    except (PrsbenchError, OSError, ValueError, KeyError, yaml.YAMLError):
        return False
    return True
