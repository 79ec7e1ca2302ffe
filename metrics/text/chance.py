"""Reference levels of PRScore: chance (answers to other samples), best constant sentence, opposite sentence, and ceiling.

All are scored with the row's predicted masks, except the ceiling, which uses the true centroid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import nan

import numpy as np
from prsbench.metrics.text.opposite import opposite
from prsbench.metrics.text.placed_texts import NO_TEXT, PlacedTexts, Rows, Sentences, TextModels
from prsbench.metrics.text.prscore import PRScores, Values

PARTNERS = 64  # other samples whose answers each sample is scored with; all of them in a cell of up to 65 samples
CONSTANTS = 32  # candidates for the best constant: the most frequent reference sentences
SEED = 0

_Score = Callable[[Rows], PRScores]  # of each sample's mask and reference with these answers


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels per sample, each (N,): mean over answers to others, best constant, opposite, ceiling; NaN where undefined."""

    chance: Values
    constant: Values
    opposite: Values
    ceiling: Values


def levels(texts: PlacedTexts, models: TextModels) -> Levels:
    """The levels of one cell. They depend on all its samples, and on sample order only through Monte Carlo error."""
    texts, opposites = _with_opposites(texts, models)
    score = partial(texts.score, similarity=texts.sentences.similarity())
    return Levels(
        chance=_chance(texts, score),
        constant=_best_constant(texts, score),
        opposite=score(opposites).prscore,
        ceiling=score(texts.reference, texts.truth_centroid).prscore,
    )


def corrected(score: Values, chance: Values) -> Values:
    """(score - chance) / (1 - chance) with the cell's mean chance: 0 is chance level, 1 perfect, below 0 worse than chance.

    A cell of one sample has no chance level: NaN.
    """
    level = float(np.nanmean(chance)) if np.isfinite(chance).any() else nan
    return (score - level) / (1 - level) if level < 1 else np.full(score.shape, nan)


def _chance(texts: PlacedTexts, score: _Score) -> Values:
    """Mean PRScore of each sample's mask and reference with the answers that the row gave to its `partners`."""
    n = len(texts.answer)
    if n < 2:
        return np.full(n, nan)
    total = np.zeros(n)
    for partner in partners(n):
        total += score(texts.answer[partner]).prscore
    return total / min(PARTNERS, n - 1)


def partners(n: int) -> Iterator[Rows]:
    """Up to PARTNERS times, (n,) the index of another sample for each sample, never the same one twice.

    The samples are arranged in a random circle; the partners are the samples 1, 2, ... steps further on.
    """
    circle = np.random.default_rng(SEED).permutation(n)
    for step in range(1, min(PARTNERS, n - 1) + 1):
        partner = np.empty(n, np.int64)
        partner[circle] = np.roll(circle, -step)
        yield partner


def _best_constant(texts: PlacedTexts, score: _Score) -> Values:
    """PRScore of each sample with the single reference sentence whose scores over all samples are highest."""
    counts = Counter(texts.reference.tolist())
    candidates = sorted(counts, key=lambda sentence: (-counts[sentence], sentence))[:CONSTANTS]
    scores = (score(np.full_like(texts.answer, sentence)).prscore for sentence in candidates)
    return max(scores, key=lambda values: float(np.nansum(values)), default=np.zeros(0))


def _with_opposites(texts: PlacedTexts, models: TextModels) -> tuple[PlacedTexts, Rows]:
    """The texts with the references' opposites added to the sentences, and (N,) the index of each sample's opposite."""
    known = texts.sentences
    opposite_of = {index: opposite(known.texts[index]) for index in np.unique(texts.reference).tolist()}
    new = sorted(set(opposite_of.values()) - set(known.texts))
    added = Sentences.read(new, models)
    if new:
        embeddings = np.concatenate((known.embeddings, added.embeddings))
        known = Sentences(known.texts + added.texts, embeddings, np.concatenate((known.points, added.points)))
    index_of = {text: index for index, text in enumerate(known.texts)}
    answer = [index_of[opposite_of[index]] if index != NO_TEXT else NO_TEXT for index in texts.reference.tolist()]
    return replace(texts, sentences=known), np.array(answer, np.int64)
