"""Why an attempt at a node failed, in classes that decide what is done about it, and the clock that ends one too slow."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError


class Failure(StrEnum):
    """Class of a failed attempt. A worker's death is tried again in the same run; the others wait for the next one."""

    OUT_OF_MEMORY = "out of memory"
    TIMEOUT = "timeout"
    WORKER_DEATH = "worker death"
    BAD_SAMPLES = "bad samples"  # every sample of the cell failed
    MISSING_PREREQUISITE = "missing prerequisite"  # skipped; the error is its cure
    NOT_RUN = "not run"  # a training it needs failed
    DAMAGED = "damaged"  # a sealed file changed; the cell was put aside
    NO_ROOM = "no room"  # a full or read-only disk; it ends the run, which goes on once there is room
    ERROR = "error"


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


class NodeTimeout(BaseException):
    """Ends a node whose time is up. Not an Exception: a method's own `except` and the search for a bad sample let it pass."""


class BadSamples(PrsbenchError):
    """Every sample of a cell failed."""


def class_of(error: BaseException) -> Failure:
    """The class of what ended a node."""
    if isinstance(error, NodeTimeout):
        return Failure.TIMEOUT
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return Failure.NO_ROOM
    if isinstance(error, MissingPrerequisite):
        return Failure.MISSING_PREREQUISITE
    if isinstance(error, BadSamples):
        return Failure.BAD_SAMPLES
    return Failure.OUT_OF_MEMORY if is_out_of_memory(error) else Failure.ERROR


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the host or of the device. torch's and Ray's own classes are known by name, not imported."""
    names = {known.__name__ for known in type(error).__mro__}
    said = str(error).lower()
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or "out of memory" in said or "can't allocate memory" in said


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise NodeTimeout in the block after so many seconds; None is no limit.

    The signal is handled between two Python instructions: code stuck inside a library is ended by the executor, with its worker.
    Outside the main thread, where no signal can be set, there is no limit.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise NodeTimeout(f"it took longer than the {seconds:.0f} s it had left")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
