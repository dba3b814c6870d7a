"""Gradient methods, over the word embeddings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explain.attribution import METHODS, WordScores
from explain.model import ExplainedModel, Target, out_of_memory
from explain.reading import ReadPost
from mhclf.errors import MissingDependencyError

STEPS = (16, 32, 64, 128, 256)
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


def quantity_of(model: ExplainedModel, targets: Sequence[Target]) -> Callable[..., Tensor]:
    """Return a function from embeddings and the rest of a batch to the explained quantity of each row.

    From embeddings on, not by hooks on the embedding layer: families differ in how they call that layer, and some
    number their positions by where the padding token stands. Rows repeat the posts in order, as captum expands them.
    """
    against = [-1 if target.against is None else target.against for target in targets]
    chosen = torch.tensor([target.label for target in targets])
    others = torch.tensor(against)

    def quantity(embeddings: Tensor, *rest: Tensor, names: Sequence[str]) -> Tensor:
        batch = dict(zip(names, rest[:-1], strict=True))
        posts = rest[-1]
        logits = model.network({**batch, "inputs_embeds": embeddings}).logits.float()
        value = logits.gather(1, chosen.to(logits.device)[posts].unsqueeze(1)).squeeze(1)
        second = others.to(logits.device)[posts]
        taken = logits.gather(1, second.clamp(min=0).unsqueeze(1)).squeeze(1)
        explained: Tensor = value - torch.where(second >= 0, taken, torch.zeros_like(taken))
        return explained

    return quantity


def gradients_at(model: ExplainedModel, batch: EmbeddedBatch, targets: Sequence[Target]) -> Tensor:
    """Return the gradient of the quantity with respect to the embeddings, shape (posts, tokens, hidden)."""
    names, rest = list(batch.rest), list(batch.rest.values())
    inputs = batch.inputs.clone().requires_grad_()
    posts = torch.arange(len(inputs), device=inputs.device)
    with torch.enable_grad():
        values = quantity_of(model, targets)(inputs, *rest, posts, names=names)
        gradient: Tensor = torch.autograd.grad(values.sum(), inputs)[0]
    return gradient


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
    """Integrated gradients (Sundararajan et al. 2017) over the word embeddings, by captum.

    Notes
    -----
    Baseline: the same post with every token but the special ones replaced by padding. Steps (Gauss-Legendre) double
    from 16 until the completeness gap is below 2 % of the change in the quantity, or 256 are reached; only posts that
    have not converged go on, and those that never do are marked.
    """
    model.network.eval()
    found: list[WordScores] = [WordScores(np.zeros(0))] * len(posts)
    open_posts = list(range(len(posts)))
    for steps in STEPS:
        rest = []
        for number, result in _integrate(model, posts, targets, open_posts, steps):
            found[number] = result
            if not result.converged:
                rest.append(number)
        open_posts = rest
        if not open_posts:
            break
    return found


def _integrate(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], chosen: Sequence[int], steps: int
) -> list[tuple[int, WordScores]]:
    """Integrate the posts at the positions `chosen` with a number of steps."""
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise MissingDependencyError("integrated_gradients needs captum: pip install 'mhclf[explain]'") from error
    found: list[tuple[int, WordScores]] = []
    lengths = [len(post.ids) for post in posts]
    room = model.tokens_at_once // 4

    def work(part: Sequence[int]) -> None:
        nonlocal room
        batch = embedded(model, [posts[number] for number in part])
        names, rest = list(batch.rest), list(batch.rest.values())
        own = [targets[number] for number in part]
        quantity = quantity_of(model, own)
        numbers = torch.arange(len(part), device=batch.inputs.device)

        def forward(embeddings: Tensor, *others: Tensor) -> Tensor:
            return quantity(embeddings, *others, names=names)

        with torch.no_grad():
            change = forward(batch.inputs, *rest, numbers) - forward(batch.baseline, *rest, numbers)
        values, room = _in_room(IntegratedGradients(forward), batch, (*rest, numbers), steps, room)
        scores = values.detach().sum(dim=-1).float().cpu()
        for place, number in enumerate(part):
            own_scores = scores[place, model.place(lengths[number], scores.shape[1])]
            moved = float(change[place])
            gap = abs(float(own_scores.sum()) - moved) / max(abs(moved), 1e-6)
            settings = {"steps": steps, "baseline": "padding"}
            result = WordScores(posts[number].word_scores(own_scores.tolist()), settings, gap, gap <= TOLERANCE)
            found.append((number, result))

    model.in_batches(lengths, work, 0.25, chosen, steps)
    return found


def _in_room(
    method: Any, batch: EmbeddedBatch, others: tuple[Tensor, ...], steps: int, room: int
) -> tuple[Tensor, int]:
    """Integrate by a captum method with `room` tokens at once, halved while memory runs out; return what fitted too.

    One step of every post is the least that captum computes at once: fewer posts are for `in_batches`.
    """
    posts, width = batch.inputs.shape[:2]
    while True:
        at_once = max(posts, room // width)
        try:
            values: Tensor = method.attribute(
                batch.inputs,
                batch.baseline,
                additional_forward_args=others,
                n_steps=steps,
                internal_batch_size=at_once,
            )
        except RuntimeError as error:
            if not out_of_memory(error) or at_once == posts:
                raise
            room = at_once // 2 * width
            continue
        return values, room
