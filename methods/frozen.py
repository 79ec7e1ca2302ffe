"""Base of methods without training: frozen models, and reference rows. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prsbench.harness.contract.types import FitContext, Sample


class FrozenMethod:
    """Trains, stores and loads nothing; a subclass whose weights are the user's or a package's loads them in its own `load`."""

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """Nothing to train."""

    def save(self, folder: Path) -> None:
        """Nothing to save: the weights stay where they are."""

    def load(self, folder: Path, device: str) -> None:
        """Nothing to load."""
