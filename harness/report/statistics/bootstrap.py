"""Clustered bootstrap: intervals and p-values from seeded resampling of groups (patient, video or case) within each data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum, nan

import numpy as np
from numpy.typing import NDArray

N_RESAMPLES = 10_000
INTERVAL_PERCENT = (2.5, 97.5)
_CHUNK = 500  # resamples held in memory; the results do not depend on it
_CACHED_GROUPS = 200  # resamples of up to this many groups are cached: 16 MB per data set
Means = NDArray[np.float64]
ResampledMeans = Means | None  # (N_RESAMPLES,), or None where no group can vary


@dataclass(frozen=True, slots=True)
class Stratum:
    """One data set's values by group: (G,) their sums and (G,) how many there are, in order of group name."""

    modality: str
    total: NDArray[np.float64]
    count: NDArray[np.float64]


def modality_weights(strata: Sequence[Stratum]) -> list[float]:
    """Equal weights for modalities, and for the data sets within each modality, as in the tables' means."""
    modalities = [stratum.modality for stratum in strata]
    return [1 / len(set(modalities)) / modalities.count(modality) for modality in modalities]


def weighted_mean(strata: Sequence[Stratum]) -> float:
    """Mean over strata with `modality_weights`; `bootstraps` resamples it."""
    return fsum(w * s.total.sum() / s.count.sum() for w, s in zip(modality_weights(strata), strata, strict=True))


def bootstraps(many: Sequence[Sequence[Stratum]], seed: int) -> list[ResampledMeans]:
    """Resample `weighted_mean` of each list of strata; None without strata or if one of them has a single group.

    Strata at the same position in their list and with the same number of groups share their resamples.
    """
    means: list[ResampledMeans] = []
    targets_of: dict[tuple[int, int], list[tuple[Means, float, Stratum]]] = {}
    for strata in many:
        if not strata or any(stratum.total.size < 2 for stratum in strata):
            means.append(None)
            continue
        means.append(target := np.zeros(N_RESAMPLES))
        for position, (weight, s) in enumerate(zip(modality_weights(strata), strata, strict=True)):
            targets_of.setdefault((position, s.total.size), []).append((target, weight, s))
    for (position, n_groups), targets in sorted(targets_of.items(), key=lambda item: item[0]):
        sample = _cached_resamples if n_groups <= _CACHED_GROUPS else _resamples
        start = 0
        for times_sampled in sample(n_groups, seed, position):
            _add_means(times_sampled, targets, slice(start, start + len(times_sampled)))
            start += len(times_sampled)
    return means


def _add_means(times_sampled: Means, targets: Sequence[tuple[Means, float, Stratum]], where: slice) -> None:
    """Add each stratum's weighted mean in these resamples to the means that it belongs to."""
    counted: dict[bytes, Means] = {}  # usually one entry: most samples are defined for every method
    for means, weight, s in targets:
        key = s.count.tobytes()
        if key not in counted:
            counted[key] = np.einsum("dg,g->d", times_sampled, s.count)  # not @: its last digits depend on the threads
        means[where] += weight * np.einsum("dg,g->d", times_sampled, s.total) / counted[key]


def _resamples(n_groups: int, seed: int, position: int) -> Iterator[NDArray[np.float64]]:
    """Yields (up to _CHUNK, G): how often each resample contains each group of the stratum at `position`."""
    rng, even = np.random.default_rng([seed, position]), np.full(n_groups, 1 / n_groups)
    for start in range(0, N_RESAMPLES, _CHUNK):
        yield rng.multinomial(n_groups, even, size=min(_CHUNK, N_RESAMPLES - start)).astype(np.float64)


@lru_cache(maxsize=8)  # a report needs the same resamples about a hundred times
def _cached_resamples(n_groups: int, seed: int, position: int) -> tuple[NDArray[np.float64], ...]:
    return tuple(_resamples(n_groups, seed, position))


def interval(means: ResampledMeans) -> tuple[float, float]:
    """The 95 % percentile interval of the means; NaN if there are none."""
    if means is None:
        return nan, nan
    low, high = np.percentile(means, INTERVAL_PERCENT)
    return float(low), float(high)


def p_of_zero(means: ResampledMeans) -> float:
    """Two-sided bootstrap p-value of a difference of 0: twice the smaller tail, (count + 1) / (means + 1); NaN without means."""
    if means is None:
        return nan
    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (means.size + 1))
