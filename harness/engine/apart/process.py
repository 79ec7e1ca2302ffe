"""A Python process of its own for code that is not ours, such as a user's method: what it changes or breaks stays there."""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from contextlib import nullcontext, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from prsbench.harness.contract import errors
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.files import NO_CACHE

CHILD = "prsbench.harness.engine.apart.child"
POLL_S = 1.0
_peak_bytes = 0  # the most that any of these processes has held


class Raised(PrsbenchError):
    """An exception of the code in the other process, as text. kinds names its class and the classes above it."""

    def __init__(self, text: str, kinds: tuple[str, ...]):
        super().__init__(text)
        self.kinds = kinds


class ProcessEnded(PrsbenchError):
    """The process ended before it answered."""


class Apart:
    """A process that calls functions, one at a time, and is killed with the last reference to this object.

    Functions go there by name and their arguments pickled. What they return comes back as JSON and arrays, never as pickled
    objects: nothing of the other process is run or imported here. Its output goes where ours goes at the time of the call. A call
    that does not end normally, as by Ctrl-C or a time limit, kills the process.
    """

    def __init__(self) -> None:
        ours, theirs = Pipe()
        command = [sys.executable, "-P", "-m", CHILD, str(theirs.fileno()), str(os.getpid())]
        log = _log_path()
        with nullcontext() if log is None else Path(log).open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C reaches us alone, and what it starts can be ended with it
                env={**os.environ, "PYTHONIOENCODING": "utf-8:backslashreplace", NO_CACHE: "1"},
            )
        theirs.close()
        self._process, self._connection = process, ours
        self._end = weakref.finalize(self, _kill, process, ours)
        with suppress(OSError):  # it has ended: the first call says so
            ours.send_bytes(pickle.dumps(sys.path))

    def call(self, function: Callable[..., Any], *arguments: Any, timeout_s: float | None = None) -> Any:
        """What a function of ours returns there: plain JSON values and arrays.

        Raises:
            ProcessEnded: the process ended, by itself or because it took longer than timeout_s.
            PrsbenchError, OSError: raised there, by the same class.
            Raised: any other exception there.
        """
        try:
            reply, arrays = self._answer(pickle.dumps((_log_path(), function, arguments)), timeout_s)
        except BaseException:
            self._end()
            raise
        if error := reply.get("error"):
            raise _error_of(error)
        return _with_arrays(reply["value"], arrays)

    def _answer(self, request: bytes, timeout_s: float | None) -> tuple[dict[str, Any], list[Any]]:
        global _peak_bytes
        try:
            self._connection.send_bytes(request)
            self._wait(timeout_s)
            reply = json.loads(self._connection.recv_bytes())
            arrays = [np.frombuffer(self._connection.recv_bytes(), dtype).reshape(shape) for dtype, shape in reply["arrays"]]
        except (EOFError, OSError):  # OSError: the connection is closed on one side
            raise ProcessEnded(self._ending()) from None
        _peak_bytes = max(_peak_bytes, reply["peak_bytes"])
        return reply, arrays

    def _wait(self, timeout_s: float | None) -> None:
        """Return when there is an answer. What the process forked may keep its end of the connection open after it has ended."""
        give_up = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
        while not self._connection.poll(POLL_S):
            if self._process.poll() is not None and not self._connection.poll():
                raise EOFError
            if time.monotonic() > give_up:
                raise ProcessEnded(f"took longer than {timeout_s:.0f} s and was stopped.")

    def _ending(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "its process closed the connection to prsbench. A method must leave the files alone that it did not open."
        if code < 0:
            return f"its process was killed by {signal.Signals(-code).name}: a crash in a library, or too little memory."
        return (
            f"its process ended with exit code {code}: os._exit, or a crash in a library. A method must return or raise an error."
        )


def peak_memory_bytes() -> int:
    """The most that this process, or one that it started here, has held so far."""
    return max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, _peak_bytes)  # Linux counts in KiB


def _kill(process: subprocess.Popen[bytes], connection: Connection[Any, Any]) -> None:
    connection.close()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _log_path() -> str | None:
    """The file that the output of a node goes to now, if it goes to one."""
    name = getattr(sys.stdout, "name", None)
    return name if isinstance(name, str) and Path(name).is_file() else None


def _error_of(error: dict[str, Any]) -> Exception:
    kind = getattr(errors, error["kinds"][0], None)
    found: Exception
    if error["of_system"] is not None:
        found = OSError(*error["of_system"])
    elif isinstance(kind, type) and issubclass(kind, PrsbenchError):
        found = kind(error["text"])
    else:
        found = Raised(error["text"], tuple(error["kinds"]))
    found.add_note(f"In the method's own process:\n{error['trace']}")
    return found


def _with_arrays(value: Any, arrays: list[Any]) -> Any:
    """The value with arrays in the places that name them."""
    if isinstance(value, dict):
        return arrays[value["array"]] if value.keys() == {"array"} else {k: _with_arrays(v, arrays) for k, v in value.items()}
    return [_with_arrays(item, arrays) for item in value] if isinstance(value, list) else value
