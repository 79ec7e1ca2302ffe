"""The driver: from a grid to finished cells. All results are on disk: after a kill at any moment, the same call resumes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import chain

from prsbench.harness.contract.errors import RunFolderError, first_line, unknown_name
from prsbench.harness.contract.results import notes_by_text
from prsbench.harness.engine.driver.display import Display
from prsbench.harness.engine.driver.executor import Executor, make_executor
from prsbench.harness.engine.driver.priors import Priors
from prsbench.harness.engine.driver.progress import Progress
from prsbench.harness.engine.driver.ray_start import check_address
from prsbench.harness.engine.driver.schedule import Waiting, jobs_to_do
from prsbench.harness.engine.driver.shares import share_of
from prsbench.harness.engine.grid.schema import GridConfig, base_name
from prsbench.harness.engine.inspect.state import SCHEMA, CellState, Left, Run, RunStatus, stored_cells
from prsbench.harness.engine.plan.choices import Registry, check_choices, notes_of_rows
from prsbench.harness.engine.plan.data import open_checked, prepare_roots
from prsbench.harness.engine.plan.nodes import CellNode, TrainingNode, left_out_lines
from prsbench.harness.engine.plan.planning import make_plan
from prsbench.harness.engine.store.json_files import sealed, write_json
from prsbench.harness.engine.store.run_folder import Ending, NodeFolder, RunFolder
from prsbench.harness.engine.worker.failures import Failure
from prsbench.harness.engine.worker.job import Job, Outcome, Work
from prsbench.harness.engine.worker.process import check_device, prepare_process
from prsbench.harness.engine.worker.provenance import command_line, now, provenance_of_run
from prsbench.harness.engine.worker.setting import Setting

Say = Callable[[str], None]


def plan_run(grid: GridConfig, registry: Registry, folder: RunFolder, say: Say) -> Run:
    """Open and check the data and plan every node. Synthetic images are drawn if they do not exist yet.

    Raises:
        PrsbenchError: the grid or the data cannot be used; raised before any work starts.
    """
    check_choices(grid, registry)
    roots = prepare_roots(grid, folder, say)
    data, notes = open_checked(roots, grid, folder, say)
    notes += notes_of_rows(grid, registry, {name for dataset in data.usable for name in dataset.sample_ids(grid.split)})
    for line in [*notes, *notes_by_text(data.disclosed)]:
        say(f"Note: {line}")
    plan = make_plan(grid, data.usable, registry, data.refused, data.disclosed)
    for line in left_out_lines(plan):
        say(line)
    setting = Setting.of_plan(
        plan,
        folder.path,
        roots=tuple(root.resolve() for root in roots),
        text_models_loader=registry.judge_loader(grid.judge),
        judge=grid.judge,
        device=grid.execution.device,
        threads=grid.execution.threads_per_worker,
        timeout_s=grid.execution.timeout_s,
        command=command_line(),
    )
    return Run(plan, setting, RunStatus.PLANNED)


def run_grid(
    grid: GridConfig,
    registry: Registry,
    folder: RunFolder,
    say: Say,
    executor: str = "ray",
    only: Collection[str] = (),
    address: str | None = None,
    states: Collection[CellState] = (),
    display: Display | None = None,
    share: tuple[int, int] | None = None,
    only_finish: bool = False,
    floors_done: Callable[[Run], None] | None = None,
) -> Run:
    """Compute what is missing.

    Args:
        say: receives each line of progress. Bind it to the real stream: the output of a node goes to its log.
        executor: "ray" or "serial"; the numbers are the same.
        only: methods to work on; empty for all. The others stay as they are.
        address: of an existing Ray cluster.
        states: work only on cells in these states, such as {CellState.FAILED}; empty for all.
        display: shows the running jobs; then `say` is its own.
        share: (i, n): this driver is the i-th of n on this folder, from 1, and does its share alone.
        only_finish: only join, measure and score what is completely predicted.
        floors_done: is called once when all floors and ceilings have ended, if other jobs have not.

    Returns:
        The run, for `results`; it is complete if the chosen methods are. Nodes that failed raise nothing; their cells appear
        there with the error.
    """
    known = {name for choice in grid.rows for name in (choice.name, choice.row)}
    for name in only:
        if name not in known:
            raise unknown_name("method of this grid", name, known)
    cluster = address if executor == "ray" else None
    if cluster is not None:
        check_address(cluster)  # before data are drawn and checked
    prepare_process(grid.execution.threads_per_worker)
    with folder.driver_lock(share):
        with folder.plan_lock():  # drivers that share a run check the data one after another: the others find it checked
            run = plan_run(grid, registry, folder, say)
            chosen = [cell for cell in run.plan.cells if not only or {cell.method, base_name(cell.method)} & set(only)]
            before = [(stored.node, stored.state) for stored in stored_cells(chosen, run.setting)]
            pending = [cell for cell, state in before if state is not CellState.CACHED and (not states or state in states)]
            if cluster is None and not only_finish:
                _check_gpu(run, pending)
            division = share_of(run.plan, run.setting, *share) if share else None
            _write_description(run, grid, folder, RunStatus.RUNNING)
        say(_resume_line(before, pending, run))
        try:
            if pending:
                workers = make_executor(executor, run.setting, grid.execution, address)
                jobs = partial(jobs_to_do, run.plan, pending, run.setting, share=division, only_finish=only_finish)
                told = partial(floors_done, run) if floors_done else None
                _do_jobs(jobs, run, folder, workers, grid.execution.retries, say, display, told)
        except BaseException:  # such as Ctrl-C or a full disk: run.json must not say "running"
            _write_description(run, grid, folder, RunStatus.INTERRUPTED)
            raise
        for line in left_out_lines(run.plan):
            say(first_line(line))
        unfinished = {one.node.folder for one in stored_cells(run.plan.cells, run.setting) if one.state is not CellState.CACHED}
        whole = _write_description(run, grid, folder, _status(run, not unfinished))
        return replace(whole, status=_status(run, unfinished.isdisjoint(cell.folder for cell in chosen)))


def _check_gpu(run: Run, pending: Sequence[CellNode]) -> None:
    """Refuse `device: cuda` on a machine without a GPU if a cell is to be predicted on one; measuring and scoring need none."""
    if run.setting.device == "cuda" and any(
        stored.left is Left.PREDICT and stored.node.gpu_gib for stored in stored_cells(pending, run.setting)
    ):
        check_device(run.setting.device)


def _status(run: Run, is_done: bool) -> RunStatus:
    """Complete only if no row or data set was left out."""
    return RunStatus.COMPLETE if is_done and not run.plan.left_out else RunStatus.INCOMPLETE


def _resume_line(before: Sequence[tuple[CellNode, CellState]], pending: Sequence[CellNode], run: Run) -> str:
    """How many cells the run folder already has, finished or with stored predictions."""
    left = Counter(stored.left for stored in stored_cells(pending, run.setting))
    steps = [f"{left[step]} to {step}" for step in (Left.MEASURE, Left.SCORE) if left[step]]
    from_stored = f", {' and '.join(steps)} from their stored predictions" if steps else ""
    return f"{len(before)} cells, {sum(state is CellState.CACHED for _, state in before)} of them finished before{from_stored}."


def _do_jobs(
    jobs_for: Callable[[int, bool], list[Job]],
    run: Run,
    folder: RunFolder,
    executor: Executor,
    retries: int,
    say: Say,
    display: Display | None,
    floors_done: Callable[[], None] | None,
) -> None:
    try:
        jobs = jobs_for(executor.gpus or executor.workers, bool(executor.gpus))
        priors = Priors.here(run, executor.workers)
        with Progress(jobs, run.setting, executor.workers, say, priors.job_s, priors.report_s, display) as progress:
            busy_s = _Loop(jobs, folder, progress, retries, floors_done).run(executor)
            say(progress.efficiency(busy_s))
    finally:
        executor.stop()


class _Loop:
    """Submits jobs whose trainings are sealed, and settles each job that ends."""

    def __init__(
        self, jobs: list[Job], folder: RunFolder, progress: Progress, retries: int, floors_done: Callable[[], None] | None
    ):
        self._waiting, self._run_folder, self._progress, self._retries = Waiting(jobs), folder, progress, retries
        self._floors_done = floors_done if any(job.is_quick for job in jobs) else None
        self._predicted = defaultdict[str, list[Outcome]](list)  # by cell's folder: of its shards, until its attempt is recorded
        self._busy_s = 0.0

    def run(self, executor: Executor) -> float:
        """Do jobs until none is left; returns the seconds that nodes took, summed over workers."""
        running, last = list[Job](), None
        while len(self._waiting) or running:
            while job := self._waiting.take(executor.fits, last):
                self._progress.started(job)
                executor.submit(job)
                running.append(job)
            if self._floors_done and running and not any(job.is_quick for job in chain(running, self._waiting)):
                self._floors_done()  # now that the workers are busy
                self._floors_done = None
            job, outcomes = executor.next_finished()
            running.remove(job)
            last = job.model
            self._waiting.ended(job)
            self._settle(job, outcomes)
        return self._busy_s

    def _settle(self, job: Job, outcomes: dict[str, Outcome]) -> None:
        """Record how a job ended. Jobs that wait for a training that failed end with it, with its reason.

        A part of a cell that was predicted is no attempt at the cell: it counts for the one that finishes the cell.
        """
        self._busy_s += sum(outcome.seconds for outcome in outcomes.values())
        replacements = self._replacements(job, outcomes)
        if replacements:
            self._waiting.add(replacements)
            self._progress.replaced(job, replacements, "lost its worker; it resumes where it stopped")
        else:
            self._progress.finished(job, outcomes)
        is_part = job.work is Work.PREDICT
        nodes: Sequence[CellNode | TrainingNode] = (job.training,) if job.training else job.cells
        for (key, outcome), node in zip(outcomes.items(), nodes, strict=True):
            is_done = outcome.kind is Ending.DONE
            if is_part and is_done:
                self._predicted[node.folder].append(outcome)
            elif len(job.keys) == 1 or not replacements:  # which of several nodes killed the worker is unknown
                self._record(node, outcome)
            if outcome.reason is Failure.NO_ROOM:
                raise RunFolderError(f"{outcome.error}. Make room or choose another place; the same command then resumes.")
            if is_done:
                self._waiting.done(key)
            elif not replacements:
                self._end_what_waits_for(job, key, outcome)
                if isinstance(node, CellNode) and is_part:
                    self._drop_rest_of(node)

    def _record(self, node: CellNode | TrainingNode, outcome: Outcome) -> None:
        """Record an attempt at a node, with what its shards took."""
        run = self._run_folder
        folder = run.training(node.folder) if isinstance(node, TrainingNode) else run.cell(node.folder)
        every = [outcome, *self._predicted.pop(node.folder, ())]
        taken = {name: sum(getattr(one, name) for one in every) for name in ("seconds", "samples")}
        peak = max(one.peak_memory_bytes for one in every)
        NodeFolder(folder).record_attempt({**asdict(outcome), **taken, "peak_memory_bytes": peak, "time": now()})
        run.node_ended(folder)

    def _replacements(self, job: Job, outcomes: dict[str, Outcome]) -> list[Job]:
        """The jobs to do in place of one that lost its worker: one per cell, so that only the cell to blame fails."""
        if not any(outcome.lost_worker for outcome in outcomes.values()):
            return []
        if len(job.cells) > 1:
            return job.split()
        died = all(outcome.reason is Failure.WORKER_DEATH for outcome in outcomes.values())
        return [replace(job, deaths=job.deaths + 1)] if died and job.deaths < self._retries else []

    def _end_what_waits_for(self, job: Job, key: str, outcome: Outcome) -> None:
        reason = f"not run: {job.title} {outcome.kind}: {outcome.error.removeprefix('not run: ')}"
        for other in [waiting for waiting in self._waiting if key in waiting.waits_for]:
            if other not in self._waiting or other.work is Work.FINISH and job.work is Work.PREDICT:
                continue  # it already ended with a previous one, or the same cell's failure is recorded
            self._waiting.remove(other)
            ended, cells = [other], other.split()
            if rest := [cell for cell in cells if key not in cell.waits_for]:  # of a job with several cells
                ended = [cell for cell in cells if key in cell.waits_for]
                self._progress.replaced(other, cells, "not all of it can be done")
                self._waiting.add(rest)
            for cell in ended:
                self._settle(cell, dict.fromkeys(cell.keys, Outcome(outcome.kind, Failure.NOT_RUN, reason)))

    def _drop_rest_of(self, cell: CellNode) -> None:
        """Take out what waits of a cell of which a part cannot be predicted. What is at work goes on, for the next run."""
        for job in [job for job in self._waiting if cell in job.cells]:
            self._waiting.remove(job)
            others = [other for other in job.split() if other.cells != (cell,)]
            self._waiting.add(others)
            self._progress.dropped(job, others)


def _write_description(run: Run, grid: GridConfig, folder: RunFolder, status: RunStatus) -> Run:
    """Write run.json: everything a reader needs to open the run without the grid file or the catalogs."""
    content = {
        "schema": SCHEMA,
        "provenance": provenance_of_run(),
        "grid": grid.model_dump(mode="json"),
        "setting": run.setting.to_json(),
        "plan": run.plan.to_json(),
    }
    write_json(folder.description, {"status": status, **sealed(content)}, indent=None)
    folder.run_described()
    return replace(run, status=status)
