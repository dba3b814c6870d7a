"""Faithfulness: what the model says when the words that an attribution calls important are taken out or left alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import kendalltau

from explain.coalitions import coalition_draws
from explain.model import ExplainedModel, Removal, Target, TokenRow, without_words
from explain.reading import ReadPost
from mhclf.data.table import join_contexts

Floats = npt.NDArray[np.float64]

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares of words that are taken out or left (DeYoung et al. 2020, ERASER)."""

CURVE = tuple(step / 10 for step in range(11))

METRICS = {
    "comprehensiveness": True,
    "sufficiency": False,
    "comprehensiveness_deletion": True,
    "sufficiency_deletion": False,
    "flip_rate": True,
    "leave_one_out_tau": True,
    "infidelity": False,
    "deletion_auc": False,
    "insertion_auc": True,
}
"""Metric -> is more better."""


@dataclass(frozen=True)
class Faithfulness:
    """How one attribution of one post holds against the model.

    Attributes
    ----------
    values : dict of float
        `METRICS`; the first four are means over `SHARES` (AOPC).
    comprehensiveness, sufficiency : tuple of float
        At each of `SHARES`, by mask.
    deletion_curve, insertion_curve : tuple of float
        Probability of the label with 0, 10, ... 100 % of the words masked, or with only these left.
    """

    values: dict[str, float]
    comprehensiveness: tuple[float, ...]
    sufficiency: tuple[float, ...]
    deletion_curve: tuple[float, ...]
    insertion_curve: tuple[float, ...]


def orders(scores: npt.ArrayLike, seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the words that are read, from the one that speaks most for the target to the one most against it."""
    values = np.asarray(scores, dtype=np.float64)
    read = np.flatnonzero(seen)
    return read[np.argsort(-values[read], kind="stable")]


def taken(order: npt.NDArray[np.int64], share: float) -> int:
    """Return how many words a share of them is: at least one where the share is above 0."""
    return min(len(order), math.ceil(share * len(order) - 1e-9))


def variants(
    order: npt.NDArray[np.int64], words: int, shares: Sequence[float], *, without: bool
) -> npt.NDArray[np.bool_]:
    """Return which words stay, shape (shares, words): all but the top share, or of those that are read only the top."""
    kept = np.ones((len(shares), words), dtype=np.bool_)
    for row, share in enumerate(shares):
        count = taken(order, share)
        kept[row, order[:count] if without else order[count:]] = False
    return kept


def label_probabilities(
    model: ExplainedModel, post: ReadPost, kept: npt.NDArray[np.bool_], removal: Removal
) -> npt.NDArray[np.float64]:
    """Return the probabilities of all labels for variants of a post, shape (variants, labels)."""
    if model.run.linear is not None:
        texts = [without_words(post, row) for row in kept]
        return model.run.linear.probabilities(join_contexts(texts, [post.context] * len(texts)))
    rows: list[TokenRow] = [model.row_without(post, row, removal) for row in kept]
    found: npt.NDArray[np.float64] = model.probabilities(model.logits(rows)).double().numpy()
    return found


def faithfulness(
    model: ExplainedModel,
    post: ReadPost,
    target: Target,
    scores: npt.ArrayLike,
    *,
    occlusion: npt.ArrayLike | None = None,
    draws: int = 50,
    seed: int = 0,
) -> Faithfulness:
    r"""Measure an attribution against the model.

    Parameters
    ----------
    model : ExplainedModel
    post : ReadPost
    target : Target
        The explained label.
    scores : array (words,)
    occlusion : array (words,), optional
        Leave-one-word-out scores, for `leave_one_out_tau`; NaN without them.
    draws : int
        Random sets of words for `infidelity`.
    seed : int

    Returns
    -------
    Faithfulness
        With :math:`p` the target's probability: `comprehensiveness` is the mean over `SHARES` of :math:`p(x) - p(x`
        without the top words`)`, `sufficiency` of :math:`p(x) - p(`only them`)`; `_deletion` deletes tokens where the
        plain ones mask them. `flip_rate`: share of `SHARES` at which the decision changes. `leave_one_out_tau`:
        Kendall's tau-b with occlusion. `infidelity` (Yeh et al. 2019), with the least-squares scale: mean over random
        sets of words of the squared difference between the sum of their scores and the change of the logit, relative
        to the mean squared change; 1 is no better than scores of 0. The areas are means over the curves.
    """
    values = np.asarray(scores, dtype=np.float64)
    order = orders(values, post.seen)
    words = len(post.words)
    if not len(order):
        nothing = tuple(0.0 for _ in SHARES)
        whole = float(label_probabilities(model, post, np.ones((1, words), dtype=bool), "mask")[0, target.label])
        still = tuple(whole for _ in CURVE)
        return Faithfulness(dict.fromkeys(METRICS, float("nan")), nothing, nothing, still, still)
    full = np.ones((1, words), dtype=np.bool_)
    without, only = (variants(order, words, SHARES, without=flag) for flag in (True, False))
    falling, rising = (variants(order, words, CURVE, without=flag) for flag in (True, False))
    masked = label_probabilities(model, post, np.concatenate([full, without, only, falling, rising]), "mask")
    deleted = label_probabilities(model, post, np.concatenate([without, only]), "delete")
    k, n = len(SHARES), len(CURVE)
    p = masked[:, target.label]
    before, parts = p[0], np.split(p[1:], [k, 2 * k, 2 * k + n])
    comprehensive, sufficient = before - parts[0], before - parts[1]
    by_deletion = before - deleted[:, target.label]
    multilabel = model.run.task == "multilabel"
    if multilabel:
        flips = (p[1 : 1 + k] >= 0.5) != (before >= 0.5)
    else:
        flips = masked[1 : 1 + k].argmax(axis=1) != masked[0].argmax()
    tau = float("nan")
    if occlusion is not None and len(order) > 1:
        read = post.seen
        tau = float(kendalltau(values[read], np.asarray(occlusion, dtype=np.float64)[read]).statistic)
    found = {
        "comprehensiveness": float(comprehensive.mean()),
        "sufficiency": float(sufficient.mean()),
        "comprehensiveness_deletion": float(by_deletion[:k].mean()),
        "sufficiency_deletion": float(by_deletion[k:].mean()),
        "flip_rate": float(flips.mean()),
        "leave_one_out_tau": tau,
        "infidelity": infidelity(model, post, target, values, draws, seed),
        "deletion_auc": float(np.mean(parts[2])),
        "insertion_auc": float(np.mean(parts[3])),
    }
    curves = (tuple(map(float, part)) for part in (comprehensive, sufficient, parts[2], parts[3]))
    return Faithfulness(found, *curves)


def infidelity(model: ExplainedModel, post: ReadPost, target: Target, scores: Floats, draws: int, seed: int) -> float:
    """Return how badly scores foretell the change of the quantity when random words are masked; see `faithfulness`."""
    read = np.flatnonzero(post.seen)
    kept = np.ones((draws + 1, len(post.words)), dtype=np.bool_)
    kept[1:, read] = coalition_draws(len(read), draws, seed) > 0.5
    with torch.no_grad():
        quantity = model.masked(post, kept, target, "mask")
    change = quantity[0] - quantity[1:]
    foretold = (~kept[1:]).astype(np.float64) @ scores
    power = float((foretold**2).sum())
    scale = float(foretold @ change) / power if power > 0 else 0.0
    total = float((change**2).mean())
    return float(((scale * foretold - change) ** 2).mean()) / total if total > 0 else float("nan")
