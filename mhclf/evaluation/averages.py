"""Means over posts with their interval: what every figure about explanations and generated text is reported with."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from mhclf.evaluation.bootstrap import bootstrap_interval

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Average:
    """A mean over posts.

    Attributes
    ----------
    mean : float
        NaN where no post has a value.
    low, high : float
        95 % percentile bootstrap over groups; NaN with fewer than two groups.
    n : int
        Posts that have a value.
    """

    mean: float
    low: float
    high: float
    n: int


def average(values: ArrayLike, groups: ArrayLike | None = None, n_resamples: int = 1000, seed: int = 0) -> Average:
    """Average one value a post, with an interval over groups of posts.

    Parameters
    ----------
    values : array (n,)
        NaN for posts that have none; they count neither in the mean nor in `n`.
    groups : array (n,), optional
        Posts of one group are drawn together; each post is its own where empty.
    n_resamples, seed : int

    Raises
    ------
    DataError
        If the groups do not fit the values.
    """
    given = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(given)
    filled = np.where(known, given, 0.0)

    def statistic(weights: npt.NDArray[np.int64]) -> Floats:
        total = weights @ known
        return np.asarray(np.divide(weights @ filled, total, out=np.full(len(weights), np.nan), where=total > 0))

    low, high = bootstrap_interval(statistic, groups, n_resamples, seed=seed, n_rows=len(given))
    n = int(known.sum())
    return Average(float(filled.sum() / n) if n else float("nan"), low, high, n)
