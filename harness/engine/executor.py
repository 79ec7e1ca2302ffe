"""Where jobs run: one after another in this process, or side by side in Ray workers. The numbers are the same."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.config import Execution, Resources, base_name
from prsbench.harness.engine.failures import Failure
from prsbench.harness.engine.jobs import Job, Outcome, failed, perform
from prsbench.harness.engine.ledger import LOG
from prsbench.harness.engine.process import Setting

Finished = tuple[Job, dict[str, Outcome]]
OBJECT_STORE_BYTES = 128 * 1024**2  # results live on the disk; only small status objects travel
GRACE_S = 15.0  # between the end of a node's time, when its worker should stop by itself, and the end of its worker
LOOK_EVERY_S = 1.0


class Executor(Protocol):
    """Takes jobs while it has free places, and hands them back with their outcomes in the order they end."""

    @property
    def workers(self) -> int: ...

    @property
    def free(self) -> int: ...

    def submit(self, job: Job) -> None: ...

    def next_finished(self) -> Finished:
        """Wait for a job to end; only called while one is at work."""

    def stop(self) -> None: ...


class SerialExecutor:
    """One job at a time, in this process."""

    workers = 1

    def __init__(self, setting: Setting):
        self._setting, self._waiting = setting, deque[Job]()

    @property
    def free(self) -> int:
        return 1 - len(self._waiting)

    def submit(self, job: Job) -> None:
        self._waiting.append(job)

    def next_finished(self) -> Finished:
        job = self._waiting[0]
        outcomes = perform(job, self._setting)
        self._waiting.popleft()
        return job, outcomes

    def stop(self) -> None:
        pass


class RayExecutor:
    """As many jobs at a time as there are workers, each in a Ray worker process.

    address is an existing cluster's, or None for one on this machine that ends with this process. Ray never retries: what
    failed is decided and recorded here. A node that outlives its time by GRACE_S is stuck where no signal reaches it: its
    worker process is killed.
    """

    def __init__(self, setting: Setting, execution: Execution, address: str | None):
        import ray

        self._ray, self._execution, self._on_cluster = ray, execution, address is not None
        _start_ray(ray, address, workers_here(execution))
        # `perform` reads its setting from the object store: it is the same for all jobs.
        self._task, self._setting = ray.remote(max_retries=0)(perform), ray.put(setting)
        self._run, self._timeout_s, self._device = setting.run, setting.timeout_s, setting.device
        self._running: dict[Any, _Running] = {}
        self._refuse_what_no_machine_has()

    @property
    def workers(self) -> int:
        """On a cluster whose size nobody said: the cores it has now, which an autoscaler may change."""
        if self._on_cluster and self._execution.workers == "auto":
            return max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        return workers_here(self._execution)

    @property
    def free(self) -> int:
        return self.workers - len(self._running)

    def submit(self, job: Job) -> None:
        task = self._task.options(**self._options(_asked(job, self._execution)))
        self._running[task.remote(job, self._setting)] = _Running(job, self._signs_of_life(job))

    def next_finished(self) -> Finished:
        done: list[Any] = []
        while not done:
            done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=LOOK_EVERY_S if self._timeout_s else None)
            self._end_the_stuck()
        running = self._running.pop(done[0])
        return running.job, self._outcomes(running, done[0])

    def stop(self) -> None:
        self._ray.shutdown()

    def _outcomes(self, running: _Running, reference: Any) -> dict[str, Outcome]:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # the engine's own fault
            ended = failed(Failure.ERROR, str(error.cause), str(error))
        except self._ray.exceptions.RayError as error:  # the worker died, or the cluster could not run the job at all
            by_ray = isinstance(error, self._ray.exceptions.OutOfMemoryError)  # its watch over the host's memory
            reason = Failure.OUT_OF_MEMORY if by_ray else Failure.WORKER_DEATH
            said = (str(error).splitlines() or [""])[0]
            text = f"{type(error).__name__}: the worker process ended before the job did. {said}"
            if running.is_killed:
                reason, text = Failure.TIMEOUT, f"did not stop after {self._timeout_s:.0f} s and was killed with its worker."
            ended = failed(reason, text, str(error))
        return dict.fromkeys(running.job.keys, ended)

    def _end_the_stuck(self) -> None:
        """Kill the workers of jobs that should have stopped by themselves. Time in Ray's queue does not count."""
        for reference, running in self._running.items():
            if running.began is None and self._signs_of_life(running.job) != running.signs_before:
                running.began = time.monotonic()
            allowed = len(running.job.keys) * (self._timeout_s or float("inf")) + GRACE_S
            if running.began is not None and time.monotonic() - running.began > allowed and not running.is_killed:
                running.is_killed = True
                self._ray.cancel(reference, force=True)

    def _signs_of_life(self, job: Job) -> list[int]:
        """When the logs of a job's nodes were changed last; a worker opens them as it begins."""
        folders = [self._run.training(job.training.folder)] if job.training else [self._run.cell(c.folder) for c in job.cells]
        return [(folder / LOG).stat().st_mtime_ns for folder in folders if (folder / LOG).exists()]

    def _options(self, asked: Resources) -> dict[str, Any]:
        gpus = asked.gpus
        if gpus is None:
            on_gpu = self._device != "cpu"
            gpus = min(1.0, self._ray.cluster_resources().get("GPU", 0) / self.workers) if on_gpu else 0.0
        memory = {} if asked.memory_gib is None else {"memory": asked.memory_gib * 2**30}
        return {"num_cpus": asked.cpus, "num_gpus": gpus, "resources": dict(asked.custom), **memory}

    def _refuse_what_no_machine_has(self) -> None:
        """Ray would wait for ever. A cluster may still grow, so only a machine of our own is asked."""
        total = self._ray.cluster_resources()
        for name, asked in self._execution.resources.items() if not self._on_cluster else ():
            gib = {"memory": total.get("memory", 0) / 2**30}
            wanted = {"CPU": asked.cpus, "GPU": asked.gpus or 0, "memory": asked.memory_gib or 0, **asked.custom}
            for kind, amount in wanted.items():
                has = {**total, **gib}.get(kind, 0)
                if amount > has:
                    self.stop()
                    raise ConfigError(
                        f"execution.resources.{name}: asks for {kind} {amount:g}, and this machine offers {has:g}. "
                        "Ask for less, add --workers, or name a cluster with --address."
                    )


class _Running:
    """A job handed to Ray. began is when it was first seen at work."""

    def __init__(self, job: Job, signs_before: list[int]):
        self.job, self.signs_before = job, signs_before
        self.began: float | None = None
        self.is_killed = False


def workers_here(execution: Execution) -> int:
    """How many jobs run side by side on this machine."""
    if execution.workers == "auto":
        return max(1, len(os.sched_getaffinity(0)) // execution.threads_per_worker)
    return execution.workers


def make_executor(kind: str, setting: Setting, execution: Execution, address: str | None = None) -> Executor:
    """`serial` or `ray`."""
    return SerialExecutor(setting) if kind == "serial" else RayExecutor(setting, execution, address)


def _start_ray(ray: Any, address: str | None, workers: int) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    on_sigterm = signal.getsignal(signal.SIGTERM)
    own = {"num_cpus": workers, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **({} if address else own))
    except (ConnectionError, ValueError) as error:
        raise ConfigError(f"No Ray cluster answers at '{address}' ({error}). Correct --address, or leave it out.") from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray puts its own in place, which would end the run without a word


def _asked(job: Job, execution: Execution) -> Resources:
    """What a job asks for: of each kind, the most that any of its methods does."""
    names = [job.training.name] if job.training else [base_name(cell.method) for cell in job.cells]
    asked = [execution.resources.get(name, Resources()) for name in names]
    custom: Mapping[str, float] = {
        kind: max(each.custom.get(kind, 0) for each in asked) for each in asked for kind in each.custom
    }
    return Resources(
        cpus=max(each.cpus for each in asked),
        gpus=max((each.gpus for each in asked if each.gpus is not None), default=None),
        memory_gib=max((each.memory_gib for each in asked if each.memory_gib is not None), default=None),
        custom=custom,
    )
