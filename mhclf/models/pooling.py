"""Poolings: from tokens to one vector a post."""

from collections.abc import Callable

import torch
from torch import Tensor

from mhclf.registry import Registry

Pooling = Callable[[Tensor, Tensor], Tensor]
POOLINGS: Registry[Pooling] = Registry("pooling")


@POOLINGS.register("mean")
def mean_pooling(states: Tensor, mask: Tensor) -> Tensor:
    """Average over the tokens that are not padding.

    Parameters
    ----------
    states : Tensor
        Shape (batch, tokens, hidden).
    mask : Tensor
        Shape (batch, tokens), 1 for tokens and 0 for padding, at least one token a post.

    Returns
    -------
    Tensor
        Shape (batch, hidden).
    """
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


@POOLINGS.register("cls")
def cls_pooling(states: Tensor, mask: Tensor) -> Tensor:
    """Take the first token that is not padding (XLNet-like tokenizers pad on the left)."""
    first = mask.argmax(dim=1)
    return states[range(states.shape[0]), first]


@POOLINGS.register("max")
def max_pooling(states: Tensor, mask: Tensor) -> Tensor:
    """Take the largest value of each feature over the tokens that are not padding."""
    lowest = torch.finfo(states.dtype).min
    return states.masked_fill(mask.unsqueeze(-1) == 0, lowest).amax(dim=1)
