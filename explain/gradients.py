"""Gradient methods, over the word embeddings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explain.attribution import METHODS, WordScores
from explain.model import ExplainedModel, Floats, Target
from explain.reading import ReadPost
from mhclf.errors import MissingDependencyError

INTERVALS = (16, 32, 64, 128, 256)
"""Of the quadrature of integrated gradients: each halves those of the one before."""

TOLERANCE = 0.02
"""Relative completeness gap below which integrated gradients counts as converged."""

_BASELINE_DRAWS = 25


@dataclass(frozen=True)
class EmbeddedBatch:
    """Posts as embeddings.

    Attributes
    ----------
    inputs, baseline : Tensor
        Shape (posts, tokens, hidden); the baseline has padding in place of every token but the special ones and the
        context.
    rest : dict of Tensor
        What else the encoder takes, each (posts, tokens).
    """

    inputs: Tensor
    baseline: Tensor
    rest: dict[str, Tensor]


def embedded(model: ExplainedModel, posts: Sequence[ReadPost]) -> EmbeddedBatch:
    """Return posts as embeddings of one width."""
    batch = model.batch([post.row for post in posts])
    ids = batch.pop("input_ids")
    own = torch.zeros_like(ids, dtype=torch.bool)
    for row, post in enumerate(posts):
        own[row, model.place(len(post.ids), ids.shape[1])] = torch.from_numpy(post.own).to(ids.device)
    padding = int(model.run.parts()[1].pad_token_id or 0)
    embed: Any = model.network.encoder.get_input_embeddings()
    with torch.no_grad():
        return EmbeddedBatch(embed(ids), embed(torch.where(own, padding, ids)), batch)


def quantity_of(
    model: ExplainedModel, rest: Mapping[str, Tensor], targets: Sequence[Target]
) -> Callable[[Tensor], Tensor]:
    """Return a function from the embeddings of posts to the explained quantity of each.

    From embeddings on, not by hooks on the embedding layer: families differ in how they call that layer, and some
    number their positions by where the padding token stands.
    """

    def quantity(embeddings: Tensor) -> Tensor:
        logits = model.network({**rest, "inputs_embeds": embeddings}).logits.float()
        signs = torch.zeros(logits.shape)
        for row, target in enumerate(targets):
            signs[row, target.label] = 1
            if target.against is not None:
                signs[row, target.against] = -1
        explained: Tensor = (logits * signs.to(logits.device)).sum(dim=1)
        return explained

    return quantity


def gradients_at(model: ExplainedModel, batch: EmbeddedBatch, targets: Sequence[Target]) -> Tensor:
    """Return the gradient of the quantity with respect to the embeddings, shape (posts, tokens, hidden), by captum.

    Raises
    ------
    MissingDependencyError
        Without captum.
    """
    try:
        from captum.attr import Saliency
    except ImportError as error:
        raise MissingDependencyError("Gradients need captum: pip install 'mhclf[explain]'") from error
    method = Saliency(quantity_of(model, batch.rest, targets))
    found: Tensor = method.attribute(batch.inputs.clone().requires_grad_(), abs=False)
    return found


def by_batches(
    model: ExplainedModel,
    posts: Sequence[ReadPost],
    targets: Sequence[Target],
    score: Callable[[EmbeddedBatch, Sequence[Target], Sequence[int]], Tensor],
    settings: dict[str, Any],
) -> list[WordScores]:
    """Apply a function that scores tokens of embedded posts, in batches that fit into memory."""
    found: list[WordScores] = [WordScores(np.zeros(0))] * len(posts)
    lengths = [len(post.ids) for post in posts]

    def work(part: Sequence[int]) -> None:
        batch = embedded(model, [posts[number] for number in part])
        scores = score(batch, [targets[number] for number in part], part).detach().float().cpu()
        for place, number in enumerate(part):
            own = scores[place, model.place(lengths[number], scores.shape[1])]
            found[number] = WordScores(posts[number].word_scores(own.tolist()), dict(settings))

    model.network.eval()
    model.in_batches(lengths, work, 0.25)
    return found


@METHODS.register("saliency")
def saliency(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Norm of the gradient at each token (Simonyan et al. 2014); has no sign."""

    def score(batch: EmbeddedBatch, own: Sequence[Target], part: Sequence[int]) -> Tensor:
        norms: Tensor = gradients_at(model, batch, own).norm(dim=-1)
        return norms

    return by_batches(model, posts, targets, score, {"norm": 2})


@METHODS.register("input_x_gradient")
def input_x_gradient(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Embedding times gradient, summed over the width (Shrikumar et al. 2017)."""

    def score(batch: EmbeddedBatch, own: Sequence[Target], part: Sequence[int]) -> Tensor:
        return (batch.inputs * gradients_at(model, batch, own)).sum(dim=-1)

    return by_batches(model, posts, targets, score, {})


@METHODS.register("gradient_shap")
def gradient_shap(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Expected gradients (Erion et al. 2021) between the post and its padding baseline with Gaussian noise.

    The mean over draws of (input - baseline) times the gradient at a random point between them.
    """
    noise = 0.1

    def score(batch: EmbeddedBatch, own: Sequence[Target], part: Sequence[int]) -> Tensor:
        # Drawn by post and length: a post's scores must not depend on its neighbours in the batch.
        width, hidden = batch.inputs.shape[1:]
        generators = [torch.Generator().manual_seed(seed) for _ in part]
        embeddings: Any = model.network.encoder.get_input_embeddings()
        spread = noise * float(embeddings.weight.detach().std())
        total = torch.zeros(batch.inputs.shape[:2], device=batch.inputs.device)
        for _ in range(_BASELINE_DRAWS):
            draws = torch.zeros(batch.inputs.shape)
            for row, number in enumerate(part):
                length = len(posts[number].ids)
                draws[row, model.place(length, width)] = torch.randn(length, hidden, generator=generators[row])
            where = torch.stack([torch.rand(1, 1, generator=item) for item in generators]).to(batch.inputs)
            baseline = batch.baseline + spread * draws.to(batch.inputs) * (batch.inputs != batch.baseline)
            between = EmbeddedBatch(baseline + where * (batch.inputs - baseline), baseline, batch.rest)
            total += ((batch.inputs - baseline) * gradients_at(model, between, own)).sum(dim=-1)
        return total / _BASELINE_DRAWS

    return by_batches(model, posts, targets, score, {"draws": _BASELINE_DRAWS, "noise": noise, "seed": seed})


@METHODS.register("integrated_gradients")
def integrated_gradients(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Integrated gradients (Sundararajan et al. 2017) over the word embeddings.

    Notes
    -----
    Baseline: the same post with every token but the special ones replaced by padding. See `integrate`.
    """
    return integrate(model, posts, targets)


def integrate(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], tolerance: float = TOLERANCE
) -> list[WordScores]:
    """Integrate the gradients from the baseline to each post until the sum of the scores is that of the quantity.

    Parameters
    ----------
    model : ExplainedModel
    posts : sequence of ReadPost
    targets : sequence of Target
        One a post.
    tolerance : float
        Completeness gap that is small enough, relative to the change of the quantity.

    Returns
    -------
    list of WordScores
        In `steps` the gradients that each post took.

    Notes
    -----
    The intervals (Clenshaw and Curtis 1960) double from 16 until the gap is small enough, or 256 are reached. What is
    doubled keeps its gradients, and only posts that have not converged go on; those that never do are marked. For as
    many points the rule is about as exact as that of Gauss and Legendre (Trefethen 2008), whose points all change.
    """
    model.network.eval()
    changes = _changes(model, posts, targets)
    found: list[WordScores] = [WordScores(np.zeros(0))] * len(posts)
    slopes: dict[int, Floats] = {}
    open_posts = list(range(len(posts)))
    for intervals in INTERVALS:
        points, weights = clenshaw_curtis(intervals)
        added = _slopes(model, posts, targets, open_posts, points[1::2] if slopes else points)
        for number in open_posts:
            slopes[number] = _between(slopes[number], added[number]) if number in slopes else added[number]
            scores = weights @ slopes[number]
            moved = changes[number]
            gap = abs(float(scores.sum()) - moved) / max(abs(moved), 1e-6)
            settings = {"steps": len(points), "quadrature": "Clenshaw-Curtis", "baseline": "padding"}
            found[number] = WordScores(posts[number].word_scores(scores.tolist()), settings, gap, gap <= tolerance)
        open_posts = [number for number in open_posts if not found[number].converged]
    return found


def clenshaw_curtis(intervals: int) -> tuple[Floats, Floats]:
    """Return the points and weights of the rule of Clenshaw and Curtis on [0, 1], the last point first.

    Parameters
    ----------
    intervals : int
        Even. Every second point is one of the rule with half as many.

    Returns
    -------
    tuple of array (intervals + 1,)
    """
    angles = np.pi * np.arange(intervals + 1) / intervals
    orders = np.arange(1, intervals // 2 + 1)
    terms = 2 * np.cos(2 * np.outer(angles, orders)) / (1 - 4 * orders**2)
    terms[:, -1] /= 2
    weights = (1 + terms.sum(axis=1)) / intervals
    weights[[0, -1]] /= 2
    return (np.cos(angles) + 1) / 2, weights


def _between(known: Floats, added: Floats) -> Floats:
    """Return rows with a new one between each two."""
    found = np.empty((len(known) + len(added), known.shape[1]))
    found[0::2], found[1::2] = known, added
    return found


def _changes(model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target]) -> Floats:
    """Return by how much the quantity of each post is more than that of its baseline, shape (posts,)."""
    found = np.zeros(len(posts))

    @torch.no_grad()
    def work(part: Sequence[int]) -> None:
        batch = embedded(model, [posts[number] for number in part])
        quantity = quantity_of(model, batch.rest, [targets[number] for number in part])
        found[list(part)] = (quantity(batch.inputs) - quantity(batch.baseline)).double().cpu().numpy()

    model.in_batches([len(post.ids) for post in posts], work)
    return found


def _slopes(
    model: ExplainedModel,
    posts: Sequence[ReadPost],
    targets: Sequence[Target],
    chosen: Sequence[int],
    points: Floats,
) -> dict[int, Floats]:
    """Return the slope of the quantity at points between baseline (0) and post (1), each token's share of it.

    Returns
    -------
    dict of int to array (points, tokens)
        By position of the chosen post.
    """
    found = {number: np.zeros((len(points), len(posts[number].ids))) for number in chosen}
    # Each point of each post is a row of its own: any number of them fits into some memory.
    rows = [(number, place) for number in chosen for place in range(len(points))]
    lengths = [len(posts[number].ids) for number, _ in rows]

    def work(part: Sequence[int]) -> None:
        own = [rows[row] for row in part]
        batch = embedded(model, [posts[number] for number, _ in own])
        change = batch.inputs - batch.baseline
        where = torch.tensor([points[place] for _, place in own]).to(change).view(-1, 1, 1)
        between = EmbeddedBatch(batch.baseline + where * change, batch.baseline, batch.rest)
        gradients = gradients_at(model, between, [targets[number] for number, _ in own])
        shares = (gradients * change).sum(dim=-1).double().cpu().numpy()
        for row, (number, place) in enumerate(own):
            found[number][place] = shares[row, model.place(found[number].shape[1], shares.shape[1])]

    model.in_batches(lengths, work, 0.25)
    return found
