"""Percentile bootstrap intervals over groups of rows, and over groups and seeds.

Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; groups are resampled whole (cluster
bootstrap, Field & Welsh 2007), because posts of one user are not independent. With fewer than two groups
there is no spread to resample and every interval is NaN. A macro average keeps the labels that a resample
missed (as 0), so with very rare labels the interval of macro-F1 reaches low: that is what such a test set
can say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mhclf.errors import DataError
from mhclf.evaluation.classification import scores
from mhclf.evaluation.probability import PROBABILITY_METRICS
from mhclf.evaluation.resampling import (
    check_resampling,
    choose_metrics,
    draw_group_weights,
    draw_seeds,
    group_codes,
    interval,
    metric_draws,
)
from mhclf.evaluation.risk import RiskLabels
from mhclf.evaluation.validation import (
    FloatArray,
    IntArray,
    check_classes,
    check_labels,
    check_probability,
    check_seeds,
)

RANKING_RESAMPLES = 300
"""Metrics of probabilities use at most this many resamples by default: each needs a pass over all rows."""


@dataclass(frozen=True)
class SeedInterval:
    """A metric over several seeds: mean, hierarchical interval, and sd over seeds (ddof 1)."""

    mean: float
    low: float
    high: float
    sd: float
    n_seeds: int


def bootstrap_interval(
    statistic: Callable[[IntArray], FloatArray],
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    *,
    n_rows: int | None = None,
) -> tuple[float, float]:
    """Percentile bootstrap interval of any statistic of weighted rows.

    Parameters
    ----------
    statistic : takes row weights (resamples, n), how often each row was drawn, and returns one value per
        resample, (resamples,). A weighted mean is ``lambda w: w @ x / w.sum(axis=1)``. It is called with
        chunks of resamples; resamples where it is NaN are left out
    groups : array (n,); all rows of a drawn group come with it. None: rows are drawn, give `n_rows`
    n_resamples, level, seed : resamples, level in (0, 1), seed of the generator
    n_rows : n, needed only without groups

    Returns
    -------
    low, high : NaN with fewer than two groups or without a defined resample
    """
    check_resampling(n_resamples, level)
    if groups is None and n_rows is None:
        raise DataError("give groups, or n_rows to resample single rows")
    n = n_rows if n_rows is not None else len(np.asarray(groups))
    codes, n_groups = group_codes(groups, n)
    if n_groups < 2:
        return float("nan"), float("nan")
    draws = []
    for weights in draw_group_weights(n_groups, n_resamples, seed, n):
        values = np.asarray(statistic(weights[:, codes]), dtype=np.float64)
        if values.shape != (len(weights),):
            raise DataError(f"statistic must return shape ({len(weights)},), one per resample, got {values.shape}")
        draws.append(values)
    return interval(np.concatenate(draws), level)


def classification_intervals(
    task: str,
    gold: ArrayLike,
    prediction: ArrayLike,
    probability: ArrayLike | None,
    labels: Sequence[str],
    groups: ArrayLike | None = None,
    metrics: Sequence[str] | None = None,
    *,
    n_resamples: int = 1000,
    ranking_resamples: int = RANKING_RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
    risk: RiskLabels | None = None,
    no_answer: bool = False,
) -> dict[str, tuple[float, float]]:
    """Bootstrap intervals of the metrics of `scores`, all on the same resamples.

    Parameters
    ----------
    task, gold, prediction, probability, labels, risk, no_answer : as in `scores`
    groups : array (n,); None resamples rows
    metrics : names; None means all of the task (without those of probabilities if there are none)
    n_resamples : for everything made of counts (10,000 rows and 1,000 resamples take about a second)
    ranking_resamples : the metrics of probabilities use the first of these resamples, 300 unless told otherwise

    Returns
    -------
    dict: metric -> (low, high); NaN with fewer than two groups or where no resample defines the metric
    """
    names = check_labels(task, labels)
    g = check_classes(task, gold, len(names), "gold")
    p = check_classes(task, prediction, len(names), "prediction", len(g), no_answer)
    q = None if probability is None else check_probability(probability, len(g), len(names))[None]
    wanted = choose_metrics(task, names, metrics, q is not None, risk)
    check_resampling(n_resamples, level)
    check_resampling(ranking_resamples, level)
    codes, n_groups = group_codes(groups, len(g))
    if n_groups < 2:
        return {name: (float("nan"), float("nan")) for name in wanted}
    draws = metric_draws(
        task, g, p[None], q, names, wanted, codes, n_groups, n_resamples, ranking_resamples, seed, risk
    )
    return {name: interval(draws[name][0], level) for name in wanted}


def hierarchical_interval(
    task: str,
    gold: ArrayLike,
    predictions: ArrayLike,
    probabilities: ArrayLike | None,
    labels: Sequence[str],
    groups: ArrayLike | None = None,
    metrics: Sequence[str] | None = None,
    *,
    n_resamples: int = 1000,
    ranking_resamples: int = RANKING_RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
    risk: RiskLabels | None = None,
    no_answer: bool = False,
) -> dict[str, SeedInterval]:
    """Mean over seeds of each metric, with an interval over test groups and seeds together.

    Each resample draws groups (the same for all seeds, so that seeds stay paired on posts) and seeds (with
    replacement), and takes the mean metric over the drawn seeds. With few seeds the part of the spread that
    is due to them is understated by (s - 1) / s; one seed gives the interval of `classification_intervals`.

    Parameters
    ----------
    predictions : array (s, n), or (s, n, k) for multilabel; one seed may come without its axis
    probabilities : array (s, n, k) or None
    task, gold, labels, groups, metrics and the rest : as in `classification_intervals`

    Returns
    -------
    dict: metric -> SeedInterval
        `sd` is over seeds on the full test set, NaN for one seed; `mean` is NaN if any seed leaves it
        undefined.
    """
    names = check_labels(task, labels)
    g = check_classes(task, gold, len(names), "gold")
    p = check_seeds(task, predictions, len(names), "predictions", len(g), no_answer)
    q = None
    if probabilities is not None:
        given = np.asarray(probabilities)
        given = given[None] if given.ndim == 2 else given
        if len(given) != len(p):
            raise DataError(f"predictions hold {len(p)} seeds, probabilities {len(given)}")
        q = np.stack([check_probability(x, len(g), len(names), f"probabilities[{s}]") for s, x in enumerate(given)])
    wanted = choose_metrics(task, names, metrics, q is not None, risk)
    check_resampling(n_resamples, level)
    check_resampling(ranking_resamples, level)
    codes, n_groups = group_codes(groups, len(g))
    q = q if set(wanted) & set(PROBABILITY_METRICS) else None
    points = [
        scores(task, g, one, None if q is None else q[s], names, risk=risk, no_answer=no_answer)
        for s, one in enumerate(p)
    ]
    draws = metric_draws(task, g, p, q, names, wanted, codes, n_groups, n_resamples, ranking_resamples, seed, risk)
    share = draw_seeds(len(p), n_resamples, np.random.default_rng([seed, 1]))
    result = {}
    for name in wanted:
        values = np.array([one[name] for one in points])
        sampled = (share[:, : draws[name].shape[1]] * draws[name]).sum(axis=0)
        low, high = interval(sampled, level) if n_groups > 1 else (float("nan"), float("nan"))
        sd = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        result[name] = SeedInterval(float(values.mean()), low, high, sd, len(values))
    return result
