"""What a classifier misses among the posts of high risk, for label sets that say which labels those are.

The high-risk labels are pooled: a post of high risk counts as found when any high-risk label is predicted, whichever
of them (MHDash, Zhang et al. 2026, arXiv:2602.00353: ``TP_hr / (TP_hr + FN_hr)``). Unlike precision and recall
elsewhere in this library, a rate without posts to speak about is undefined (NaN), never 0: a test set without
high-risk posts says nothing about them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mhclf.errors import DataError
from mhclf.evaluation.validation import FloatArray, IntArray, check_classes, check_labels, choose

RISK_METRICS: Mapping[str, bool] = MappingProxyType(
    {
        "high_risk_recall": True,
        "high_risk_precision": True,
        "high_risk_false_negative_rate": False,
        "severe_miss_rate": False,
    }
)
"""Metric name -> is more better. ``false_negative_rate/<label>`` stands beside them."""

SEVERE_LEVELS = 2
"""A severe miss is predicted at least this many levels too low."""

NO_LABEL = "(none)"


@dataclass(frozen=True)
class RiskLabels:
    """Which labels are high risk, and how severe each label is.

    Attributes
    ----------
    labels : the fixed label list
    high : the labels of high risk
    order : labels from mild to severe, empty where the set has no order; holds every high-risk label
    """

    labels: tuple[str, ...]
    high: tuple[str, ...]
    order: tuple[str, ...]

    @property
    def levels(self) -> IntArray:
        """Level of each label, 0 for the mildest; -1 for a label outside the order."""
        place = {label: level for level, label in enumerate(self.order)}
        return np.array([place.get(label, -1) for label in self.labels], dtype=np.int64)


def risk_labels(task: str, labels: Sequence[str], high: Sequence[str], order: Sequence[str] = ()) -> RiskLabels:
    """Check what a data set says about risk.

    Parameters
    ----------
    task : {"multiclass", "ordinal", "multilabel"}
        An ordinal task without `order` is ordered by its label list.
    labels, high, order : names

    Raises
    ------
    DataError
        No or every label of high risk, an unknown name, a name listed twice, a high-risk label outside the order.
    """
    names = check_labels(task, labels)
    if task == "ordinal" and not order:
        order = names
    for what, chosen in (("high-risk label", high), ("label of the risk order", order)):
        for label in chosen:
            choose(label, names, what)
        if len(set(chosen)) < len(chosen):
            raise DataError(f"risk: a {what} is listed twice: {', '.join(chosen)}")
    if not high or len(high) == len(names):
        raise DataError(f"risk: {len(high)} of {len(names)} labels are of high risk; name some, not all")
    if order and (missing := [label for label in high if label not in order]):
        raise DataError(f"risk: the order lacks the high-risk label(s) {', '.join(missing)}")
    return RiskLabels(names, tuple(high), tuple(order))


def risk_names(risk: RiskLabels) -> tuple[str, ...]:
    """Names of the pooled risk metrics; `severe_miss_rate` only where there is an order."""
    return tuple(name for name in RISK_METRICS if risk.order or name != "severe_miss_rate")


def risk_features(gold: IntArray, prediction: IntArray, risk: RiskLabels) -> FloatArray:
    """Lay out what each row adds to the risk counts, as `counts.row_features` does.

    Parameters
    ----------
    gold, prediction : (n,) class indices (-1: no answer), or (n, k) of 0 / 1

    Returns
    -------
    array (n, 4 + 2 k): high risk in gold, in the prediction, in both; severe miss; gold and missed per label
    """
    k = len(risk.labels)
    if gold.ndim == 1:
        gold, prediction = gold[:, None] == np.arange(k), prediction[:, None] == np.arange(k)
    g, p = gold.astype(np.bool_), prediction.astype(np.bool_)
    high = np.isin(risk.labels, risk.high)
    is_high, found = g[:, high].any(axis=1), p[:, high].any(axis=1)
    gap = _row_levels(g, risk) - _row_levels(p, risk)
    severe = is_high & ~found & (gap >= SEVERE_LEVELS)
    columns = [is_high, found, is_high & found, severe, g, g & ~p]
    return np.column_stack([column.astype(np.float64) for column in columns])


def _row_levels(chosen: NDArray[np.bool_], risk: RiskLabels) -> IntArray:
    """Level of each row, that of its most severe label; -1 (below the mildest) without an ordered label."""
    return np.asarray(np.where(chosen, risk.levels, -1).max(axis=1), dtype=np.int64)


def risk_from_sums(sums: FloatArray, risk: RiskLabels) -> dict[str, FloatArray]:
    """All risk metrics from (weighted) sums (..., 4 + 2 k) of `risk_features`; NaN where nothing is to be counted."""
    k = len(risk.labels)
    is_high, flagged, found, severe = (sums[..., column] for column in range(4))
    recall = _rate(found, is_high)
    values = {
        "high_risk_recall": recall,
        "high_risk_precision": _rate(found, flagged),
        "high_risk_false_negative_rate": 1 - recall,
        "severe_miss_rate": _rate(severe, is_high),
    }
    missed = _rate(sums[..., 4 + k :], sums[..., 4 : 4 + k])
    found_names = risk_names(risk)
    return {name: value for name, value in values.items() if name in found_names} | {
        f"false_negative_rate/{label}": missed[..., column] for column, label in enumerate(risk.labels)
    }


def _rate(part: FloatArray, whole: FloatArray) -> FloatArray:
    result: FloatArray = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return result


def risk_metrics(
    task: str, gold: ArrayLike, prediction: ArrayLike, risk: RiskLabels, *, no_answer: bool = False
) -> dict[str, float]:
    """Score what is missed among the posts of high risk.

    Parameters
    ----------
    task, gold, prediction, no_answer : as in `mhclf.evaluation.scores`
    risk : from `risk_labels`

    Returns
    -------
    dict of float
        `high_risk_recall`, the share of high-risk posts for which any high-risk label is predicted (multilabel: a post
        is of high risk when any of its labels is); `high_risk_precision`, the share of posts with a high-risk
        prediction that are of high risk; `high_risk_false_negative_rate`, 1 - recall; with an order also
        `severe_miss_rate`, the share of high-risk posts that are predicted as not of high risk and two or more levels
        below their gold level. The level of a multilabel post is that of its most severe label; a prediction without
        an ordered label (or without an answer) stands one level below the mildest. ``false_negative_rate/<label>``,
        1 - recall of the label. All in [0, 1]; NaN where there is no such post.

    Raises
    ------
    DataError
        As in `mhclf.evaluation.scores`.
    """
    k = len(risk.labels)
    g = check_classes(task, gold, k, "gold")
    p = check_classes(task, prediction, k, "prediction", len(g), no_answer)
    values = risk_from_sums(risk_features(g, p, risk).sum(axis=0), risk)
    return {name: float(value.item()) for name, value in values.items()}


@dataclass(frozen=True)
class RiskTable:
    """Posts by gold label and by whether a high-risk label was predicted.

    Attributes
    ----------
    names : gold labels from mild to severe, those outside the order after them; multilabel: also `(none)`
    high : whether the label is of high risk
    counts : array (len(names), 2), posts predicted as not of high risk and as of high risk
    """

    names: tuple[str, ...]
    high: tuple[bool, ...]
    counts: IntArray


def risk_table(
    task: str, gold: ArrayLike, prediction: ArrayLike, risk: RiskLabels, *, no_answer: bool = False
) -> RiskTable:
    """Return the risk-stratified confusion table; a multilabel post counts in the row of each of its labels."""
    k = len(risk.labels)
    g = check_classes(task, gold, k, "gold")
    p = check_classes(task, prediction, k, "prediction", len(g), no_answer)
    sums = risk_features(g, p, risk)
    flagged, has_label = sums[:, 1], sums[:, 4 : 4 + k]
    order = [*risk.order, *(label for label in risk.labels if label not in risk.order)]
    columns = [has_label[:, risk.labels.index(label)] for label in order]
    if task == "multilabel":
        order.append(NO_LABEL)
        columns.append((has_label.sum(axis=1) == 0).astype(np.float64))
    counts = np.array([[(column * (1 - flagged)).sum(), (column * flagged).sum()] for column in columns])
    return RiskTable(tuple(order), tuple(label in risk.high for label in order), counts.astype(np.int64))
