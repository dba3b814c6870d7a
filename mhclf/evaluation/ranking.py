"""AUROC and AUPRC, for one data set or for many weightings of its rows at once.

Rows are sorted by score once per label; a resample only changes their weights. Ties share one threshold, so
the values equal scikit-learn's `roc_auc_score` and `average_precision_score` with ``sample_weight``.
"""

from __future__ import annotations

import numpy as np

from mhclf.evaluation.validation import FloatArray, IntArray

RANKING_METRICS = ("auroc", "auprc")


def binary_ranking(
    positive: IntArray, score: FloatArray, weights: FloatArray | IntArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Area under the ROC curve and average precision of one binary label.

    Parameters
    ----------
    positive : array (n,) of 0 / 1
    score : array (n,), higher means more positive
    weights : array (resamples, n) of non-negative row weights; None is one resample of ones

    Returns
    -------
    auroc, auprc : arrays (resamples,), in [0, 1]
        NaN where positives or negatives have no weight. AUROC is the share of (positive, negative) pairs in
        the right order, ties half; AUPRC is average precision, ``sum_t (R_t - R_(t-1)) P_t`` over
        thresholds, not interpolated.
    """
    order = np.argsort(-score, kind="stable")
    ranked, is_positive = score[order], positive[order].astype(np.float64)[:, None]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    rows = np.ones((len(score), 1)) if weights is None else weights.T[order].astype(np.float64, copy=False)
    every, hits = rows, rows * is_positive
    if len(starts) < len(ranked):  # ties: one threshold for all rows of a score
        every, hits = np.add.reduceat(every, starts, axis=0), np.add.reduceat(hits, starts, axis=0)
    misses = every - hits
    hits_so_far, every_so_far = hits.cumsum(axis=0), every.cumsum(axis=0)
    n_positive, n_negative = hits_so_far[-1], every_so_far[-1] - hits_so_far[-1]
    defined = (n_positive > 0) & (n_negative > 0)
    pairs = (misses * (hits_so_far - hits / 2)).sum(axis=0)
    steps = hits * np.divide(hits_so_far, every_so_far, out=np.zeros_like(every), where=every_so_far > 0)
    undefined = np.full(defined.shape, np.nan)
    auroc = np.divide(pairs, n_positive * n_negative, out=undefined.copy(), where=defined)
    auprc = np.divide(steps.sum(axis=0), n_positive, out=undefined, where=defined)
    return auroc, auprc


def _mean_of_defined(values: FloatArray) -> FloatArray:
    """Mean over axis 0 without NaN; NaN where nothing is defined."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=0)
    total = np.where(defined, values, 0.0).sum(axis=0)
    mean: FloatArray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def ranking_metrics(
    task: str, gold: IntArray, probability: FloatArray, weights: FloatArray | IntArray | None = None
) -> dict[str, FloatArray]:
    """`auroc` and `auprc`, each (resamples,).

    Two classes: of class 1. More classes: one-vs-rest, macro over the classes that have both positives and
    negatives. Multilabel: macro over the labels that have both. NaN where no label has both.
    """
    k = probability.shape[1]
    if weights is not None:  # lie row by row once, so that each label only gathers whole rows
        weights = np.asarray(weights.T, dtype=np.float64, order="C").T
    of_classes = [1] if task != "multilabel" and k == 2 else range(k)
    pairs = []
    for c in of_classes:
        positive = gold[:, c] if task == "multilabel" else (gold == c).astype(np.int64)
        pairs.append(binary_ranking(positive, probability[:, c], weights))
    return {name: _mean_of_defined(np.stack([pair[i] for pair in pairs])) for i, name in enumerate(RANKING_METRICS)}
