"""Counterfactual questions: how far the mask changes if the question names the opposite place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot, nan

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.audit.leaks import cells_of, load_method, queries_of, samples_of
from prsbench.harness.contract.geometry import centroid
from prsbench.harness.contract.types import Method, Query
from prsbench.harness.engine.inspect.state import Run
from prsbench.harness.engine.worker.seeding import seed_everything
from prsbench.metrics.text.opposite import opposite
from prsbench.metrics.text.position import parse

_HINT = "Look at the top left."  # for questions that name no place


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """The effect of opposite place words in the question on the masks of one data set, means over samples.

    moved is the distance between the two centroids (frame units, -1 to 1 across the image; NaN if no pair of masks has both),
    iou the overlap of the two masks, n_same the number of samples whose two maps are equal bit by bit.
    """

    dataset: str
    moved: float
    iou: float
    n_same: int
    n: int


def counterfactuals(run: Run, method: str, n_samples: int = 8) -> list[Counterfactual]:
    """Ask a method of a run twice about the first samples of each data set; rows made from the truth are left out."""
    effects = []
    for cell in cells_of(run, method):
        predictor = load_method(cell, run)
        if isinstance(predictor, Method):
            queries = queries_of(samples_of(run, cell, n_samples), cell)
            effects.append(_compare(cell.dataset, *(_maps(predictor, side) for side in _both_ways(queries))))
    return effects


def _both_ways(queries: Sequence[Query]) -> tuple[list[Query], list[Query]]:
    """The queries with a place in the question, and with the opposite place."""
    questions = [q.question if parse(q.question).zones else f"{q.question} {_HINT}" for q in queries]
    first = [replace(query, question=question) for query, question in zip(queries, questions, strict=True)]
    return first, [replace(query, question=opposite(query.question)) for query in first]


def _maps(method: Method, queries: Sequence[Query]) -> list[NDArray[np.float32]]:
    seed_everything(0)
    return [method.predict([query])[0].probability for query in queries]


def _compare(dataset: str, first: Sequence[NDArray[np.float32]], second: Sequence[NDArray[np.float32]]) -> Counterfactual:
    moves, ious, same = [], [], 0
    for a, b in zip(first, second, strict=True):
        same += a.tobytes() == b.tobytes()
        one, other = a >= 0.5, b >= 0.5
        if (here := centroid(one)) and (there := centroid(other)):
            moves.append(hypot(here.x - there.x, here.y - there.y))
        union = np.count_nonzero(one | other)
        ious.append(np.count_nonzero(one & other) / union if union else 1.0)
    return Counterfactual(dataset, float(np.mean(moves)) if moves else nan, float(np.mean(ious)), same, len(first))
