"""Paired comparisons from per-row correctness alone, as the committed, text-free records hold it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

from mhclf.errors import DataError
from mhclf.evaluation.comparison import Comparison, compare_draws, permutation_p_value
from mhclf.evaluation.resampling import check_resampling, draw_group_weights, group_codes, sum_by_group
from mhclf.evaluation.validation import FloatArray, choose, numbers_without_nan


def _values(values: ArrayLike, name: str) -> FloatArray:
    rows = numbers_without_nan(values, name)
    rows = rows[None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or rows.size == 0:
        raise DataError(f"{name} must have shape (seeds, n) with at least one row, got {np.shape(values)}")
    return rows


def _correctness(values: ArrayLike, name: str) -> FloatArray:
    correct = _values(values, name)
    if ((correct < 0) | (correct > 1)).any():
        raise DataError(f"{name} must hold correctness per row: 0, 1 or a share between")
    return correct


def paired_correctness(
    correct_a: ArrayLike,
    correct_b: ArrayLike,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    *,
    test: str = "bootstrap",
    level: float = 0.95,
) -> Comparison:
    """Compare mean correctness (accuracy) when only the correctness of each row is known.

    Parameters
    ----------
    correct_a, correct_b : arrays (seeds, n) or (n,), 1 where the row was right, aligned on rows; seeds may
        differ
    groups : array (n,); None: rows
    test : "bootstrap", the same as `paired_bootstrap` of accuracy, or "permutation", which swaps the
        methods' mean correctness over seeds within groups

    Returns
    -------
    Comparison
    """
    a, b = _correctness(correct_a, "correct_a"), _correctness(correct_b, "correct_b")
    return paired_means(a, b, groups, n_resamples, seed, test=test, level=level, names=("correct_a", "correct_b"))


def paired_means(
    values_a: ArrayLike,
    values_b: ArrayLike,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    *,
    test: str = "bootstrap",
    level: float = 0.95,
    names: tuple[str, str] = ("values_a", "values_b"),
) -> Comparison:
    """Compare the means of any number that each row has for two methods; else as `paired_correctness`.

    Parameters
    ----------
    values_a, values_b : arrays (seeds, n) or (n,), aligned on rows; seeds may differ
    names : what the arrays are called in an error
    """
    choose(test, ("bootstrap", "permutation"), "test")
    a, b = _values(values_a, names[0]), _values(values_b, names[1])
    n = a.shape[1]
    if b.shape[1] != n:
        raise DataError(f"{names[0]} has {n} rows, {names[1]} {b.shape[1]}; both must hold the same test posts")
    check_resampling(n_resamples, level)
    codes, n_groups = group_codes(groups, n)
    difference = float(a.mean() - b.mean())
    s_a = len(a)
    columns = np.column_stack([*a, *b, np.ones(n)])
    sums = sum_by_group(columns, codes, n_groups)
    drawn = np.concatenate([w.astype(np.float64) @ sums for w in draw_group_weights(n_groups, n_resamples, seed)])
    means = (drawn[:, :-1] / drawn[:, -1:]).T
    result = compare_draws(difference, means[:s_a], means[s_a:], n, n_groups, level, seed)
    if test == "bootstrap":
        return result
    gap = sums[:, :s_a].mean(axis=1) - sums[:, s_a:-1].mean(axis=1)
    p_value = permutation_p_value(lambda swaps: (1 - 2 * swaps) @ gap / n, difference, n_groups, n_resamples, seed)
    return replace(result, p_value=p_value, test="paired permutation")


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike) -> Comparison:
    """Exact McNemar test of two classifiers, one seed each, on independent rows.

    The rows that only one of them has right are split like fair coin tosses under the null hypothesis:
    two-sided binomial test, p 1 without such rows. Rows of one user are not independent: use
    `paired_permutation` with groups.

    Parameters
    ----------
    correct_a, correct_b : arrays (n,) of 0 / 1
    """
    a, b = _correctness(correct_a, "correct_a"), _correctness(correct_b, "correct_b")
    if len(a) != 1 or len(b) != 1 or a.shape != b.shape:
        raise DataError(
            f"mcnemar compares two arrays (n,) of the same rows, got shapes {np.shape(correct_a)} "
            f"and {np.shape(correct_b)}"
        )
    if not (np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all()):
        raise DataError("mcnemar needs correctness of 0 or 1")
    only_a, only_b, n = int((a > b).sum()), int((b > a).sum()), a.shape[1]
    p_value = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    nan = float("nan")
    return Comparison((only_a - only_b) / n, nan, nan, p_value, n, n, "exact McNemar")
