"""A user's method as the engine sees it: its file is imported, and its calls run, in a process of its own.

The functions below run there. A query goes there without the truth, as to every method; a plain prediction comes back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import ContractError, reason_of
from prsbench.harness.contract.results import Cost
from prsbench.harness.contract.types import (
    FitContext,
    Labels,
    Prediction,
    Query,
    ReferenceRow,
    Sample,
    check_labels,
    check_prediction,
    check_predictions,
)
from prsbench.harness.engine.apart.process import Apart
from prsbench.harness.engine.plan.nodes import CellNode, TrainingNode
from prsbench.harness.engine.worker.process import prepare_process
from prsbench.harness.engine.worker.seeding import latest_seed, seed_everything
from prsbench.harness.engine.worker.setting import Ticks

MEASURE = "prsbench.methods.cost:measure"
Node = CellNode | TrainingNode
_method: Any = None  # in its own process
_answers: Mapping[str, str] = {}  # there, for a reference row
_began = time.monotonic()


def _build(build: Callable[[Node], Any], node: Node) -> dict[str, bool]:
    global _method
    prepare_process(int(os.environ["OMP_NUM_THREADS"]))
    _method = build(node)
    return {"is_reference": isinstance(_method, ReferenceRow), "exports": hasattr(_method, "export")}


def _labels() -> dict[str, Any]:
    labels = _method.labels
    check_labels(labels)
    return labels.to_json()


def _fit(train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> list[Any]:
    _method.fit(train, val, context)
    return context.progress.counted if isinstance(context.progress, Ticks) else []


def _do(name: str, *arguments: Any) -> None:
    """save, load or export."""
    getattr(_method, name)(*arguments)


def _cost() -> dict[str, Any]:
    cost: Cost = resolve(MEASURE)(_method)
    return cost.to_json()


def _predict(queries: Sequence[Query]) -> list[dict[str, Any]]:
    return [_plain(*pair) for pair in zip(queries, check_predictions(_method.predict(queries), len(queries)), strict=True)]


def _predict_from_truth(samples: Sequence[Sample], answers: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """answers: None for those of the call before."""
    global _answers
    _answers = _answers if answers is None else answers
    predictions = check_predictions(_method.predict_from_truth(samples, _answers), len(samples))
    return [_plain(sample.query, prediction) for sample, prediction in zip(samples, predictions, strict=True)]


def _plain(query: Query, prediction: Prediction) -> dict[str, Any]:
    """A prediction without classes of the user's; if it breaks its contract, what is wrong with it."""
    try:
        check_prediction(query, prediction)
        known_s = time.monotonic() - _began
        if prediction.seconds > known_s + 1:
            what = f"got {prediction.seconds:.0f} s, and its process began {known_s:.0f} s ago"
            raise ContractError(f"Sample '{query.sample_id}': seconds must be the wall time of this query; {what}.")
    except Exception as error:  # noqa: BLE001 - the method may have returned anything in place of an array
        return {"refused": reason_of(error)}
    return {"probability": prediction.probability, "answer": str(prediction.answer), "seconds": float(prediction.seconds)}


def _seeded(seed: int | None, function: Callable[..., Any], *arguments: Any) -> Any:
    if seed is not None:
        seed_everything(seed)
    return function(*arguments)


class _UsersMethod:
    """What both kinds of methods have. It is seeded as this process is: with the latest seed, before the call that follows."""

    def __init__(self, process: Apart):
        self._process, self._seeds = process, 0

    @property
    def labels(self) -> Labels:
        return Labels.from_json(self._call(_labels))

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        counted = self._call(_fit, train, val, context)
        if isinstance(context.progress, Ticks):
            context.progress.counted = counted

    def save(self, folder: Path) -> None:
        self._call(_do, "save", folder)

    def load(self, folder: Path, device: str) -> None:
        self._call(_do, "load", folder, device)

    def cost(self) -> Cost:
        """As `MEASURE` measures it there."""
        return Cost.from_json(self._call(_cost))

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        seeds, seed = latest_seed()
        is_new, self._seeds = seeds != self._seeds, seeds
        return self._process.call(_seeded, seed if is_new else None, function, *arguments)


class UsersMethod(_UsersMethod):
    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One item per query; a prediction that breaks its contract is a ContractError in its place."""
        return _predictions(self._call(_predict, queries))


class UsersReferenceRow(_UsersMethod):
    _sent: Mapping[str, str] | None = None  # the answers of a split are many: they are sent once

    def predict_from_truth(self, samples: Sequence[Sample], answers: Mapping[str, str]) -> list[Prediction]:
        """As `UsersMethod.predict`."""
        predictions = self._call(_predict_from_truth, samples, None if answers is self._sent else answers)
        self._sent = answers
        return _predictions(predictions)


class UsersExporter(UsersMethod):
    def export(self, folder: Path) -> None:
        self._call(_do, "export", folder)


def start(node: Node, build: Callable[[Node], Any]) -> UsersMethod | UsersReferenceRow:
    """Start a process and build the method of a node in it, with `build`.

    Raises:
        ProcessEnded: the process ended; and whatever the method's file and class raise, as in `Apart.call`.
    """
    process = Apart()
    kind = process.call(_seeded, latest_seed()[1], _build, build, node)
    return (UsersReferenceRow if kind["is_reference"] else UsersExporter if kind["exports"] else UsersMethod)(process)


def _predictions(plain: Sequence[dict[str, Any]]) -> list[Any]:
    return [ContractError(one["refused"]) if "refused" in one else Prediction(**one) for one in plain]
