"""Scores of one set of predictions, always on the data set's label list, never on that of the gold.

Rules that hold for every metric here: 0 / 0 is 0 for F1, precision and recall; MCC with a constant gold or
prediction is 0; AUROC and AUPRC of a label without both classes are undefined and left out of the mean (NaN
if none remains).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from mhclf.evaluation.counts import count_metrics, label_counts
from mhclf.evaluation.ordinal import ORDINAL_METRICS
from mhclf.evaluation.probability import PROBABILITY_METRICS, probability_metrics
from mhclf.evaluation.risk import RISK_METRICS, RiskLabels, risk_metrics, risk_names
from mhclf.evaluation.validation import IntArray, check_classes, check_labels, check_probability, choose

HIGHER_IS_BETTER: Mapping[str, bool] = MappingProxyType(
    {
        "accuracy": True,
        "balanced_accuracy": True,
        "macro_f1": True,
        "weighted_f1": True,
        "micro_f1": True,
        "samples_f1": True,
        "positive_f1": True,
        "macro_precision": True,
        "macro_recall": True,
        "mcc": True,
        "auroc": True,
        "auprc": True,
        "subset_accuracy": True,
        "hamming_accuracy": True,
        **ORDINAL_METRICS,
        **RISK_METRICS,
        "ece": False,
        "ece_equal_mass": False,
        "brier": False,
        "nll": False,
        "aurc": False,
        "e_aurc": False,
        "f1": True,
        "precision": True,
        "recall": True,
        "false_negative_rate": False,
    }
)
"""Metric name -> is more better. The last ones, and `mcc`, are also given per label: ``f1/<label>``."""

TEMPERATURE_SCALED, TUNED_THRESHOLDS = "_temperature_scaled", "_tuned_thresholds"
"""Endings of a metric after temperature scaling, and with thresholds tuned on validation."""

BY_RESERVATION = "_by_reservation"
"""Ending of a metric of selective prediction where the learnt reservation orders the posts."""

_PER_LABEL = ("f1", "precision", "recall", "mcc", "false_negative_rate")


UNPARSED = "unparsed"
"""Share of answers that were not read: it stands beside scores, and is none that `scores` gives."""


def higher_is_better(metric: str) -> bool:
    """Whether more is better; ``f1/<label>`` and the like count as `f1`, an ending (`..._tuned_thresholds`) as nothing.

    An unknown name is a `DataError`.
    """
    base, slash, _ = metric.partition("/")
    name = base if slash and base in _PER_LABEL else metric
    name = name.removesuffix(TEMPERATURE_SCALED).removesuffix(TUNED_THRESHOLDS).removesuffix(BY_RESERVATION)
    if name == UNPARSED:
        return False
    return HIGHER_IS_BETTER[choose(name, tuple(HIGHER_IS_BETTER), "metric")]


def metric_names(
    task: str, labels: Sequence[str], with_probability: bool = True, risk: RiskLabels | None = None
) -> tuple[str, ...]:
    """Names of all metrics that `scores` gives for this task and label list, in its order."""
    names = check_labels(task, labels)
    shape = (1, len(names)) if task == "multilabel" else (1,)
    one_row = np.zeros(shape, dtype=np.int64)
    counted = list(count_metrics(task, label_counts(task, one_row, one_row, len(names)), names))
    first = next(i for i, name in enumerate(counted) if "/" in name)
    counted[first:first] = [*(risk_names(risk) if risk else ()), *(PROBABILITY_METRICS if with_probability else ())]
    return (*counted, *(f"false_negative_rate/{label}" for label in names)) if risk else tuple(counted)


def scores(
    task: str,
    gold: ArrayLike,
    prediction: ArrayLike,
    probability: ArrayLike | None,
    labels: Sequence[str],
    *,
    risk: RiskLabels | None = None,
    no_answer: bool = False,
) -> dict[str, float]:
    """Score predictions with every metric of the task.

    Parameters
    ----------
    task : {"multiclass", "ordinal", "multilabel"}
    gold, prediction : arrays (n,) of indices into `labels`; for multilabel (n, k) of 0 / 1
    probability : array (n, k) in [0, 1], columns in the order of `labels`; None leaves out the metrics that need
        probabilities
    labels : the k names of the data set, whether or not they occur in the gold
    risk : from `risk_labels`; adds the metrics of `risk_metrics`
    no_answer : accept -1 (`NO_ANSWER`) in multiclass predictions: a row that is wrong for every label.
        `micro_f1` then differs from `accuracy`, because an unanswered row has no false positive

    Returns
    -------
    dict of float
        multiclass and ordinal: `accuracy, balanced_accuracy` (mean recall over the labels that occur in the
        gold), `macro_f1, weighted_f1, micro_f1, macro_precision, macro_recall, mcc` (R_K, Gorodkin 2004),
        `positive_f1` (two labels: F1 of the second), `auroc, auprc` (two labels: of the second; more:
        one-vs-rest, macro). Ordinal also: `qwk, kendall_tau_b, off_by_one, mae` (in levels; less is better).
        multilabel: `subset_accuracy, hamming_accuracy, macro_f1, weighted_f1, micro_f1, samples_f1, mcc`
        (mean over labels), `auroc, auprc` (macro), ``mcc/<label>``.
        Both: ``f1/<label>, precision/<label>, recall/<label>``. All in [0, 1], MCC in [-1, 1]. With probabilities
        also, less being better, `ece, ece_equal_mass, brier, nll` (module `calibration`) and `aurc, e_aurc` of the
        greatest probability (module `selective`).

    Raises
    ------
    DataError
        Unknown task, unequal lengths, no rows, NaN, an index outside the labels, logits for probabilities.
    """
    names = check_labels(task, labels)
    g = check_classes(task, gold, len(names), "gold")
    p = check_classes(task, prediction, len(names), "prediction", len(g), no_answer)
    values = count_metrics(task, label_counts(task, g, p, len(names)), names)
    if risk is not None:
        values.update({name: np.asarray(v) for name, v in risk_metrics(task, g, p, risk, no_answer=no_answer).items()})
    if probability is not None:
        values.update(probability_metrics(task, g, p, check_probability(probability, len(g), len(names))))
    ordered = metric_names(task, names, probability is not None, risk)
    return {name: float(values[name].item()) for name in ordered}


def support(task: str, gold: ArrayLike, labels: Sequence[str]) -> dict[str, int]:
    """Number of gold rows per label, 0 for a label that does not occur; shapes and errors as in `scores`."""
    names = check_labels(task, labels)
    g = check_classes(task, gold, len(names), "gold")
    per_label = g.sum(axis=0) if task == "multilabel" else np.bincount(g, minlength=len(names))
    return {name: int(count) for name, count in zip(names, per_label, strict=True)}


def confusion_matrix(gold: ArrayLike, prediction: ArrayLike, labels: Sequence[str]) -> IntArray:
    """Confusion matrix (k, k) of a multiclass or ordinal task: gold in rows, predicted in columns."""
    names = check_labels("multiclass", labels)
    k = len(names)
    g = check_classes("multiclass", gold, k, "gold")
    p = check_classes("multiclass", prediction, k, "prediction", len(g))
    return np.bincount(g * k + p, minlength=k * k).reshape(k, k).astype(np.int64)
