"""Gradients with respect to the word embeddings, and the methods that take them at the post."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explain.attribution import METHODS, WordScores
from explain.model import ExplainedModel, Target
from explain.reading import ReadPost
from mhclf.errors import MissingDependencyError

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
