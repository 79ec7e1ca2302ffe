"""Where jobs run: one after another in this process, or side by side in Ray workers. The numbers are the same."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from typing import Protocol

from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.jobs import Job, Outcome, perform
from prsbench.harness.engine.process import Setting

Finished = tuple[Job, dict[str, Outcome]]
OBJECT_STORE_BYTES = 128 * 1024**2  # results live on the disk; only small status objects travel


class Executor(Protocol):
    """Takes jobs while it has free places, and hands them back with their outcomes in the order they end."""

    @property
    def free(self) -> int: ...

    def submit(self, job: Job) -> None: ...

    def next_finished(self) -> Finished:
        """Wait for a job to end; only called while one is at work."""

    def stop(self) -> None: ...


class SerialExecutor:
    """One job at a time, in this process."""

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
    failed is decided and recorded here.
    """

    def __init__(self, setting: Setting, workers: int, address: str | None):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        self._ray, self._workers = ray, workers
        on_sigterm = signal.getsignal(signal.SIGTERM)
        own = {"num_cpus": workers, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level="error", **({} if address else own))
        except (ConnectionError, ValueError) as error:
            raise ConfigError(f"No Ray cluster answers at '{address}' ({error}). Correct --address, or leave it out.") from None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray puts its own in place, which would end the run without a word
        gpus = 0.0 if setting.device == "cpu" else min(1.0, ray.cluster_resources().get("GPU", 0) / workers)
        self._task = ray.remote(max_retries=0, num_cpus=1, num_gpus=gpus)(perform)
        self._setting = ray.put(setting)
        self._running: dict[object, Job] = {}

    @property
    def free(self) -> int:
        return self._workers - len(self._running)

    def submit(self, job: Job) -> None:
        self._running[self._task.remote(job, self._setting)] = job

    def next_finished(self) -> Finished:
        (done, *_), _ = self._ray.wait(list(self._running), num_returns=1)
        job = self._running.pop(done)
        try:
            return job, self._ray.get(done)
        except self._ray.exceptions.RayError as error:  # the worker died, or the cluster could not run the job at all
            text = f"{type(error).__name__}: the worker process ended before the job did. {str(error).splitlines()[0]}"
            return job, dict.fromkeys(job.keys, Outcome("died", text, str(error)))

    def stop(self) -> None:
        self._ray.shutdown()


def make_executor(kind: str, setting: Setting, workers: int, address: str | None = None) -> Executor:
    """`serial` or `ray`."""
    return SerialExecutor(setting) if kind == "serial" else RayExecutor(setting, workers, address)
