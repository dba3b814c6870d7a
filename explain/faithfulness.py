"""Faithfulness: what the model says when the words that an attribution calls important are taken out or left alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import kendalltau

from explain.coalitions import coalition_draws
from explain.model import ExplainedModel, Removal, Target, without_words
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

AT_SHARES = {
    f"{name}_at_{round(100 * share)}": METRICS[name]
    for name in ("comprehensiveness", "sufficiency", "comprehensiveness_deletion", "sufficiency_deletion")
    for share in SHARES
}
"""The first four at each share of words, in per cent -> is more better."""

_TOGETHER = 32
"""Posts whose variants are read together: enough to fill passes where posts are short, few enough to hold."""


@dataclass(frozen=True)
class Faithfulness:
    """How one attribution of one post holds against the model.

    Attributes
    ----------
    values : dict of float
        `METRICS`, of which the first four are means over `SHARES` (AOPC), and `AT_SHARES`.
    deletion_curve, insertion_curve : tuple of float
        Probability of the label with 0, 10, ... 100 % of the words masked, or with only these left; empty where they
        were not asked for.
    """

    values: dict[str, float]
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


@dataclass(frozen=True)
class RandomSets:
    """Random sets of words that were masked, and what that changed; the same for every method on a post.

    Attributes
    ----------
    masked : array of bool, shape (draws, words)
    change : array, shape (draws,)
        Fall of the explained quantity.
    """

    masked: npt.NDArray[np.bool_]
    change: Floats


def random_sets(model: ExplainedModel, post: ReadPost, target: Target, draws: int = 50, seed: int = 0) -> RandomSets:
    """Mask random sets of the words that are read and note the change."""
    read = np.flatnonzero(post.seen)
    kept = np.ones((draws + 1, len(post.words)), dtype=np.bool_)
    if len(read):
        kept[1:, read] = coalition_draws(len(read), draws, seed) > 0.5
    with torch.no_grad():
        quantity = model.masked(post, kept, target, "mask")
    return RandomSets(~kept[1:], quantity[0] - quantity[1:])


def infidelity(scores: npt.ArrayLike, sets: RandomSets) -> float:
    """Return how badly scores foretell the change when random words are masked (Yeh et al. 2019).

    Mean squared difference between the sum of the masked words' scores, at the least-squares scale, and the change,
    relative to the mean squared change; 1 is no better than scores of 0, NaN where nothing ever changes.
    """
    foretold = sets.masked.astype(np.float64) @ np.asarray(scores, dtype=np.float64)
    power = float((foretold**2).sum())
    scale = float(foretold @ sets.change) / power if power > 0 else 0.0
    total = float((sets.change**2).mean())
    return float(((scale * foretold - sets.change) ** 2).mean()) / total if total > 0 else float("nan")


@dataclass(frozen=True, eq=False)
class Case:
    """An attribution of a post, to be held against the model.

    Attributes
    ----------
    post : ReadPost
    target : Target
        The explained label.
    scores : array (words,)
    occlusion : array (words,), optional
        Leave-one-word-out scores, for `leave_one_out_tau`; NaN without them.
    sets : RandomSets, optional
        For `infidelity`; NaN without them.
    """

    post: ReadPost
    target: Target
    scores: npt.ArrayLike
    occlusion: npt.ArrayLike | None = None
    sets: RandomSets | None = None

    @cached_property
    def order(self) -> npt.NDArray[np.int64]:
        """The words that are read, the most important first."""
        return orders(self.scores, self.post.seen)


def faithfulness(model: ExplainedModel, cases: Sequence[Case], *, curves: bool = False) -> list[Faithfulness]:
    r"""Measure attributions against the model.

    Parameters
    ----------
    model : ExplainedModel
    cases : sequence of Case
        Their variants are read together.
    curves : bool
        Also measure the deletion and insertion curves (22 more variants a post); NaN without them.

    Returns
    -------
    list of Faithfulness
        With :math:`p` the target's probability: `comprehensiveness` is the mean over `SHARES` of :math:`p(x) - p(x`
        without the top words`)`, `sufficiency` of :math:`p(x) - p(`only them`)`; `_deletion` deletes tokens where the
        plain ones mask them. `flip_rate`: share of `SHARES` at which the decision changes. `leave_one_out_tau`:
        Kendall's tau-b with occlusion. `infidelity`: see the function. The areas are means over the curves.
    """
    steps = CURVE if curves else ()
    found = []
    for start in range(0, len(cases), _TOGETHER):
        part = cases[start : start + _TOGETHER]
        probabilities = _probabilities(model, part, steps)
        found += [_measured(model, case, own, steps) for case, own in zip(part, probabilities, strict=True)]
    return found


def _probabilities(model: ExplainedModel, cases: Sequence[Case], steps: Sequence[float]) -> list[Floats]:
    """Return for each case the probabilities of all labels, shape (variants, labels); all variants are read together.

    In order: the whole post, without the top `SHARES` of words and with only them, the two curves at `steps`; then
    without the top shares and with only them, by deletion.
    """
    asked: list[tuple[ReadPost, npt.NDArray[np.bool_], Removal]] = []
    for case in cases:
        words = len(case.post.words)
        tops, lines = (
            [variants(case.order, words, shares, without=flag) for flag in (True, False)] for shares in (SHARES, steps)
        )
        masks = np.concatenate([np.ones((1, words), dtype=np.bool_), *tops, *lines])
        asked += [(case.post, kept, "mask") for kept in masks]
        asked += [(case.post, kept, "delete") for kept in np.concatenate(tops)]
    if model.run.linear is not None:
        texts = [without_words(post, kept) for post, kept, _ in asked]
        contexts = [post.context for post, _, _ in asked]
        found: Floats = model.run.linear.probabilities(join_contexts(texts, contexts))
    else:
        rows = [model.row_without(post, kept, removal) for post, kept, removal in asked]
        found = model.probabilities(model.logits(rows)).double().numpy()
    return np.split(found, len(cases))


def _measured(model: ExplainedModel, case: Case, probabilities: Floats, steps: Sequence[float]) -> Faithfulness:
    """Return the numbers of a case from the probabilities of its masks and deletions."""
    if not len(case.order):
        return Faithfulness(dict.fromkeys((*METRICS, *AT_SHARES), float("nan")), (), ())
    k, n = len(SHARES), len(steps)
    p = probabilities[:, case.target.label]
    before, parts = p[0], np.split(p[1:], [k, 2 * k, 2 * k + n, 2 * k + 2 * n])
    comprehensive, sufficient, by_deletion = before - parts[0], before - parts[1], before - parts[4]
    if model.run.task == "multilabel":
        flips = (parts[0] >= 0.5) != (before >= 0.5)
    else:
        flips = probabilities[1 : 1 + k].argmax(axis=1) != probabilities[0].argmax()
    values = np.asarray(case.scores, dtype=np.float64)
    tau = float("nan")
    read = case.post.seen
    if case.occlusion is not None and read.sum() > 1:
        tau = float(kendalltau(values[read], np.asarray(case.occlusion, dtype=np.float64)[read]).statistic)
    found = {
        "comprehensiveness": float(comprehensive.mean()),
        "sufficiency": float(sufficient.mean()),
        "comprehensiveness_deletion": float(by_deletion[:k].mean()),
        "sufficiency_deletion": float(by_deletion[k:].mean()),
        "flip_rate": float(flips.mean()),
        "leave_one_out_tau": tau,
        "infidelity": infidelity(values, case.sets) if case.sets is not None else float("nan"),
        "deletion_auc": float(parts[2].mean()) if steps else float("nan"),
        "insertion_auc": float(parts[3].mean()) if steps else float("nan"),
    }
    single = np.concatenate([comprehensive, sufficient, by_deletion])
    found |= dict(zip(AT_SHARES, map(float, single), strict=True))
    return Faithfulness(found, *(tuple(map(float, part)) for part in parts[2:4]))
