"""Work on many pictures in several processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from prsbench.harness.contract.memory import keep_freed_memory

T = TypeVar("T")
R = TypeVar("R")


def in_order(function: Callable[..., R], tasks: Iterable[Sequence[Any]], processes: int) -> Iterator[R]:
    """function(*task) of each task, in their order; with one process, in this one. -1: as many processes as there are cores."""
    if processes == 1:
        yield from (function(*task) for task in tasks)
        return
    from joblib import Parallel, delayed

    calls = (delayed(_called)(function, task) for task in tasks)
    yield from Parallel(n_jobs=processes, return_as="generator", batch_size=1)(calls)


def _called(function: Callable[..., R], task: Sequence[Any]) -> R:
    keep_freed_memory()
    return function(*task)


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """The items in order, `size` together; fewer in the last chunk."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def end_processes() -> None:
    """End the processes that `in_order` started: they would wait for more work, with their memory."""
    if "joblib" in sys.modules:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)
