"""Whether probabilities mean what they say: calibration error, Brier score, negative log-likelihood.

What is counted: for one label a post, the predicted label and its probability (top-label calibration, Guo et al. 2017)
for the calibration errors, the whole vector for the other two; for several labels a post, every decision on a post
and a label, pooled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mhclf.errors import DataError
from mhclf.evaluation.validation import FloatArray, IntArray, check_classes, check_labels, check_probability, choose

BINS = 15
"""Bins of the calibration errors (Guo et al. 2017)."""

LOWEST = 1e-12
"""Probabilities below this count as this in logarithms, so that a saved 0 is a large loss and not an infinite one."""

CALIBRATION_METRICS = ("ece", "ece_equal_mass", "brier", "nll")
BINNINGS = ("equal_width", "equal_mass")


def certainty(task: str, gold: IntArray, probability: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return what calibration is about, both (n, d): stated probability, and 0 / 1 whether it came true.

    d is 1 (the most probable label) or, for multilabel, the number of labels.
    """
    if task == "multilabel":
        return probability, gold.astype(np.float64)
    top = probability.argmax(axis=1)
    return probability.max(axis=1)[:, None], (top == gold).astype(np.float64)[:, None]


def bin_edges(stated: FloatArray, bins: int, binning: str) -> FloatArray:
    """Return the inner edges of the bins, fewer than ``bins - 1`` where many probabilities are equal.

    A probability on an edge belongs to the bin above it. Equal mass: the quantiles of `stated`.
    """
    choose(binning, BINNINGS, "binning")
    if bins < 1:
        raise DataError(f"bins must be 1 or more, got {bins}")
    if binning == "equal_width":
        return np.linspace(0, 1, bins + 1)[1:-1]
    return np.unique(np.quantile(stated, np.arange(1, bins) / bins))


def _calibration_errors(
    stated: FloatArray, came: FloatArray, weights: FloatArray | None, bins: int, binning: str
) -> FloatArray:
    """``sum_b |sum_i w_i (stated_i - came_i)| / sum_i w_i`` over the bins, (resamples,)."""
    edges = bin_edges(stated, bins, binning)
    gaps = np.zeros((len(stated), len(edges) + 1))
    for column in range(stated.shape[1]):
        place = np.searchsorted(edges, stated[:, column], side="right")
        gaps[np.arange(len(stated)), place] += stated[:, column] - came[:, column]
    rows = np.ones((1, len(stated))) if weights is None else weights
    total = rows.sum(axis=1) * stated.shape[1]
    return np.asarray(np.abs(rows @ gaps).sum(axis=1) / total)


def expected_calibration_error(
    probability: ArrayLike, outcome: ArrayLike, *, bins: int = BINS, binning: str = "equal_width"
) -> float:
    """Expected calibration error of stated probabilities.

    Parameters
    ----------
    probability : array (n,) in [0, 1]
        Of the predicted label, or of every decision.
    outcome : array (n,) of 0 / 1
        Whether it came true.
    bins : int
        15 unless told otherwise.
    binning : {"equal_width", "equal_mass"}
        Bins of the same width (Naeini et al. 2015; Guo et al. 2017), or of the same number of cases (equal
        probabilities stay together).

    Returns
    -------
    float
        ``sum_b (n_b / n) |mean stated - share that came true|``, in [0, 1]; an empty bin counts nothing.

    Raises
    ------
    DataError
        Other shapes, no case, a probability outside [0, 1], an outcome that is not 0 or 1, an unknown binning.
    """
    outcomes = check_classes("multiclass", outcome, 2, "outcome")
    stated = check_probability(np.asarray(probability, dtype=np.float64).reshape(-1, 1), len(outcomes), 1)
    return float(_calibration_errors(stated, outcomes.astype(np.float64)[:, None], None, bins, binning)[0])


def brier_rows(task: str, gold: IntArray, probability: FloatArray, form: str = "sum") -> FloatArray:
    """Squared error of each row, (n,), in the form that `brier_score` describes."""
    target = gold if task == "multilabel" else np.eye(probability.shape[1])[gold]
    squared = (probability - target) ** 2
    if task == "multilabel":
        return np.asarray(squared.mean(axis=1))
    return np.asarray(squared[:, 1] if form == "binary" else squared.sum(axis=1))


def brier_score(
    task: str, gold: ArrayLike, probability: ArrayLike, labels: tuple[str, ...], form: str = "sum"
) -> float:
    """Brier score (1950): mean squared error of the probabilities; less is better.

    Parameters
    ----------
    task, gold, probability, labels : as in `mhclf.evaluation.scores`
    form : {"sum", "binary"}
        "sum" is Brier's own, ``mean_i sum_k (p_ik - y_ik)^2`` over all labels, in [0, 2]; the metric `brier` is this
        one, for two labels too. "binary" is ``mean_i (p_i - y_i)^2`` of the second of two labels, in [0, 1], half of
        the sum form. For several labels a post both are the mean over labels of the binary form.

    Raises
    ------
    DataError
        As in `scores`; the binary form of more than two labels.
    """
    names = check_labels(task, labels)
    choose(form, ("sum", "binary"), "form of the Brier score")
    if form == "binary" and task != "multilabel" and len(names) != 2:
        raise DataError(f"the binary form of the Brier score is for two labels, here are {len(names)}; use 'sum'")
    g = check_classes(task, gold, len(names), "gold")
    return float(brier_rows(task, g, check_probability(probability, len(g), len(names)), form).mean())


def nll_rows(task: str, gold: IntArray, probability: FloatArray) -> FloatArray:
    """Negative log-likelihood of each row in nats, (n,); multilabel: mean over its labels."""
    if task == "multilabel":
        said = np.where(gold == 1, probability, 1 - probability)
        return np.asarray(-np.log(np.clip(said, LOWEST, 1)).mean(axis=1))
    return np.asarray(-np.log(np.clip(probability[np.arange(len(gold)), gold], LOWEST, 1)))


def negative_log_likelihood(task: str, gold: ArrayLike, probability: ArrayLike, labels: tuple[str, ...]) -> float:
    """Mean negative log-likelihood in nats: ``-mean_i ln p_i(gold)``; less is better.

    Several labels a post: mean over posts and labels of the binary cross-entropy. Probabilities below `LOWEST` count
    as it. Parameters and errors as in `mhclf.evaluation.scores`.
    """
    names = check_labels(task, labels)
    g = check_classes(task, gold, len(names), "gold")
    return float(nll_rows(task, g, check_probability(probability, len(g), len(names))).mean())


def calibration_metrics(
    task: str, gold: IntArray, probability: FloatArray, weights: FloatArray | IntArray | None = None
) -> dict[str, FloatArray]:
    """`ece`, `ece_equal_mass` (15 bins), `brier` and `nll` of checked arrays, each (resamples,).

    Under row weights (resamples, n) the bins stay those of the full set.
    """
    rows = np.ones((1, len(gold))) if weights is None else np.asarray(weights, dtype=np.float64)
    stated, came = certainty(task, gold, probability)
    total = rows.sum(axis=1)
    return {
        "ece": _calibration_errors(stated, came, rows, BINS, "equal_width"),
        "ece_equal_mass": _calibration_errors(stated, came, rows, BINS, "equal_mass"),
        "brier": rows @ brier_rows(task, gold, probability) / total,
        "nll": rows @ nll_rows(task, gold, probability) / total,
    }
