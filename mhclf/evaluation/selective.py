"""Selective prediction: what is gained by leaving the least certain posts unanswered.

A confidence score decides the order; posts of equal score enter together, because no threshold parts them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma

from mhclf.errors import DataError
from mhclf.evaluation.validation import FloatArray, IntArray, numbers_without_nan

SELECTIVE_METRICS = ("aurc", "e_aurc")


@dataclass(frozen=True)
class RiskCoverage:
    """The risk-coverage curve at every distinct threshold, from the smallest coverage up.

    Attributes
    ----------
    coverage : array (t,), share of the posts that are answered, in (0, 1], the last one 1
    risk : array (t,), mean loss among them
    threshold : array (t,), the confidence from which on posts are answered, falling
    """

    coverage: FloatArray
    risk: FloatArray
    threshold: FloatArray

    @property
    def aurc(self) -> float:
        """Area under the curve as a step function; without ties the mean risk over 1, 2, ... n answered posts."""
        return float((np.diff(self.coverage, prepend=0.0) * self.risk).sum())

    def at(self, coverage: float) -> int:
        """Return the place of the smallest coverage that is at least `coverage`."""
        return int(np.searchsorted(self.coverage, coverage - 1e-9))


def risk_coverage(confidence: ArrayLike, loss: ArrayLike) -> RiskCoverage:
    """Return the risk-coverage curve of any confidence score (El-Yaniv & Wiener 2010).

    Parameters
    ----------
    confidence : array (n,), higher means surer; equal scores enter together
    loss : array (n,), such as 1 where the prediction is wrong, not negative

    Raises
    ------
    DataError
        No row, NaN, other shapes, a negative loss.
    """
    sure, lost = numbers_without_nan(confidence, "confidence"), numbers_without_nan(loss, "loss")
    if sure.ndim != 1 or sure.shape != lost.shape or not len(sure):
        raise DataError(f"confidence and loss must be two lists of the same posts, got {sure.shape} and {lost.shape}")
    if (lost < 0).any():
        raise DataError(f"loss must not be negative; row {int(np.argmax(lost < 0))} has {lost.min():g}")
    order = np.argsort(-sure, kind="stable")
    last = np.flatnonzero(np.append(np.diff(sure[order]) < 0, True))
    kept = last + 1
    return RiskCoverage(kept / len(sure), np.cumsum(lost[order])[last] / kept, sure[order][last])


def aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the risk-coverage curve of the error (Geifman, Uziel & El-Yaniv 2019), in [0, 1]; less is better."""
    return risk_coverage(confidence, 1 - numbers_without_nan(correct, "correct")).aurc


def excess_aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """AURC less that of the best possible order (all right answers first); 0 for a perfect score, less is better."""
    right = numbers_without_nan(correct, "correct")
    best = _best_area(np.array([float(len(right))]), np.array([len(right) - right.sum()]))
    return max(0.0, aurc(confidence, correct) - float(best[0]))


def probability_confidence(task: str, probability: FloatArray) -> FloatArray:
    """Confidence of each row, (n,): the greatest probability; multilabel: that of its least certain decision."""
    if task == "multilabel":
        return np.asarray(np.maximum(probability, 1 - probability).min(axis=1))
    return np.asarray(probability.max(axis=1))


def selective_metrics(
    confidence: FloatArray, correct: FloatArray, weights: FloatArray | IntArray | None = None
) -> dict[str, FloatArray]:
    """`aurc` and `e_aurc` of checked arrays (n,), each (resamples,), under whole-number row weights (resamples, n)."""
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    rows = np.ones((len(confidence), 1)) if weights is None else weights.T[order].astype(np.float64, copy=False)
    every = np.add.reduceat(rows, starts, axis=0)
    wrong = np.add.reduceat(rows * (1 - correct[order])[:, None], starts, axis=0)
    answered, lost = every.cumsum(axis=0), wrong.cumsum(axis=0)
    risk = np.divide(lost, answered, out=np.zeros_like(lost), where=answered > 0)
    area = (every * risk).sum(axis=0) / answered[-1]
    return {"aurc": area, "e_aurc": np.maximum(0.0, area - _best_area(answered[-1], lost[-1]))}


def _best_area(n: FloatArray, wrong: FloatArray) -> FloatArray:
    """Mean over k = 1 ... n of ``max(0, k - (n - e)) / k`` for e errors: ``(e - (n - e) (H_n - H_(n - e))) / n``."""
    right = n - wrong
    harmonic = digamma(n + 1) - digamma(right + 1)
    return np.asarray((wrong - right * harmonic) / n)
