"""Why an attempt at a node failed, in classes that decide on a retry, and the time limit of a node."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.harness.engine.apart.process import ProcessEnded, Raised


class Failure(StrEnum):
    """Class of a failed attempt. A node whose worker died is retried in the same run, after other failures in the next run."""

    OUT_OF_MEMORY = "out of memory"
    TIMEOUT = "timeout"
    WORKER_DEATH = "worker death"
    BAD_SAMPLES = "bad samples"  # every sample of the cell failed
    MISSING_PREREQUISITE = "missing prerequisite"  # skipped, with instructions in the error
    NOT_RUN = "not run"  # a training it needs failed
    DAMAGED = "damaged"  # a sealed file changed; the cell was moved to aside/
    NO_ROOM = "no room"  # a full or read-only disk; it ends the run, which resumes once there is space
    ERROR = "error"


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


class NodeTimeout(BaseException):
    """Ends a node at its time limit. Not an Exception, so a method's `except` and the retry of single samples let it pass."""


NOT_OF_THE_METHOD = (KeyboardInterrupt, NodeTimeout)  # to let pass where all else that a method raises is its own failure


class BadSamples(PrsbenchError):
    """Every sample of a cell failed."""


def class_of(error: BaseException) -> Failure:
    """The failure class of the exception that ended a node."""
    if isinstance(error, NodeTimeout):
        return Failure.TIMEOUT
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return Failure.NO_ROOM
    if isinstance(error, MissingPrerequisite):
        return Failure.MISSING_PREREQUISITE
    if isinstance(error, BadSamples):
        return Failure.BAD_SAMPLES
    if isinstance(error, ProcessEnded):
        return Failure.WORKER_DEATH
    return Failure.OUT_OF_MEMORY if is_out_of_memory(error) else Failure.ERROR


def is_out_of_memory(error: BaseException) -> bool:
    """Whether host or device memory ran out. The classes of torch and Ray are recognised by name, not imported."""
    names = {*(ancestor.__name__ for ancestor in type(error).__mro__), *(error.kinds if isinstance(error, Raised) else ())}
    text = str(error).lower()
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or "out of memory" in text or "can't allocate memory" in text


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise NodeTimeout in the block after this many seconds; None is no limit.

    Python handles the signal between two instructions: for code stuck inside a library, the executor kills the worker.
    Outside the main thread no signal can be set, so there is no limit.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def raise_timeout(*_: object) -> None:
        raise NodeTimeout(f"it took longer than the {seconds:.0f} s it had left")

    previous = signal.signal(signal.SIGALRM, raise_timeout)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
