"""Leak audit: a method predicts again with the reference blanked, swapped or unreachable, and no bit may change.

`Query` cannot hold the reference, so a leak needs another way: a row made from the truth under another label, a table looked up
by sample id, a cache keyed by the image object, a caller's variables. Each check closes one way; a prediction that changes by a
single bit used it. Test images in a method's training data are not found here: `run` refuses equal pictures in two splits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from prsbench.harness.contract.errors import DataError, unknown_name
from prsbench.harness.contract.position import NO_MASK
from prsbench.harness.contract.results import change_of
from prsbench.harness.contract.types import Method, Prediction, PromptSource, Query, ReferenceRow, Sample, Truth
from prsbench.harness.engine.inspect.state import Run
from prsbench.harness.engine.plan.nodes import CellNode
from prsbench.harness.engine.worker.loaded_methods import method_of
from prsbench.harness.engine.worker.prediction import query_of
from prsbench.harness.engine.worker.process import resolve_device
from prsbench.harness.engine.worker.seeding import seed_everything, seed_from

Change = Callable[[Sequence[Sample]], list[Sample]]


@dataclass(frozen=True, slots=True)
class Check:
    """One way of hiding the reference, and how many of n predictions it changed: 0 without a leak."""

    name: str
    n_changed: int
    n: int


@dataclass(frozen=True)
class LeakAudit:
    """The checks of one method on one data set. is_repeatable is False if the same input gave two outputs."""

    method: str
    dataset: str
    prompt_source: PromptSource
    is_repeatable: bool
    checks: tuple[Check, ...]

    @property
    def leaks(self) -> bool:
        return any(check.n_changed for check in self.checks)

    @property
    def is_declared(self) -> bool:
        """Whether the row declares that it is made from the truth."""
        return self.prompt_source is PromptSource.TRUTH


def audit_leaks(run: Run, method: str, n_samples: int = 8) -> list[LeakAudit]:
    """Check a method of a run on the first samples of each of its data sets.

    Raises:
        ConfigError: the run has no such method.
        DataError: a data set is no longer where the run found it, or has no sample with a lesion.
    """
    return [_audit(cell, load_method(cell, run), samples_of(run, cell, n_samples)) for cell in cells_of(run, method)]


def cells_of(run: Run, method: str) -> list[CellNode]:
    """The method's cells of the lowest seed, one a data set; without those on changed test pictures."""
    if method not in (known := {cell.method for cell in run.plan.cells}):
        raise unknown_name(f"method of {run.setting.folder}", method, known)
    seed = min(cell.seed for cell in run.plan.cells if cell.method == method)
    return [cell for cell in run.plan.cells if (cell.method, cell.seed) == (method, seed) and not change_of(cell.dataset)]


def samples_of(run: Run, cell: CellNode, n_samples: int) -> list[Sample]:
    """The first samples that have a lesion: the others have nothing to leak."""
    dataset = run.datasets.get(cell.dataset)
    if dataset is None:
        raise DataError(f"Data set '{cell.dataset}' is no longer under {', '.join(map(str, run.setting.roots))}. Restore it.")
    selected = []
    for sample in dataset.samples(cell.split):
        if sample.truth.mask.any():
            selected.append(sample)
        if len(selected) == n_samples:
            break
    if len(selected) < 2:
        n = len(selected)
        raise DataError(f"Data set '{cell.dataset}': expected at least 2 samples with a lesion in '{cell.split}', got {n}.")
    return selected


def queries_of(samples: Sequence[Sample], cell: CellNode) -> list[Query]:
    """What the method sees of samples with a lesion; with one, the row's prompt source always has its box or point."""
    return [query for query in (query_of(sample, cell) for sample in samples) if isinstance(query, Query)]


def load_method(cell: CellNode, run: Run) -> Method | ReferenceRow:
    """The method with the weights of the run."""
    return method_of(cell, replace(run.setting, device=resolve_device(run.setting.device)))


def _audit(cell: CellNode, method: Method | ReferenceRow, samples: list[Sample]) -> LeakAudit:
    queries = queries_of(samples, cell)
    expected = _predict(method, cell, samples, queries)
    repeatable = not _n_changed(expected, _predict(method, cell, samples, queries))
    changes: dict[str, Change] = {"reference blanked": _blanked, "reference swapped": _swapped}
    changes |= {"sample id hidden": _renamed, "query rebuilt": _rebuilt}
    checks = []
    for name, change in changes.items():
        altered = change(samples)
        pairs = zip(altered, queries, strict=True)
        queries_again = [replace(sample.query, box=q.box, point=q.point) for sample, q in pairs]  # prompts are declared
        checks.append(Check(name, _n_changed(expected, _predict(method, cell, altered, queries_again)), len(samples)))
    return LeakAudit(cell.method, cell.dataset, PromptSource(method.labels.prompt_source), repeatable, tuple(checks))


def _predict(method: Method | ReferenceRow, cell: CellNode, samples: list[Sample], queries: list[Query]) -> list[Prediction]:
    """Predict as the engine does, with its batches and seeds. This frame holds no references but those of `samples`."""
    if isinstance(method, ReferenceRow):
        seed_everything(seed_from(cell.seed, "all samples"))
        return list(method.predict_from_truth(samples, {sample.sample_id: sample.truth.answer for sample in samples}))
    predictions, size = [], cell.config["batch_size"]
    for start in range(0, len(queries), size):
        seed_everything(seed_from(cell.seed, start))
        predictions += method.predict(queries[start : start + size])
    return predictions


def _n_changed(first: Sequence[Prediction], second: Sequence[Prediction]) -> int:
    """The number of predictions that differ in a bit of their map or a letter of their answer."""
    return sum(
        a.answer != b.answer or a.probability.dtype != b.probability.dtype or a.probability.tobytes() != b.probability.tobytes()
        for a, b in zip(first, second, strict=True)
    )


def _blanked(samples: Sequence[Sample]) -> list[Sample]:
    return [replace(s, truth=Truth(np.zeros_like(s.truth.mask), "", (NO_MASK,), False, NO_MASK)) for s in samples]


def _swapped(samples: Sequence[Sample]) -> list[Sample]:
    """Each sample gets the text of the next one and its own mask rotated by 180 degrees, which preserves the area."""
    following = [*samples[1:], samples[0]]
    return [
        replace(s, truth=replace(other.truth, mask=np.ascontiguousarray(s.truth.mask[::-1, ::-1])))
        for s, other in zip(samples, following, strict=True)
    ]


def _renamed(samples: Sequence[Sample]) -> list[Sample]:
    return [replace(s, query=replace(s.query, sample_id=f"sample {i}"), group=str(i)) for i, s in enumerate(samples)]


def _rebuilt(samples: Sequence[Sample]) -> list[Sample]:
    """The same queries as new objects, without the references of the old ones."""
    return [replace(s, query=replace(s.query, image=s.query.image.copy())) for s in _blanked(samples)]
