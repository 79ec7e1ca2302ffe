"""Whether PRScore means anything on a data set: what its judge, Text2Centroid, makes of the reference sentences.

The judge's error on them (`judge_error`) is held against two answers without a judge, the mean point of the data set and the mean
point of each label, and `judge_auc` says whether PRScore can tell right sentences from wrong ones at all.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from prsbench.metrics.text.chance import partners
from prsbench.metrics.text.placed_texts import PlacedTexts
from prsbench.metrics.text.prscore import Values


def scatter(points: NDArray[np.float64], labels: Sequence[Hashable]) -> Values:
    """(N,) distance of each of the (N, 2) points from the mean of those with its label; NaN for a label that occurs once.

    The mean was fitted on the n points themselves, so distances are multiplied by sqrt(n / (n - 1)): for normal scatter, this
    gives the expected distance from the true mean.
    """
    index_of = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    codes = np.array([index_of[label] for label in labels], np.int64)
    counts = np.bincount(codes)
    means = np.stack([np.bincount(codes, axis) / counts for axis in points.T], axis=-1) if len(points) else points
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(counts > 1, np.sqrt(counts / (counts - 1.0)), np.nan)
    distances: Values = np.linalg.norm(points - means[codes], axis=-1) * factor[codes]
    return distances


def judge_auc(texts: PlacedTexts, zones: Sequence[Hashable]) -> Values:
    """(N,) how well PRScore tells right from wrong sentences for each sample's true centroid: 0.5 is chance, 1 is perfect.

    The sentences are the references of the sample's `partners`, right if the partner has the sample's zones. The value is the
    share of pairs of a right and a wrong sentence in which PRScore is higher for the right one (area under the ROC curve); a tie
    counts half. NaN without a right or without a wrong partner.
    """
    n = len(texts.reference)
    auc = np.full(n, np.nan)
    if n < 2:
        return auc
    similarity = texts.sentences.similarity()
    others = np.stack(list(partners(n)))  # (P, N)
    scores = np.stack([texts.score(texts.reference[p], texts.truth_centroid, similarity=similarity).prscore for p in others])
    index_of = {zone: i for i, zone in enumerate(dict.fromkeys(zones))}
    codes = np.array([index_of[zone] for zone in zones])
    is_right = codes[others] == codes
    for i in range(n):
        auc[i] = area_under_curve(scores[is_right[:, i], i], scores[~is_right[:, i], i])
    return auc


def area_under_curve(right: Values, wrong: Values) -> float:
    """Share of the pairs in which the first value is higher; a tie counts half. NaN if either side is empty."""
    if not (right.size and wrong.size):
        return float("nan")
    ordered = np.sort(wrong)
    below, not_above = (np.searchsorted(ordered, right, side) for side in ("left", "right"))
    return float((below + not_above).mean() / (2 * wrong.size))
