"""All metrics that need probabilities, for one data set or for many weightings of its rows at once."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from mhclf.evaluation.calibration import CALIBRATION_METRICS, calibration_metrics
from mhclf.evaluation.ranking import RANKING_METRICS, ranking_metrics
from mhclf.evaluation.selective import SELECTIVE_METRICS, probability_confidence, selective_metrics
from mhclf.evaluation.validation import FloatArray, IntArray

PROBABILITY_METRICS = (*RANKING_METRICS, *CALIBRATION_METRICS, *SELECTIVE_METRICS)


def probability_metrics(
    task: str,
    gold: IntArray,
    prediction: IntArray,
    probability: FloatArray,
    weights: FloatArray | IntArray | None = None,
    wanted: Collection[str] = PROBABILITY_METRICS,
) -> dict[str, FloatArray]:
    """The wanted metrics of checked arrays, each (resamples,), under whole-number row weights (resamples, n).

    Only the families of the wanted metrics are computed. `aurc` and `e_aurc` rank the posts by
    `selective.probability_confidence` and count a prediction as right when all of it is.
    """
    values: dict[str, FloatArray] = {}
    if any(name in RANKING_METRICS for name in wanted):
        values |= ranking_metrics(task, gold, probability, weights)
    if any(name in CALIBRATION_METRICS for name in wanted):
        values |= calibration_metrics(task, gold, probability, weights)
    if any(name in SELECTIVE_METRICS for name in wanted):
        right = (gold == prediction).all(axis=1) if task == "multilabel" else gold == prediction
        confidence = probability_confidence(task, probability)
        values |= selective_metrics(confidence, right.astype(np.float64), weights)
    return {name: value for name, value in values.items() if name in wanted}
