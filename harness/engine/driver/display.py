"""A live display of a run on a terminal: one bar per running job with its rate, and the estimate for the whole below."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

RATE_OVER = 30  # shows over which the rate is taken


class Bar(NamedTuple):
    """What one job has done: steps done and in total (0: not known yet), and its message, such as "loss 0.51"."""

    title: str
    done: int
    total: int
    message: str


class Display:
    """Bars that replace each other in place; lines said meanwhile stand above them.

    rich leaves out colours where NO_COLOR is set, and shows nothing that moves where the console is no terminal.
    """

    every_s = 1.0

    def __init__(self, console: Console | None = None):
        self._console = console or Console(file=sys.stdout, highlight=False)  # bound now: the output of a node goes to its log
        fits = partial(Column, no_wrap=True, overflow="ellipsis")
        self._bars = Progress(
            TextColumn("{task.description}", markup=False, table_column=fits(ratio=3)),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[count]}", justify="right"),
            TextColumn("{task.fields[message]}", markup=False, table_column=fits(ratio=2)),
            console=self._console,
            expand=True,
        )
        self._tasks: dict[str, tuple[TaskID, list[tuple[float, int]]]] = {}  # by title: and (time, steps) of the last shows
        self._live = Live(
            self._bars,
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, summary: str, bars: Sequence[Bar]) -> None:
        """Show these bars and no others; titles are different."""
        self._live.start()
        for title in self._tasks.keys() - {bar.title for bar in bars}:
            self._bars.remove_task(self._tasks.pop(title)[0])
        now = self._bars.get_time()
        for bar in bars:
            if bar.title not in self._tasks:
                self._tasks[bar.title] = (self._bars.add_task(bar.title, total=None, count="", message=""), [])
            task, seen = self._tasks[bar.title]
            seen[:] = [*seen, (now, bar.done)][-RATE_OVER:] if not seen or bar.done >= seen[-1][1] else [(now, bar.done)]
            elapsed, steps = now - seen[0][0], bar.done - seen[0][1]
            rate = f" {steps / elapsed:.1f}/s" if elapsed > 0 and steps else ""
            count = f"{bar.done}/{bar.total}{rate}" if bar.total else ""
            self._bars.update(task, completed=bar.done, total=bar.total or None, count=count, message=bar.message)
        self._live.update(Group(self._bars, Text(summary)), refresh=True)

    def close(self) -> None:
        """Take the bars away."""
        self._live.stop()
