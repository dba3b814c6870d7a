"""Agreement of raters: intraclass correlation, weighted kappa, bias, and rank correlation, with bootstrap intervals.

Intervals are percentile bootstraps over the rated items (or their groups, such as posts), 95 % and 1,000 resamples
unless told otherwise; NaN with fewer than two groups.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mhclf.errors import DataError
from mhclf.evaluation.bootstrap import bootstrap_interval
from mhclf.evaluation.validation import FloatArray, IntArray, choose

_WEIGHTS = ("linear", "quadratic")
_ZERO = 1e-12  # sums of squares below this share of the total are rounding


@dataclass(frozen=True)
class Estimate:
    """A statistic with the ends of its interval and the number of items behind it; NaN where undefined."""

    value: float
    low: float
    high: float
    n: int


def icc(
    ratings: ArrayLike,
    kind: Literal["consistency", "agreement"],
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Intraclass correlation of single ratings: ICC(C,1) or ICC(A,1) (McGraw & Wong 1996).

    Parameters
    ----------
    ratings : array (items, raters)
        Every item rated by every rater; at least two of each.
    kind : {"consistency", "agreement"}
        ICC(C,1) lets raters differ by a constant; ICC(A,1) counts such a difference as disagreement.
    groups : array (items,), optional
        Items of one group are drawn together.

    Returns
    -------
    Estimate
        At most 1; may fall below 0. NaN (0/0) where all ratings are one number.

    Raises
    ------
    DataError
        If a rating is missing (says whose, of which item), or there are fewer than two items or raters.

    Notes
    -----
    With the mean squares of the two-way analysis of variance of n items (rows) and k raters (columns):
    ``ICC(C,1) = (MS_R - MS_E) / (MS_R + (k - 1) MS_E)`` and
    ``ICC(A,1) = (MS_R - MS_E) / (MS_R + (k - 1) MS_E + k / n (MS_C - MS_E))``.
    Both divide by the spread of the items: where almost all items get the same rating, they are low however often
    raters agree. Report `exact_agreement` beside them.
    """
    values = check_ratings(ratings)
    choose(kind, ("consistency", "agreement"), "kind of ICC")
    return _estimate(lambda weights: _icc(weights, values, kind), len(values), groups, n_resamples, seed)


def weighted_kappa(
    ratings: ArrayLike,
    weights: Literal["linear", "quadratic"] = "quadratic",
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Cohen's weighted kappa (Cohen 1968) of two raters; of more, the mean over their pairs (Light 1971).

    Parameters
    ----------
    ratings : array (items, raters)
        Numbers on one scale; disagreement is weighted by their distance, or its square.

    Returns
    -------
    Estimate
        At most 1. A pair of raters that both give one and the same number throughout has none (0/0) and is left out of
        the mean; NaN where no pair has one.

    Raises
    ------
    DataError
        As in `icc`.
    """
    values = check_ratings(ratings)
    power = 1 + _WEIGHTS.index(choose(weights, _WEIGHTS, "weights of kappa"))
    return _estimate(lambda drawn: _kappa(drawn, values, power), len(values), groups, n_resamples, seed)


def exact_agreement(
    ratings: ArrayLike, groups: ArrayLike | None = None, n_resamples: int = 1000, seed: int = 0
) -> Estimate:
    """Share of pairs of ratings of one item that are equal, in [0, 1]; errors as in `icc`."""
    values = check_ratings(ratings)
    pairs = list(combinations(range(values.shape[1]), 2))
    equal = np.mean([values[:, a] == values[:, b] for a, b in pairs], axis=0)
    return _estimate(lambda weights: _mean(weights, equal), len(values), groups, n_resamples, seed)


def bias(
    judge: ArrayLike, human: ArrayLike, groups: ArrayLike | None = None, n_resamples: int = 1000, seed: int = 0
) -> Estimate:
    """Mean of judge minus human, in points of the scale: above 0 where the judge is kinder.

    Parameters
    ----------
    judge : array (items,)
    human : array (items,) or (items, raters)
        Of several raters the mean of each item is taken.

    Raises
    ------
    DataError
        If a rating is missing, or the lengths differ.
    """
    theirs = np.asarray(human, dtype=np.float64)
    theirs = theirs[:, None] if theirs.ndim == 1 else theirs
    ours = np.asarray(judge, dtype=np.float64)
    if ours.ndim != 1 or theirs.ndim != 2 or len(ours) != len(theirs) or theirs.shape[1] == 0:
        raise DataError(f"judge must have shape (items,) and human (items, raters), got {ours.shape}, {theirs.shape}")
    both = check_ratings(np.column_stack([ours, theirs]))
    difference = both[:, 0] - both[:, 1:].mean(axis=1)
    return _estimate(lambda weights: _mean(weights, difference), len(both), groups, n_resamples, seed)


def spearman(
    first: ArrayLike,
    second: ArrayLike,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    *,
    given: ArrayLike | None = None,
) -> Estimate:
    """Rank correlation of two values an item (Spearman 1904), ties by their middle rank.

    Parameters
    ----------
    first, second : arrays (items,)
        Items where any is NaN are left out; `n` counts those that stay.
    given : array (items,), optional
        A third value that is held: the partial rank correlation
        ``(r12 - r13 r23) / sqrt((1 - r13^2) (1 - r23^2))``.

    Returns
    -------
    Estimate
        In [-1, 1]; NaN (0/0) where fewer than two items are left, a value is the same for all, or the held value orders
        the items as one of the two does. Resamples without a defined value are left out.

    Raises
    ------
    DataError
        If the shapes differ.
    """
    values = [np.asarray(one, dtype=np.float64) for one in (first, second, *([] if given is None else [given]))]
    shape = values[0].shape
    if len(shape) != 1 or any(one.shape != shape for one in values):
        raise DataError(f"all must have one shape (items,), got {', '.join(str(one.shape) for one in values)}")
    known = ~np.isnan(values).any(axis=0)
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != shape:
            raise DataError(f"groups must have shape {shape}, one per item, got {groups.shape}")
        groups = groups[known]
    if known.sum() < 2:
        return Estimate(float("nan"), float("nan"), float("nan"), int(known.sum()))
    kept = [one[known] for one in values]
    return _estimate(lambda weights: _spearman(weights, kept), len(kept[0]), groups, n_resamples, seed)


def check_ratings(ratings: ArrayLike) -> FloatArray:
    """Return ratings (items, raters) as float64: at least two of each, none missing.

    Raises
    ------
    DataError
        Names the first item and rater (from 0) without a rating.
    """
    try:
        values = np.asarray(ratings, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("ratings must hold numbers in a rectangular array (items, raters)") from None
    if values.ndim != 2 or min(values.shape) < 2:
        raise DataError(f"ratings must have shape (items, raters), at least two of each, got {values.shape}")
    missing = np.argwhere(~np.isfinite(values))
    if len(missing):
        item, rater = missing[0]
        raise DataError(
            f"{len(missing)} rating(s) are missing, the first of item {item} by rater {rater}. Leave such items out."
        )
    return values


def _estimate(
    statistic: Callable[[FloatArray], FloatArray], n: int, groups: ArrayLike | None, n_resamples: int, seed: int
) -> Estimate:
    def of_draws(weights: IntArray) -> FloatArray:
        return statistic(weights.astype(np.float64))

    low, high = bootstrap_interval(of_draws, groups, n_resamples, seed=seed, n_rows=n)
    return Estimate(float(statistic(np.ones((1, n)))[0]), low, high, n)


def _divide(above: FloatArray, below: FloatArray, defined: ArrayLike) -> FloatArray:
    return np.asarray(np.divide(above, below, out=np.full(np.shape(above), np.nan), where=np.asarray(defined)))


def _mean(weights: FloatArray, values: FloatArray) -> FloatArray:
    return np.asarray(weights @ values / weights.sum(axis=1))


def _icc(weights: FloatArray, values: FloatArray, kind: str) -> FloatArray:
    """Compute the ICC of each resample: `weights` (resamples, items) says how often each item was drawn."""
    k = values.shape[1]
    values = values - values.mean()
    n = weights.sum(axis=1)
    columns = weights @ values / n[:, None]
    grand = columns.mean(axis=1)
    total = weights @ (values**2).sum(axis=1) - n * k * grand**2
    rows = k * (weights @ values.mean(axis=1) ** 2 - n * grand**2)
    raters = n * ((columns - grand[:, None]) ** 2).sum(axis=1)
    ms_rows, ms_raters = rows / (n - 1), raters / (k - 1)
    ms_error = np.maximum(total - rows - raters, 0.0) / ((n - 1) * (k - 1))
    below = ms_rows + (k - 1) * ms_error
    if kind == "agreement":
        below = below + k / n * (ms_raters - ms_error)
    size = (values**2).max() + 1.0
    return _divide(ms_rows - ms_error, below, (total > _ZERO * n * size) & (np.abs(below) > _ZERO * size))


def _kappa(weights: FloatArray, values: FloatArray, power: int) -> FloatArray:
    """Compute the mean kappa over pairs of raters, for each resample."""
    scale, codes = np.unique(values, return_inverse=True)
    codes = codes.reshape(values.shape)
    cost = np.abs(scale[:, None] - scale[None, :]) ** power
    given = np.stack([weights @ np.eye(len(scale))[codes[:, rater]] for rater in range(values.shape[1])])
    n = weights.sum(axis=1)
    found = []
    for a, b in combinations(range(values.shape[1]), 2):
        observed = weights @ cost[codes[:, a], codes[:, b]] / n
        expected = np.einsum("ri,ij,rj->r", given[a], cost, given[b]) / n**2
        found.append(1 - _divide(observed, expected, expected > 0))
    pairs = np.stack(found)
    known = ~np.isnan(pairs)
    return _divide(np.where(known, pairs, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64), known.any(axis=0))


def _spearman(weights: FloatArray, values: list[FloatArray]) -> FloatArray:
    """Compute the rank correlation of the first two values in each resample; a third is held."""
    n = weights.sum(axis=1, keepdims=True)
    ranks = [_ranks(weights, one) - (n + 1) / 2 for one in values]
    r12 = _correlation(weights, ranks[0], ranks[1])
    if len(ranks) == 2:
        return r12
    r13, r23 = (_correlation(weights, one, ranks[2]) for one in ranks[:2])
    left = (1 - r13**2) * (1 - r23**2)
    partial = _divide(r12 - r13 * r23, np.sqrt(np.maximum(left, 0.0)), left > _ZERO)
    return np.asarray(np.clip(partial, -1.0, 1.0))


def _correlation(weights: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """Compute Pearson's correlation of centred values among the drawn items, for each resample."""
    spread = (weights * first**2).sum(axis=1) * (weights * second**2).sum(axis=1)
    shared = (weights * first * second).sum(axis=1)
    return np.asarray(np.clip(_divide(shared, np.sqrt(spread), spread > _ZERO), -1.0, 1.0))


def _ranks(weights: FloatArray, values: FloatArray) -> FloatArray:
    """Return the middle rank of each item among the drawn ones, (resamples, items)."""
    levels, codes = np.unique(values, return_inverse=True)
    counts = weights @ np.eye(len(levels))[codes]
    return np.asarray((counts.cumsum(axis=1) - (counts - 1) / 2)[:, codes])
