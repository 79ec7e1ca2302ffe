"""Progress of a run: a line per finished job, the running jobs, and the estimated time left; bars on a terminal (display.py)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from prsbench.harness.contract.errors import RunFolderError, first_line
from prsbench.harness.engine.driver.display import Bar, Display
from prsbench.harness.engine.driver.time_left import Running, time_left
from prsbench.harness.engine.store.json_files import read_json
from prsbench.harness.engine.store.run_folder import PROGRESS, Ending
from prsbench.harness.engine.worker.job import Job, Outcome
from prsbench.harness.engine.worker.setting import Setting

EVERY_SECONDS = 10.0  # between two reports; once a run is older than SLOWER_AFTER_S, between every third
SLOWER_AFTER_S = 120.0
STILL_S = 60.0  # without progress, after which a job may hang
WIDTH = 80
SHOWN = 4  # running jobs


class Progress:
    """Counts the jobs of one run and reports through `say`, from a separate thread while jobs are running.

    Args:
        expected: seconds of a job by priors, or None.
        after_s: seconds that follow the last job, such as those of the report.
        display: shows bars in place of the lines about running jobs.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        setting: Setting,
        workers: int,
        say: Callable[[str], None],
        expected: Callable[[Job], float | None] = lambda _: None,
        after_s: float = 0.0,
        display: Display | None = None,
    ):
        self._jobs, self._setting, self._workers = list(jobs), setting, workers
        self._say, self._expected, self._after_s, self._display = say, expected, after_s, display
        self._began = time.monotonic()
        self._running: dict[Job, Running] = {}
        self._still: dict[Job, tuple[str, float]] = {}  # the last step seen of each running job, and since when
        self._seconds: dict[Job, float] = {}  # that each job took which has ended, with what it resumed
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._has_ended.set()
        self._thread.join()
        if self._display:
            self._display.close()

    def started(self, job: Job) -> None:
        for folder in job.folders(self._setting.run).values():
            (folder / PROGRESS).unlink(missing_ok=True)  # left by a killed attempt
        self._running[job] = Running(time.monotonic())

    def finished(self, job: Job, outcomes: Mapping[str, Outcome]) -> None:
        """Count a job as ended and say how: "done", or what became of the first node that is not."""
        now = time.monotonic()
        state = self._running.pop(job, Running(now))
        took_s = now - state.began
        self._seconds[job] = took_s + state.resumed_s()
        ending = next((o for o in outcomes.values() if o.kind is not Ending.DONE), None)
        text = f"{ending.kind.upper()} ({ending.reason}): {first_line(ending.error)}" if ending else Ending.DONE
        self._say(f"[{len(self._seconds)}/{len(self._jobs)}] {job.title}: {text} ({clock(took_s)})")

    def replaced(self, job: Job, replacements: Sequence[Job], why: str) -> None:
        """Replace a job by itself, to be done again, or by one job per cell."""
        self._running.pop(job, None)
        self.dropped(job, replacements)
        self._say(f"    {job.title}: {why}{', one by one' if len(replacements) > 1 else ''}")

    def dropped(self, job: Job, replacements: Sequence[Job]) -> None:
        """Count a job no more that will not be done, but those in place of it."""
        self._jobs = [other for other in self._jobs if other is not job] + list(replacements)

    def efficiency(self, busy_s: float) -> str:
        """The share of the workers' time that went into nodes, as a sentence."""
        wall_s = time.monotonic() - self._began
        share = busy_s / (self._workers * wall_s) if wall_s else 0.0
        plural = "worker" if self._workers == 1 else "workers"
        return f"Efficiency {share:.2f}: {clock(busy_s)} of work by {self._workers} {plural} in {clock(wall_s)}."

    def summary(self) -> str:
        """How much is done, the time so far and the time left, with the hour at which everything should have ended."""
        spent, (left, is_untimed) = clock(time.monotonic() - self._began), self.time_left()
        about = "at least" if is_untimed else "about"
        ends = f"{about} {clock(left)} left (until {datetime.now() + timedelta(seconds=left):%H:%M})"
        text = "time left not known yet" if is_untimed and not left else ends
        return f"{len(self._seconds)}/{len(self._jobs)} done, {spent} so far, {text}"

    def time_left(self) -> tuple[float, bool]:
        """Seconds left with what follows the last job, and whether jobs are left out of which nothing is known."""
        now, running = time.monotonic(), dict(self._running)
        for job, state in running.items():
            if progress := self._state(job):
                state.look(now, progress["done"] / progress["total"])
        waiting = [job for job in list(self._jobs) if job not in self._seconds and job not in running]
        left, is_untimed = time_left(now, dict(self._seconds), running, waiting, self._workers, self._expected)
        return left + (0.0 if is_untimed and not left else self._after_s), is_untimed

    def _report(self) -> None:
        n = 0
        while not self._has_ended.wait(self._display.every_s if self._display else EVERY_SECONDS):
            n += 1
            if self._display:
                self._display.show(self.summary(), [self._bar(job) for job in list(self._running)])
            elif n % 3 == 0 or time.monotonic() - self._began < SLOWER_AFTER_S:
                self._say_lines()
            self._say_what_stands_still()

    def _say_lines(self) -> None:
        jobs = list(self._running)
        lines = [f"{job.title}{self._step(job)}" for job in jobs[:SHOWN]]
        lines += [f"and {len(jobs) - SHOWN} more jobs"] if len(jobs) > SHOWN else []
        self._say("\n".join([f"    {self.summary()}", *(f"        {fitted(line, WIDTH - 8)}" for line in lines)]))

    def _bar(self, job: Job) -> Bar:
        state = self._state(job) or {"done": 0, "total": 0, "message": "starting"}
        return Bar(job.title, state["done"], state["total"], state["message"])

    def _say_what_stands_still(self) -> None:
        """Once for each job that shows no progress for STILL_S, if no time limit will end it."""
        now = time.monotonic()
        for job, state in list(self._running.items()) if self._setting.timeout_s is None else ():
            step = self._step(job)
            last, since = self._still.get(job, ("", state.began))
            if step != last:
                self._still[job] = (step, now)
            elif now - since > STILL_S:
                self._still[job] = (step, float("inf"))
                advice = "If it hangs, press Ctrl-C, set execution.timeout_s (in seconds) in the grid and repeat the command"
                self._say(f"    {job.title}: no progress for {clock(now - since)}. {advice}.")

    def _step(self, job: Job) -> str:
        state = self._state(job)
        return f" ({state['done']}/{state['total']} {state['message']})" if state else ""

    def _state(self, job: Job) -> dict[str, Any] | None:
        """progress.json of the job's node that is least far, or None."""
        try:
            states = [read_json(folder / PROGRESS) for folder in job.folders(self._setting.run).values()]
            states = [state for state in states if state and state["total"]]
        except RunFolderError:
            return None
        return min(states, key=lambda state: state["done"] / state["total"], default=None)


def fitted(text: str, width: int) -> str:
    """The text, with "..." in its middle if it is longer than so many characters."""
    return text if len(text) <= width else f"{text[: width // 2 - 2]}...{text[len(text) - (width - width // 2 - 1) :]}"


def clock(seconds: float) -> str:
    """A duration as text, such as "3 min 05 s"."""
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s" if seconds >= 60 else f"{seconds:.0f} s"
