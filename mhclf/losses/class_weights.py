"""Weights of classes in a loss."""

import torch
from torch import Tensor

from mhclf.config.loss import LossConfig


def class_weights(config: LossConfig, counts: Tensor) -> Tensor | None:
    r"""Return a weight for each class, shape (labels,), None for equal ones.

    `balanced` is :math:`n / (K n_k)` with :math:`K` the classes that train holds, as in scikit-learn;
    `effective_number` is :math:`(1 - \beta) / (1 - \beta^{n_k})` (Cui et al. 2019, arXiv:1901.05555). Both are scaled
    so that their mean over train posts is 1: the loss of a batch stays a plain mean over its posts. A class that train
    lacks has weight 0.

    Parameters
    ----------
    config : LossConfig
    counts : Tensor
        Train posts of each class, shape (labels,).
    """
    if config.class_weights == "none":
        return None
    raw = _raw(config, counts)
    return raw * counts.sum() / (raw * counts).sum()


def positive_label_weights(config: LossConfig, counts: Tensor, posts: int) -> Tensor | None:
    """Return, for several labels a post, how much more a post with each label counts than one without.

    `balanced` is the ratio of posts without the label to posts with it; `effective_number` that of their effective
    numbers. 1 for a label that every or no train post has.

    Parameters
    ----------
    config : LossConfig
    counts : Tensor
        Train posts with each label, shape (labels,).
    posts : int
        Train posts.
    """
    if config.class_weights == "none":
        return None
    without = posts - counts
    ratio = _raw(config, counts) / _raw(config, without)
    return torch.where((counts > 0) & (without > 0), ratio, torch.ones_like(ratio))


def _raw(config: LossConfig, counts: Tensor) -> Tensor:
    numbers = counts.double()
    if config.class_weights == "effective_number" and config.effective_beta > 0:
        effective = (1 - config.effective_beta**numbers) / (1 - config.effective_beta)
    elif config.class_weights == "effective_number":
        effective = (numbers > 0).double()
    else:
        effective = numbers
    return torch.where(numbers > 0, 1 / effective.clamp(min=1e-12), torch.zeros_like(numbers)).float()
