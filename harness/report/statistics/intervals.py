"""95 % intervals in closed form: t over groups (patient, video or case) and, with several trainings, over trainings.

Sources: variance of the mean of clusters and its degrees of freedom, Bell and McCaffrey 2002 (CR3, the jackknife; CR2 for binary
values); sum over data sets, Satterthwaite 1946; pseudo-observations for binary values, Agresti and Coull 1998, Price and Bonett
2004 (several data sets), Bonett and Price 2012 (paired); trainings crossed with groups, Hillis 2007 (there readers and cases);
sum of two squared half-widths, which keeps the level even with two trainings, Banerjee 1960.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, fsum, isfinite, log, nan, sqrt

import numpy as np
from numpy.typing import NDArray

FEWEST_GROUPS = 3  # of a data set: below it there is no interval
FEW_GROUPS = 8  # of a data set: below it the tables say "too few groups"
LEVEL, POWER = 0.95, 0.8
_MOST_TRAININGS = 1000  # that `Estimate.trainings_for` tries
_SMALLEST_P = 1e-12
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stratum:
    """One data set's values by training and group.

    total and count: (..., S, G) sums over the samples of a seed and group, and how many samples these are. Leading axes, if any,
    hold independent repetitions, for simulations.
    """

    modality: str
    total: Values
    count: Values
    dataset: str = ""

    @property
    def n_groups(self) -> int:
        return int(self.total.shape[-1])


def modality_weights(strata: Sequence[Stratum]) -> Values:
    """Equal weights for modalities, and for the data sets within each modality, as in the tables' means."""
    modalities = [stratum.modality for stratum in strata]
    return np.array([1 / len(set(modalities)) / modalities.count(modality) for modality in modalities])


def weighted_mean(strata: Sequence[Stratum]) -> float:
    """Mean over strata with `modality_weights`."""
    return fsum(w * s.total.sum() / s.count.sum() for w, s in zip(modality_weights(strata), strata, strict=True))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with the variances that make its interval; arrays if the strata hold repetitions.

    centre: the middle of the interval; the mean itself, unless it is binary. of_groups: variance over groups for these
    trainings, with df degrees of freedom; of_interaction: its share that each training has anew. of_trainings: variance over
    trainings, 0 for one training.
    """

    centre: Values
    of_groups: Values
    of_interaction: Values
    of_trainings: Values
    df: Values
    n_trainings: int

    @property
    def sd_over_trainings(self) -> float:
        """Standard deviation of the mean of one training; NaN if there is one training."""
        return sqrt(self.of_trainings * self.n_trainings) if self.n_trainings > 1 else nan

    def half_width(self, level: float = LEVEL, power: float = 0.5) -> Values:
        """Half of the interval. With a power above 0.5: the smallest true difference that is found with this power.

        With several trainings it is never smaller than for these trainings alone.
        """
        for_these = _t_squared(self.df, level, power) * self.of_groups
        if self.n_trainings == 1:
            return np.sqrt(for_these)
        same_in_all = np.maximum(self.of_groups - self.of_interaction, 0)
        over_trainings = _t_squared(np.asarray(self.n_trainings - 1.0), level, power) * self.of_trainings
        return np.sqrt(np.maximum(over_trainings + _t_squared(self.df, level, power) * same_in_all, for_these))

    def interval(self, value_range: tuple[float, float], is_skewed: bool) -> tuple[Values, Values]:
        """Ends of the 95 % interval, within the range. is_skewed: even on the logit scale, which suits scores near an end."""
        low, high = value_range
        half = self.half_width()
        ends = np.maximum(low, self.centre - half), np.minimum(high, self.centre + half)
        if not (is_skewed and isfinite(high)):
            return ends
        share = (self.centre - low) / (high - low)
        is_inside = (share > 0) & (share < 1)
        share = np.where(is_inside, share, 0.5)
        at, step = np.log(share / (1 - share)), half / (high - low) / (share * (1 - share))
        first, last = (low + (high - low) * (1 + np.tanh(x / 2)) / 2 for x in (at - step, at + step))
        return np.where(is_inside, first, ends[0]), np.where(is_inside, last, ends[1])

    def p_of_zero(self) -> float:
        """Two-sided p-value of a mean of 0: 1 - the largest level whose interval leaves out 0; at least 1e-12."""
        from scipy.optimize import brentq

        def excess(log_p: float) -> float:
            return float(self.half_width(1 - exp(log_p))) - distance

        distance = abs(float(self.centre))
        if distance < _SMALLEST_P:
            return 1.0
        return _SMALLEST_P if excess(log(_SMALLEST_P)) <= 0 else exp(brentq(excess, log(_SMALLEST_P), 0, xtol=1e-7))

    def trainings_for(self, half_width: float) -> int | None:
        """How many trainings give an interval of at most this half-width on the same groups; None if no number does."""
        of_one, interaction = self.of_trainings * self.n_trainings, self.of_interaction * self.n_trainings
        same_in_all = np.maximum(self.of_groups - self.of_interaction, 0)
        for n in range(2, _MOST_TRAININGS + 1):
            planned = Estimate(self.centre, same_in_all + interaction / n, interaction / n, of_one / n, self.df, n)
            if planned.half_width() <= half_width:
                return n
        return None


def estimate(strata: Sequence[Stratum], binary_range: tuple[float, float] | None = None) -> Estimate:
    """The weighted mean of the strata and its variances. All strata hold the same S trainings, and 2 groups or more.

    binary_range: of a metric that is right or wrong, (0, 1), or of a difference of two of them, (-1, 1). Pseudo-groups with
    these values, 4 or 2 in all, then draw the centre to the middle and give every interval a width. The interval of other
    metrics cannot tell of rare values that no group has shown, such as one lesion in twenty that is missed.
    """
    weights, n = modality_weights(strata), strata[0].total.shape[-2]
    parts = [_part(stratum, binary_range, len(strata)) for stratum in strata]
    df = np.array([part.df for part in parts])
    variances = np.stack([part.of_groups for part in parts], axis=-1) * weights**2  # (..., strata)
    interaction = np.stack([part.of_interaction for part in parts], axis=-1) * weights**2
    by_training = (np.stack([part.by_training for part in parts], axis=-1) * weights).sum(-1)
    of_groups, spread = variances.sum(-1), (variances**2 / df).sum(-1)
    return Estimate(
        (np.stack([part.centre for part in parts], axis=-1) * weights).sum(-1),  # not @, whose last digits may vary
        of_groups,
        interaction.sum(-1),
        by_training.var(-1, ddof=1) / n if n > 1 else np.zeros_like(of_groups),
        np.where(spread > 0, of_groups**2 / np.where(spread > 0, spread, 1), df.sum()),
        n,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """What one stratum gives to an `Estimate`; by_training: (..., S) means."""

    centre: Values
    of_groups: Values
    of_interaction: Values
    df: float
    by_training: Values


def _part(stratum: Stratum, binary_range: tuple[float, float] | None, n_strata: int) -> _Part:
    total, count = stratum.total.sum(-2), stratum.count.sum(-2)
    share, values = count / count.sum(-1, keepdims=True), total / count
    mean = (share * values).sum(-1)
    centre, kept, of_pseudo = mean, 1.0, np.zeros_like(mean)
    leverage = share**2 / (1 - share) ** (2 if binary_range is None else 1)  # with pseudo-groups, the jackknife would be too wide
    if binary_range is not None:
        low, high = binary_range
        n_pseudo = (2 if low == 0 else 1) / n_strata  # at each end of the range, each of the size of a mean group
        kept = stratum.n_groups / (stratum.n_groups + 2 * n_pseudo)
        centre = kept * mean + (1 - kept) * (low + high) / 2
        of_pseudo = n_pseudo * (kept / stratum.n_groups) ** 2 * ((centre - low) ** 2 + (high - centre) ** 2)
    of_groups = kept**2 * (leverage * (values - centre[..., None]) ** 2).sum(-1) + of_pseudo
    by_training = stratum.total.sum(-1) / stratum.count.sum(-1)
    with np.errstate(invalid="ignore"):  # 0 / 0: no sample of the group is defined in the training
        by_both = stratum.total / stratum.count
    residual = np.nan_to_num(by_both - values[..., None, :] - by_training[..., None] + mean[..., None, None])
    n = stratum.total.shape[-2]
    interaction = (residual**2).sum(-2) / max(n - 1, 1) / n  # 0 for one training
    return _Part(centre, of_groups, kept**2 * (leverage * interaction).sum(-1), _df(share, leverage), by_training)


def _df(share: Values, leverage: Values) -> float:
    """Degrees of freedom of sum(leverage * (value - mean)^2) over groups of equal variance: G - 1 if they are of equal size.

    tr(M)^2 / tr(M^2) with M = (I - 1 share')' diag(leverage) (I - 1 share'), written out.
    """
    p, c = share, leverage
    k, squares, b, d = c.sum(), (c**2).sum(), (p**2).sum(), (c * p).sum()
    of_square = (
        squares + 2 * (k * (c * p**2).sum() - 2 * (c**2 * p).sum()) + 2 * (squares * b + d**2) - 4 * k * d * b + (k * b) ** 2
    )
    return float((k - 2 * d + k * b) ** 2 / of_square)


def _t_squared(df: Values, level: float, power: float) -> Values:
    """Squared sum of the quantiles of Student's t for a two-sided level and a power (0 for a power of 0.5)."""
    from scipy.special import stdtrit

    return np.asarray((stdtrit(df, (1 - level) / 2) - stdtrit(df, power)) ** 2, dtype=np.float64)
