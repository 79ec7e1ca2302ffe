"""Executors: run jobs one after another in this process, or in parallel in Ray workers. The numbers are the same."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from prsbench.harness.contract.errors import ConfigError, first_line
from prsbench.harness.engine.driver.ray_start import OwnRay, import_ray, start_ray
from prsbench.harness.engine.grid.schema import Execution, Resources, base_name
from prsbench.harness.engine.store.run_folder import LOG
from prsbench.harness.engine.worker.failures import Failure
from prsbench.harness.engine.worker.job import Job, Outcome, failed, perform
from prsbench.harness.engine.worker.loaded_methods import clear_loaded_methods
from prsbench.harness.engine.worker.setting import Setting

Finished = tuple[Job, dict[str, Outcome]]
GRACE_S = 15.0  # from a node's time limit, when it should stop by itself, until its worker is killed
POLL_S = 1.0


class Executor(Protocol):
    """Takes jobs while it has free slots, and returns them with their outcomes in the order they end."""

    @property
    def workers(self) -> int: ...

    @property
    def free(self) -> int: ...

    def submit(self, job: Job) -> None: ...

    def next_finished(self) -> Finished:
        """Wait for a job to end; only called while one is running."""

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
        clear_loaded_methods()


class RayExecutor:
    """Runs as many jobs in parallel as there are workers, each in a Ray worker process.

    address is that of an existing cluster, or None for one on this machine that ends with this process. Ray never retries: the
    driver records failures and decides on retries. A node that exceeds its time limit by GRACE_S is stuck where no signal reaches
    it: its worker process is killed.
    """

    def __init__(self, setting: Setting, execution: Execution, address: str | None):
        ray = import_ray(address)
        self._ray, self._execution, self._on_cluster = ray, execution, address is not None
        start_ray(ray, address, workers_here(execution))
        self._own = None if self._on_cluster else OwnRay(ray)
        # `perform` reads its setting from the object store: it is the same for all jobs.
        self._task, self._setting = ray.remote(max_retries=0)(perform), ray.put(setting)
        self._run, self._timeout_s, self._device = setting.run, setting.timeout_s, setting.device
        self._running: dict[Any, _Running] = {}
        self._refuse_more_than_this_machine_has()

    @property
    def workers(self) -> int:
        """With "auto" on a cluster: the number of cores it has now, which an autoscaler may change."""
        if self._on_cluster and self._execution.workers == "auto":
            return max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        return workers_here(self._execution)

    @property
    def free(self) -> int:
        return max(0, self.workers - len(self._running))  # a cluster may have shrunk since

    def submit(self, job: Job) -> None:
        task = self._task.options(**self._options(_resources_of(job, self._execution)))
        self._running[task.remote(job, self._setting)] = _Running(job, self._log_times(job))

    def next_finished(self) -> Finished:
        done: list[Any] = []
        while not done:
            try:
                done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=POLL_S)
            finally:
                if self._own:
                    self._own.check()
            if self._timeout_s:
                self._kill_stuck_workers()
        running = self._running.pop(done[0])
        return running.job, self._outcomes(running, done[0])

    def stop(self) -> None:
        self._ray.shutdown()
        if self._own:
            self._own.end()

    def _outcomes(self, running: _Running, reference: Any) -> dict[str, Outcome]:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # a bug of the engine
            ended = failed(Failure.ERROR, str(error.cause), str(error))
        except self._ray.exceptions.RayError as error:  # the worker died, or the cluster could not run the job at all
            is_memory = isinstance(error, self._ray.exceptions.OutOfMemoryError)  # from Ray's monitor of the host's memory
            reason = Failure.OUT_OF_MEMORY if is_memory else Failure.WORKER_DEATH
            text = f"{type(error).__name__}: the worker process ended before the job did. {first_line(str(error))}"
            if running.is_killed:
                reason, text = Failure.TIMEOUT, f"did not stop after {self._timeout_s:.0f} s and was killed with its worker."
            ended = replace(failed(reason, text, str(error)), lost_worker=True)
        return dict.fromkeys(running.job.keys, ended)

    def _kill_stuck_workers(self) -> None:
        """Kill the workers of jobs that should have stopped by themselves. Time in Ray's queue does not count."""
        for reference, running in self._running.items():
            if running.began is None and self._log_times(running.job) != running.log_times_before:
                running.began = time.monotonic()
            allowed = len(running.job.keys) * (self._timeout_s or float("inf")) + GRACE_S
            if running.began is not None and time.monotonic() - running.began > allowed and not running.is_killed:
                running.is_killed = True
                self._ray.cancel(reference, force=True)

    def _log_times(self, job: Job) -> list[int]:
        """When the logs of a job's nodes were last changed; a worker opens them as it starts."""
        logs = [folder / LOG for folder in job.folders(self._run).values()]
        return [log.stat().st_mtime_ns for log in logs if log.exists()]

    def _options(self, resources: Resources) -> dict[str, Any]:
        gpus = resources.gpus
        if gpus is None:
            on_gpu = self._device != "cpu"
            gpus = min(1.0, self._ray.cluster_resources().get("GPU", 0) / self.workers) if on_gpu else 0.0
        memory = {} if resources.memory_gib is None else {"memory": resources.memory_gib * 2**30}
        return {"num_cpus": resources.cpus, "num_gpus": gpus, "resources": dict(resources.custom), **memory}

    def _refuse_more_than_this_machine_has(self) -> None:
        """Refuse what this machine lacks: Ray would wait for ever. A cluster may still grow, so it is not checked."""
        total = self._ray.cluster_resources()
        for name, resources in self._execution.resources.items() if not self._on_cluster else ():
            gib = {"memory": total.get("memory", 0) / 2**30}
            wanted = {"CPU": resources.cpus, "GPU": resources.gpus or 0, "memory": resources.memory_gib or 0, **resources.custom}
            for kind, amount in wanted.items():
                available = {**total, **gib}.get(kind, 0)
                if amount > available:
                    self.stop()
                    raise ConfigError(
                        f"execution.resources.{name}: asks for {kind} {amount:g}, and this machine offers {available:g}. "
                        "Ask for less, add --workers, or name a cluster with --address."
                    )


class _Running:
    """A job submitted to Ray. began is when it was first seen running; None until then."""

    def __init__(self, job: Job, log_times_before: list[int]):
        self.job, self.log_times_before = job, log_times_before
        self.began: float | None = None
        self.is_killed = False


def workers_here(execution: Execution) -> int:
    """How many jobs run in parallel on this machine."""
    if execution.workers == "auto":
        return max(1, len(os.sched_getaffinity(0)) // execution.threads_per_worker)
    return execution.workers


def make_executor(kind: str, setting: Setting, execution: Execution, address: str | None = None) -> Executor:
    """`serial` or `ray`."""
    return SerialExecutor(setting) if kind == "serial" else RayExecutor(setting, execution, address)


def _resources_of(job: Job, execution: Execution) -> Resources:
    """The resources of a job: of each kind, the most that any of its methods requires."""
    names = [job.training.name] if job.training else [base_name(cell.method) for cell in job.cells]
    requests = [execution.resources.get(name, Resources()) for name in names]
    kinds = [kind for request in requests for kind in request.custom]
    custom: Mapping[str, float] = {kind: max(request.custom.get(kind, 0) for request in requests) for kind in kinds}

    def most(name: str) -> Any:
        return max((amount for request in requests if (amount := getattr(request, name)) is not None), default=None)

    return Resources(cpus=most("cpus"), gpus=most("gpus"), memory_gib=most("memory_gib"), custom=custom)
