"""Own-mask-text rows: the mask of a row that writes text, described by the template sentence instead of its own.

The difference between such a row and the row itself is what its language model's words add, or cost.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.types import FitContext, Labels, Prediction, Query, Sample, TextSource, Weights
from prsbench.methods.answers import answer_from_mask
from prsbench.methods.own_mask_text.config import ROWS, OwnMaskTextConfig

ROW = "row"


class OwnMaskTextMethod:
    """Nothing is trained for it: the row's own training serves both."""

    def __init__(self, config: OwnMaskTextConfig):
        self.config = config
        factory, config_type = ROWS[config.of]
        self._row = resolve(factory)(resolve(config_type).model_validate(dict(config.config)))

    @property
    def labels(self) -> Labels:
        own = f"mask of {self.config.of}, same training; its own sentence is replaced by a template filled in from that mask"
        notes, seen = (own, *self._row.labels.notes), self._row.labels.seen
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.OWN_MASK, notes, seen)

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:  # noqa: ARG002 (protocol)
        self._trained = context.needs[ROW]
        self._row.load(self._trained, context.device)

    def save(self, folder: Path) -> None:
        shutil.copytree(self._trained, folder / ROW)

    def load(self, folder: Path, device: str) -> None:
        self._row.load(folder / ROW, device)

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        return [_retold(query, own) for query, own in zip(queries, self._row.predict(queries), strict=True)]


def _retold(query: Query, own: Prediction) -> Prediction:
    start = time.perf_counter()
    answer = answer_from_mask(own.probability, query.modality)
    return Prediction(own.probability, answer, own.seconds + time.perf_counter() - start)
