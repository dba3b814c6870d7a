"""Layer aggregation: from one summary per layer to one representation per post."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mhclf.errors import ConfigError
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
        Shape (batch,): how much of the mixture enters; None where the aggregation has none.
    """

    representation: Tensor
    weights: Tensor | None = None
    contributions: Tensor | None = None
    gate: Tensor | None = None


@dataclass(frozen=True)
class AggregationOptions:
    """What an aggregation may be told.

    Attributes
    ----------
    last_layers : int
        Layers that `mean_last` averages.
    initial_gate : float
        Start of the learnt gate.
    """

    last_layers: int = 4
    initial_gate: float = 0.1


class Aggregation(nn.Module):
    """Base of all aggregations.

    Parameters
    ----------
    layers : int
        Number of summaries, embeddings included.
    hidden : int
        Width of a summary.
    options : AggregationOptions

    Attributes
    ----------
    every_layer : bool
        Whether the encoder must return all layers.
    """

    every_layer = True

    def __init__(self, layers: int, hidden: int, options: AggregationOptions) -> None:
        super().__init__()

    def forward(self, summaries: Tensor) -> Aggregated:
        """Combine `summaries` of shape (batch, layers, hidden)."""
        raise NotImplementedError


AGGREGATIONS: Registry[type[Aggregation]] = Registry("aggregation")


@AGGREGATIONS.register("last")
class LastLayer(Aggregation):
    """The last layer alone: plain fine-tuning."""

    every_layer = False

    def forward(self, summaries: Tensor) -> Aggregated:
        """Return the last summary."""
        return Aggregated(summaries[:, -1])


@AGGREGATIONS.register("mean_last")
class MeanOfLastLayers(Aggregation):
    """The plain mean of the last layers (Devlin et al. 2019, feature-based BERT)."""

    def __init__(self, layers: int, hidden: int, options: AggregationOptions) -> None:
        super().__init__(layers, hidden, options)
        if options.last_layers > layers:
            raise ConfigError(
                f"model: last_layers: is {options.last_layers}, but the encoder gives {layers}, embeddings included."
            )
        self.last_layers = options.last_layers

    def forward(self, summaries: Tensor) -> Aggregated:
        """Average the last summaries."""
        return Aggregated(summaries[:, -self.last_layers :].mean(dim=1))


@AGGREGATIONS.register("scalar_mix")
class ScalarMix(Aggregation):
    r"""One learnt weight a layer, the same for every post: :math:`\gamma \sum_l \mathrm{softmax}(s)_l h_l`.

    ELMo's mix (Peters et al. 2018), without its optional normalisation. Starts as the plain mean of all layers.
    """

    def __init__(self, layers: int, hidden: int, options: AggregationOptions) -> None:
        super().__init__(layers, hidden, options)
        self.layer_scores = nn.Parameter(torch.zeros(layers))
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, summaries: Tensor) -> Aggregated:
        """Mix the layers; see the class."""
        weights = self.layer_scores.float().softmax(dim=-1).expand(len(summaries), -1)
        parts = weights.unsqueeze(-1).to(summaries.dtype) * summaries
        contributions = None if self.training else _norm_shares(parts)
        return Aggregated(self.scale * parts.sum(dim=1), weights, contributions)


class LayerScores(nn.Module):
    r"""Input-dependent layer weights :math:`a = \mathrm{softmax}_l (v^\top \tanh(W n_l) + b_l)`.

    Scores start at zero, so the weights start uniform.
    """

    def __init__(self, layers: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(hidden, hidden // 2 or 1, bias=False)
        self.score = nn.Linear(hidden // 2 or 1, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(layers))
        nn.init.zeros_(self.score.weight)

    def forward(self, normed: Tensor) -> Tensor:
        """Return weights (batch, layers) in float32 of normalised summaries (batch, layers, hidden)."""
        scores = self.score(torch.tanh(self.hidden(normed))).squeeze(-1) + self.bias
        weights: Tensor = scores.float().softmax(dim=-1)
        return weights


@AGGREGATIONS.register("layer_attention")
class LayerAttention(Aggregation):
    r"""Input-dependent layer attention without a residual: :math:`z = \mathrm{LayerNorm}(P \sum_l a_l n_l)`.

    The mixture of `LayerAttentiveResidual` alone.
    """

    def __init__(self, layers: int, hidden: int, options: AggregationOptions) -> None:
        super().__init__(layers, hidden, options)
        self.attention = LayerScores(layers, hidden)
        self.value = _identity_linear(hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, summaries: Tensor) -> Aggregated:
        """Mix the layers; see the class."""
        normed = functional.layer_norm(summaries, summaries.shape[-1:])
        weights = self.attention(normed)
        spread = weights.unsqueeze(-1).to(normed.dtype)
        representation = self.norm(self.value((spread * normed).sum(dim=1)))
        contributions = None
        if not self.training:
            contributions = _norm_shares(spread * functional.linear(normed, self.value.weight))
        return Aggregated(representation, weights, contributions)


class SharedGate(nn.Module):
    """One learnt number, the same for every post."""

    def __init__(self, hidden: int, initial: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(float(initial)))

    def forward(self, last: Tensor) -> Tensor:
        """Return the gate of each post, shape (batch,)."""
        return self.value.expand(len(last))


class PostGate(nn.Module):
    r"""A gate that each post sets: :math:`g(x) = \sigma(u^\top n_L + c)`.

    :math:`u` starts at zero and :math:`c` at the logit of `initial`.
    """

    def __init__(self, hidden: int, initial: float) -> None:
        super().__init__()
        if not 0 < initial < 1:
            raise ConfigError(f"model: initial_gate: is {initial}, expected between 0 and 1 for a gate by post.")
        self.score = nn.Linear(hidden, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.constant_(self.score.bias, math.log(initial / (1 - initial)))

    def forward(self, last: Tensor) -> Tensor:
        """Return the gate of each post, shape (batch,), from its normalised last summary."""
        gates: Tensor = self.score(last).squeeze(-1).sigmoid()
        return gates


@AGGREGATIONS.register("layer_attentive_residual")
class LayerAttentiveResidual(Aggregation):
    r"""Layer-attentive residual aggregation.

    With the summaries :math:`h_0 \dots h_L` and :math:`n_l = \mathrm{LayerNorm}(h_l)`:

    .. math::
        a = \mathrm{softmax}_l (v^\top \tanh(W n_l) + b_l), \qquad
        z = \mathrm{LayerNorm}\bigl(h_L + g \, P \textstyle\sum_l a_l n_l\bigr)

    A reconstruction from the abstract of arXiv:2603.14075 and the layer-attention literature; the paper's own formula
    is not public. Each summary is normalised before mixing, because layers differ in scale and the mix would
    otherwise follow the largest norm. The weights start uniform (`LayerScores`); the gate :math:`g`
    (`SharedGate`) starts at `initial_gate`, so that training starts near the plain last layer.
    """

    gate_class: type[nn.Module] = SharedGate

    def __init__(self, layers: int, hidden: int, options: AggregationOptions) -> None:
        super().__init__(layers, hidden, options)
        self.attention = LayerScores(layers, hidden)
        self.value = _identity_linear(hidden)
        self.gate = self.gate_class(hidden, options.initial_gate)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, summaries: Tensor) -> Aggregated:
        """Mix the layers; see the class."""
        normed = functional.layer_norm(summaries, summaries.shape[-1:])
        weights = self.attention(normed)
        gates = self.gate(normed[:, -1])
        spread = weights.unsqueeze(-1).to(normed.dtype)
        mixed = self.value((spread * normed).sum(dim=1))
        representation = self.norm(summaries[:, -1] + gates.unsqueeze(-1) * mixed)
        contributions = None
        if not self.training:
            parts = gates.view(-1, 1, 1) * spread * functional.linear(normed, self.value.weight)
            parts = torch.cat([parts[:, :-1], (parts[:, -1] + summaries[:, -1]).unsqueeze(1)], dim=1)
            contributions = _norm_shares(parts)
        return Aggregated(representation, weights, contributions, gates)


@AGGREGATIONS.register("layer_attentive_residual_gated")
class GatedLayerAttentiveResidual(LayerAttentiveResidual):
    """Layer-attentive residual whose gate each post sets; see `PostGate`."""

    gate_class = PostGate


def _identity_linear(hidden: int) -> nn.Linear:
    linear = nn.Linear(hidden, hidden)
    nn.init.eye_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def _norm_shares(parts: Tensor) -> Tensor:
    """Return each layer's share of the norms of `parts`, (batch, layers, hidden) -> (batch, layers)."""
    norms = parts.float().norm(dim=-1)
    shares: Tensor = norms / norms.sum(dim=-1, keepdim=True)
    return shares
