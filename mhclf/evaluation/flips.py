"""What a change of the posts does to predictions: flips, and the drop of a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mhclf.errors import DataError
from mhclf.evaluation.bootstrap import bootstrap_interval
from mhclf.evaluation.classification import scores
from mhclf.evaluation.significance import paired_bootstrap


@dataclass(frozen=True)
class Flips:
    """Predictions on changed posts against those on the posts themselves.

    Attributes
    ----------
    metric : str
    before, after : float
        The metric on the posts and on the changed posts.
    difference, ci_low, ci_high, p_value : float
        `after` minus `before`, by a paired bootstrap over groups.
    flipped, flipped_low, flipped_high : float
        Share of posts whose prediction is another one (for several labels: any label), with its interval.
    lost, gained : float
        Share of posts that were right and are wrong, and the reverse.
    n : int
    """

    metric: str
    before: float
    after: float
    difference: float
    ci_low: float
    ci_high: float
    p_value: float
    flipped: float
    flipped_low: float
    flipped_high: float
    lost: float
    gained: float
    n: int


def prediction_flips(
    task: str,
    gold: ArrayLike,
    before: ArrayLike,
    after: ArrayLike,
    labels: Sequence[str],
    groups: ArrayLike,
    metric: str,
    n_resamples: int = 1000,
) -> Flips:
    """Compare predictions on the same posts, as they are and changed.

    Parameters
    ----------
    task, gold, before, after, labels
        As in `scores`; `before` and `after` are predictions.
    groups : array (n,)
    metric : str
        Any metric of `scores` that needs no probabilities.

    Raises
    ------
    DataError
        Rows that do not align, an unknown metric.
    """
    g, b, a = np.asarray(gold), np.asarray(before), np.asarray(after)
    if b.shape != g.shape or a.shape != g.shape:
        raise DataError(f"gold, before and after must have one shape, got {g.shape}, {b.shape} and {a.shape}")
    compared = paired_bootstrap(metric, g, a, b, groups, n_resamples, labels=labels)
    rows = (b != a) if b.ndim == 1 else (b != a).any(axis=1)
    right = [(values == g) if g.ndim == 1 else (values == g).all(axis=1) for values in (b, a)]
    low, high = bootstrap_interval(
        lambda weights: weights @ rows.astype(float) / weights.sum(axis=1), groups, n_resamples
    )
    values = [scores(task, g, item, None, labels)[metric] for item in (b, a)]
    return Flips(
        metric,
        values[0],
        values[1],
        compared.difference,
        compared.ci_low,
        compared.ci_high,
        compared.p_value,
        float(rows.mean()),
        low,
        high,
        float((right[0] & ~right[1]).mean()),
        float((~right[0] & right[1]).mean()),
        len(g),
    )
