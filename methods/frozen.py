"""Bases of methods without training: frozen models, and reference rows. torch is imported for a prediction only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prsbench.harness.contract.types import FitContext, Prediction, Query, Sample


class FrozenMethod:
    """Trains, stores and loads nothing; a subclass whose weights are the user's or a package's loads them in its own `load`."""

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """Nothing to train."""

    def save(self, folder: Path) -> None:
        """Nothing to save: the weights stay where they are."""

    def load(self, folder: Path, device: str) -> None:
        """Nothing to load."""


class FrozenNetwork(FrozenMethod):
    """A frozen network; the subclass predicts one query at a time."""

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction per query, computed one by one: padding could change numbers."""
        import torch

        with torch.inference_mode():
            return [self._predict_one(query) for query in queries]

    def _predict_one(self, query: Query) -> Prediction:
        raise NotImplementedError
