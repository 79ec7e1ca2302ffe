"""Executors: run jobs one after another in this process, or in parallel in Ray workers. The numbers are the same."""

from __future__ import annotations

import os
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol

from prsbench.harness.contract.catalog import WHOLE_GPU_GIB
from prsbench.harness.contract.errors import ConfigError, first_line
from prsbench.harness.engine.driver.ray_start import OwnRay, import_ray, start_ray
from prsbench.harness.engine.grid.schema import Execution, Resources, base_name
from prsbench.harness.engine.store.run_folder import LOG
from prsbench.harness.engine.worker.failures import Failure
from prsbench.harness.engine.worker.job import Job, Outcome, Work, failed, perform
from prsbench.harness.engine.worker.loaded_methods import clear_loaded_methods
from prsbench.harness.engine.worker.setting import Setting

Finished = tuple[Job, dict[str, Outcome]]
GRACE_S = 15.0  # from a node's time limit, when it should stop by itself, until its worker is killed
POLL_S = 1.0
MOST_ON_A_GPU = 4  # jobs that share one: more wait for each other
_FINISH_GIB = 1.0  # of main memory, for measuring and scoring
_ROUNDING = 1e-6  # of sums of shares


class Executor(Protocol):
    """Takes jobs while there is room for them, and returns them with their outcomes in the order they end.

    workers: jobs that run at once, at most. gpus: GPUs that jobs can use; 0 if they use none.
    """

    @property
    def workers(self) -> int: ...

    @property
    def gpus(self) -> int: ...

    def fits(self, job: Job) -> bool:
        """Whether a job can be submitted now."""

    def submit(self, job: Job) -> None: ...

    def next_finished(self) -> Finished:
        """Wait for a job to end; only called while one is running."""

    def stop(self) -> None: ...


class SerialExecutor:
    """One job at a time, in this process."""

    workers, gpus = 1, 0

    def __init__(self, setting: Setting):
        self._setting, self._waiting = setting, deque[Job]()

    def fits(self, job: Job) -> bool:  # noqa: ARG002 (it has one place)
        return not self._waiting

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
    """Runs jobs in parallel in Ray actors: as many as their resources allow.

    An actor holds one share of a node (cores, GPU, memory) for as long as it lives and serves one job after another that asks for
    the same share, so a process never sees another GPU than the one it began on. One that holds a GPU serves one model alone.
    address is that of an existing cluster, or None for one on this machine that ends with this process. Ray never retries: the
    driver records failures and decides on retries. A node that exceeds its time limit by GRACE_S is stuck where no signal reaches
    it: its worker process is killed.
    """

    def __init__(self, setting: Setting, execution: Execution, address: str | None):
        ray = import_ray(address)
        self._ray, self._execution, self._on_cluster = ray, execution, address is not None
        start_ray(ray, address, workers_here(execution))
        self._own = None if self._on_cluster else OwnRay(ray)
        self._device, self._run, self._timeout_s = setting.device, setting.run, setting.timeout_s
        # Actors read their setting from the object store: it is the same for all that have a GPU, and for all others.
        without_gpu = replace(setting, device="cpu") if setting.device == "auto" else setting
        self._settings = {True: ray.put(setting), False: ray.put(without_gpu)}
        self._actor = ray.remote(max_restarts=0, max_task_retries=0)(Worker)
        self._running: dict[Any, _Running] = {}
        self._idle: list[_Actor] = []
        self._known: Mapping[str, float] = {}
        self._looked = -POLL_S
        self._gpu_gib = execution.gpu_gib or (None if self._on_cluster else gpu_gib_here())
        self._refuse_more_than_this_machine_has()

    @property
    def workers(self) -> int:
        """With "auto" on a cluster: the number of cores it has now, which an autoscaler may change."""
        if self._on_cluster and self._execution.workers == "auto":
            return max(1, int(self._total().get("CPU", 1)))
        return workers_here(self._execution)

    @property
    def gpus(self) -> int:
        return 0 if self._device == "cpu" else int(self._total().get("GPU", 0))

    def fits(self, job: Job) -> bool:
        """Whether what the running jobs leave free is enough for it.

        On a cluster one job of each kind may wait in Ray, so that an autoscaler sees what is missing.
        """
        if not self._running:
            return True
        if len(self._running) >= self.workers and not (self._on_cluster and self._execution.workers == "auto"):
            return False
        total, wanted = self._total(), self._request(job)
        held = [running.actor for running in self._running.values()]
        if self._on_cluster:
            return all(_held(held, kind) <= total.get(kind, 0) for kind, amount in wanted.items() if amount)
        return _have_room(held, wanted, total)

    def submit(self, job: Job) -> None:
        actor = self._actor_for(job)
        actor.model = job.model
        self._running[actor.handle.perform.remote(job)] = _Running(job, actor, self._log_times(job))

    def next_finished(self) -> Finished:
        done: list[Any] = []
        for actor in [actor for actor in self._idle if self._on_cluster or actor.request["GPU"]]:
            self._end(actor)  # what is ready was offered to it
        while not done:
            try:
                done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=POLL_S)
            finally:
                if self._own:
                    self._own.check()
            if self._timeout_s:
                self._kill_stuck_workers()
        running = self._running.pop(done[0])
        outcomes = self._outcomes(running, done[0])
        if not any(outcome.lost_worker for outcome in outcomes.values()):
            self._idle.append(running.actor)
        return running.job, outcomes

    def stop(self) -> None:
        self._ray.shutdown()
        if self._own:
            self._own.end()

    def _total(self) -> Mapping[str, float]:
        """What the machine or the cluster has, in Ray's units, as of the last second."""
        if time.monotonic() - self._looked > POLL_S:
            self._known, self._looked = self._ray.cluster_resources(), time.monotonic()
        return self._known

    def _actor_for(self, job: Job) -> _Actor:
        """An idle actor with this job's share, or a new one. Idle ones end if they hold what it needs."""
        request = self._request(job)
        able = [actor for actor in self._idle if actor.request == request and (actor.model == job.model or not request["GPU"])]
        if able:
            chosen = next((actor for actor in able if actor.model == job.model), able[0])
            self._idle.remove(chosen)
            return chosen
        held = [running.actor for running in self._running.values()]
        while self._idle and not _have_room([*held, *self._idle], request, self._total()):
            self._end(self._idle[0])
        options = {"num_cpus": request["CPU"], "num_gpus": request["GPU"], "memory": request["memory"]}
        custom = {kind: amount for kind, amount in request.items() if kind not in ("CPU", "GPU", "memory")}
        created = self._actor.options(**options, resources=custom)
        return _Actor(created.remote(self._settings[request["GPU"] > 0], request["GPU"] > 0), request)

    def _end(self, actor: _Actor) -> None:
        self._idle.remove(actor)
        self._ray.kill(actor.handle)

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
        for running in self._running.values():
            if running.began is None and self._log_times(running.job) != running.log_times_before:
                running.began = time.monotonic()
            allowed = len(running.job.keys) * (self._timeout_s or float("inf")) + GRACE_S
            if running.began is not None and time.monotonic() - running.began > allowed and not running.is_killed:
                running.is_killed = True
                self._ray.kill(running.actor.handle)

    def _log_times(self, job: Job) -> list[int]:
        """When the logs of a job's nodes were last changed; a worker opens them as it starts."""
        logs = [folder / LOG for folder in job.folders(self._run).values()]
        return [log.stat().st_mtime_ns for log in logs if log.exists()]

    def _request(self, job: Job) -> dict[str, float]:
        """What a job asks Ray for: what the grid says of its methods, and else what they declare."""
        total, asked = self._total(), _resources_of(job, self._execution)
        gpus = asked.gpus
        if gpus is None:
            has_gpus = self._device == "cuda" or (self._device == "auto" and total.get("GPU", 0) > 0)
            gpus = share_of_gpu(job.gpu_gib, self._gpu_gib) if has_gpus else 0.0
        memory = (asked.memory_gib or 0.0) * 2**30
        if asked.memory_gib is None:  # declared: a smaller machine still runs it, alone
            nodes = (job.training,) if job.training else job.cells
            most = max(node.memory_gib for node in nodes) if job.work is not Work.FINISH else _FINISH_GIB
            memory = min(most * 2**30, self._most_memory)
        return {"CPU": asked.cpus, "GPU": gpus, "memory": float(int(memory)), **asked.custom}

    @cached_property
    def _most_memory(self) -> float:
        """Bytes of the node that has most."""
        return max((node["Resources"].get("memory", 0.0) for node in self._ray.nodes() if node["Alive"]), default=0.0)

    def _refuse_more_than_this_machine_has(self) -> None:
        """Refuse what this machine lacks: Ray would wait for ever. A cluster may still grow, so it is not checked."""
        total = self._total()
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


class Worker:
    """The actor: a process that does jobs, with one share of a GPU or without one."""

    def __init__(self, setting: Setting, has_gpu: bool):
        self._setting = setting
        if not has_gpu and setting.device == "cpu":
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves it as it is for what asks for no GPU

    def perform(self, job: Job) -> dict[str, Outcome]:
        return perform(job, self._setting)


class _Actor:
    """An actor and what it holds, in Ray's units; model is what it has loaded."""

    def __init__(self, handle: Any, request: dict[str, float]):
        self.handle, self.request = handle, request
        self.model: object = None


class _Running:
    """A submitted job. began is when it was first seen running; None until then."""

    def __init__(self, job: Job, actor: _Actor, log_times_before: list[int]):
        self.job, self.actor, self.log_times_before = job, actor, log_times_before
        self.began: float | None = None
        self.is_killed = False


def _held(actors: Sequence[_Actor], kind: str) -> float:
    """What these actors hold of a resource."""
    return sum(actor.request.get(kind, 0) for actor in actors)


def _have_room(actors: Sequence[_Actor], request: Mapping[str, float], total: Mapping[str, float]) -> bool:
    """Whether the machine has what is requested beside what these actors hold."""
    return all(_held(actors, kind) + amount <= total.get(kind, 0) + _ROUNDING for kind, amount in request.items() if amount)


def share_of_gpu(gib: float, gpu_gib: float | None) -> float:
    """The share of a GPU for a job that needs this much of its memory, at least 1 / MOST_ON_A_GPU; 0 for one that needs none.

    A whole one if the job is large, or if nobody knows how large the GPU is (None).
    """
    if not gib:
        return 0.0
    if gib >= WHOLE_GPU_GIB or gpu_gib is None:
        return 1.0
    return 1 / max(1, min(MOST_ON_A_GPU, int(gpu_gib // gib)))


def gpu_gib_here() -> float | None:
    """GiB of memory of the smallest GPU of this machine, as nvidia-smi says; None if it does not."""
    try:
        command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
        return min((float(line) / 1024 for line in said.split("\n") if line.strip()), default=None)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


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
    if job.work is Work.FINISH:
        return Resources(gpus=0.0)
    names = [job.training.name] if job.training else [base_name(cell.method) for cell in job.cells]
    requests = [execution.resources.get(name, Resources()) for name in names]
    kinds = [kind for request in requests for kind in request.custom]
    custom: Mapping[str, float] = {kind: max(request.custom.get(kind, 0) for request in requests) for kind in kinds}

    def most(name: str) -> Any:
        return max((amount for request in requests if (amount := getattr(request, name)) is not None), default=None)

    return Resources(cpus=most("cpus"), gpus=most("gpus"), memory_gib=most("memory_gib"), custom=custom)
