"""Metrics of ordered labels, from the confusion matrix of one data set or of a thousand resamples at once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from mhclf.evaluation.validation import FloatArray

ORDINAL_METRICS: Mapping[str, bool] = MappingProxyType(
    {"qwk": True, "kendall_tau_b": True, "off_by_one": True, "mae": False}
)
"""Metric name -> is more better."""


def ordinal_metrics(confusion: FloatArray, gold: FloatArray) -> dict[str, FloatArray]:
    """Score levels by how far they are off.

    Parameters
    ----------
    confusion : array (..., k, k)
        Gold in rows, predicted in columns, both from the lowest level to the highest.
    gold : array (..., k)
        All rows by gold level; what `confusion` lacks of them has no answer and counts as the level that is
        farthest off.

    Returns
    -------
    dict of arrays (...)
        `qwk`, Cohen's kappa with squared weights (1968), in [-1, 1]; `kendall_tau_b` (Kendall 1945), in [-1, 1];
        `off_by_one`, the share of rows at most one level off; `mae`, the mean number of levels off. The first two
        are 0 where gold or prediction is constant.
    """
    k = confusion.shape[-1]
    levels = np.arange(k)
    distance = np.abs(levels[:, None] - levels[None, :]).astype(np.float64)
    farthest = np.where(levels >= k - 1 - levels, 0, k - 1)
    counts = np.array(confusion, dtype=np.float64)
    counts[..., levels, farthest] += gold - confusion.sum(axis=-1)
    total = counts.sum(axis=(-2, -1))
    predicted = counts.sum(axis=-2)
    squared = distance**2
    observed = (counts * squared).sum(axis=(-2, -1))
    expected = _share((gold[..., :, None] * predicted[..., None, :] * squared).sum(axis=(-2, -1)), total)
    constant = ((gold > 0).sum(axis=-1) < 2) | ((predicted > 0).sum(axis=-1) < 2)
    return {
        "qwk": np.where(constant, 0.0, 1 - _share(observed, expected)),
        "kendall_tau_b": np.where(constant, 0.0, _tau_b(counts, gold, predicted, total)),
        "off_by_one": _share((counts * (distance <= 1)).sum(axis=(-2, -1)), total),
        "mae": _share((counts * distance).sum(axis=(-2, -1)), total),
    }


def _tau_b(counts: FloatArray, gold: FloatArray, predicted: FloatArray, total: FloatArray) -> FloatArray:
    """(concordant - discordant) / sqrt((pairs - ties in gold) (pairs - ties in prediction))."""
    # Rows of a higher gold level, summed over predicted levels from the right and from the left.
    above = np.flip(np.cumsum(np.flip(counts, axis=-2), axis=-2), axis=-2) - counts
    right = np.flip(np.cumsum(np.flip(above, axis=-1), axis=-1), axis=-1) - above
    left = np.cumsum(above, axis=-1) - above
    balance = (counts * (right - left)).sum(axis=(-2, -1))
    pairs = total * (total - 1) / 2
    gold_ties = (gold * (gold - 1) / 2).sum(axis=-1)
    predicted_ties = (predicted * (predicted - 1) / 2).sum(axis=-1)
    return _share(balance, np.sqrt(np.maximum(pairs - gold_ties, 0) * np.maximum(pairs - predicted_ties, 0)))


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    result: FloatArray = np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole != 0)
    return result
