"""Plausibility: attributions of one post against the words that an expert marked. Pure functions on arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from mhclf.data.spans import Span
from mhclf.errors import DataError

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cuts:
    """How many words are chosen where the rationale's own length is not given away; both from validation posts.

    Attributes
    ----------
    share : float
        Mean share of words in a rationale.
    threshold : float
        Score, relative to the post's largest, from which a word is chosen.
    """

    share: float
    threshold: float


def speaking_for(scores: npt.ArrayLike, absolute: bool = False) -> Floats:
    """Return scores as evidence for the target: negative ones 0, or all by their size."""
    values = np.asarray(scores, dtype=np.float64)
    return np.abs(values) if absolute else np.maximum(values, 0.0)


def expected_hits(scores: Floats, gold: Mask, k: int) -> float:
    """Return how many marked words are among the k highest scores; ties at the border count by their share."""
    if k <= 0:
        return 0.0
    if k >= len(scores):
        return float(gold.sum())
    border = np.sort(scores)[-k]
    above, tied = scores > border, scores == border
    places = k - int(above.sum())
    return float(gold[above].sum() + places * gold[tied].mean())


def f1_at(scores: Floats, gold: Mask, k: int) -> float:
    """Return token F1 of the k words with the highest scores; 0 where none is chosen."""
    k = min(k, len(scores))
    return 2 * expected_hits(scores, gold, k) / (k + int(gold.sum())) if k else 0.0


def f1_above(scores: Floats, gold: Mask, threshold: float) -> float:
    """Return token F1 of the words whose score is at least `threshold` times the largest; 0 where none is positive."""
    largest = scores.max(initial=0.0)
    chosen = (scores >= threshold * largest) & (scores > 0)
    return float(2 * (chosen & gold).sum() / (chosen.sum() + gold.sum())) if largest > 0 else 0.0


def runs(mask: Mask) -> list[Span]:
    """Return the runs of neighbouring true entries as (start, end)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def iou_f1(chosen: Mask, gold: Mask, least: float = 0.5) -> float:
    """Return the F1 of spans: a run of chosen words hits where its overlap with a marked run is half of their union.

    DeYoung et al. 2020 (ERASER). 0 where either side has no run.
    """
    ours, theirs = runs(chosen), runs(gold)
    if not ours or not theirs:
        return 0.0

    def shared(a: Span, b: Span) -> float:
        both = max(0, min(a[1], b[1]) - max(a[0], b[0]))
        return both / (a[1] - a[0] + b[1] - b[0] - both)

    hits = [[shared(a, b) >= least for b in theirs] for a in ours]
    precision = sum(any(row) for row in hits) / len(ours)
    recall = sum(any(column) for column in zip(*hits, strict=True)) / len(theirs)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def top_mask(scores: Floats, k: int) -> Mask:
    """Return the k words with the highest scores; of equal ones the earlier."""
    mask = np.zeros(len(scores), dtype=np.bool_)
    mask[np.argsort(-scores, kind="stable")[:k]] = True
    return mask


METRICS = ("auprc", "auroc", "f1_own_length", "f1_share", "f1_threshold", "iou_f1", "precision_at_5", "pointing_game")
"""More is better for all."""


def plausibility(scores: npt.ArrayLike, gold: npt.ArrayLike, cuts: Cuts, absolute: bool = False) -> dict[str, float]:
    """Hold one post's scores against the words that an expert marked.

    Parameters
    ----------
    scores : array (words,)
        Signed; over the words that the model read.
    gold : array of bool (words,)
        At least one marked word.
    cuts : Cuts
    absolute : bool
        Take scores by their size; otherwise words that speak against the target count as 0.

    Returns
    -------
    dict of float
        `METRICS`, each in [0, 1]: `auprc` (average precision) and `auroc` (NaN where every word is marked); token F1 at
        the rationale's own length, at the share of words and at the threshold that validation gave; `iou_f1` and
        `precision_at_5` (of fewer words where the post has fewer); `pointing_game`, whether the highest word is marked.
        Ties count by their share, except in `iou_f1`, where earlier words go first.

    Raises
    ------
    DataError
        On unequal lengths, or where nothing is marked.
    """
    values, marked = speaking_for(scores, absolute), np.asarray(gold, dtype=np.bool_)
    if values.shape != marked.shape or values.ndim != 1:
        raise DataError(f"scores and gold must have one shape (words,), got {values.shape} and {marked.shape}")
    if not marked.any():
        raise DataError("gold marks no word: leave the post out")
    size, own = len(values), int(marked.sum())
    return {
        # Its sum of steps can end a rounding error above 1.
        "auprc": min(1.0, float(average_precision_score(marked, values))),
        "auroc": float(roc_auc_score(marked, values)) if own < size else float("nan"),
        "f1_own_length": f1_at(values, marked, own),
        "f1_share": f1_at(values, marked, max(1, round(cuts.share * size))),
        "f1_threshold": f1_above(values, marked, cuts.threshold),
        "iou_f1": iou_f1(top_mask(values, own), marked),
        "precision_at_5": expected_hits(values, marked, 5) / min(5, size),
        "pointing_game": expected_hits(values, marked, 1),
    }


def fit_cuts(scores: Sequence[npt.ArrayLike], golds: Sequence[npt.ArrayLike], absolute: bool = False) -> Cuts:
    """Fit the number of chosen words on validation posts.

    Parameters
    ----------
    scores, golds : sequences of arrays (words,)
        One pair a post that has marked words. Without any, a quarter of the words and half of the largest score.

    Returns
    -------
    Cuts
        The mean share of marked words, and of the thresholds .05, .1, ... .95 the one with the highest mean token F1
        (the lowest of equals).
    """
    pairs = [
        (speaking_for(score, absolute), np.asarray(gold, dtype=np.bool_))
        for score, gold in zip(scores, golds, strict=True)
    ]
    if not pairs:
        return Cuts(0.25, 0.5)
    grid = np.arange(1, 20) / 20
    means = [np.mean([f1_above(values, marked, float(cut)) for values, marked in pairs]) for cut in grid]
    return Cuts(float(np.mean([marked.mean() for _, marked in pairs])), float(grid[int(np.argmax(means))]))
