"""Temperature scaling (Guo et al. 2017): one number, fitted on validation, that makes probabilities honest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, softmax

from mhclf.evaluation.calibration import LOWEST, nll_rows
from mhclf.evaluation.validation import FloatArray, check_classes, check_labels, check_probability

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
"""A fit never leaves these: without a single error the best temperature is 0."""

_FLAT = 1e-10  # a change of the likelihood below this is none


@dataclass(frozen=True)
class Temperature:
    """A fitted temperature.

    Attributes
    ----------
    value : above 1 where the model was surer than right
    nll_before, nll_after : negative log-likelihood of the rows it was fitted on, in nats
    n : number of these rows
    at_bound : whether the search ended at a bound, so that the value says little
    """

    value: float
    nll_before: float
    nll_after: float
    n: int
    at_bound: bool


def scale_by_temperature(task: str, probability: ArrayLike, temperature: float) -> FloatArray:
    """Return the probabilities under a temperature T, shape (n, k); the order of the labels of a post stays.

    One label a post: ``softmax(ln p / T)``, the same as scaling the logits. Several: ``sigmoid(logit(p) / T)``.
    Probabilities are kept off 0 (and off 1 for several labels) by `LOWEST`.
    """
    p = np.clip(np.asarray(probability, dtype=np.float64), LOWEST, 1.0)
    if task == "multilabel":
        return np.asarray(expit(logit(np.minimum(p, 1 - LOWEST)) / temperature))
    return np.asarray(softmax(np.log(p) / temperature, axis=1))


def fit_temperature(task: str, gold: ArrayLike, probability: ArrayLike, labels: Sequence[str]) -> Temperature:
    """Fit the temperature that gives validation rows the least negative log-likelihood.

    Bounded one-dimensional search over ln T; the likelihood has one minimum in T. Where T changes nothing (all
    probabilities equal) it is 1.

    Parameters
    ----------
    task, gold, probability, labels : as in `mhclf.evaluation.scores`
        Rows of validation, never of test.

    Raises
    ------
    DataError
        As in `scores`.
    """
    names = check_labels(task, labels)
    g = check_classes(task, gold, len(names), "gold")
    p = check_probability(probability, len(g), len(names))

    def nll(log_temperature: float) -> float:
        return float(nll_rows(task, g, scale_by_temperature(task, p, math.exp(log_temperature))).mean())

    low, high = math.log(LOWEST_TEMPERATURE), math.log(HIGHEST_TEMPERATURE)
    before = nll(0.0)
    found = float(minimize_scalar(nll, bounds=(low, high), method="bounded", options={"xatol": 1e-6}).x)
    if max(abs(nll(end) - before) for end in (low, found, high)) < _FLAT:
        return Temperature(1.0, before, before, len(g), at_bound=False)
    at_bound = min(found - low, high - found) < 1e-3
    return Temperature(math.exp(found), before, nll(found), len(g), at_bound)
