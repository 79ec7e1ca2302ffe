"""Schedule: the jobs that a run still has to do, how cells are cut into shards, and which job starts next."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Protocol

from prsbench.harness.engine.inspect.state import Left, stored_cells
from prsbench.harness.engine.plan.nodes import CellNode, Plan, TrainingNode, trainings_for, units
from prsbench.harness.engine.store.cell_folder import CellFolder
from prsbench.harness.engine.store.journal import PREDICTIONS
from prsbench.harness.engine.store.shards import cut, shard_path, shards_in
from prsbench.harness.engine.worker.job import Job, Work
from prsbench.harness.engine.worker.setting import Setting

_BEFORE_EVALUATIONS = 1e9  # trainings go first: everything else waits for them
SHARDS_A_LANE = 48  # the work of one lane is at least so many shards, so that all lanes end soon after each other
LEAST_SAMPLES = 256  # of a shard
_COST_OF_A_MODEL = 8.0  # of a sample, beside 1 for each GiB that the model needs: `make bench-schedule` compares choices
_COST_WITHOUT_GPU = 0.1  # of a sample of a floor or a ceiling, or of measuring one


class Division(Protocol):
    """How cells are cut, and what of them this driver predicts (`driver.shares.Share`)."""

    @property
    def parts(self) -> Mapping[str, list[range]]: ...

    @property
    def mine(self) -> Collection[tuple[str, range | None]]: ...

    def has_part_of(self, cell: CellNode) -> bool: ...

    def has_all_of(self, cell: CellNode) -> bool: ...


def jobs_to_do(
    plan: Plan,
    pending: Sequence[CellNode],
    setting: Setting,
    lanes: int = 1,
    on_gpus: bool = False,
    share: Division | None = None,
    only_finish: bool = False,
) -> list[Job]:
    """The unsealed trainings that pending cells depend on, and the cells, each with what it waits for.

    Args:
        lanes: how many jobs can predict at once; large cells are cut into shards for them.
        on_gpus: whether those lanes are GPUs. Cells that need one are then predicted there, and measured and scored in jobs
            without a GPU.
        share: of one of several drivers on this run folder; None for all that is pending.
        only_finish: leave out cells that are not completely predicted.
    """
    to_predict = {stored.node.folder for stored in stored_cells(pending, setting) if stored.left is Left.PREDICT}
    if share:
        pending = [cell for cell in pending if share.has_part_of(cell)]
    if only_finish:
        pending = [cell for cell in pending if cell.folder not in to_predict or is_all_predicted(cell, setting)]
    cells_to_predict = [cell for cell in pending if cell.folder in to_predict]
    trainings = trainings_to_do(plan, cells_to_predict, bool(pending), setting)
    unsealed = {node.key for node in trainings}
    judging = {plan.text_models_key} & unsealed
    total = sum(map(cost_of, cells_to_predict))
    jobs: list[Job] = []
    for unit in units(pending):
        predicting = tuple(cell for cell in unit if cell.folder in to_predict)
        needed = {cell.training for cell in predicting if cell.training} & unsealed
        parts = [share.parts.get(c.folder, []) if share else parts_of(c, setting, lanes, total) for c in predicting]
        is_apart = on_gpus and any(cell.gpu_gib for cell in predicting)
        done_first: dict[str, list[str]] = defaultdict(list)  # by cell's folder: the keys of the jobs that predict it
        if not is_apart and not any(parts):
            if predicting:
                jobs.append(Job(None, predicting, tuple(sorted(needed | judging)), sum(map(cost_of, predicting))))
        else:
            for group in pieces(predicting, parts):
                left = [(cell, part) for cell, part in group if not (part and _is_predicted(cell, part, setting))]
                if not left or share and (left[0][0].folder, left[0][1]) not in share.mine:
                    continue
                cost = sum(cost_of(cell) * (len(part) / cell.n_manifest if part else 1) for cell, part in left)
                chosen, shards = tuple(cell for cell, _ in left), tuple(part for _, part in left if part)
                jobs.append(Job(None, chosen, tuple(sorted(needed)), cost, work=Work.PREDICT, parts=shards))
                for cell, key in zip(chosen, jobs[-1].keys, strict=True):
                    done_first[cell.folder].append(key)
        for cell in unit:
            is_ours = share is None or share.has_all_of(cell)
            if is_ours and (cell.folder not in to_predict or is_apart or any(parts)):
                waits_for = (*done_first[cell.folder], *sorted(judging))
                jobs.append(Job(None, (cell,), waits_for, cell.n_manifest * _COST_WITHOUT_GPU, work=Work.FINISH))
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
        by_model[job.model] += job.cost
    return sorted(jobs, key=lambda job: (not job.is_quick, -by_model[job.model], str(job.model), -job.cost))


def trainings_to_do(plan: Plan, to_predict: Iterable[CellNode], is_scoring: bool, setting: Setting) -> list[TrainingNode]:
    """The unsealed trainings that the cells to predict need and, if anything is scored, those of the text judge."""
    judging = {plan.text_models_key} & plan.trainings.keys() if is_scoring else set()
    wanted = {cell.training for cell in to_predict if cell.training} | judging
    return trainings_for(plan, wanted, lambda node: setting.digest(node.key) is not None)


def cost_of(cell: CellNode) -> float:
    """A rough estimate of the work of predicting a cell: larger models take longer a sample, but not in proportion."""
    return cell.n_manifest * (_COST_OF_A_MODEL + cell.gpu_gib if cell.gpu_gib else _COST_WITHOUT_GPU)


def parts_of(cell: CellNode, setting: Setting, lanes: int, total: float) -> list[range]:
    """The shards of a cell, those that exist as they are; empty for a cell that is predicted whole.

    Rows without a GPU are not cut: they are quick, and some need all samples at once. Nor is a cell that was begun whole.
    """
    path, n, size = setting.run.cell(cell.folder), cell.n_manifest, cell.config.get("batch_size")
    if size is None:  # a user's file that cannot be imported
        return []
    begun = shards_in(path)
    pieces = min(-(-cost_of(cell) * lanes * SHARDS_A_LANE // total), n // LEAST_SAMPLES) if total and lanes > 1 else 1
    if not begun and (pieces < 2 or not cell.gpu_gib or (path / PREDICTIONS).exists()):
        return []
    return cut(n, size, int(max(pieces, 1)), begun)


def pieces(cells: Sequence[CellNode], parts: Sequence[Sequence[range]]) -> Iterator[list[tuple[CellNode, range | None]]]:
    """What one job predicts: the n-th shards of cells that take turns; those of them that are not cut (None) all together."""
    if whole := [(cell, None) for cell, of_cell in zip(cells, parts, strict=True) if not of_cell]:
        yield list(whole)
    for rank in zip_longest(*parts):
        if group := [(cell, part) for cell, part in zip(cells, rank, strict=True) if part]:
            yield list(group)


def is_all_predicted(cell: CellNode, setting: Setting) -> bool:
    """Whether every sample of a cell is in a sealed shard."""
    parts = shards_in(setting.run.cell(cell.folder))
    return sum(map(len, parts)) == cell.n_manifest and all(_is_predicted(cell, part, setting) for part in parts)


def _is_predicted(cell: CellNode, part: range, setting: Setting) -> bool:
    """Whether a shard is sealed with the weights that its cell's training has now."""
    weights, shard = setting.digest(cell.training), CellFolder(shard_path(setting.run.cell(cell.folder), part))
    return (weights is not None or not cell.training) and shard.is_sealed(weights)


class Waiting:
    """The jobs that wait to be started, and which of them starts next."""

    def __init__(self, jobs: Iterable[Job]):
        self._done: set[str] = set()
        self._missing: dict[Job, set[str]] = {}  # of each job that cannot start yet: the keys it waits for
        self._waiters: dict[str, list[Job]] = defaultdict(list)  # by such a key
        self._ready: dict[object, deque[Job]] = {}  # by model
        self._left = defaultdict[object, float](float)  # by model: the cost of its ready jobs
        self._running: Counter[object] = Counter()  # by model: how many of its jobs were taken and have not ended
        self.add(jobs)

    def __len__(self) -> int:
        return len(self._missing) + sum(map(len, self._ready.values()))

    def __iter__(self) -> Iterator[Job]:
        yield from [*self._missing, *(job for jobs in self._ready.values() for job in jobs)]

    def add(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            if missing := set(job.waits_for) - self._done:
                self._missing[job] = missing
                for key in missing:
                    self._waiters[key].append(job)
            else:
                self._ready.setdefault(job.model, deque()).append(job)
                self._left[job.model] += job.cost

    def remove(self, job: Job) -> None:
        if self._missing.pop(job, None) is None:
            self._ready[job.model].remove(job)
            self._left[job.model] -= job.cost

    def done(self, key: str) -> None:
        """A training is sealed, or a part of a cell is predicted."""
        self._done.add(key)
        for job in self._waiters.pop(key, ()):
            missing = self._missing.get(job, set())
            missing.discard(key)
            if job in self._missing and not missing:
                del self._missing[job]
                self.add([job])

    def take(self, fits: Callable[[Job], bool], last: object = None) -> Job | None:
        """The next job to start, taken out; None if none is ready and fits.

        Floors and ceilings come first: they are quick, and give the first table. Trainings are next. Then a worker goes on with
        the model it has (`last`); a free one takes the model with the most work left for each job that is at it: few models are
        loaded often, and all end together.
        """
        for model in sorted((m for m, jobs in self._ready.items() if jobs), key=lambda m: self._rank(m, last)):
            job = self._ready[model][0]
            if fits(job):
                self._ready[model].popleft()
                self._left[model] -= job.cost
                self._running[model] += 1
                return job
        return None

    def ended(self, job: Job) -> None:
        self._running[job.model] -= 1

    def _rank(self, model: object, last: object) -> tuple[bool, bool, bool, float]:
        job = self._ready[model][0]
        return not job.is_quick, job.training is None, model != last, -self._left[model] / (1 + self._running[model])
