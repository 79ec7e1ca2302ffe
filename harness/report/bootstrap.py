"""The clustered bootstrap: groups (patient, video or case) are drawn whole, within their data set, many times and with a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum, nan

import numpy as np
from numpy.typing import NDArray

BOOTSTRAP_DRAWS = 10_000
INTERVAL_PERCENT = (2.5, 97.5)
_AT_ONCE = 500  # draws held in memory; the numbers are the same whatever it is
_KEPT_GROUPS = 200  # up to so many groups the draws are kept: 16 MB a data set
Means = NDArray[np.float64]
Draws = Means | None  # (draws,) means, or None where nothing can vary


@dataclass(frozen=True, slots=True)
class Stratum:
    """One data set's values, summed by group: (G,) sums and (G,) numbers of values, in order of group name."""

    modality: str
    total: NDArray[np.float64]
    count: NDArray[np.float64]


def modality_weights(strata: Sequence[Stratum]) -> list[float]:
    """Modalities weigh the same, and data sets the same within their modality: the tables' own mean."""
    modalities = [stratum.modality for stratum in strata]
    return [1 / len(set(modalities)) / modalities.count(modality) for modality in modalities]


def weighted_mean(strata: Sequence[Stratum]) -> float:
    """The mean whose uncertainty `bootstraps` shows."""
    return fsum(w * s.total.sum() / s.count.sum() for w, s in zip(modality_weights(strata), strata, strict=True))


def bootstraps(many: Sequence[Sequence[Stratum]], seed: int, draws: int = BOOTSTRAP_DRAWS) -> list[Draws]:
    """(draws,) weighted means over redrawn groups, of each; None without data sets, or if one has a single group: it cannot vary.

    What redraws the same number of groups in the same place shares its draws.
    """
    means: list[Draws] = []
    waiting: dict[tuple[int, int], list[tuple[Means, float, Stratum]]] = {}
    for strata in many:
        can_vary = strata and all(stratum.total.size > 1 for stratum in strata)
        means.append(np.zeros(draws) if can_vary else None)
        for place, (weight, s) in enumerate(zip(modality_weights(strata), strata, strict=True) if can_vary else ()):
            waiting.setdefault((place, s.total.size), []).append((means[-1], weight, s))
    for (place, n_groups), those in sorted(waiting.items(), key=lambda item: item[0]):
        drawn = _kept_draws if n_groups <= _KEPT_GROUPS else _draws
        start = 0
        for times_drawn in drawn(n_groups, seed, place, draws):
            _add_draws(times_drawn, those, slice(start, start + len(times_drawn)))
            start += len(times_drawn)
    return means


def _add_draws(times_drawn: Means, those: Sequence[tuple[Means, float, Stratum]], where: slice) -> None:
    """Add what each data set gives in some draws to the means it belongs to."""
    counted: dict[bytes, Means] = {}  # mostly the same for all: every sample is defined for every method
    for means, weight, s in those:
        key = s.count.tobytes()
        if key not in counted:
            counted[key] = np.einsum("dg,g->d", times_drawn, s.count)  # and not @, whose last digits depend on the threads
        means[where] += weight * np.einsum("dg,g->d", times_drawn, s.total) / counted[key]


def _draws(n_groups: int, seed: int, place: int, draws: int) -> Iterator[NDArray[np.float64]]:
    """How often each group of the place-th data set is drawn: (some draws, G) until there are `draws`."""
    rng, even = np.random.default_rng([seed, place]), np.full(n_groups, 1 / n_groups)
    for start in range(0, draws, _AT_ONCE):
        yield rng.multinomial(n_groups, even, size=min(_AT_ONCE, draws - start)).astype(np.float64)


@lru_cache(maxsize=8)  # a report asks for the same draws of the same data sets a hundred times
def _kept_draws(n_groups: int, seed: int, place: int, draws: int) -> tuple[NDArray[np.float64], ...]:
    return tuple(_draws(n_groups, seed, place, draws))


def interval(means: Draws) -> tuple[float, float]:
    """The 95 % percentile interval of the draws, NaN without any."""
    if means is None:
        return nan, nan
    low, high = np.percentile(means, INTERVAL_PERCENT)
    return float(low), float(high)


def p_of_zero(means: Draws) -> float:
    """Two-sided bootstrap p-value of a difference of 0: twice the smaller share of draws beyond it, itself counted."""
    if means is None:
        return nan
    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (means.size + 1))
