"""Heads: what the logits of a task mean."""

import torch
from torch import Tensor, nn
from torch.nn import functional

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


@HEADS.register("ordinal")
class OrdinalHead(MulticlassHead):
    """Ordered labels: one score and ordered thresholds (proportional odds, McCullagh 1980).

    `P(y <= k) = sigmoid(b_k - s)` with the score `s = w x` and thresholds `b_0 < b_1 < ...`. The logits are the
    logarithms of the label probabilities, so that their softmax gives these back, and so does every program that
    takes the saved model for a plain classifier.
    """

    def __init__(self, hidden: int, labels: int, dropout: float) -> None:
        super().__init__(hidden, labels, dropout)
        self.linear = nn.Linear(hidden, 1, bias=False)
        # Equal shares at a score of 0.
        self.first = nn.Parameter(torch.zeros(1))
        self.steps = nn.Parameter(torch.zeros(labels - 2))
        self.start_at(torch.full((labels,), 1 / labels))

    @torch.no_grad()
    def start_at(self, shares: Tensor) -> None:
        """Set the thresholds so that a score of 0 has these label shares (labels,): few steps move them little.

        A label without a share is given one of 1 in 1,000.
        """
        known = shares.float().clamp(min=1e-3)
        thresholds = torch.logit((known / known.sum()).cumsum(0)[:-1])
        self.first.copy_(thresholds[:1])
        # softplus keeps the steps above 0; its inverse gives the start.
        self.steps.copy_(torch.log(torch.expm1(thresholds.diff())))

    def thresholds(self) -> Tensor:
        """Return the thresholds, ascending, shape (labels - 1,)."""
        return torch.cat([self.first, self.first + functional.softplus(self.steps).cumsum(0)])

    def forward(self, representation: Tensor) -> Tensor:
        """Return log-probabilities of shape (batch, labels)."""
        score = self.linear(self.dropout(representation)).float()
        distance = self.thresholds().float() - score
        below, above = functional.logsigmoid(distance), functional.logsigmoid(-distance)
        # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)): no difference of near equals.
        gaps = functional.softplus(self.steps).float()
        between = below[:, 1:] + above[:, :-1] + torch.log(-torch.expm1(-gaps))
        return torch.cat([below[:, :1], between, above[:, -1:]], dim=1)


class ReservationHead(nn.Module):
    """One logit beside those of the labels: how much the model would rather not decide (Liu et al. 2019).

    Softmax over the labels' logits and this one gives the reservation; the labels' own softmax is unchanged by it.
    """

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, representation: Tensor) -> Tensor:
        """Return reservation logits of shape (batch,)."""
        logits: Tensor = self.linear(self.dropout(representation)).squeeze(-1)
        return logits


class EvidenceHead(nn.Module):
    """One logit a token: whether an expert would mark it (extractive explanation)."""

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, states: Tensor) -> Tensor:
        """Return logits of shape (batch, tokens) from states (batch, tokens, hidden)."""
        logits: Tensor = self.linear(self.dropout(states)).squeeze(-1)
        return logits


def reservation_share(logits: Tensor, reservation: Tensor) -> Tensor:
    """Return the reservation's probability, shape (batch,), from label logits (batch, labels) and its own (batch,)."""
    return torch.cat([logits.float(), reservation.float().unsqueeze(-1)], dim=-1).softmax(dim=-1)[:, -1]
