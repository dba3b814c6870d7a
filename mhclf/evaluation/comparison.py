"""The outcome of a paired test, and the two ways to its p-value: resampling and swapping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mhclf.evaluation.resampling import CELLS, draw_seeds, interval
from mhclf.evaluation.validation import FloatArray

_TIE = 1e-12  # differences closer than this are equal up to rounding


@dataclass(frozen=True)
class Comparison:
    """The outcome of a paired test.

    Attributes
    ----------
    difference : mean over seeds of A minus that of B, on all rows
    ci_low, ci_high : interval of the paired bootstrap over groups and seeds; NaN with fewer than two groups,
        and for `mcnemar`, which has none
    p_value : two-sided; NaN for the bootstrap of fewer than two groups
    n, n_groups : rows and groups
    test : where the p-value comes from: "paired bootstrap", "paired permutation" or "exact McNemar"
    """

    difference: float
    ci_low: float
    ci_high: float
    p_value: float
    n: int
    n_groups: int
    test: str


def compare_draws(
    difference: float,
    draws_a: FloatArray,
    draws_b: FloatArray,
    n: int,
    n_groups: int,
    level: float,
    seed: int,
) -> Comparison:
    """Resample the seeds on top of group draws (s, resamples) of both methods."""
    if n_groups < 2:
        nan = float("nan")
        return Comparison(difference, nan, nan, nan, n, n_groups, "paired bootstrap")
    rng = np.random.default_rng([seed, 1])
    mean_a, mean_b = ((draw_seeds(len(draws), draws.shape[1], rng) * draws).sum(axis=0) for draws in (draws_a, draws_b))
    sampled = mean_a - mean_b
    low, high = interval(sampled, level)
    extreme = min((sampled <= _TIE).sum(), (sampled >= -_TIE).sum())
    p_value = min(1.0, 2 * (int(extreme) + 1) / (len(sampled) + 1))
    return Comparison(difference, low, high, p_value, n, n_groups, "paired bootstrap")


def permutation_p_value(
    statistic: Callable[[FloatArray], FloatArray], observed: float, n_groups: int, n_resamples: int, seed: int
) -> float:
    """Share of random swaps, (resamples, n_groups) of 0 / 1, at least as extreme as observed."""
    rng = np.random.default_rng([seed, 2])
    chunk = max(1, CELLS // n_groups)
    extreme = 0
    for start in range(0, n_resamples, chunk):
        swaps = rng.integers(0, 2, size=(min(chunk, n_resamples - start), n_groups)).astype(np.float64)
        extreme += int((np.abs(statistic(swaps)) >= abs(observed) - _TIE).sum())
    return (extreme + 1) / (n_resamples + 1)
