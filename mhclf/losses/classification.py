"""Cross-entropy for one label a post, likelihood of ordered labels, binary cross-entropy for several."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from mhclf.registry import Registry

ClassificationLoss = Callable[[Tensor, Tensor], Tensor]
CLASSIFICATION_LOSSES: Registry[ClassificationLoss] = Registry("classification loss")


@CLASSIFICATION_LOSSES.register("multiclass")
def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy; logits (batch, labels), class numbers (batch,)."""
    return functional.cross_entropy(logits.float(), targets)


@CLASSIFICATION_LOSSES.register("ordinal")
def ordinal_likelihood(log_probabilities: Tensor, targets: Tensor) -> Tensor:
    """Mean negative log-likelihood of ordered labels; log-probabilities (batch, labels), class numbers (batch,)."""
    return functional.nll_loss(log_probabilities.float(), targets)


@CLASSIFICATION_LOSSES.register("multilabel")
def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy over posts and labels; logits and 0/1 targets (batch, labels)."""
    return functional.binary_cross_entropy_with_logits(logits.float(), targets.float())
