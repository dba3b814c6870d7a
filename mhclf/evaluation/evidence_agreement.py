"""Agreement of what a text cites with what an expert marked, and with what a classifier looked at. Arrays of words."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score

from mhclf.errors import DataError
from mhclf.evaluation.validation import FloatArray, numbers_without_nan

Mask = NDArray[np.bool_]
MASK_METRICS = ("token_precision", "token_recall", "token_f1", "token_iou")
SCORE_METRICS = ("cited_auprc", "cited_share", "cited_mass")


def mask_agreement(cited: Sequence[ArrayLike], marked: Sequence[ArrayLike]) -> dict[str, FloatArray]:
    """Hold the cited words of each post against the marked ones.

    Parameters
    ----------
    cited, marked : sequences of bool arrays (words,), one pair a post
        Whether each word of the post is cited by the explanation, and marked by an expert (or chosen by another
        explanation).

    Returns
    -------
    dict: name of `MASK_METRICS` -> array (posts,) in [0, 1]
        Precision is NaN (0/0) where nothing is cited, recall where nothing is marked. F1
        ``2 shared / (cited + marked)`` and IoU ``shared / (cited or marked)`` are 0 where one side is empty and NaN
        where both are: leave out posts without marks, but keep those without citations, or an explanation gains by
        citing nothing.

    Raises
    ------
    DataError
        If the numbers of posts or words differ, or an array holds anything but true and false; names the post.
    """
    pairs = [
        (_mask(ours, "cited", row), _mask(theirs, "marked", row))
        for row, ours, theirs in _posts(cited, marked, "marked")
    ]
    for row, (ours, theirs) in enumerate(pairs):
        if len(ours) != len(theirs):
            raise DataError(f"post {row}: cited has {len(ours)} words, marked {len(theirs)}")
    shared = np.array([(ours & theirs).sum() for ours, theirs in pairs], dtype=np.float64)
    n_cited = np.array([ours.sum() for ours, _ in pairs], dtype=np.float64)
    n_marked = np.array([theirs.sum() for _, theirs in pairs], dtype=np.float64)
    return {
        "token_precision": _share(shared, n_cited),
        "token_recall": _share(shared, n_marked),
        "token_f1": _share(2 * shared, n_cited + n_marked),
        "token_iou": _share(shared, n_cited + n_marked - shared),
    }


def attribution_agreement(
    cited: Sequence[ArrayLike], scores: Sequence[ArrayLike], absolute: bool = False
) -> dict[str, FloatArray]:
    """Hold the cited words of each post against a classifier's attributions.

    Parameters
    ----------
    cited : sequence of bool arrays (words,)
    scores : sequence of arrays (words,)
        Signed attributions of the same words to the predicted label.
    absolute : bool
        Take scores by their size; else words that speak against the label count as 0.

    Returns
    -------
    dict: name of `SCORE_METRICS` -> array (posts,) in [0, 1]
        `cited_auprc`: average precision of the scores as a ranking of cited before other words; NaN where nothing is
        cited. `cited_share`: the share of words that is cited, which is what scores by chance reach. `cited_mass`: the
        share of the sum of scores that lies on cited words; NaN (0/0) where all scores are 0.

    Raises
    ------
    DataError
        As in `mask_agreement`; also on NaN scores.
    """
    values: dict[str, list[float]] = {name: [] for name in SCORE_METRICS}
    for row, ours, theirs in _posts(cited, scores, "scores"):
        mask, given = _mask(ours, "cited", row), numbers_without_nan(theirs, f"scores of post {row}")
        if mask.shape != given.shape:
            raise DataError(f"post {row}: cited has {len(mask)} words, scores {given.shape}")
        strength = np.abs(given) if absolute else np.maximum(given, 0.0)
        total = strength.sum()
        values["cited_auprc"].append(float(average_precision_score(mask, strength)) if mask.any() else float("nan"))
        values["cited_share"].append(float(mask.mean()) if len(mask) else float("nan"))
        values["cited_mass"].append(float(strength[mask].sum() / total) if total > 0 else float("nan"))
    return {name: np.array(found) for name, found in values.items()}


def _posts(
    first: Sequence[ArrayLike], second: Sequence[ArrayLike], name: str
) -> "list[tuple[int, ArrayLike, ArrayLike]]":
    if len(first) != len(second):
        raise DataError(f"cited has {len(first)} posts, {name} {len(second)}")
    if len(first) == 0:
        raise DataError("cited is empty: there is nothing to score")
    return [(row, one, other) for row, (one, other) in enumerate(zip(first, second, strict=True))]


def _mask(values: ArrayLike, name: str, row: int) -> Mask:
    mask = np.asarray(values)
    if mask.ndim != 1 or (mask.dtype != np.bool_ and not np.isin(mask, (0, 1)).all()):
        raise DataError(f"{name} of post {row} must be true or false for each word, shape (words,)")
    return mask.astype(np.bool_)


def _share(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))
