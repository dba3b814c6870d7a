"""Poolings: from tokens to one vector a post."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mhclf.registry import Registry


class Pooling(nn.Module):
    """Base of all poolings.

    Parameters
    ----------
    hidden : int
        Width of a token's state.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pool `states` (batch, tokens, hidden) where `mask` (batch, tokens) is 1; returns (batch, hidden)."""
        raise NotImplementedError


POOLINGS: Registry[type[Pooling]] = Registry("pooling")


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


def cls_pooling(states: Tensor, mask: Tensor) -> Tensor:
    """Take the first token that is not padding (XLNet-like tokenizers pad on the left)."""
    first = mask.argmax(dim=1)
    return states[range(states.shape[0]), first]


def max_pooling(states: Tensor, mask: Tensor) -> Tensor:
    """Take the largest value of each feature over the tokens that are not padding."""
    lowest = torch.finfo(states.dtype).min
    return states.masked_fill(mask.unsqueeze(-1) == 0, lowest).amax(dim=1)


@POOLINGS.register("mean")
class MeanPooling(Pooling):
    """See `mean_pooling`."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Average."""
        return mean_pooling(states, mask)


@POOLINGS.register("cls")
class FirstTokenPooling(Pooling):
    """See `cls_pooling`."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Take the first token."""
        return cls_pooling(states, mask)


@POOLINGS.register("max")
class MaxPooling(Pooling):
    """See `max_pooling`."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Take the largest value of each feature."""
        return max_pooling(states, mask)


@POOLINGS.register("attention")
class AttentionPooling(Pooling):
    r"""Attention over tokens (Yang et al. 2016): weights :math:`\mathrm{softmax}_t(v^\top \tanh(W s_t + b))`.

    Scores start at zero, so that it starts as the mean. One set of parameters serves every layer; each state is
    normalised before it is scored.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__(hidden)
        self.hidden = nn.Linear(hidden, hidden // 2 or 1)
        self.score = nn.Linear(hidden // 2 or 1, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def weights(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return the weight of each token, shape (batch, tokens), rows sum to 1."""
        normed = functional.layer_norm(states, states.shape[-1:])
        scores = self.score(torch.tanh(self.hidden(normed))).squeeze(-1).float()
        weights: Tensor = scores.masked_fill(mask == 0, -torch.inf).softmax(dim=-1)
        return weights

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Average by attention."""
        return (states * self.weights(states, mask).unsqueeze(-1).to(states.dtype)).sum(dim=1)


def pooled_attention(weights: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """Return the attention that the pooled tokens pay to each token.

    Parameters
    ----------
    weights : Tensor
        Shape (batch, tokens, tokens): rows attend to columns.
    mask : Tensor
        Shape (batch, tokens).
    pooling : str
        With `cls` the first token's row, else the mean over the rows of all tokens.

    Returns
    -------
    Tensor
        Shape (batch, tokens).
    """
    if pooling == "cls":
        return weights[range(len(weights)), mask.argmax(dim=1)]
    rows = mask.unsqueeze(-1).to(weights.dtype)
    return (weights * rows).sum(dim=1) / rows.sum(dim=1)


class ChunkPooling(nn.Module):
    r"""One set of summaries a post from those of its chunks, by attention over chunks.

    Weights :math:`\mathrm{softmax}_c(v^\top \tanh(W \, \mathrm{LayerNorm}(h_{c,L})))` from each chunk's last summary
    serve every layer. Scores start at zero, so that it starts as the mean; a post of one chunk is left as it is.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(hidden, hidden // 2 or 1, bias=False)
        self.score = nn.Linear(hidden // 2 or 1, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, summaries: Tensor, posts: Tensor) -> Tensor:
        """Pool chunks to posts.

        Parameters
        ----------
        summaries : Tensor
            Shape (chunks, layers, hidden).
        posts : Tensor
            Number of each chunk's post, shape (chunks,), from 0 without gaps.

        Returns
        -------
        Tensor
            Shape (posts, layers, hidden).
        """
        last = functional.layer_norm(summaries[:, -1], summaries.shape[-1:])
        scores = self.score(torch.tanh(self.hidden(last))).squeeze(-1).float()
        count = int(posts.max()) + 1
        own = torch.arange(count, device=posts.device).unsqueeze(-1) == posts
        weights = scores.masked_fill(~own, -torch.inf).softmax(dim=-1)
        flat: Tensor = weights.to(summaries.dtype) @ summaries.flatten(1)
        return flat.view(count, *summaries.shape[1:])
