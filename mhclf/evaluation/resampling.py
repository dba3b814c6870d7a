"""Resampling of groups as row weights, and the metrics of every resample at once.

A resample draws as many groups as there are, with replacement, and takes all rows of a drawn group. It is
kept as the number of times that each group was drawn: weights, not copies of rows, so that metrics made of
sums need one matrix product for all resamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from mhclf.errors import DataError
from mhclf.evaluation.classification import metric_names
from mhclf.evaluation.counts import count_metrics, counts_from_sums, row_features
from mhclf.evaluation.probability import PROBABILITY_METRICS, probability_metrics
from mhclf.evaluation.risk import RiskLabels, risk_features, risk_from_sums
from mhclf.evaluation.validation import FloatArray, IntArray, choose

BIASED_METRICS = ("ece", "ece_equal_mass")

CELLS = 2_000_000  # weights held at a time (resamples x groups or rows), 16 MB


def _is_missing(name: object) -> bool:
    try:
        return name is None or bool(name != name)  # NaN and NaT differ from themselves
    except TypeError:  # pandas.NA has no truth value
        return True


def group_codes(groups: ArrayLike | None, n_rows: int) -> tuple[IntArray, int]:
    """Number the groups by first appearance, so that renaming them changes no draw.

    Parameters
    ----------
    groups : array (n_rows,) of names or numbers (user, source post, dialogue); None: every row its own group
    n_rows : number of rows that the groups must match

    Returns
    -------
    codes : array (n_rows,) from 0
    n_groups : int

    Raises
    ------
    DataError
        Wrong length or shape, or a row without a group (None or NaN).
    """
    if groups is None:
        return np.arange(n_rows, dtype=np.int64), n_rows
    array = np.asarray(groups)
    if array.shape != (n_rows,):
        raise DataError(f"groups must have shape ({n_rows},), one per row, got {array.shape}")
    numbers: dict[object, int] = {}
    codes = np.empty(n_rows, dtype=np.int64)
    for row, name in enumerate(array.tolist()):
        if _is_missing(name):
            raise DataError(f"row {row} has no group; give every row one (a row of its own: a unique name)")
        codes[row] = numbers.setdefault(name, len(numbers))
    return codes, len(numbers)


def check_resampling(n_resamples: int, level: float) -> None:
    """Raise a `DataError` unless there is a resample to draw and the level is a share."""
    if n_resamples < 1:
        raise DataError(f"n_resamples must be at least 1, got {n_resamples}")
    if not 0 < level < 1:
        raise DataError(f"level must lie between 0 and 1 (0.95 for 95 %), got {level}")


def draw_group_weights(n_groups: int, n_resamples: int, seed: int, n_rows: int | None = None) -> Iterator[IntArray]:
    """Yield chunks (resamples, n_groups) of how often each group was drawn; every row sums to `n_groups`.

    The draws follow from `seed` alone; `n_rows` only keeps chunks small enough to be spread over the rows.
    """
    rng = np.random.default_rng(seed)
    chunk = max(1, CELLS // max(n_groups, n_rows or 0))
    for start in range(0, n_resamples, chunk):
        size = min(chunk, n_resamples - start)
        drawn = rng.integers(0, n_groups, size=(size, n_groups))
        drawn += np.arange(size)[:, None] * n_groups
        yield np.bincount(drawn.ravel(), minlength=size * n_groups).reshape(size, n_groups)


def draw_seeds(n_seeds: int, n_resamples: int, rng: np.random.Generator) -> FloatArray:
    """Share of each seed in each resample of the seeds with replacement, (n_seeds, n_resamples)."""
    drawn = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_resamples)
    return np.asarray(drawn.T / n_seeds)


def sum_by_group(rows: FloatArray, codes: IntArray, n_groups: int) -> FloatArray:
    """Sum rows (n, ...) within groups: (n_groups, ...)."""
    sums = np.zeros((n_groups, *rows.shape[1:]))
    np.add.at(sums, codes, rows)
    return sums


def interval(draws: FloatArray, level: float) -> tuple[float, float]:
    """Percentile interval of draws (resamples,); NaN draws are left out, NaN if none is left."""
    defined = draws[~np.isnan(draws)]
    if len(defined) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def choose_metrics(
    task: str,
    labels: Sequence[str],
    metrics: Sequence[str] | None,
    with_probability: bool,
    risk: RiskLabels | None = None,
) -> tuple[str, ...]:
    """Return the wanted metrics, all of the task if None; an unknown one is a `DataError` that lists them."""
    known = metric_names(task, labels, with_probability, risk)
    if metrics is None:
        return known
    if isinstance(metrics, str):
        raise DataError(f"metrics must be a list of names, got the text {metrics!r}")
    if not with_probability and (ranking := [name for name in metrics if name in PROBABILITY_METRICS]):
        raise DataError(f"{', '.join(ranking)} need(s) probabilities, but none were given")
    return tuple(choose(name, known, f"metric for {task}") for name in metrics)


def metric_draws(
    task: str,
    gold: IntArray,
    predictions: IntArray,
    probabilities: FloatArray | None,
    labels: Sequence[str],
    metrics: Sequence[str],
    codes: IntArray,
    n_groups: int,
    n_resamples: int,
    ranking_resamples: int,
    seed: int,
    risk: RiskLabels | None = None,
) -> dict[str, FloatArray]:
    """Compute the metrics of several predictions of the same rows on the same group resamples.

    Parameters
    ----------
    gold, predictions : checked arrays (n[, k]) and (s, n[, k]), one prediction per seed or method
    probabilities : (s, n, k); only read for the metrics that need them
    codes, n_groups : from `group_codes`
    ranking_resamples : the metrics that need probabilities use only that many first resamples

    Returns
    -------
    dict: metric -> array (s, resamples); those of `BIASED_METRICS` pass through `without_bias`
    """
    counted = [name for name in metrics if name not in PROBABILITY_METRICS]
    ranked = [name for name in metrics if name in PROBABILITY_METRICS]
    if ranked and probabilities is None:
        raise DataError(f"{', '.join(ranked)} need(s) probabilities, but none were given")
    features = [sum_by_group(row_features(task, gold, one, len(labels)), codes, n_groups) for one in predictions]
    of_risk = [sum_by_group(risk_features(gold, one, risk), codes, n_groups) for one in predictions] if risk else []
    parts: dict[str, list[FloatArray]] = {name: [] for name in metrics}
    done = 0
    for weights in draw_group_weights(n_groups, n_resamples, seed, len(gold) if ranked else None):
        if counted:
            drawn = weights.astype(np.float64)
            per_seed = [count_metrics(task, counts_from_sums(drawn @ one, len(labels)), labels) for one in features]
            if risk is not None:
                for values, one in zip(per_seed, of_risk, strict=True):
                    values.update(risk_from_sums(drawn @ one, risk))
            for name in counted:
                parts[name].append(np.stack([one[name] for one in per_seed]))
        left = max(0, min(len(weights), ranking_resamples - done))
        if ranked and left and probabilities is not None:
            rows = weights[:left, codes]
            ranks = [
                probability_metrics(task, gold, prediction, one, rows, ranked)
                for prediction, one in zip(predictions, probabilities, strict=True)
            ]
            for name in ranked:
                parts[name].append(np.stack([one[name] for one in ranks]))
        done += len(weights)
    draws = {name: np.concatenate(chunks, axis=1) for name, chunks in parts.items()}
    if probabilities is not None and (biased := [name for name in metrics if name in BIASED_METRICS]):
        for s, (prediction, one) in enumerate(zip(predictions, probabilities, strict=True)):
            for name, value in probability_metrics(task, gold, prediction, one, wanted=biased).items():
                draws[name][s] = without_bias(draws[name][s], float(value[0]))
    return draws


def without_bias(draws: FloatArray, value: float) -> FloatArray:
    """Shift draws by the bootstrap's estimate of their bias, ``mean - value``, and cut them at 0 and 1.

    A calibration error is a sum of absolute values, which chance only adds to; a resample has chance twice over, so
    that its unshifted interval may lie wholly above the value (Efron & Tibshirani 1993, chapter 10).
    """
    return np.asarray(np.clip(draws - (draws.mean() - value), 0.0, 1.0))
