"""Classification metrics from counts, for one data set or for a thousand resamples of it at once.

Accuracy, F1 in every averaging and MCC depend on a prediction only through sums over rows: per label the
number of true positives, of gold and of predicted rows. `row_features` lays these out as columns, so that
the sums under many row weights (the resamples of a bootstrap, the swaps of a permutation test) are one
matrix product; `label_counts` names them, and every function below works on the last axis and keeps the
leading ones.

0 / 0 is 0 throughout, as in scikit-learn's ``zero_division=0``; labels absent from gold and prediction keep
their place in a macro average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mhclf.evaluation.ordinal import ordinal_metrics
from mhclf.evaluation.validation import FloatArray, IntArray


@dataclass(frozen=True)
class LabelCounts:
    """Sums over (weighted) rows; leading axes, if any, are resamples.

    Attributes
    ----------
    true_positive, gold, predicted : arrays (..., k), rows per label
    total : array (...), all rows
    exact : array (...), rows whose prediction is right in full
    row_f1 : array (...), sum over rows of the F1 within the row (for `samples_f1`; multiclass: equals
        `exact`)
    confusion : array (..., k, k), gold by predicted; only for ordinal tasks, whose metrics need it
    """

    true_positive: FloatArray
    gold: FloatArray
    predicted: FloatArray
    total: FloatArray
    exact: FloatArray
    row_f1: FloatArray
    confusion: FloatArray | None = None


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Elementwise quotient, 0 where the denominator is 0."""
    result: FloatArray = np.divide(
        numerator,
        denominator,
        out=np.zeros(np.broadcast(numerator, denominator).shape),
        where=denominator != 0,
    )
    return result


def row_features(task: str, gold: IntArray, prediction: IntArray, n_labels: int) -> FloatArray:
    """Lay out what each row adds to the counts.

    Parameters
    ----------
    task : `ordinal` adds the confusion matrix
    gold, prediction : (n,) class indices (a prediction of -1 names no label), or (n, k) of 0 / 1
    n_labels : k

    Returns
    -------
    array (n, 3 k + 3): true positive, gold and predicted per label; 1; row right in full; F1 within the row;
    for ordinal tasks followed by k k columns, one a pair of gold and predicted level
    """
    if gold.ndim == 1:
        classes = np.arange(n_labels)
        gold, prediction = gold[:, None] == classes, prediction[:, None] == classes
    g, p = gold.astype(np.float64), prediction.astype(np.float64)
    both = g * p
    exact = (g == p).all(axis=1).astype(np.float64)
    row_f1 = ratio(2 * both.sum(axis=1), g.sum(axis=1) + p.sum(axis=1))
    columns = [both, g, p, np.ones(len(g)), exact, row_f1]
    if task == "ordinal":
        columns.append((g[:, :, None] * p[:, None, :]).reshape(len(g), -1))
    return np.column_stack(columns)


def counts_from_sums(sums: FloatArray, n_labels: int) -> LabelCounts:
    """Name the columns of (weighted) sums of `row_features`, shape (..., 3 k + 3) or (..., 3 k + 3 + k k)."""
    k = n_labels
    confusion = sums[..., 3 * k + 3 :]
    return LabelCounts(
        true_positive=sums[..., :k],
        gold=sums[..., k : 2 * k],
        predicted=sums[..., 2 * k : 3 * k],
        total=sums[..., 3 * k],
        exact=sums[..., 3 * k + 1],
        row_f1=sums[..., 3 * k + 2],
        confusion=confusion.reshape(*confusion.shape[:-1], k, k) if confusion.shape[-1] else None,
    )


def label_counts(
    task: str, gold: IntArray, prediction: IntArray, n_labels: int, weights: FloatArray | IntArray | None = None
) -> LabelCounts:
    """Count checked arrays, under row weights (n,) or (resamples, n) where given."""
    features = row_features(task, gold, prediction, n_labels)
    sums = features.sum(axis=0) if weights is None else weights.astype(np.float64) @ features
    return counts_from_sums(sums, n_labels)


def accuracy(counts: LabelCounts) -> FloatArray:
    """Share of rows right in full, in [0, 1]; for multilabel this is the subset accuracy (exact match)."""
    return ratio(counts.exact, counts.total)


def hamming_accuracy(counts: LabelCounts) -> FloatArray:
    """Share of right (row, label) decisions, in [0, 1]: 1 - Hamming loss."""
    k = counts.gold.shape[-1]
    wrong = (counts.gold + counts.predicted - 2 * counts.true_positive).sum(axis=-1)
    return 1 - ratio(wrong, counts.total * k)


def precision(counts: LabelCounts) -> FloatArray:
    """Per label, (..., k): true positives / predicted; 0 for a label never predicted."""
    return ratio(counts.true_positive, counts.predicted)


def recall(counts: LabelCounts) -> FloatArray:
    """Per label, (..., k): true positives / gold; 0 for a label without gold rows."""
    return ratio(counts.true_positive, counts.gold)


def f1(counts: LabelCounts) -> FloatArray:
    """Per label, (..., k): 2 TP / (gold + predicted); 0 for a label in neither."""
    return ratio(2 * counts.true_positive, counts.gold + counts.predicted)


def balanced_accuracy(counts: LabelCounts) -> FloatArray:
    """Mean recall over the labels that have gold rows (macro recall counts the others as 0)."""
    return ratio(recall(counts).sum(axis=-1), (counts.gold > 0).sum(axis=-1).astype(np.float64))


def macro_f1(counts: LabelCounts) -> FloatArray:
    """Unweighted mean of F1 over the fixed label list."""
    return np.asarray(f1(counts).mean(axis=-1))


def weighted_f1(counts: LabelCounts) -> FloatArray:
    """Mean of F1 over labels, weighted by their gold rows: sum_k (n_k / sum n) F1_k; 0 without any gold."""
    return ratio((counts.gold * f1(counts)).sum(axis=-1), counts.gold.sum(axis=-1))


def micro_f1(counts: LabelCounts) -> FloatArray:
    """F1 of the pooled decisions: 2 sum TP / sum (gold + predicted); multiclass: accuracy."""
    return ratio(2 * counts.true_positive.sum(axis=-1), (counts.gold + counts.predicted).sum(axis=-1))


def samples_f1(counts: LabelCounts) -> FloatArray:
    """Mean over rows of the F1 within the row (multilabel); a row without any label on both sides gives 0."""
    return ratio(counts.row_f1, counts.total)


def mcc(counts: LabelCounts) -> FloatArray:
    """Multiclass Matthews correlation R_K (Gorodkin 2004), in [-1, 1]; 0 when gold or prediction is constant.

    ``(c s - sum_k p_k t_k) / sqrt((s^2 - sum_k p_k^2) (s^2 - sum_k t_k^2))`` with c right, s all, p_k
    predicted and t_k gold rows of label k. Rows without an answer count as one more predicted class.
    """
    s, t, p = counts.total, counts.gold, counts.predicted
    unanswered = s - p.sum(axis=-1)
    covariance = counts.true_positive.sum(axis=-1) * s - (p * t).sum(axis=-1)
    spread_predicted = s**2 - (p**2).sum(axis=-1) - unanswered**2
    spread_gold = s**2 - (t**2).sum(axis=-1)
    return ratio(covariance, np.sqrt(np.maximum(spread_predicted, 0) * np.maximum(spread_gold, 0)))


def mcc_per_label(counts: LabelCounts) -> FloatArray:
    """Matthews correlation of each label against the rest, (..., k), in [-1, 1]; 0 when a margin is empty."""
    s, t, p = counts.total[..., None], counts.gold, counts.predicted
    covariance = counts.true_positive * s - t * p
    return ratio(covariance, np.sqrt(t * p * (s - t) * (s - p)))


def count_metrics(task: str, counts: LabelCounts, labels: Sequence[str]) -> dict[str, FloatArray]:
    """All metrics that counts determine, by name, each of the counts' leading shape."""
    per_label = {"f1": f1(counts), "precision": precision(counts), "recall": recall(counts)}
    values: dict[str, FloatArray]
    if task == "multilabel":
        per_label["mcc"] = mcc_per_label(counts)
        values = {
            "subset_accuracy": accuracy(counts),
            "hamming_accuracy": hamming_accuracy(counts),
            "macro_f1": macro_f1(counts),
            "weighted_f1": weighted_f1(counts),
            "micro_f1": micro_f1(counts),
            "samples_f1": samples_f1(counts),
            "mcc": np.asarray(per_label["mcc"].mean(axis=-1)),
        }
    else:
        values = {
            "accuracy": accuracy(counts),
            "balanced_accuracy": balanced_accuracy(counts),
            "macro_f1": macro_f1(counts),
            "weighted_f1": weighted_f1(counts),
            "micro_f1": micro_f1(counts),
            "macro_precision": np.asarray(per_label["precision"].mean(axis=-1)),
            "macro_recall": np.asarray(per_label["recall"].mean(axis=-1)),
            "mcc": mcc(counts),
        }
        if counts.confusion is not None:
            values |= ordinal_metrics(counts.confusion, counts.gold)
        if len(labels) == 2:
            values["positive_f1"] = per_label["f1"][..., 1]
    for metric, by_label in per_label.items():
        values.update({f"{metric}/{label}": by_label[..., i] for i, label in enumerate(labels)})
    return values
