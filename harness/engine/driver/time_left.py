"""Time left of a run: what jobs like those done took, what running ones show, and what is expected of the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from statistics import mean
from typing import NamedTuple

from prsbench.harness.engine.worker.job import Job

SURE = 0.05  # share of a job after which its own rate alone counts
MOST_SIMULATED = 500  # jobs; of more, the sum counts


@dataclass
class Running:
    """A job at work: when it started, and (time, share done) at the first and at the last look at its progress."""

    began: float
    first: tuple[float, float] | None = None
    last: tuple[float, float] = (0.0, 0.0)

    def look(self, now: float, share: float) -> None:
        self.last = now, share
        self.first = self.first or self.last

    def left(self) -> tuple[float, float]:
        """(seconds left by its own rate at the last look, how sure, 0 to 1)."""
        _, new, whole_s = self._seen()
        return whole_s * (1 - self.last[1]), min(1.0, new / SURE)

    def resumed_s(self) -> float:
        """Seconds of work, at this attempt's rate, that an earlier one did: more than fits between start and first look."""
        before, _, whole_s = self._seen()
        return max(0.0, whole_s * before - (self.first[0] - self.began)) if self.first else 0.0

    def _seen(self) -> tuple[float, float, float]:
        """Share at the first look, share done since, seconds that the whole takes at that rate; zeros while no rate is known."""
        if self.first is None or self.last[1] <= self.first[1]:
            return 0.0, 0.0, 0.0
        new = self.last[1] - self.first[1]
        return self.first[1], new, (self.last[0] - self.first[0]) / new


class TimedJob(NamedTuple):
    """A job as the simulation sees it."""

    seconds: float
    keys: Sequence[str]
    waits_for: Sequence[str]


def kind_of(job: Job) -> object:
    """Jobs of one kind take about the same time."""
    return job.training.name if job.training else (job.work, *(cell.method for cell in job.cells))


def time_left(
    now: float,
    ended: Mapping[Job, float],
    running: Mapping[Job, Running],
    waiting: Iterable[Job],
    workers: int,
    expected: Callable[[Job], float | None],
) -> tuple[float, bool]:
    """(seconds until the last job ends, whether some jobs are left out because nothing is known of their kind).

    ended: the seconds each took, with what it resumed. expected: seconds of a job by priors; they are corrected by what the jobs
    seen so far took.
    """
    by_own_rate = {job: state.left() for job, state in running.items()}
    seen = list(ended.items())
    for job, (seconds_left, sure) in by_own_rate.items():
        if sure == 1:
            seen.append((job, running[job].resumed_s() + now - running[job].began + seconds_left))
    known: dict[object, list[float]] = defaultdict(list)
    pairs = []
    for job, seconds in seen:
        known[kind_of(job)].append(seconds)
        if (prior := expected(job)) is not None:
            pairs.append((seconds, prior))
    total_prior = sum(prior for _, prior in pairs)
    correction = sum(seconds for seconds, _ in pairs) / total_prior if total_prior else 1.0

    def total(job: Job) -> float | None:
        if kind_of(job) in known:
            return mean(known[kind_of(job)])
        prior = expected(job)
        return None if prior is None else prior * correction

    at_work, is_untimed = [], False
    for job, (by_rate, sure) in by_own_rate.items():
        guess = total(job)
        by_guess = by_rate if guess is None else max(guess - running[job].resumed_s() - (now - running[job].began), 0.05 * guess)
        is_untimed |= guess is None and not sure
        at_work.append(TimedJob(sure * by_rate + (1 - sure) * by_guess, job.keys, ()))
    to_do = []
    for job in waiting:
        guess = total(job)
        is_untimed |= guess is None
        to_do.append(TimedJob(guess or 0.0, job.keys, job.waits_for))
    return last_end(at_work, to_do, workers), is_untimed


def last_end(running: Sequence[TimedJob], waiting: Sequence[TimedJob], workers: int) -> float:
    """Seconds until all have ended, if a free worker takes the first job whose needs are done."""
    if len(waiting) > MOST_SIMULATED:
        every = [job.seconds for job in (*running, *waiting)]
        return max(sum(every) / workers, *every)
    missing = {key for job in (*running, *waiting) for key in job.keys}
    now, pending, at_work = 0.0, list(waiting), list[tuple[float, int, Sequence[str]]]()
    for job in running:
        heappush(at_work, (job.seconds, len(at_work), job.keys))
    n = len(at_work)
    while True:
        for job in [job for job in pending if missing.isdisjoint(job.waits_for)][: max(0, workers - len(at_work))]:
            pending.remove(job)
            heappush(at_work, (now + job.seconds, n, job.keys))
            n += 1
        if not at_work:
            return now
        now, _, keys = heappop(at_work)
        missing -= set(keys)
