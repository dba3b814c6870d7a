"""Losses that teach a model which words experts marked."""

import torch
from torch import Tensor
from torch.nn import functional

from mhclf.losses.gather import every_process_sums, gathered


def attention_evidence(attention: Tensor, marks: Tensor) -> Tensor:
    r"""Draw attention to marked tokens: :math:`-\frac{1}{|M|} \sum_{t \in M} \log \tilde a_t` of each post.

    :math:`\tilde a` is the attention over the post's own tokens, scaled to sum to 1; the loss is the cross-entropy
    between an even distribution over the marked tokens :math:`M` and it.

    Parameters
    ----------
    attention : Tensor
        Shape (batch, tokens), not negative.
    marks : Tensor
        Shape (batch, tokens): 1 marked, 0 not, -1 no token of the post, or no evidence known.

    Returns
    -------
    Tensor
        One value for each post that has marked tokens, shape (posts,); may be empty.
    """
    own, marked = (marks >= 0).float(), (marks == 1).float()
    known = marked.sum(dim=1) > 0
    values = attention.float()[known] * own[known]
    share = values / values.sum(dim=1, keepdim=True).clamp(min=1e-12)
    logs = torch.log(share.clamp(min=1e-12))
    return -(logs * marked[known]).sum(dim=1) / marked[known].sum(dim=1)


def token_evidence(logits: Tensor, marks: Tensor) -> Tensor:
    """Return, for each post with evidence, the mean binary cross-entropy over its own tokens, shape (posts,).

    Parameters
    ----------
    logits : Tensor
        Shape (batch, tokens).
    marks : Tensor
        As in `attention_evidence`.
    """
    own = (marks >= 0).float()
    known = own.sum(dim=1) > 0
    losses = functional.binary_cross_entropy_with_logits(
        logits.float()[known], (marks[known] == 1).float(), reduction="none"
    )
    return (losses * own[known]).sum(dim=1) / own[known].sum(dim=1)


def mean_over_processes(per_post: Tensor, anchor: Tensor) -> Tensor:
    """Return the mean over the posts of all processes; 0, with a zero gradient to `anchor`, where there is none."""
    everyone = gathered(per_post)
    if not len(everyone):
        return anchor.sum() * 0.0
    # A process without such posts still takes part in the gradient.
    return every_process_sums(everyone.mean() + anchor.sum() * 0.0)
