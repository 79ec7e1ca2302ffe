"""What the CPU does while a model predicts on a GPU: the next batch is decoded, and the last one is stored.

With the model on the CPU all of this is done in turn: beside the model it would lengthen the seconds of its predictions. A method
must not change an array after it has returned it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain, zip_longest
from typing import Self, TypeVar

AHEAD_BYTES = 2**29  # decoded ahead at most by all cells of this process
MOST_THREADS = 8
Item = TypeVar("Item")
Result = TypeVar("Result")
_ahead_bytes = 0


class Overlap:
    """Threads for one cell, in a `with`: its end waits for all that was begun. On the device `cpu` there are none."""

    def __init__(self, device: str, threads: int):
        self._count = 0 if device == "cpu" else max(1, min(MOST_THREADS, threads))
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._count:
            self._workers = self._stack.enter_context(ThreadPoolExecutor(self._count, "samples"))
            self._writer = self._stack.enter_context(ThreadPoolExecutor(1, "writer"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def map(self, function: Callable[..., Result], *items: Iterable[Item]) -> Iterator[Result]:
        """As the built-in `map`, in threads."""
        return self._workers.map(function, *items) if self._count else map(function, *items)

    def begin(self, write: Callable[[], Result]) -> Callable[[], Result]:
        """Begin to write, after all that was begun before; the function returned waits for it and gives what `write` gave."""
        if self._count:
            return self._writer.submit(write).result
        result = write()
        return lambda: result

    def decoded(
        self, decode: Callable[[Sequence[int]], list[Item]], batches: Sequence[range], size_of: Callable[[Item], int]
    ) -> Iterator[list[Item]]:
        """The items of each batch; while the caller works on them, those of the next are decoded, if there is room in memory.

        Args:
            decode: the items with these numbers. A part of a batch is decoded in one thread, as neighbours may share an image.
            size_of: bytes of an item.
        """
        global _ahead_bytes
        begun: list[Future[list[Item]]] = []
        size = 0
        try:
            for batch, following in zip_longest(batches, batches[1:], fillvalue=range(0)):
                items = list(chain.from_iterable(part.result() for part in begun)) if begun else decode(batch)
                _ahead_bytes -= size
                begun, size = [], sum(map(size_of, items))
                if self._count and following and _ahead_bytes + size <= AHEAD_BYTES:
                    step = -(-len(following) // self._count)
                    parts = (following[at : at + step] for at in range(0, len(following), step))
                    begun = [self._workers.submit(decode, part) for part in parts]
                else:
                    size = 0
                _ahead_bytes += size
                yield items
        finally:
            _ahead_bytes -= size
            for part in begun:
                part.cancel()
