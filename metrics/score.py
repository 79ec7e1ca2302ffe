"""From a cell's records to one dict of metric values per sample: all a table is made of, without the model or the images."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot, nan
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.errors import ContractError
from prsbench.harness.contract.records import Record
from prsbench.metrics.catalog import METRICS
from prsbench.metrics.mask_scores import best_thresholds, mask_scores
from prsbench.metrics.position import absence_correct, distance_word_correct, parse, position_correct
from prsbench.metrics.prscore import prscore

SCORING_VERSION = 2  # raised when any metric's value changes for the same record


class TextModels(Protocol):
    """The learned judges of text, fixed for a whole table. `checksum` names their weights.

    embed gives (N, D) float32 sentence embeddings, locate (N, 2) float32 points (x, y) in [-1, 1]^2.
    """

    checksum: str

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]: ...

    def locate(self, sentences: Sequence[str]) -> NDArray[np.float32]: ...


def score(records: Sequence[Record], text_models: TextModels) -> list[dict[str, float]]:
    """Metric values of each record, in order, under the names of `METRICS`.

    NaN = not defined for this sample (see each metric's empty policy): leave it out of means and count it. Records that
    failed or were excluded are NaN throughout. Every distinct sentence is embedded and located once.

    Raises:
        ContractError: the text models returned another shape than (N, D) and (N, 2), or points that are not finite.
    """
    rows = [dict.fromkeys(METRICS, nan) for _ in records]
    best = best_thresholds(records)
    scored = [index for index, record in enumerate(records) if record.status == "ok"]
    sentences = _Sentences([records[index] for index in scored], text_models)
    for index in scored:
        record = records[index]
        rows[index] |= mask_scores(record, best) | _rule_scores(record)
        if record.truth_centroid and has_text(record.answer):
            x, y = sentences.points([record.answer])[0]
            rows[index]["centroid_error_of_text"] = hypot(x - record.truth_centroid.x, y - record.truth_centroid.y)
    # The reference of an empty truth names no place, so PRScore is not defined there.
    placed = [index for index in scored if records[index].truth_centroid and has_text(records[index].reference_answer)]
    for index, values in zip(placed, _prscores([records[index] for index in placed], sentences), strict=True):
        rows[index] |= values
    return rows


def has_text(sentence: str) -> bool:
    """Whether a sentence says anything at all."""
    return bool(sentence.strip())


class _Sentences:
    """Embeddings and points of the distinct sentences of some records."""

    def __init__(self, records: Sequence[Record], text_models: TextModels):
        distinct = sorted({text for record in records for text in (record.answer, record.reference_answer) if has_text(text)})
        self._row = {sentence: row for row, sentence in enumerate(distinct)}
        if distinct:
            self._embeddings, self._points = np.asarray(text_models.embed(distinct)), np.asarray(text_models.locate(distinct))
            _check(self._embeddings, self._points, len(distinct))

    def embeddings(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        return self._embeddings[[self._row[sentence] for sentence in sentences]]

    def points(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        return self._points[[self._row[sentence] for sentence in sentences]]


def _check(embeddings: NDArray[np.float32], points: NDArray[np.float32], n: int) -> None:
    if embeddings.ndim != 2 or len(embeddings) != n:
        raise ContractError(f"Text models: embed must return ({n}, D) for {n} sentences, got {embeddings.shape}.")
    if points.shape != (n, 2):
        raise ContractError(f"Text models: locate must return ({n}, 2) for {n} sentences, got {points.shape}.")
    if not (np.isfinite(embeddings).all() and np.abs(points).max() <= 1 + 1e-6):
        raise ContractError("Text models: embeddings must be finite and points lie in [-1, 1]^2. Retrain or clip Text2Centroid.")


def _rule_scores(record: Record) -> dict[str, float]:
    return {
        "position_accuracy": position_correct(record.answer, record),
        "distance_word_accuracy": distance_word_correct(record.answer, record),
        "absence_accuracy": absence_correct(record.answer, record),
        "position_not_understood": float(not parse(record.answer).understood),
    }


def _prscores(records: Sequence[Record], sentences: _Sentences) -> list[dict[str, float]]:
    """PRScore and its parts; every record has a true mask and a reference sentence."""
    if not records:
        return []
    references = [record.reference_answer for record in records]
    # A missing answer borrows its reference's row; has_text then sets its parts to 0.
    answers = [record.answer if has_text(record.answer) else record.reference_answer for record in records]
    centroids = [(c.x, c.y) if (c := record.predicted_centroid) else (nan, nan) for record in records]
    result = prscore(
        sentences.embeddings(answers),
        sentences.embeddings(references),
        sentences.points(answers),
        sentences.points(references),
        np.array(centroids),
        np.array([has_text(record.answer) for record in records]),
    )
    names = ("s_sem", "s_spatial", "s_vis", "prscore", "direction_undefined")
    columns = [getattr(result, name).astype(float).tolist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
