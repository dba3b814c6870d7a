"""Scores of what is left when the least certain posts are not answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mhclf.errors import DataError
from mhclf.evaluation.bootstrap import classification_intervals
from mhclf.evaluation.classification import scores
from mhclf.evaluation.selective import risk_coverage
from mhclf.evaluation.validation import check_classes, check_labels, numbers_without_nan

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)


@dataclass(frozen=True)
class CoverageScores:
    """Scores at one coverage.

    Attributes
    ----------
    wanted, reached : the coverage asked for, and the smallest one not below it that a threshold gives
    threshold : confidence from which on posts are answered
    n : answered posts
    values : metric -> (value, low, high)
    """

    wanted: float
    reached: float
    threshold: float
    n: int
    values: dict[str, tuple[float, float, float]]


def coverage_scores(
    task: str,
    gold: ArrayLike,
    prediction: ArrayLike,
    confidence: ArrayLike,
    labels: Sequence[str],
    groups: ArrayLike | None = None,
    *,
    coverages: Sequence[float] = COVERAGES,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[CoverageScores, ...]:
    """Score the answered posts at several coverages, with bootstrap intervals over their groups.

    The thresholds are those of the full set and stay in every resample; equal scores are answered together, so that
    the coverage reached may be higher than the one asked for.

    Parameters
    ----------
    task, gold, prediction, labels, groups : as in `mhclf.evaluation.classification_intervals`
    confidence : array (n,), higher means surer
    coverages : shares in (0, 1]

    Returns
    -------
    tuple of CoverageScores
        `accuracy` (multilabel: `subset_accuracy`) and `macro_f1` over the fixed label list: a label that is no longer
        answered counts as 0.

    Raises
    ------
    DataError
        As in `scores` and `risk_coverage`; a coverage outside (0, 1].
    """
    names = check_labels(task, labels)
    g = check_classes(task, gold, len(names), "gold")
    p = check_classes(task, prediction, len(names), "prediction", len(g))
    if any(not 0 < coverage <= 1 for coverage in coverages):
        raise DataError(f"coverages must lie above 0 and not above 1, got {', '.join(f'{c:g}' for c in coverages)}")
    wrong = (g != p).any(axis=1) if task == "multilabel" else g != p
    sure = numbers_without_nan(confidence, "confidence")
    curve = risk_coverage(sure, wrong.astype(np.float64))
    metrics = ("subset_accuracy" if task == "multilabel" else "accuracy", "macro_f1")
    owners = None if groups is None else np.asarray(groups)
    found = []
    for coverage in coverages:
        place = curve.at(coverage)
        kept = sure >= curve.threshold[place]
        of_kept = None if owners is None else owners[kept]
        values = scores(task, g[kept], p[kept], None, names)
        ends = classification_intervals(
            task, g[kept], p[kept], None, names, of_kept, metrics, n_resamples=n_resamples, seed=seed
        )
        found.append(
            CoverageScores(
                coverage,
                float(curve.coverage[place]),
                float(curve.threshold[place]),
                int(kept.sum()),
                {name: (values[name], *ends[name]) for name in metrics},
            )
        )
    return tuple(found)
