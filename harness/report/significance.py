"""Is a difference more than luck, and how large is it? Tests over groups, their correction for many tests, effect sizes."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, nan

import numpy as np
from numpy.typing import NDArray

Differences = NDArray[np.float64]  # (G,) one mean difference a group


def wilcoxon_p(differences: Differences) -> float:
    """Two-sided Wilcoxon signed-rank p-value. Zeros are ranked and then dropped (Pratt); all zeros: 1.0; none at all: NaN."""
    if not differences.size:
        return nan
    if not differences.any():
        return 1.0
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences, zero_method="pratt").pvalue)


def cohens_dz(differences: Differences) -> float:
    """Mean over standard deviation of the differences. One group: NaN. No spread: infinite, or 0 if there is no difference."""
    if differences.size < 2:
        return nan
    mean, deviation = float(differences.mean()), float(differences.std(ddof=1))
    if deviation > 1e-12:
        return mean / deviation
    return float(np.copysign(inf, mean)) if abs(mean) > 1e-12 else 0.0


def rank_biserial(differences: Differences) -> float:
    """Matched-pairs rank-biserial correlation in [-1, 1]: the favourable share of ranks minus the other. No difference: 0."""
    from scipy.stats import rankdata

    moved = differences[differences != 0]
    if not moved.size:
        return 0.0 if differences.size else nan
    ranks = rankdata(np.abs(moved))
    return float((ranks[moved > 0].sum() - ranks[moved < 0].sum()) / ranks.sum())


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction, in the order given. NaN (a test that was refused) stays NaN and is no test."""
    corrected = [nan] * len(p_values)
    order = sorted((i for i, p in enumerate(p_values) if isfinite(p)), key=lambda i: p_values[i])
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected
