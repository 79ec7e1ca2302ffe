"""Progress of a run: a line per finished job, and every few seconds the running jobs and the estimated time left."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Any, Self

from prsbench.harness.contract.errors import RunFolderError, first_line
from prsbench.harness.engine.store.json_files import read_json
from prsbench.harness.engine.store.run_folder import PROGRESS, Ending
from prsbench.harness.engine.worker.job import Job, Outcome
from prsbench.harness.engine.worker.setting import Setting

EVERY_SECONDS = 10.0
STILL_S = 60.0  # without progress, after which a job may hang


class Progress:
    """Counts the jobs of one run and reports through `say`, from a separate thread while jobs are running."""

    def __init__(self, jobs: Sequence[Job], setting: Setting, workers: int, say: Callable[[str], None]):
        self._jobs, self._setting, self._workers, self._say = list(jobs), setting, workers, say
        self._began = time.monotonic()
        self._started: dict[Job, float] = {}  # running jobs, and when each started
        self._first_seen: dict[Job, tuple[float, float]] = {}  # time and share done at the first report: above 0 if resumed
        self._still: dict[Job, tuple[str, float]] = {}  # the last step seen of each running job, and since when
        self._seconds: dict[Job, float] = {}  # that each job took which has ended
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._has_ended.set()
        self._thread.join()

    def started(self, job: Job) -> None:
        for folder in job.folders(self._setting.run).values():
            (folder / PROGRESS).unlink(missing_ok=True)  # left by a killed attempt
        self._started[job] = time.monotonic()
        self._first_seen.pop(job, None)

    def finished(self, job: Job, outcomes: Mapping[str, Outcome]) -> None:
        """Count a job as ended and say how: "done", or what became of the first node that is not."""
        now = time.monotonic()
        self._seconds[job] = now - self._started.pop(job, now)
        ending = next((o for o in outcomes.values() if o.kind is not Ending.DONE), None)
        text = f"{ending.kind.upper()} ({ending.reason}): {first_line(ending.error)}" if ending else Ending.DONE
        self._say(f"[{len(self._seconds)}/{len(self._jobs)}] {job.title}: {text} ({clock(self._seconds[job])})")

    def replaced(self, job: Job, replacements: Sequence[Job], why: str) -> None:
        """Replace a job by itself, to be done again, or by one job per cell."""
        self._started.pop(job, None)
        self._jobs = [other for other in self._jobs if other is not job] + list(replacements)
        self._say(f"    {job.title}: {why}{', one by one' if len(replacements) > 1 else ''}")

    def efficiency(self, busy_s: float) -> str:
        """The share of the workers' time that went into nodes, as a sentence."""
        wall_s = time.monotonic() - self._began
        share = busy_s / (self._workers * wall_s) if wall_s else 0.0
        plural = "worker" if self._workers == 1 else "workers"
        return f"Efficiency {share:.2f}: {clock(busy_s)} of work by {self._workers} {plural} in {clock(wall_s)}."

    def _report(self) -> None:
        while not self._has_ended.wait(EVERY_SECONDS):
            running = [f"{job.title}{self._step(job)}" for job in list(self._started)]
            spent, (left, untimed) = clock(time.monotonic() - self._began), self._remaining()
            left_text = f"{'at least' if untimed else 'about'} {clock(left)} left" if left else "time left not known yet"
            done = f"{len(self._seconds)}/{len(self._jobs)} done"
            self._say(f"    {done}, {spent} so far, {left_text}; now: {'; '.join(running) or 'nothing'}")
            self._say_what_stands_still()

    def _say_what_stands_still(self) -> None:
        """Once for each job that shows no progress for STILL_S, if no time limit will end it."""
        now = time.monotonic()
        for job, started in list(self._started.items()) if self._setting.timeout_s is None else ():
            step = self._step(job)
            last, since = self._still.get(job, ("", started))
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

    def _remaining(self) -> tuple[float, bool]:
        """Seconds left, from the mean time of similar jobs and the progress of running ones.

        Jobs of a kind without timings count as zero; the second value says whether there are any.
        """
        now = time.monotonic()
        known: dict[object, list[float]] = defaultdict(list)
        for job, seconds in list(self._seconds.items()):
            known[_kind(job)].append(seconds)
        left = [0.0]
        for job in list(self._started):
            if state := self._state(job):
                share = state["done"] / state["total"]
                first_time, first_share = self._first_seen.setdefault(job, (now, share))
                if share > first_share:
                    total = (now - first_time) / (share - first_share)
                    known[_kind(job)].append(total)
                    left.append(total * (1 - share))
        waiting = [job for job in list(self._jobs) if job not in self._seconds and job not in self._started]
        left += [mean(known[_kind(job)]) for job in waiting if _kind(job) in known]
        return max(sum(left) / self._workers, max(left)), any(_kind(job) not in known for job in waiting)


def _kind(job: Job) -> object:
    """Jobs of one kind take about the same time."""
    return job.training.name if job.training else tuple(cell.method for cell in job.cells)


def clock(seconds: float) -> str:
    """A duration as text, such as "3 min 05 s"."""
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s" if seconds >= 60 else f"{seconds:.0f} s"
