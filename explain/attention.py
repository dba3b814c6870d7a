"""Attention as explanation: what the tokens that are pooled attend to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from explain.attribution import METHODS, Method, WordScores
from explain.model import ExplainedModel, Target, require_attention
from explain.reading import ReadPost
from mhclf.errors import ConfigError, RunError
from mhclf.models.aggregation import Aggregated
from mhclf.models.pooling import pooled_attention

NEEDS_ATTENTION = (
    "attention",
    "attention_rollout",
    "layer_attentive_attention",
    "value_weighted_attention",
    "gradient_attention",
    "layer_relevance",
)
"""Methods that are made for attention: those of this file, and the relevance rules for transformers."""


@dataclass(frozen=True)
class Seen:
    """What one forward pass shows.

    Attributes
    ----------
    attentions : tuple of Tensor
        One a layer, each (batch, heads, tokens, tokens): rows attend to columns.
    mask : Tensor
        Shape (batch, tokens), 1 for tokens.
    logits : Tensor
        Shape (batch, labels).
    aggregated : Aggregated
        The learnt layers.
    """

    attentions: tuple[Tensor, ...]
    mask: Tensor
    logits: Tensor
    aggregated: Aggregated


def look(model: ExplainedModel, batch: dict[str, Tensor]) -> Seen:
    """Run the network with eager attention and keep its weights; gradients flow where they are enabled.

    Raises
    ------
    RunError
        If the run has no attention, or the encoder gives no weights: never an empty tuple.
    """
    network = model.network
    with model.eager_attention():
        output = network.encoder(**batch, output_hidden_states=True, output_attentions=True, return_dict=True)
    attentions = tuple(item for item in output.attentions or () if item is not None)
    if not attentions or any(item.ndim != 4 for item in attentions):
        raise RunError(f"{model.run.folder}: its encoder shows no attention weights. Choose a gradient method.")
    mask = batch["attention_mask"]
    states = (*output.hidden_states[:-1], output.last_hidden_state)
    if not network.aggregation.every_layer:
        states = states[-1:]
    found = network.classify(network.pooled(states, batch))
    return Seen(attentions, mask, found.logits, found.aggregated)


def pooled_query(model: ExplainedModel, weights: Tensor, mask: Tensor) -> Tensor:
    """Return the attention that the pooled tokens pay to each token; see `pooled_attention`."""
    return pooled_attention(weights, mask, model.network.config.pooling)


def layer_attention(layer: int, head: int | None) -> Callable[[ExplainedModel, Seen], Tensor]:
    """Return the scores (batch, tokens) of one layer, from 0 or from the end (-1), of one head or their mean."""

    def scores(model: ExplainedModel, seen: Seen) -> Tensor:
        weights = seen.attentions[layer]
        return pooled_query(model, weights.mean(dim=1) if head is None else weights[:, head], seen.mask)

    return scores


def rollout(model: ExplainedModel, seen: Seen) -> Tensor:
    """Attention rollout (Abnar & Zuidema 2020): the product over layers of half attention and half identity."""
    size = seen.mask.shape[1]
    identity = torch.eye(size, device=seen.mask.device)
    product = identity.expand(len(seen.mask), -1, -1)
    for weights in seen.attentions:
        product = (0.5 * weights.mean(dim=1) + 0.5 * identity) @ product
    return pooled_query(model, product, seen.mask)


def layer_attentive(model: ExplainedModel, seen: Seen) -> Tensor:
    """Attention of every layer, weighted by the layer's own contribution to the representation.

    The embeddings, which attend to nothing, count as attending to themselves. A run without learnt layers has one:
    its last.
    """
    contributions = seen.aggregated.contributions
    if contributions is None:
        return layer_attention(-1, None)(model, seen)
    identity = torch.eye(seen.mask.shape[1], device=seen.mask.device).expand(len(seen.mask), -1, -1)
    layers = [identity, *(weights.mean(dim=1) for weights in seen.attentions)]
    scores = torch.stack([pooled_query(model, weights, seen.mask) for weights in layers], dim=1)
    return (contributions.unsqueeze(-1) * scores).sum(dim=1)


_VALUE_NAMES = ("value", "value_proj", "v_lin", "v_proj", "v")


def value_projections(encoder: nn.Module) -> list[nn.Linear]:
    """Return the layers that make attention values, in order; empty where the family has none of its own."""
    return [
        module
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Linear) and name.rsplit(".", 1)[-1] in _VALUE_NAMES
    ]


def by_passes(
    model: ExplainedModel,
    posts: Sequence[ReadPost],
    score: Callable[[dict[str, Tensor], Sequence[int]], tuple[Tensor, dict[str, object]]],
) -> list[WordScores]:
    """Apply a function from a batch and its posts' numbers to token scores and settings, in batches that fit."""
    found: list[WordScores | None] = [None] * len(posts)
    lengths = [len(post.ids) for post in posts]

    def work(part: Sequence[int]) -> None:
        scores, settings = score(model.batch([posts[number].row for number in part]), part)
        scores = scores.float().cpu()
        for place, number in enumerate(part):
            own = scores[place, model.place(lengths[number], scores.shape[1])]
            found[number] = WordScores(posts[number].word_scores(own.tolist()), dict(settings))

    model.network.eval()
    model.in_batches(lengths, work, 0.25)
    return [item for item in found if item is not None]


def attention_method(find: Callable[[ExplainedModel, Seen], Tensor], settings: dict[str, object]) -> Method:
    """Return the method that scores tokens by a function of one forward pass."""

    def method(
        model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
    ) -> list[WordScores]:
        def score(batch: dict[str, Tensor], part: Sequence[int]) -> tuple[Tensor, dict[str, object]]:
            with torch.no_grad():
                return find(model, look(model, batch)), settings

        return by_passes(model, posts, score)

    return method


METHODS.register("attention")(attention_method(layer_attention(-1, None), {"layer": "last", "heads": "mean"}))
METHODS.register("attention_rollout")(attention_method(rollout, {"heads": "mean", "residual": 0.5}))


@METHODS.register("layer_attentive_attention")
def layer_attentive_attention(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Attention of every layer by learnt contributions, or of the last layer where none are learnt; settings say which.

    See `layer_attentive`.
    """

    def score(batch: dict[str, Tensor], part: Sequence[int]) -> tuple[Tensor, dict[str, object]]:
        with torch.no_grad():
            seen = look(model, batch)
            learnt = seen.aggregated.contributions is not None
            layers = "learnt contributions" if learnt else "last, as the run learns no contributions"
            return layer_attentive(model, seen), {"heads": "mean", "layers": layers}

    return by_passes(model, posts, score)


def attention_at(model: ExplainedModel, layer: int, head: int | None) -> Method:
    """Return the method that takes the attention of one layer (from 1) and head (from 1, None for their mean).

    Raises
    ------
    ConfigError
        If the encoder has no such layer or head.
    RunError
        If the run has no attention.
    """
    require_attention(model.run)
    config = model.network.encoder.config
    layers, heads = int(config.num_hidden_layers), int(config.num_attention_heads)
    if not 1 <= layer <= layers or (head is not None and not 1 <= head <= heads):
        raise ConfigError(f"attention: the encoder has layers 1 to {layers} with heads 1 to {heads}.")
    own = None if head is None else head - 1
    return attention_method(layer_attention(layer - 1, own), {"layer": layer, "heads": head or "mean"})


@METHODS.register("value_weighted_attention")
def value_weighted_attention(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    r"""Value-norm-weighted attention: last-layer attention times the norm of the value vector, summed over heads.

    Raises
    ------
    RunError
        If the run has no attention, or the encoder's family does not make its values by a layer of their own.

    Notes
    -----
    With the attention :math:`\alpha` and the value :math:`v(x) = W_V x + b_V` of each head,
    :math:`\sum_h \alpha_h \lVert v_h(x) \rVert`. A simpler relative of the vector norms of Kobayashi et al. (2020),
    :math:`\lVert \sum_h \alpha_h v_h(x) W_{O,h} \rVert`: without the output projection, and the heads' norms are
    summed where theirs is the norm of the sum, so that heads which cancel each other are counted here.
    """
    require_attention(model.run)
    projections = value_projections(model.network.encoder)
    if not projections:
        raise RunError(f"{model.run.folder}: its encoder has no value layers of their own. Choose another method.")
    kept: list[Tensor] = []
    settings: dict[str, object] = {
        "layer": "last",
        "heads": "sum of norms",
        "weights": "value-norm-weighted attention, without the output projection",
    }

    def score(batch: dict[str, Tensor], part: Sequence[int]) -> tuple[Tensor, dict[str, object]]:
        kept.clear()
        with torch.no_grad():
            seen = look(model, batch)
            weights = seen.attentions[-1]
            posts_in, heads, _, width = weights.shape
            norms = kept[-1].reshape(posts_in, width, heads, -1).norm(dim=-1)
            weighted = weights * norms.transpose(1, 2).unsqueeze(2)
            return pooled_query(model, weighted.sum(dim=1), seen.mask), settings

    handle = projections[-1].register_forward_hook(lambda module, inputs, output: kept.append(output.detach()))
    try:
        return by_passes(model, posts, score)
    finally:
        handle.remove()


@METHODS.register("gradient_attention")
def gradient_attention(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Last-layer attention times the quantity's gradient with respect to it, summed over heads and rows; signed.

    Raises
    ------
    RunError
        If the run has no attention, or its encoder shows copies that no gradient reaches.
    """

    def score(batch: dict[str, Tensor], part: Sequence[int]) -> tuple[Tensor, dict[str, object]]:
        with torch.enable_grad():
            seen = look(model, batch)
            values = [targets[number].of(seen.logits[row : row + 1]) for row, number in enumerate(part)]
            (gradient,) = torch.autograd.grad(torch.cat(values).sum(), seen.attentions[-1], allow_unused=True)
        if gradient is None:
            raise RunError(f"{model.run.folder}: its encoder shows copies of its attention. Choose another method.")
        # Rows of padding have no gradient: no pooling reads them.
        return (seen.attentions[-1] * gradient).detach().sum(dim=(1, 2)), {"layer": "last", "heads": "sum"}

    return by_passes(model, posts, score)
