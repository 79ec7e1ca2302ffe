"""A cell's answers, references and places as arrays, so that PRScore can be asked of any answer for any sample.

Every distinct sentence is embedded and located once; a sample holds two row numbers and two points, whatever its image was.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.errors import ContractError
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.types import Point
from prsbench.metrics.prscore import EQUAL, Combination, PartWeights, PRScores, prscore

Locate = Callable[[Sequence[str]], NDArray[np.floating]]  # (N, 2) points; the Text2Centroid of a score
Rows = NDArray[np.int64]  # (N,) numbers of sentences; NO_TEXT where there is none

NO_TEXT = -1
_AT_ONCE = 1024  # samples whose embeddings are held side by side


class TextModels(Protocol):
    """The learned judges of text, fixed for a whole table. `checksum` names their weights.

    embed gives (N, D) float32 sentence embeddings, locate (N, 2) float32 points (x, y) in [-1, 1]^2. notes are what a reader of
    any score must know of them, such as weights that are random because a package is missing.
    """

    checksum: str
    notes: Sequence[str]

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]: ...

    def locate(self, sentences: Sequence[str]) -> NDArray[np.floating]: ...


def has_text(sentence: str) -> bool:
    """Whether a sentence says anything at all."""
    return bool(sentence.strip())


class Gathering:
    """Collects the texts of records one by one, keeping a few numbers of each."""

    def __init__(self) -> None:
        self._row: dict[str, int] = {}
        self._answer, self._reference, self._centroids = array("q"), array("q"), array("d")  # 48 bytes a sample

    def add(self, record: Record) -> None:
        """Take an "ok" record; one with an empty truth or no reference has its texts known but no place in the arrays."""
        answer, reference = self._number(record.answer), self._number(record.reference_answer)
        if is_placed(record):
            self._answer.append(answer)
            self._reference.append(reference)
            self._centroids.extend((*_xy(record.predicted_centroid), *_xy(record.truth_centroid)))

    def finish(self, models: TextModels) -> PlacedTexts:
        """Embed and locate every distinct sentence once.

        Raises:
            ContractError: the models returned another shape than (N, D) and (N, 2), or points that are not finite.
        """
        centroids = np.array(self._centroids).reshape(-1, 4)
        sentences = sorted(self._row)  # the order they came in must not matter
        place = {self._row[sentence]: row for row, sentence in enumerate(sentences)}
        place[NO_TEXT] = NO_TEXT
        answer, reference = (np.array([place[i] for i in side], np.int64) for side in (self._answer, self._reference))
        return PlacedTexts(Sentences.read(sentences, models), answer, reference, centroids[:, :2], centroids[:, 2:])

    def _number(self, sentence: str) -> int:
        return self._row.setdefault(sentence, len(self._row)) if has_text(sentence) else NO_TEXT


@dataclass(frozen=True)
class Sentences:
    """Distinct sentences with (S, D) embeddings and (S, 2) points."""

    texts: tuple[str, ...]
    embeddings: NDArray[np.floating]
    points: NDArray[np.floating]

    @classmethod
    def read(cls, texts: Sequence[str], models: TextModels) -> Sentences:
        """Ask the models once; no sentence asks nothing."""
        if not texts:
            return cls((), np.zeros((0, 1)), np.zeros((0, 2)))
        embeddings, points = np.asarray(models.embed(list(texts))), np.asarray(models.locate(list(texts)))
        _check(embeddings, points, len(texts))
        return cls(tuple(texts), embeddings, points)

    def located_by(self, locate: Locate) -> Sentences:
        """The same sentences, placed by another Text2Centroid; points may be NaN where it finds no place."""
        points = np.asarray(locate(list(self.texts))) if self.texts else self.points
        if points.shape != self.points.shape:
            raise ContractError(f"Text2Centroid: expected points of shape {self.points.shape}, got {points.shape}.")
        return Sentences(self.texts, self.embeddings, points)


@dataclass(frozen=True)
class PlacedTexts:
    """N samples with a true mask and a reference sentence. Centroids are (N, 2), NaN where the predicted mask is empty."""

    sentences: Sentences
    answer: Rows
    reference: Rows
    predicted_centroid: NDArray[np.float64]
    truth_centroid: NDArray[np.float64]

    def score(
        self,
        answer: Rows | None = None,
        mask_centroid: NDArray[np.float64] | None = None,
        combination: Combination = "both",
        weights: PartWeights = EQUAL,
    ) -> PRScores:
        """PRScore of each sample with these answers and mask centroids (default: the row's own), a block at a time."""
        answer = self.answer if answer is None else answer
        centroid = self.predicted_centroid if mask_centroid is None else mask_centroid
        blocks = []
        for start in range(0, max(len(answer), 1), _AT_ONCE):
            block = slice(start, start + _AT_ONCE)
            said, reference = answer[block], self.reference[block]
            is_text = said != NO_TEXT
            said = np.where(is_text, said, reference)  # a missing answer borrows a row; is_text then sets its parts to 0
            embeddings, points = self.sentences.embeddings, self.sentences.points
            blocks.append(
                prscore(
                    embeddings[said],
                    embeddings[reference],
                    points[said],
                    points[reference],
                    centroid[block],
                    is_text,
                    combination,
                    weights,
                )  # fmt: skip
            )
        return PRScores(*(np.concatenate([getattr(b, name) for b in blocks]) for name in PRScores.__slots__))


def is_placed(record: Record) -> bool:
    """Whether PRScore is defined: there is a true mask and the reference says something."""
    return record.truth_centroid is not None and has_text(record.reference_answer)


def _xy(point: Point | None) -> tuple[float, float]:
    return (point.x, point.y) if point else (nan, nan)


def _check(embeddings: NDArray[np.floating], points: NDArray[np.floating], n: int) -> None:
    if embeddings.ndim != 2 or len(embeddings) != n:
        raise ContractError(f"Text models: embed must return ({n}, D) for {n} sentences, got {embeddings.shape}.")
    if points.shape != (n, 2):
        raise ContractError(f"Text models: locate must return ({n}, 2) for {n} sentences, got {points.shape}.")
    if not (np.isfinite(embeddings).all() and np.abs(points).max() <= 1 + 1e-6):
        raise ContractError("Text models: embeddings must be finite and points lie in [-1, 1]^2. Retrain or clip Text2Centroid.")
