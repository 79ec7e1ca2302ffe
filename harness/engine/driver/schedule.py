"""Schedule: the jobs that a run still has to do, and their order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from prsbench.harness.engine.inspect.state import Left, stored_cells
from prsbench.harness.engine.plan.nodes import CellNode, Plan, TrainingNode, trainings_for, units
from prsbench.harness.engine.worker.job import Job
from prsbench.harness.engine.worker.setting import Setting

_BEFORE_EVALUATIONS = 1e9  # trainings go first: everything else waits for them


def jobs_to_do(plan: Plan, pending: Sequence[CellNode], setting: Setting) -> list[Job]:
    """The unsealed trainings that pending cells depend on, and the cells, each with the trainings it waits for."""
    to_predict = [stored.node for stored in stored_cells(pending, setting) if stored.left is Left.PREDICT]
    trainings = trainings_to_do(plan, to_predict, bool(pending), setting)
    unsealed = {node.key for node in trainings}
    jobs = []
    for cells in units(pending):
        needed = {plan.text_models_key, *(cell.training for cell in cells if cell.training)} & unsealed
        jobs.append(Job(None, cells, tuple(sorted(needed)), cost=float(sum(cell.n_manifest for cell in cells))))
    blocked: dict[str, float] = defaultdict(float)  # by training: the cost of the jobs that wait for it
    for key, cost in [(key, job.cost) for job in jobs for key in job.waits_for]:
        blocked[key] += cost
    for node in reversed(trainings):  # a job comes after the trainings it waits for, so its cost is known
        job = Job(node, (), tuple(sorted(set(node.needs.values()) & unsealed)), cost=_BEFORE_EVALUATIONS + blocked[node.key])
        jobs.append(job)
        for key in job.waits_for:
            blocked[key] += job.cost
    by_model: dict[object, float] = defaultdict(float)  # cost of all jobs of a model: they run in sequence, so that it loads once
    for job in jobs:
        by_model[_model(job)] += job.cost
    return sorted(jobs, key=lambda job: (-by_model[_model(job)], str(_model(job)), -job.cost))


def trainings_to_do(plan: Plan, to_predict: Iterable[CellNode], is_scoring: bool, setting: Setting) -> list[TrainingNode]:
    """The unsealed trainings that the cells to predict need and, if anything is scored, those of the text judge."""
    judging = {plan.text_models_key} & plan.trainings.keys() if is_scoring else set()
    wanted = {cell.training for cell in to_predict if cell.training} | judging
    return trainings_for(plan, wanted, lambda node: setting.digest(node.key) is not None)


def _model(job: Job) -> object:
    """What jobs must share for a worker to reuse what it has loaded."""
    return job.training.key if job.training else tuple((cell.factory, cell.training, str(cell.config)) for cell in job.cells)


def ready(jobs: Iterable[Job], sealed: set[str]) -> Iterator[Job]:
    """The jobs whose trainings are all sealed, in the given order."""
    return (job for job in jobs if sealed.issuperset(job.waits_for))
