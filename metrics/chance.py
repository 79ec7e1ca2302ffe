"""What PRScore is worth beside: text at random, the best constant sentence, the opposite sentence, and the reference itself.

All are taken with the row's own masks, except the ceiling, which stands at the true centroid.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import nan

import numpy as np
from numpy.typing import NDArray
from prsbench.metrics.opposite import opposite
from prsbench.metrics.placed_texts import NO_TEXT, PlacedTexts, Sentences, TextModels
from prsbench.metrics.prscore import EQUAL, Combination, PartWeights

PARTNERS = 64  # other samples whose answers each sample is given; all of them in a cell of up to 65 samples
CONSTANTS = 32  # candidates for the best constant: the most frequent reference sentences
SEED = 0

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Levels:
    """Per sample, (N,): mean over the answers of others, the best constant, the opposite, the ceiling; NaN where undefined."""

    chance: Values
    constant: Values
    opposite: Values
    ceiling: Values


def levels(
    texts: PlacedTexts, models: TextModels, combination: Combination = "both", weights: PartWeights = EQUAL, seed: int = SEED
) -> Levels:
    """The levels of one cell. They depend on all its samples, and on their order only by Monte-Carlo error."""
    with_opposites = _with_opposites(texts, models)
    how = {"combination": combination, "weights": weights}
    return Levels(
        chance=_chance(texts, how, seed),
        constant=_best_constant(texts, how),
        opposite=with_opposites[0].score(with_opposites[1], **how).prscore,
        ceiling=texts.score(texts.reference, texts.truth_centroid, **how).prscore,
    )


def corrected(score: Values, chance: Values) -> Values:
    """(score - chance) / (1 - chance) with the cell's mean chance: 0 is luck, 1 is perfect, below 0 is worse than luck.

    One sample alone has no chance to compare with: NaN.
    """
    level = float(np.nanmean(chance)) if np.isfinite(chance).any() else nan
    return (score - level) / (1 - level) if level < 1 else np.full(score.shape, nan)


def _chance(texts: PlacedTexts, how: dict, seed: int) -> Values:
    """Mean PRScore of each sample's mask and reference with the answers that the row gave to other samples.

    The samples stand in a random circle, and each is given the answers of those 1, 2, ... places further on.
    """
    n = len(texts.answer)
    if n < 2:
        return np.full(n, nan)
    circle = np.random.default_rng(seed).permutation(n)
    total, n_partners = np.zeros(n), min(PARTNERS, n - 1)
    for step in range(1, n_partners + 1):
        answer = np.empty_like(texts.answer)
        answer[circle] = texts.answer[np.roll(circle, -step)]
        total += texts.score(answer, **how).prscore
    return total / n_partners


def _best_constant(texts: PlacedTexts, how: dict) -> Values:
    """The scores with the one reference sentence that scores best if it is given to every sample."""
    counted = Counter(texts.reference.tolist())
    candidates = sorted(counted, key=lambda row: (-counted[row], row))[:CONSTANTS]
    tried = (texts.score(np.full_like(texts.answer, row), **how).prscore for row in candidates)
    return max(tried, key=lambda scores: float(np.nansum(scores)), default=np.zeros(0))


def _with_opposites(texts: PlacedTexts, models: TextModels) -> tuple[PlacedTexts, NDArray[np.int64]]:
    """The texts with the references' opposites among their sentences, and the opposite's number for each sample."""
    known = texts.sentences
    turned = {row: opposite(known.texts[row]) for row in np.unique(texts.reference).tolist()}
    new = sorted(set(turned.values()) - set(known.texts))
    added = Sentences.read(new, models)
    if new:
        parts = (known.texts + added.texts, *(np.concatenate(pair) for pair in _pairs(known, added)))
        known = Sentences(*parts)
    number = {text: row for row, text in enumerate(known.texts)}
    answer = np.array([number[turned[row]] if row != NO_TEXT else NO_TEXT for row in texts.reference.tolist()], np.int64)
    return replace(texts, sentences=known), answer


def _pairs(first: Sentences, second: Sentences) -> tuple[tuple, tuple]:
    return (first.embeddings, second.embeddings), (first.points, second.points)
