"""Heads: what the logits of a task mean."""

import torch
from torch import Tensor, nn

from mhclf.registry import Registry


class Head(nn.Module):
    """Dropout and one linear layer; the subclass says what its logits mean.

    Parameters
    ----------
    hidden, labels : int
        Widths in and out.
    dropout : float
        Before the linear layer.
    """

    problem_type = ""

    def __init__(self, hidden: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, labels)

    def forward(self, representation: Tensor) -> Tensor:
        """Return logits of shape (batch, labels)."""
        logits: Tensor = self.linear(self.dropout(representation))
        return logits

    @staticmethod
    def probabilities(logits: Tensor) -> Tensor:
        """Return probabilities of shape (batch, labels)."""
        raise NotImplementedError

    @staticmethod
    def decide(probabilities: Tensor) -> Tensor:
        """Return class numbers (batch,) or 0/1 labels (batch, labels)."""
        raise NotImplementedError


HEADS: Registry[type[Head]] = Registry("head")


@HEADS.register("multiclass")
class MulticlassHead(Head):
    """One of several labels: softmax."""

    problem_type = "single_label_classification"

    @staticmethod
    def probabilities(logits: Tensor) -> Tensor:
        """Softmax over labels."""
        return logits.float().softmax(dim=-1)

    @staticmethod
    def decide(probabilities: Tensor) -> Tensor:
        """Take the most probable label."""
        return probabilities.argmax(dim=-1)


@HEADS.register("multilabel")
class MultilabelHead(Head):
    """Any number of labels: a sigmoid each, on from .5."""

    problem_type = "multi_label_classification"

    @staticmethod
    def probabilities(logits: Tensor) -> Tensor:
        """Sigmoid of each logit."""
        return logits.float().sigmoid()

    @staticmethod
    def decide(probabilities: Tensor) -> Tensor:
        """Turn on what has probability .5 or more."""
        return (probabilities >= 0.5).to(torch.int64)
