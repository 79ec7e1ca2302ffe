"""Holm's correction for many tests, and effect sizes over groups (Cohen's d_z, rank-biserial)."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, nan

import numpy as np
from numpy.typing import NDArray

Differences = NDArray[np.float64]  # (G,) one mean difference per group


def cohens_dz(differences: Differences) -> float:
    """Mean / standard deviation of the differences. Fewer than 2 groups: NaN. No spread: infinite, or 0 for no difference."""
    if differences.size < 2:
        return nan
    mean, deviation = float(differences.mean()), float(differences.std(ddof=1))
    if deviation > 1e-12:
        return mean / deviation
    return float(np.copysign(inf, mean)) if abs(mean) > 1e-12 else 0.0


def rank_biserial(differences: Differences) -> float:
    """Matched-pairs rank-biserial correlation in [-1, 1]: favourable minus unfavourable rank share. No difference: 0."""
    from scipy.stats import rankdata

    nonzero = differences[differences != 0]
    if not nonzero.size:
        return 0.0 if differences.size else nan
    ranks = rankdata(np.abs(nonzero))
    return float((ranks[nonzero > 0].sum() - ranks[nonzero < 0].sum()) / ranks.sum())


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction, in the order given. NaN (a refused test) stays NaN and is not counted."""
    corrected = [nan] * len(p_values)
    order = sorted((i for i, p in enumerate(p_values) if isfinite(p)), key=lambda i: p_values[i])
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected
