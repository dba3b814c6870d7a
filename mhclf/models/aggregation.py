"""Layer aggregation: from one summary per layer to one representation per post."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mhclf.registry import Registry


@dataclass(frozen=True)
class Aggregated:
    """What an aggregation returns.

    Attributes
    ----------
    representation : Tensor
        Shape (batch, hidden).
    weights : Tensor or None
        Shape (batch, layers), each row sums to 1; None where the aggregation has none.
    contributions : Tensor or None
        Shape (batch, layers): share of each layer in the sum before the last LayerNorm, by norm, the residual counted
        to the last layer; each row sums to 1.
    gate : Tensor or None
        Scalar.
    """

    representation: Tensor
    weights: Tensor | None = None
    contributions: Tensor | None = None
    gate: Tensor | None = None


class Aggregation(nn.Module):
    """Base: `every_layer` says whether the encoder must return all layers."""

    every_layer = True

    def forward(self, summaries: Tensor) -> Aggregated:
        """Combine `summaries` of shape (batch, layers, hidden)."""
        raise NotImplementedError


AGGREGATIONS: Registry[type[Aggregation]] = Registry("aggregation")


@AGGREGATIONS.register("last")
class LastLayer(Aggregation):
    """The last layer alone: plain fine-tuning."""

    every_layer = False

    def __init__(self, layers: int, hidden: int) -> None:
        super().__init__()

    def forward(self, summaries: Tensor) -> Aggregated:
        """Return the last summary."""
        return Aggregated(summaries[:, -1])


@AGGREGATIONS.register("layer_attentive_residual")
class LayerAttentiveResidual(Aggregation):
    r"""Layer-attentive residual aggregation.

    With the summaries :math:`h_0 \dots h_L` and :math:`n_l = \mathrm{LayerNorm}(h_l)`:

    .. math::
        a = \mathrm{softmax}_l (v^\top \tanh(W n_l) + b_l), \qquad
        z = \mathrm{LayerNorm}\bigl(h_L + g \, P \textstyle\sum_l a_l n_l\bigr)

    A reconstruction from the abstract of arXiv:2603.14075 and the layer-attention literature; the paper's own formula
    is not public. Each summary is normalised before mixing, because layers differ in scale and the mix would
    otherwise follow the largest norm. Scores start at zero, so the weights start uniform; the gate :math:`g` starts at
    `initial_gate`, so that training starts near the plain last layer.

    Parameters
    ----------
    layers : int
        Number of summaries, embeddings included.
    hidden : int
        Width of a summary.
    initial_gate : float
        Start of the learnt gate.
    """

    def __init__(self, layers: int, hidden: int, initial_gate: float = 0.1) -> None:
        super().__init__()
        self.attention_hidden = nn.Linear(hidden, hidden // 2 or 1, bias=False)
        self.attention_score = nn.Linear(hidden // 2 or 1, 1, bias=False)
        self.layer_bias = nn.Parameter(torch.zeros(layers))
        self.value = nn.Linear(hidden, hidden)
        self.gate = nn.Parameter(torch.tensor(float(initial_gate)))
        self.norm = nn.LayerNorm(hidden)
        nn.init.zeros_(self.attention_score.weight)
        nn.init.eye_(self.value.weight)
        nn.init.zeros_(self.value.bias)

    def forward(self, summaries: Tensor) -> Aggregated:
        """Mix the layers; see the class."""
        normed = functional.layer_norm(summaries, summaries.shape[-1:])
        scores = self.attention_score(torch.tanh(self.attention_hidden(normed))).squeeze(-1) + self.layer_bias
        weights = scores.float().softmax(dim=-1)
        mixed = (weights.unsqueeze(-1).to(normed.dtype) * normed).sum(dim=1)
        representation = self.norm(summaries[:, -1] + self.gate * self.value(mixed))
        contributions = None
        if not self.training:
            contributions = self._contributions(summaries, normed, weights)
        return Aggregated(representation, weights, contributions, self.gate)

    def _contributions(self, summaries: Tensor, normed: Tensor, weights: Tensor) -> Tensor:
        parts = self.gate * weights.unsqueeze(-1).to(normed.dtype) * functional.linear(normed, self.value.weight)
        parts = torch.cat([parts[:, :-1], (parts[:, -1] + summaries[:, -1]).unsqueeze(1)], dim=1)
        norms = parts.float().norm(dim=-1)
        shares: Tensor = norms / norms.sum(dim=-1, keepdim=True)
        return shares
