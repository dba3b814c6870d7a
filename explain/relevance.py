"""Layer-wise relevance for transformers, by gradients through a network whose weights of mixing are held still."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from explain.attribution import METHODS, WordScores
from explain.gradients import EmbeddedBatch, by_batches, gradients_at
from explain.model import ExplainedModel, Target
from explain.reading import ReadPost
from mhclf.models.aggregation import LayerScores, PostGate
from mhclf.models.pooling import AttentionPooling


@METHODS.register("layer_relevance")
def layer_relevance(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Input times gradient with attention weights and the spread in every LayerNorm held constant.

    The conservation rules of layer-wise relevance propagation for transformers (Ali et al. 2022, arXiv:2202.07304);
    the learnt weights of layers and of attention pooling are attention weights here. What biases and activations such
    as GELU add is not shared out, so that scores sum to the logit only in a network without them.

    Raises
    ------
    RunError
        If the run has no attention: the rules are made for it.
    """

    def score(batch: EmbeddedBatch, own: Sequence[Target], part: Sequence[int]) -> Tensor:
        with model.eager_attention(), held_still(model.network):
            return (batch.inputs * gradients_at(model, batch, own)).sum(dim=-1)

    return by_batches(model, posts, targets, score, {"rule": "detached attention, layer weights and LayerNorm"})


@contextmanager
def held_still(network: nn.Module) -> Iterator[None]:
    """Let no gradient flow through weights of mixing and the standard deviation of LayerNorm, then go back.

    Weights of mixing are softmax in the encoder, and those of layers and pooling behind it. Outputs are unchanged.
    """
    softmax, layer_norm = functional.softmax, functional.layer_norm

    def still_softmax(values: Tensor, *arguments: Any, **options: Any) -> Tensor:
        return softmax(values, *arguments, **options).detach()

    def still_norm(
        values: Tensor,
        normalized_shape: Sequence[int],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        dims = tuple(range(-len(normalized_shape), 0))
        centred = values - values.mean(dim=dims, keepdim=True)
        spread = torch.sqrt(centred.pow(2).mean(dim=dims, keepdim=True) + eps).detach()
        found = centred / spread
        if weight is not None:
            found = found * weight
        return found if bias is None else found + bias

    handles = [
        module.register_forward_hook(lambda module, inputs, output: output.detach()) for module in _weighing(network)
    ]
    # `nn.LayerNorm` and the encoders' eager attention look these up at each call.
    functional.softmax, functional.layer_norm = still_softmax, still_norm  # type: ignore[assignment]
    try:
        yield
    finally:
        functional.softmax, functional.layer_norm = softmax, layer_norm
        for handle in handles:
            handle.remove()


def _weighing(network: nn.Module) -> list[nn.Module]:
    """Return the modules whose outputs only weigh states: scores of layers and tokens, and gates."""
    found: list[nn.Module] = []
    for module in network.modules():
        if isinstance(module, LayerScores | PostGate):
            found.append(module)
        elif isinstance(module, AttentionPooling):
            found.append(module.score)
    return found
