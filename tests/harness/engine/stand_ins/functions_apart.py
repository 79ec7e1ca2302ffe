"""Functions for a process of its own to call, most of which misbehave."""

import ctypes
import os
import sys
import threading
import time

import numpy as np


def doubled(array):
    print("doubling")
    return {"twice": [2 * array], "text": "half a character: \ud83d"}


def prepared():
    return {"path": sys.path, "pid": os.getpid(), "stdin": sys.stdin.read()}


def fail():
    raise ValueError("a bad value \ud83d")


def leave():
    sys.exit(0)


def die():
    os._exit(0)


def crash():
    ctypes.string_at(0)


def hang():
    time.sleep(3600)


def fork():
    if os.fork() == 0:
        return "from the copy"
    return "from the process"


def die_with_a_child_that_stays():
    if os.fork() == 0:
        time.sleep(3600)
    os._exit(7)


def leave_a_thread():
    threading.Thread(target=time.sleep, args=(3600,)).start()
    return os.getpid()


def fill_the_disk():
    raise OSError(28, "No space left on device", "weights.bin")


class Strange(float):
    def __reduce__(self):
        return os.system, ("touch ran",)


def strange():
    return [Strange(1.0), np.float32(2)]


def start_another():
    global kept
    from prsbench.harness.engine.apart.process import Apart

    kept = Apart()
    return kept.call(os.getpid)


def use_the_cache():
    """Whether nothing of what was stored is found, and whether the folder exists."""
    from prsbench.harness.contract.files import cache_folder
    from prsbench.methods.parts.language.sentence_cache import SentenceCache

    cache = SentenceCache("of a test", 2)
    cache.put({"a": np.zeros(2, np.float32)})
    return [cache.get(["a"]) == {}, cache_folder().exists()]
