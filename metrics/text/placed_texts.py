"""A cell's answers, references and centroids as arrays, so that PRScore can be computed for any answer on any sample.

Every distinct sentence is embedded and located once; a sample stores two sentence indices and two centroids.
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
from prsbench.harness.contract.families import FAMILIES
from prsbench.harness.contract.records import Record
from prsbench.harness.contract.types import Point
from prsbench.metrics.text.prscore import EQUAL, Combination, PartWeights, PRScores, normalised_cosine, prscore

Locate = Callable[[Sequence[str]], NDArray[np.floating]]  # sentences to (N, 2) points, as Text2Centroid does
Rows = NDArray[np.int64]  # (N,) indices of sentences; NO_TEXT where there is none

NO_TEXT = -1
_WORTH_PAIRING = 2048  # most sentences for which S_sem of every pair is stored: 32 MB
_CHUNK = 1024  # samples per block, which bounds the memory of gathered embeddings


class TextModels(Protocol):
    """The learned text models (sentence encoder and Text2Centroid), the same for a whole table.

    name is what tables call them, with their version; checksum identifies their weights. embed returns (N, D) float32 sentence
    embeddings, locate (N, 2) float32 points (x, y) in [-1, 1]^2, is_cut whether they read only a sentence's beginning. notes are
    what a reader of any score must know, such as weights that are random because a package is missing.
    """

    name: str
    checksum: str
    notes: Sequence[str]

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]: ...

    def locate(self, sentences: Sequence[str]) -> NDArray[np.floating]: ...

    def is_cut(self, sentences: Sequence[str]) -> Sequence[bool]: ...


def has_text(sentence: str) -> bool:
    """Whether a sentence has anything but white space."""
    return bool(sentence.strip())


class TextCollector:
    """Collects the texts and centroids of records one by one, storing a few numbers for each."""

    def __init__(self) -> None:
        self._row: dict[str, int] = {}
        self._answer, self._reference, self._centroids = array("q"), array("q"), array("d")  # 48 bytes per sample

    def add(self, record: Record) -> None:
        """Add an "ok" record; one with an empty truth or no reference adds its sentences but no sample."""
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
        sentences = sorted(self._row)  # so that the order of records does not matter
        index = {self._row[sentence]: i for i, sentence in enumerate(sentences)}
        index[NO_TEXT] = NO_TEXT
        answer, reference = (np.array([index[i] for i in numbers], np.int64) for numbers in (self._answer, self._reference))
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
        """Embed and locate the sentences; without sentences the models are not called."""
        if not texts:
            return cls((), np.zeros((0, 1)), np.zeros((0, 2)))
        embeddings, points = np.asarray(models.embed(list(texts))), np.asarray(models.locate(list(texts)))
        _check(embeddings, points, len(texts))
        return cls(tuple(texts), embeddings, points)

    def similarity(self) -> NDArray[np.float64] | None:
        """(S, S) S_sem of every pair, or None if there are too many sentences to store it."""
        if len(self.texts) > _WORTH_PAIRING:
            return None
        length = np.linalg.norm(self.embeddings.astype(np.float64), axis=1, keepdims=True)
        unit = self.embeddings / np.where(length > 0, length, 1.0)
        cosine = np.einsum("id,jd->ij", unit, unit)  # not unit @ unit.T, whose last digits depend on the number of threads
        similarity: NDArray[np.float64] = (np.clip(cosine, -1, 1) + 1) / 2
        return similarity

    def located_by(self, locate: Locate) -> Sentences:
        """The same sentences, located by another Text2Centroid; points may be NaN where it finds no place."""
        points = np.asarray(locate(list(self.texts))) if self.texts else self.points
        if points.shape != self.points.shape:
            raise ContractError(f"Text2Centroid: locate must return points of shape {self.points.shape}, got {points.shape}.")
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
        similarity: NDArray[np.float64] | None = None,
    ) -> PRScores:
        """PRScore of each sample with the given answers and mask centroids (default: its own), computed in blocks.

        similarity is `Sentences.similarity()`, which saves time if many answers are scored; it changes the last digit at most.
        """
        answer = self.answer if answer is None else answer
        centroid = self.predicted_centroid if mask_centroid is None else mask_centroid
        blocks, vectors, points = [], self.sentences.embeddings, self.sentences.points
        for start in range(0, max(len(answer), 1), _CHUNK):
            block = slice(start, start + _CHUNK)
            given, reference = answer[block], self.reference[block]
            is_text = given != NO_TEXT
            given = np.where(is_text, given, reference)  # a placeholder for a missing answer, whose parts is_text sets to 0
            s_sem = normalised_cosine(vectors[given], vectors[reference]) if similarity is None else similarity[given, reference]
            places = (points[given], points[reference], centroid[block])
            blocks.append(prscore(s_sem, *places, is_text, combination, weights))
        return PRScores(*(np.concatenate([getattr(b, name) for b in blocks]) for name in PRScores.__slots__))


def is_placed(record: Record) -> bool:
    """Whether PRScore is defined: the true mask is not empty, and the reference has text that names zones."""
    return FAMILIES[record.family].names_zones and record.truth_centroid is not None and has_text(record.reference_answer)


def _xy(point: Point | None) -> tuple[float, float]:
    return (point.x, point.y) if point else (nan, nan)


def _check(embeddings: NDArray[np.floating], points: NDArray[np.floating], n: int) -> None:
    if embeddings.ndim != 2 or len(embeddings) != n:
        raise ContractError(f"Text models: embed must return ({n}, D) for {n} sentences, got {embeddings.shape}.")
    if points.shape != (n, 2):
        raise ContractError(f"Text models: locate must return ({n}, 2) for {n} sentences, got {points.shape}.")
    if not (np.isfinite(embeddings).all() and np.abs(points).max() <= 1 + 1e-6):
        raise ContractError("Text models: embeddings must be finite, points in [-1, 1]^2. Retrain or clip Text2Centroid.")
