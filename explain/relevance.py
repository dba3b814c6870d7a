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


@METHODS.register("layer_relevance")
def layer_relevance(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Input times gradient with attention weights and the spread in every LayerNorm held constant.

    The conservation rules of layer-wise relevance propagation for transformers (Ali et al. 2022, arXiv:2202.07304).
    """

    def score(batch: EmbeddedBatch, own: Sequence[Target], part: Sequence[int]) -> Tensor:
        with model.eager_attention(), held_still(model.network):
            return (batch.inputs * gradients_at(model, batch, own)).sum(dim=-1)

    return by_batches(model, posts, targets, score, {"rule": "detached attention and LayerNorm"})


@contextmanager
def held_still(network: nn.Module) -> Iterator[None]:
    """Let no gradient flow through softmax and the standard deviation of LayerNorm, then go back.

    Outputs are unchanged.
    """
    softmax = functional.softmax
    forwards = {module: module.forward for module in network.modules() if isinstance(module, nn.LayerNorm)}

    def still_softmax(values: Tensor, *arguments: Any, **options: Any) -> Tensor:
        return softmax(values, *arguments, **options).detach()

    def still_norm(module: nn.LayerNorm) -> Any:
        def forward(values: Tensor) -> Tensor:
            dims = tuple(range(-len(module.normalized_shape), 0))
            centred = values - values.mean(dim=dims, keepdim=True)
            spread = torch.sqrt(centred.pow(2).mean(dim=dims, keepdim=True) + module.eps).detach()
            found = centred / spread
            if module.weight is not None:
                found = found * module.weight
            return found if module.bias is None else found + module.bias

        return forward

    functional.softmax = still_softmax  # type: ignore[assignment]
    for module in forwards:
        module.forward = still_norm(module)  # type: ignore[method-assign]
    try:
        yield
    finally:
        functional.softmax = softmax
        for module in forwards:
            del module.forward
