"""Paired comparisons of two methods on the same test posts, with one or several seeds each.

`paired_bootstrap` asks whether the difference would survive other posts and other seeds;
`paired_permutation` whether these trained models differ beyond what a swap of their answers gives; `mcnemar`
is the exact test for one seed each and independent rows. Correct the p-values of one table with `holm`.
Differences are always A minus B.

The bootstrap p-value needs enough resamples for its size: the smallest it can be is 2 / (n_resamples + 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from mhclf.errors import DataError
from mhclf.evaluation.comparison import Comparison, compare_draws, permutation_p_value
from mhclf.evaluation.counts import count_metrics, counts_from_sums, row_features
from mhclf.evaluation.ordinal import ORDINAL_METRICS
from mhclf.evaluation.resampling import (
    check_resampling,
    choose_metrics,
    group_codes,
    metric_draws,
    sum_by_group,
)
from mhclf.evaluation.validation import FloatArray, IntArray, check_classes, check_labels, check_seeds


@dataclass(frozen=True)
class _Pair:
    task: str
    names: tuple[str, ...]
    gold: IntArray
    a: IntArray
    b: IntArray
    codes: IntArray
    n_groups: int


def _check_pair(
    metric: str,
    gold: ArrayLike,
    predictions_a: ArrayLike,
    predictions_b: ArrayLike,
    groups: ArrayLike | None,
    labels: Sequence[str],
    no_answer: bool,
) -> _Pair:
    one_label = "ordinal" if metric in ORDINAL_METRICS else "multiclass"
    task = "multilabel" if np.ndim(gold) == 2 else one_label
    names = check_labels(task, labels)
    g = check_classes(task, gold, len(names), "gold")
    a = check_seeds(task, predictions_a, len(names), "predictions_a", len(g), no_answer)
    b = check_seeds(task, predictions_b, len(names), "predictions_b", len(g), no_answer)
    choose_metrics(task, names, [metric], with_probability=False)
    return _Pair(task, names, g, a, b, *group_codes(groups, len(g)))


def paired_bootstrap(
    metric: str,
    gold: ArrayLike,
    predictions_a: ArrayLike,
    predictions_b: ArrayLike,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    *,
    labels: Sequence[str],
    level: float = 0.95,
    no_answer: bool = False,
) -> Comparison:
    """Compare the mean metric over seeds of two methods by a paired bootstrap over groups and seeds.

    Every resample draws groups once for both methods and the seeds of each method on their own (with
    replacement); ``p = 2 (1 + min(#{d <= 0}, #{d >= 0})) / (n_resamples + 1)``, at most 1.

    Parameters
    ----------
    metric : any metric of `scores` that needs no probabilities
    gold : array (n,) of indices into `labels`, or (n, k) of 0 / 1 for multilabel
    predictions_a, predictions_b : arrays (seeds, n[, k]); the numbers of seeds may differ; one seed may come
        as (n[, k])
    groups : array (n,); None resamples rows
    labels : the fixed label list; no_answer : as in `scores`

    Raises
    ------
    DataError
        Rows that do not align, an unknown metric, anything that `scores` refuses.
    """
    pair = _check_pair(metric, gold, predictions_a, predictions_b, groups, labels, no_answer)
    check_resampling(n_resamples, level)
    both = np.concatenate([pair.a, pair.b])
    s_a, n = len(pair.a), len(pair.gold)
    values = [
        float(count_metrics(pair.task, counts_from_sums(rows.sum(axis=0), len(pair.names)), pair.names)[metric])
        for rows in (row_features(pair.task, pair.gold, one, len(pair.names)) for one in both)
    ]
    difference = float(np.mean(values[:s_a]) - np.mean(values[s_a:]))
    draws = metric_draws(
        pair.task,
        pair.gold,
        both,
        None,
        pair.names,
        [metric],
        pair.codes,
        pair.n_groups,
        n_resamples,
        0,
        seed,
    )[metric]
    return compare_draws(difference, draws[:s_a], draws[s_a:], n, pair.n_groups, level, seed)


def paired_permutation(
    metric: str,
    gold: ArrayLike,
    predictions_a: ArrayLike,
    predictions_b: ArrayLike,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    *,
    labels: Sequence[str],
    level: float = 0.95,
    no_answer: bool = False,
) -> Comparison:
    """Compare two methods by swapping their predictions at random, whole groups at a time.

    Under the null hypothesis the two methods are exchangeable on every group; a swap takes all seeds of the
    group along (seed i of A with seed i of B), so the p-value speaks of these trained models. Two-sided,
    ``p = (1 + #{|d*| >= |d|}) / (n_resamples + 1)`` (Phipson & Smyth 2010). Parameters as in
    `paired_bootstrap`, but both methods need the same number of seeds; the interval is that of
    `paired_bootstrap`.
    """
    pair = _check_pair(metric, gold, predictions_a, predictions_b, groups, labels, no_answer)
    if len(pair.a) != len(pair.b):
        raise DataError(
            f"paired_permutation swaps seed by seed, but A has {len(pair.a)} seeds and B {len(pair.b)}; "
            "give the same number of seeds or use paired_bootstrap"
        )
    interval_of = paired_bootstrap(
        metric, gold, predictions_a, predictions_b, groups, n_resamples, seed,
        labels=labels, level=level, no_answer=no_answer,
    )  # fmt: skip
    k = len(pair.names)
    of_a, of_b = (
        [sum_by_group(row_features(pair.task, pair.gold, one, k), pair.codes, pair.n_groups) for one in method]
        for method in (pair.a, pair.b)
    )

    def difference(swaps: FloatArray) -> FloatArray:
        total = np.zeros(len(swaps))
        for a, b in zip(of_a, of_b, strict=True):
            moved = swaps @ (b - a)
            with_a = counts_from_sums(a.sum(axis=0) + moved, k)
            with_b = counts_from_sums(b.sum(axis=0) - moved, k)
            total += count_metrics(pair.task, with_a, pair.names)[metric]
            total -= count_metrics(pair.task, with_b, pair.names)[metric]
        return total / len(of_a)

    p_value = permutation_p_value(difference, interval_of.difference, pair.n_groups, n_resamples, seed)
    return replace(interval_of, p_value=p_value, test="paired permutation")


def holm(p_values: ArrayLike) -> FloatArray:
    """Holm's step-down correction (1979), in the order given; controls the family-wise error rate.

    Parameters
    ----------
    p_values : array (m,) in [0, 1]; NaN (no test was possible) stays NaN and does not count in m

    Returns
    -------
    array (m,): with p sorted, ``max over j <= i of min(1, (m - j + 1) p_(j))``
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1:
        raise DataError(f"p_values must be one list of numbers, got shape {p.shape}")
    if ((p < 0) | (p > 1)).any():
        raise DataError("p_values must lie in [0, 1]")
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected = np.full(p.shape, np.nan)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * p[order]))
    return corrected
