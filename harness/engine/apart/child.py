"""What runs in a process of its own (`process.py`): calls one function after another and sends back what each returned."""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import resource
import signal
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from prsbench.harness.contract.errors import reason_of

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(descriptor: int, parent: int) -> None:
    """Answer requests until the other side closes the connection. Then end at once, whatever threads were left behind."""
    _end_with(parent)
    connection, own = Connection(descriptor), os.getpid()
    sys.path[:] = pickle.loads(connection.recv_bytes())
    while True:
        try:
            request = connection.recv_bytes()
        except (EOFError, OSError):
            os._exit(0)
        messages = _answer(request)
        if os.getpid() != own:  # a fork that came back from the method: its parent answers
            os._exit(0)
        for message in messages:
            connection.send_bytes(message)


def _answer(request: bytes) -> list[bytes]:
    """A reply in JSON, then the bytes of each array that it names."""
    arrays: list[np.ndarray[Any, Any]] = []

    def place(value: Any) -> dict[str, int]:
        if not isinstance(value, np.ndarray):
            raise TypeError(f"{type(value).__name__} cannot be sent to another process")
        arrays.append(np.ascontiguousarray(value))
        return {"array": len(arrays) - 1}

    try:
        log, function, arguments = pickle.loads(request)
        if log is not None:
            _write_to(log)
        value = json.dumps(function(*arguments), default=place)
        reply = f'"value":{value},"arrays":{json.dumps([(str(a.dtype), a.shape) for a in arrays])}'
    except BaseException as error:  # noqa: BLE001 (sys.exit and the like must not end the process without a word)
        reply, arrays = f'"error":{json.dumps(_described(error))},"arrays":[]', []
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return [f'{{{reply},"peak_bytes":{peak}}}'.encode(), *(array.tobytes() for array in arrays)]


def _described(error: BaseException) -> dict[str, Any]:
    of_system = [error.errno, f"{error.strerror}: {error.filename}"] if isinstance(error, OSError) and error.errno else None
    kinds = [kind.__name__ for kind in type(error).__mro__]
    return {"kinds": kinds, "text": reason_of(error), "of_system": of_system, "trace": traceback.format_exc()}


def _write_to(log: str) -> None:
    """Append what is printed, also by libraries, to this file."""
    with Path(log).open("ab") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)


def _end_with(parent: int) -> None:
    """Be killed when the process that started this one is (on Linux; elsewhere the connection's end is seen after a call)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
