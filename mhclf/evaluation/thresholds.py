"""Thresholds of single labels, fitted on validation: where a label begins to be predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mhclf.errors import DataError
from mhclf.evaluation.validation import FloatArray, IntArray, check_classes, check_labels, check_probability, choose

DEFAULT = 0.5
OBJECTIVES = ("f1", "cost")


@dataclass(frozen=True)
class LabelThreshold:
    """The threshold of one label: it is predicted where its probability is at least `value`.

    Attributes
    ----------
    label : name
    value : threshold in (0, 1]
    how : "fitted", or why it stayed at .5: "no positives", "no negatives"
    objective : F1 or cost on the rows it was fitted on, NaN where it was not fitted
    at_default : the same at .5
    positives : gold rows of the label
    """

    label: str
    value: float
    how: str
    objective: float
    at_default: float
    positives: int


def fit_threshold(
    positive: ArrayLike, probability: ArrayLike, label: str, objective: str = "f1", cost_ratio: float = 1.0
) -> LabelThreshold:
    """Fit the threshold of one label.

    Candidates are .5 and the middle between any two neighbouring probabilities, so that rows of equal probability stay
    together; of equally good ones the nearest to .5 is taken, of two equally near the lower.

    Parameters
    ----------
    positive : array (n,) of 0 / 1
    probability : array (n,) in [0, 1]
    label : its name
    objective : {"f1", "cost"}
        The greatest F1, or the least mean of ``cost_ratio * missed + wrongly given``, among thresholds that part the
        rows: one that gives the label to all of them or to none is not looked at, even where it would score best.
    cost_ratio : float
        What a missed row costs when a wrongly given one costs 1; above 0.

    Raises
    ------
    DataError
        Other shapes, no row, values outside their range, an unknown objective.
    """
    choose(objective, OBJECTIVES, "objective")
    if not cost_ratio > 0:
        raise DataError(f"cost_ratio must be above 0, got {cost_ratio:g}")
    gold = check_classes("multiclass", positive, 2, f"gold of '{label}'")
    stated = np.asarray(probability, dtype=np.float64).reshape(-1, 1)
    p = check_probability(stated, len(gold), 1, f"probability of '{label}'")[:, 0]
    count = int(gold.sum())
    if count in (0, len(gold)):
        nan = float("nan")
        return LabelThreshold(label, DEFAULT, "no positives" if count == 0 else "no negatives", nan, nan, count)
    distinct = np.unique(p)
    candidates = np.append((distinct[1:] + distinct[:-1]) / 2, DEFAULT)
    values = _objectives(gold, p, candidates, objective, cost_ratio)
    best = values.max() if objective == "f1" else values.min()
    equal = candidates[np.isclose(values, best, rtol=0, atol=1e-12)]
    chosen = float(min(equal, key=lambda value: (round(abs(value - DEFAULT), 12), value)))
    return LabelThreshold(label, chosen, "fitted", float(best), float(values[-1]), count)


def _objectives(gold: IntArray, p: FloatArray, candidates: FloatArray, objective: str, ratio: float) -> FloatArray:
    """F1 or mean cost under each candidate."""
    order = np.argsort(p)
    below = np.searchsorted(p[order], candidates, side="left")
    missed = np.concatenate([[0], np.cumsum(gold[order])])[below].astype(np.float64)
    hit = gold.sum() - missed
    given = len(p) - below
    if objective == "cost":
        return np.asarray((ratio * missed + given - hit) / len(p))
    return np.asarray(2 * hit / (gold.sum() + given))


def fit_thresholds(
    task: str,
    gold: ArrayLike,
    probability: ArrayLike,
    labels: Sequence[str],
    objective: str = "f1",
    cost_ratio: float = 1.0,
) -> tuple[LabelThreshold, ...]:
    """Fit one threshold for each label of a multilabel task, or that of the second of two labels.

    Parameters
    ----------
    task, gold, probability, labels : as in `mhclf.evaluation.scores`
        Rows of validation, never of test.
    objective, cost_ratio : as in `fit_threshold`

    Raises
    ------
    DataError
        One label a post out of more than two: there the greatest probability decides, not a threshold.
    """
    names = check_labels(task, labels)
    g = check_classes(task, gold, len(names), "gold")
    p = check_probability(probability, len(g), len(names))
    if task == "multilabel":
        return tuple(fit_threshold(g[:, c], p[:, c], name, objective, cost_ratio) for c, name in enumerate(names))
    if len(names) != 2:
        raise DataError(f"thresholds are for several labels a post, or for two labels; here is {task} of {len(names)}")
    return (fit_threshold(g, p[:, 1], names[1], objective, cost_ratio),)


def decide_by_thresholds(task: str, probability: ArrayLike, thresholds: Sequence[float]) -> IntArray:
    """Return the decisions under thresholds.

    Parameters
    ----------
    task : multilabel, or a task of two labels
    probability : array (n, k)
    thresholds : k values; of two labels that of the second

    Returns
    -------
    array (n, k) of 0 / 1, or (n,) of 0 / 1 for two labels

    Raises
    ------
    DataError
        When the number of thresholds does not fit the columns.
    """
    p = np.asarray(probability, dtype=np.float64)
    values = np.asarray(thresholds, dtype=np.float64)
    wanted = p.shape[1] if task == "multilabel" else 1
    if p.ndim != 2 or values.shape != (wanted,) or (task != "multilabel" and p.shape[1] != 2):
        raise DataError(f"{len(values)} threshold(s) do not fit probabilities of shape {p.shape} for {task}")
    if task == "multilabel":
        return np.asarray(p >= values, dtype=np.int64)
    return np.asarray(p[:, 1] >= values[0], dtype=np.int64)
