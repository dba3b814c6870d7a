"""Confusable pairs of classes: how far apart the representation holds them, beside how often they are confused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import kendalltau

from mhclf.errors import DataError
from mhclf.evaluation.validation import check_classes, check_labels, numbers_without_nan


@dataclass(frozen=True)
class ClassPair:
    """Two classes of one model on one set of posts.

    Attributes
    ----------
    first, second : str
        Labels, in their order.
    margin : float or None
        Distance of the two centroids over the mean spread within the two classes (the mean distance of a post to its
        own centroid); more is better apart. None where a class has fewer than two posts, or both have no spread.
    confusion : float or None
        Share of the posts of both classes that were taken for the other one; None where neither has a post.
    n : int
        Posts of both classes.
    """

    first: str
    second: str
    margin: float | None
    confusion: float | None
    n: int


def class_pairs(
    representations: ArrayLike, gold: ArrayLike, prediction: ArrayLike, labels: Sequence[str]
) -> list[ClassPair]:
    """Return every pair of classes, the most confused first.

    Parameters
    ----------
    representations : array (n, size)
        What the classifier's last layer reads.
    gold, prediction : arrays (n,) of indices into `labels`
    labels : sequence of str

    Raises
    ------
    DataError
        On unequal lengths, NaN, or an index outside the labels.
    """
    names = check_labels("multiclass", labels)
    points = numbers_without_nan(representations, "representations")
    g = check_classes("multiclass", gold, len(names), "gold")
    p = check_classes("multiclass", prediction, len(names), "prediction", len(g))
    if points.ndim != 2 or len(points) != len(g):
        raise DataError(f"representations must have shape (n, size) with n = {len(g)}, got {points.shape}")
    centroids, spreads = {}, {}
    for k in range(len(names)):
        own = points[g == k]
        if len(own) > 1:
            centroids[k] = own.mean(axis=0)
            spreads[k] = float(np.linalg.norm(own - centroids[k], axis=1).mean())
    pairs = []
    for a, b in combinations(range(len(names)), 2):
        n = int(((g == a) | (g == b)).sum())
        wrong = int(((g == a) & (p == b)).sum() + ((g == b) & (p == a)).sum())
        margin = None
        if a in centroids and b in centroids and spreads[a] + spreads[b] > 0:
            distance = float(np.linalg.norm(centroids[a] - centroids[b]))
            margin = distance / ((spreads[a] + spreads[b]) / 2)
        pairs.append(ClassPair(names[a], names[b], margin, wrong / n if n else None, n))
    return sorted(pairs, key=lambda pair: -(pair.confusion if pair.confusion is not None else -1.0))


def pair_agreement(pairs: Sequence[ClassPair]) -> float:
    """Return Kendall's tau-b of margin and confusion, in [-1, 1], over the pairs that have both.

    NaN for fewer than three such pairs, or where all margins or all confusions are alike. No p-value: pairs share
    their classes and so are not independent.
    """
    known = [(pair.margin, pair.confusion) for pair in pairs if pair.margin is not None and pair.confusion is not None]
    if len(known) < 3:
        return float("nan")
    margins, confusions = zip(*known, strict=True)
    return float(kendalltau(margins, confusions).statistic)
