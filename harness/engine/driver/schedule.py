"""Schedule: the jobs that a run still has to do, and their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from prsbench.harness.engine.inspect.state import Left, left_to_do
from prsbench.harness.engine.plan.nodes import CellNode, Plan, TrainingNode, trainings_for, units
from prsbench.harness.engine.store.run_folder import digest_of
from prsbench.harness.engine.worker.job import Job
from prsbench.harness.engine.worker.setting import Setting

_BEFORE_EVALUATIONS = 1e9  # trainings go first: everything else waits for them


def jobs_to_do(plan: Plan, pending: Sequence[CellNode], setting: Setting) -> list[Job]:
    """The unsealed trainings that pending cells depend on, and the cells, each with the trainings it waits for."""
    to_predict = [cell for cell in pending if left_to_do(cell, setting) is Left.PREDICT]
    trainings = trainings_to_do(plan, to_predict, bool(pending), setting)
    unsealed = {node.key for node in trainings}
    jobs = []
    for cells in units(pending):
        waits_for = {*(cell.training for cell in cells), plan.text_models} & unsealed
        jobs.append(Job(None, cells, tuple(sorted(waits_for)), cost=float(sum(cell.n_manifest for cell in cells))))
    blocked = Counter[str]()  # by training: the cost of the jobs that wait for it
    for job in jobs:
        blocked.update(dict.fromkeys(job.waits_for, job.cost))
    for node in reversed(trainings):  # a job comes after the trainings it waits for, so its cost is known
        waits_for = tuple(sorted(set(node.needs.values()) & unsealed))
        jobs.append(Job(node, (), waits_for, cost=_BEFORE_EVALUATIONS + blocked[node.key]))
        blocked.update(dict.fromkeys(waits_for, jobs[-1].cost))
    together = Counter[object]()  # jobs of one model in sequence, so that a worker loads it once; the costliest first
    for job in jobs:
        together[_model(job)] += job.cost
    return sorted(jobs, key=lambda job: (-together[_model(job)], str(_model(job)), -job.cost))


def trainings_to_do(plan: Plan, to_predict: Iterable[CellNode], is_scoring: bool, setting: Setting) -> list[TrainingNode]:
    """The unsealed trainings that the cells to predict need and, if anything is scored, those of the text judge."""
    wanted = {cell.training for cell in to_predict if cell.training} | ({plan.text_models} if is_scoring else set())
    return trainings_for(plan, wanted, lambda node: digest_of(setting.training_folder(node.key)) is not None)


def _model(job: Job) -> object:
    """What jobs must share for a worker to reuse what it has loaded."""
    return job.training.key if job.training else tuple((cell.factory, cell.training, str(cell.config)) for cell in job.cells)


def ready(jobs: Iterable[Job], sealed: set[str]) -> Iterator[Job]:
    """The jobs whose trainings are all sealed, in the given order."""
    return (job for job in jobs if sealed.issuperset(job.waits_for))
