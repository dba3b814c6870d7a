"""Supervised contrastive loss (Khosla et al. 2020, arXiv:2004.11362) and how its weight grows."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mhclf.registry import Registry


def positive_weights(targets: Tensor) -> Tensor:
    """Return how much each pair of posts counts as a positive one.

    Parameters
    ----------
    targets : Tensor
        Class numbers (batch,), or 0/1 labels (batch, labels).

    Returns
    -------
    Tensor
        Shape (batch, batch), in [0, 1], zero on the diagonal: 1 for equal classes; for several labels the Jaccard
        overlap of the label sets, which is the same thing for one-hot labels. A post without labels has no positives.
    """
    if targets.ndim == 1:
        weights = (targets[:, None] == targets[None, :]).float()
    else:
        labels = targets.float()
        shared = labels @ labels.T
        either = labels.sum(dim=1)[:, None] + labels.sum(dim=1)[None, :] - shared
        weights = shared / either.clamp(min=1)
    return weights.fill_diagonal_(0)


def supervised_contrastive(projections: Tensor, targets: Tensor, temperature: float) -> Tensor:
    r"""Pull posts of one class together, push others away.

    .. math::
        L = \frac{1}{|A|} \sum_{i \in A} - \frac{1}{\sum_p w_{ip}} \sum_p w_{ip}
            \log \frac{\exp(u_i \cdot u_p / \tau)}{\sum_{a \neq i} \exp(u_i \cdot u_a / \tau)}

    with :math:`w` from `positive_weights` and :math:`A` the posts that have a positive (the form L_out).

    Parameters
    ----------
    projections : Tensor
        Unit vectors, shape (batch, size).
    targets : Tensor
        Class numbers (batch,) or 0/1 labels (batch, labels).
    temperature : float
        Above 0.

    Returns
    -------
    Tensor
        Scalar; 0 with a (zero) gradient where no post has a positive.
    """
    similarities = projections.float() @ projections.float().T / temperature
    itself = torch.eye(len(projections), dtype=torch.bool, device=projections.device)
    log_share = similarities - similarities.masked_fill(itself, -torch.inf).logsumexp(dim=1, keepdim=True)
    weights = positive_weights(targets)
    totals = weights.sum(dim=1)
    anchors = totals > 0
    if not anchors.any():
        # Also the batch of one post, whose row of similarities is empty.
        return projections.sum() * 0.0
    per_anchor = -(weights * log_share.masked_fill(itself, 0.0))[anchors].sum(dim=1) / totals[anchors]
    return per_anchor.mean()


Ramp = Callable[[float], float]
RAMPS: Registry[Ramp] = Registry("ramp")


@RAMPS.register("constant")
def constant_ramp(progress: float) -> float:
    """Full weight from the start."""
    return 1.0


@RAMPS.register("linear")
def linear_ramp(progress: float) -> float:
    """Grow evenly from 0 to 1 while `progress` goes from 0 to 1."""
    return min(1.0, progress)


@RAMPS.register("cosine")
def cosine_ramp(progress: float) -> float:
    """Grow slowly, then fast, then slowly."""
    return 0.5 * (1.0 - math.cos(math.pi * min(1.0, progress)))


@RAMPS.register("step")
def step_ramp(progress: float) -> float:
    """Nothing, then full weight from `progress` 1."""
    return float(progress >= 1.0)
