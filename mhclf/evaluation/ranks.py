"""Ranks of several methods over several data sets (Demsar 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from mhclf.errors import DataError
from mhclf.evaluation.validation import FloatArray, numbers_without_nan


@dataclass(frozen=True)
class MeanRanks:
    """Mean ranks and what can be said about them.

    Attributes
    ----------
    ranks : array (methods,)
        Mean over data sets of the rank, 1 the best; ties share theirs.
    p_value : float
        Of the Friedman test that all methods are alike (chi-squared).
    critical_difference : float
        Two mean ranks that differ by less cannot be told apart (Nemenyi).
    """

    ranks: FloatArray
    p_value: float
    critical_difference: float


def mean_ranks(scores: ArrayLike, *, higher_is_better: bool = True, level: float = 0.05) -> MeanRanks:
    """Rank methods on each data set and average.

    Parameters
    ----------
    scores : array (data sets, methods)
        At least two data sets and three methods.
    higher_is_better : bool
    level : float
        Of the Nemenyi test.

    Raises
    ------
    DataError
        If a score is missing, or there are fewer data sets or methods.
    """
    table = numbers_without_nan(scores, "scores")
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 3:
        raise DataError(f"scores must have two data sets and three methods or more, got shape {np.shape(scores)}")
    ranks = rankdata(-table if higher_is_better else table, axis=1)
    alike = bool((ranks == ranks[0, 0]).all())
    p_value = 1.0 if alike else float(friedmanchisquare(*table.T).pvalue)
    return MeanRanks(ranks.mean(axis=0), p_value, critical_difference(table.shape[1], table.shape[0], level))


def critical_difference(methods: int, datasets: int, level: float = 0.05) -> float:
    """Return ``q sqrt(k (k + 1) / (6 N))`` with q of the studentized range over the root of 2 (Nemenyi)."""
    q = float(studentized_range.ppf(1 - level, methods, np.inf)) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * datasets)))
