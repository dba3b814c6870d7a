"""Supervised contrastive loss (Khosla et al. 2020, arXiv:2004.11362) and how its weight grows."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from mhclf.registry import Registry


def positive_weights(targets: Tensor, others: Tensor, levels: int = 0) -> Tensor:
    r"""Return how much each pair of posts counts as a positive one.

    Parameters
    ----------
    targets, others : Tensor
        Class numbers (n,) and (m,), or 0/1 labels (n, labels) and (m, labels).
    levels : int
        For ordered labels their number, else 0.

    Returns
    -------
    Tensor
        Shape (n, m), in [0, 1]: 1 for equal classes. For several labels the Jaccard overlap of the label sets, which
        is the same thing for one-hot labels; a post without labels has no positives. With `levels`,
        :math:`1 - |y_i - y_j| / (levels - 1)`, which is the same thing for two levels.
    """
    if targets.ndim == 1:
        if levels:
            distance = (targets[:, None] - others[None, :]).abs().float()
            return 1 - distance / max(1, levels - 1)
        return (targets[:, None] == others[None, :]).float()
    labels, theirs = targets.float(), others.float()
    shared = labels @ theirs.T
    either = labels.sum(dim=1)[:, None] + theirs.sum(dim=1)[None, :] - shared
    return shared / either.clamp(min=1)


def supervised_contrastive(
    projections: Tensor,
    targets: Tensor,
    temperature: float,
    *,
    levels: int = 0,
    earlier: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
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
    levels : int
        For ordered labels their number: nearer levels are more positive. 0 takes equal labels only.
    earlier : tuple of Tensor, optional
        Projections and targets of earlier posts, which :math:`p` and :math:`a` run over, too, but :math:`i` does not.

    Returns
    -------
    Tensor
        Scalar; 0 with a (zero) gradient where no post has a positive.
    """
    # Autocast would take the products in bf16, whose steps the temperature makes ten times coarser.
    with torch.autocast(projections.device.type, enabled=False):
        ours = projections.float()
        candidates, their_targets = ours, targets
        if earlier is not None:
            candidates = torch.cat([ours, earlier[0].float()])
            their_targets = torch.cat([targets, earlier[1]])
        similarities = ours @ candidates.T / temperature
        itself = torch.eye(*similarities.shape, dtype=torch.bool, device=ours.device)
        log_share = similarities - similarities.masked_fill(itself, -torch.inf).logsumexp(dim=1, keepdim=True)
        weights = positive_weights(targets, their_targets, levels).masked_fill(itself, 0.0)
        totals = weights.sum(dim=1)
        anchors = totals > 0
        if not anchors.any():
            # Also the batch of one post, whose row of similarities is empty.
            return projections.sum() * 0.0
        per_anchor = -(weights * log_share.masked_fill(itself, 0.0))[anchors].sum(dim=1) / totals[anchors]
        return per_anchor.mean()


class FeatureQueue(nn.Module):
    """The projections and targets of the last posts (cross-batch memory, Wang et al. 2020, arXiv:1912.06798).

    Parameters
    ----------
    length : int
        Posts that are kept.
    size : int
        Width of a projection.
    labels : int
        Columns of the targets; 0 for class numbers.
    """

    projections: Tensor
    targets: Tensor
    filled: Tensor

    def __init__(self, length: int, size: int, labels: int = 0) -> None:
        super().__init__()
        self.register_buffer("projections", torch.zeros(length, size))
        self.register_buffer("targets", torch.zeros((length, labels) if labels else (length,), dtype=torch.int64))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def content(self) -> tuple[Tensor, Tensor] | None:
        """Return what is kept, newest first, or None before the first posts."""
        filled = int(self.filled)
        return (self.projections[:filled].clone(), self.targets[:filled].clone()) if filled else None

    def add(self, projections: Tensor, targets: Tensor) -> None:
        """Put posts in front; the oldest ones leave."""
        length = len(self.projections)
        for buffer, new in ((self.projections, projections.detach().to(self.projections)), (self.targets, targets)):
            buffer.copy_(torch.cat([new, buffer])[:length])
        self.filled.fill_(min(length, int(self.filled) + len(projections)))


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
