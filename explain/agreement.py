"""Agreement of explanations: of two methods, two models or two seeds on the same posts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import kendalltau, spearmanr

from explain.attribution import Attribution
from mhclf.errors import ConfigError, DataError
from mhclf.evaluation.averages import Average, Floats, average

TOP = 5
"""Words of each post whose overlap is counted."""


@dataclass(frozen=True)
class RankCorrelation:
    """Rank correlation of two scores a word of one post; NaN where a side is constant or has fewer than two words.

    Attributes
    ----------
    spearman, kendall : float
        Of the signed scores; Kendall's tau-b.
    spearman_absolute, kendall_absolute : float
        Of their absolute values: whether the same words matter, whatever the sign.
    """

    spearman: float
    kendall: float
    spearman_absolute: float
    kendall_absolute: float


CORRELATIONS = ("spearman", "kendall", "spearman_absolute", "kendall_absolute")


def rank_correlation(a: ArrayLike, b: ArrayLike) -> RankCorrelation:
    """Correlate the ranks of two scores a word, arrays (words,).

    Raises
    ------
    DataError
        If the scores are not of the same words.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise DataError(f"scores must be two lists of the same words, got shapes {x.shape} and {y.shape}.")
    found = []
    for first, second in ((x, y), (np.abs(x), np.abs(y))):
        if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
            found += [float("nan"), float("nan")]
        else:
            found += [float(spearmanr(first, second).statistic), float(kendalltau(first, second).statistic)]
    return RankCorrelation(*found)


def top_overlap(a: ArrayLike, b: ArrayLike, top: int = TOP) -> float:
    """Return the share of the `top` highest words (all, where the post has fewer) that two scores have in common.

    Words of equal score enter in the order of the text. NaN for a post without words.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    count = min(top, len(x))
    if not count:
        return float("nan")
    first, second = (set(np.argsort(-scores, kind="stable")[:count].tolist()) for scores in (x, y))
    return len(first & second) / count


def chance_overlap(words: int, top: int = TOP) -> float:
    """Return the expected `top_overlap` of two random orders: k / words, 1 where the post has no more words."""
    return min(top, words) / words if words else float("nan")


@dataclass(frozen=True)
class Agreement:
    """How far two sets of explanations of the same posts agree.

    Attributes
    ----------
    kendall, kendall_absolute, spearman, spearman_absolute : Average
        Of the posts' rank correlations.
    overlap : Average
        Of the shares of common top words.
    chance : float
        The mean overlap that random orders would have.
    top : int
    n : int
        Posts.
    """

    kendall: Average
    kendall_absolute: Average
    spearman: Average
    spearman_absolute: Average
    overlap: Average
    chance: float
    top: int
    n: int


def agreement(
    a: Sequence[Attribution],
    b: Sequence[Attribution],
    top: int = TOP,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
) -> Agreement:
    """Compare two explanations of each post, over the words that both models read.

    Parameters
    ----------
    a, b : sequence of Attribution
        Of the same posts in the same order.
    top : int
        Words whose overlap is counted.
    groups : array (n,), optional
        For the intervals.
    n_resamples : int

    Notes
    -----
    Words cut off by `max_length` (the last ones of a post) are left out: their zeros would agree.

    Raises
    ------
    ConfigError
        If `top` is below 1.
    DataError
        If the two are not of the same posts, or there is none.
    """
    _check(a, b, top)
    pairs = [_read_scores(first, second) for first, second in zip(a, b, strict=True)]
    found = [rank_correlation(*pair) for pair in pairs]
    means = {name: average([getattr(item, name) for item in found], groups, n_resamples) for name in CORRELATIONS}
    overlap = average([top_overlap(*pair, top) for pair in pairs], groups, n_resamples)
    chances = [chance_overlap(len(first), top) for first, _ in pairs if len(first)]
    return Agreement(
        **means, overlap=overlap, chance=float(np.mean(chances)) if chances else float("nan"), top=top, n=len(a)
    )


@dataclass(frozen=True)
class AgreementMatrix:
    """Agreement of each with each.

    Attributes
    ----------
    names : tuple of str
    pairs : mapping
        (name, other name) -> Agreement, each pair once, in the order of the names.
    """

    names: tuple[str, ...]
    pairs: Mapping[tuple[str, str], Agreement]

    def values(self, measure: str = "kendall") -> Floats:
        """Return the means of a measure of `Agreement` as a symmetric matrix with 1 on its diagonal."""
        matrix = np.eye(len(self.names))
        for (first, second), found in self.pairs.items():
            i, j = self.names.index(first), self.names.index(second)
            matrix[i, j] = matrix[j, i] = getattr(found, measure).mean
        return matrix

    def frame(self) -> pd.DataFrame:
        """Return one row for each pair and measure: mean, interval, posts that have a value."""
        rows = [
            (first, second, measure, item.mean, item.low, item.high, item.n)
            for (first, second), found in self.pairs.items()
            for measure in (*CORRELATIONS, "overlap")
            for item in [getattr(found, measure)]
        ]
        return pd.DataFrame(rows, columns=["first", "second", "measure", "mean", "low", "high", "n"])


def agreement_matrix(
    attributions: Mapping[str, Sequence[Attribution]],
    top: int = TOP,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
) -> AgreementMatrix:
    """Compare several methods, or one method on the models of several seeds, each with each.

    Parameters
    ----------
    attributions : mapping
        Name (method, seed) -> attributions of the same posts.
    top, groups, n_resamples
        See `agreement`.
    """
    names = tuple(attributions)
    pairs = {
        (names[i], names[j]): agreement(attributions[names[i]], attributions[names[j]], top, groups, n_resamples)
        for i in range(len(names))
        for j in range(i + 1, len(names))
    }
    return AgreementMatrix(names, pairs)


def _check(a: Sequence[Attribution], b: Sequence[Attribution], top: int) -> None:
    if top < 1:
        raise ConfigError(f"top: is {top}, expected 1 word or more.")
    if not len(a):
        raise DataError("agreement: there is no post. Give at least one.")
    if len(a) != len(b):
        raise DataError(f"agreement: {len(a)} and {len(b)} explanations. Give those of the same posts.")
    for number, (first, second) in enumerate(zip(a, b, strict=True)):
        if first.text != second.text or first.words != second.words:
            raise DataError(f"agreement: explanations number {number} are of two posts. Give them in the same order.")


def _read_scores(a: Attribution, b: Attribution) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    read = np.ones(len(a.words), dtype=np.bool_)
    for item in (a, b):
        if item.seen:
            read &= np.array(item.seen)
    return np.array(a.scores)[read], np.array(b.scores)[read]
