"""Floors: rows that look at neither image nor question (empty mask, whole image, mean mask)."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import FitContext, Labels, Prediction, Query, Sample, TextSource, Weights
from prsbench.methods.answers import sentence_for
from prsbench.methods.frozen import FrozenMethod
from prsbench.methods.reference.config import FloorConfig, MeanMaskConfig

MASKS, POSITIONS = "mean_masks.npz", "positions.json"


class UniformMapRow(FrozenMethod):
    """The same value at every pixel, and "center" as the answer."""

    value: float
    note: str

    def __init__(self, config: FloorConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        return Labels(self.config.prompt_source, Weights.NONE, TextSource.CONSTANT, (self.note,))

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction per query; `seconds` is 0 because nothing is computed."""
        return [
            Prediction(np.full(q.image.shape[:2], self.value, np.float32), sentence_for(("center",), True), 0.0) for q in queries
        ]


class EmptyMaskRow(UniformMapRow):
    """No foreground anywhere."""

    value, note = 0.0, "empty mask, constant answer"


class WholeImageRow(UniformMapRow):
    """Everything is foreground."""

    value, note = 1.0, "all foreground, constant answer"


class MeanMaskRow:
    """The mean training mask of the query's modality, and its most frequent training position in the fixed sentence.

    Images without a target count with their empty masks. Ties between positions go to the alphabetically first.
    """

    def __init__(self, config: MeanMaskConfig):
        self.config = config
        self._mean: dict[str, NDArray[np.float32]] = {}  # by modality: (G, G) share of training masks with foreground there
        self._position: dict[str, tuple[tuple[str, ...], bool]] = {}  # by modality: official label

    @property
    def labels(self) -> Labels:
        note = "mean training mask and most frequent training position of the modality"
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.CONSTANT, (note,))

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:  # noqa: ARG002 (protocol)
        """Average the masks and count the positions of the training samples, by modality."""
        for modality in sorted({sample.query.modality for sample in train}):
            truths = [sample.truth for sample in train if sample.query.modality == modality]
            side = (self.config.grid_px, self.config.grid_px)
            total = np.zeros(side)
            for truth in truths:
                total += _resized(truth.mask.astype(np.float32), side)
            self._mean[modality] = (total / len(truths)).astype(np.float32)
            counts = Counter((truth.position, truth.near_centre) for truth in truths)
            self._position[modality] = min(counts, key=lambda label: (-counts[label], label))

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction per query.

        Raises:
            DataError: no training sample has the query's modality.
        """
        return [self._predict_one(query) for query in queries]

    def _predict_one(self, query: Query) -> Prediction:
        start = time.perf_counter()
        if query.modality not in self._mean:
            raise DataError(
                f"Sample '{query.sample_id}': no mean mask for modality '{query.modality}', "
                f"trained on: {', '.join(self._mean) or 'nothing'}. Add a training data set of that modality to the grid."
            )
        height, width = query.image.shape[:2]
        probability = np.clip(_resized(self._mean[query.modality], (height, width)), 0, 1)
        answer = sentence_for(*self._position[query.modality])
        return Prediction(probability, answer, time.perf_counter() - start)

    def save(self, folder: Path) -> None:
        np.savez(folder / MASKS, **self._mean)  # type: ignore[arg-type]  # numpy's keyword `allow_pickle` is no modality
        (folder / POSITIONS).write_text(json.dumps(self._position, indent=1, sort_keys=True))

    def load(self, folder: Path, device: str) -> None:  # noqa: ARG002 (protocol)
        with np.load(folder / MASKS, allow_pickle=False) as masks:
            self._mean = {modality: masks[modality] for modality in masks.files}
        positions = json.loads((folder / POSITIONS).read_text())
        self._position = {modality: (tuple(label), near) for modality, (label, near) in positions.items()}


def _resized(plane: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W) float32 resized bilinearly to `shape`; shrinking averages."""
    height, width = shape
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
