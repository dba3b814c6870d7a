"""The network: encoder, pooling, layer aggregation, head, and a projection for the contrastive loss."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from mhclf.data.tokens import CHUNK_POSTS
from mhclf.models.aggregation import AGGREGATIONS, Aggregated, AggregationOptions
from mhclf.models.encoder import hidden_states
from mhclf.models.heads import HEADS, EvidenceHead, Head, ReservationHead
from mhclf.models.pooling import POOLINGS, ChunkPooling, pooled_attention


@dataclass(frozen=True)
class NetworkConfig:
    """What rebuilds the network beside the encoder's own configuration; plain values, saved with the model."""

    task: str
    labels: tuple[str, ...]
    aggregation: str = "layer_attentive_residual"
    pooling: str = "mean"
    dropout: float = 0.1
    projection_size: int = 0
    last_layers: int = 4
    initial_gate: float = 0.1
    abstain: bool = False
    chunks: bool = False
    evidence_head: bool = False


@dataclass(frozen=True)
class NetworkOutput:
    """What the network says of a batch of posts.

    Attributes
    ----------
    logits : Tensor
        Shape (batch, labels).
    aggregated : Aggregated
    projection : Tensor or None
        Unit vectors, shape (batch, size).
    reservation : Tensor or None
        Logits, shape (batch,).
    evidence : Tensor or None
        Logit of each token to be marked by an expert, shape (batch, tokens).
    attention : Tensor or None
        What the pooled tokens attend to in the last layer, mean over heads, shape (batch, tokens); where asked for.
    """

    logits: Tensor
    aggregated: Aggregated
    projection: Tensor | None = None
    reservation: Tensor | None = None
    evidence: Tensor | None = None
    attention: Tensor | None = None


class ProjectionHead(nn.Module):
    """Two layers to unit vectors; used by the contrastive loss in training only."""

    def __init__(self, hidden: int, size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, size))

    def forward(self, representation: Tensor) -> Tensor:
        """Return unit vectors of shape (batch, size)."""
        return functional.normalize(self.layers(representation).float(), dim=-1)


class ClassifierNetwork(nn.Module):
    """Tensors in, tensors out; knows no files and no optimiser.

    Parameters
    ----------
    encoder : PreTrainedModel
        Any Hugging Face encoder.
    config : NetworkConfig
        Names of the parts; looked up in their registries.

    Attributes
    ----------
    hidden : int
        Width of the representation.
    split_batches : bool
        Whether a CPU that trains reads large batches in several passes; see `hidden_states`.
    """

    split_batches = True

    def __init__(self, encoder: PreTrainedModel, config: NetworkConfig) -> None:
        super().__init__()
        hidden = int(encoder.config.hidden_size)
        self.hidden = hidden
        self.config = config
        self.encoder = encoder
        self.pool = POOLINGS.get(config.pooling)(hidden)
        self.chunk_pool = ChunkPooling(hidden) if config.chunks else None
        self.aggregation = AGGREGATIONS.get(config.aggregation)(
            int(encoder.config.num_hidden_layers) + 1,
            hidden,
            AggregationOptions(config.last_layers, config.initial_gate),
        )
        self.head: Head = HEADS.get(config.task)(hidden, len(config.labels), config.dropout)
        self.projection = ProjectionHead(hidden, config.projection_size) if config.projection_size else None
        self.reservation = ReservationHead(hidden, config.dropout) if config.abstain else None
        self.evidence = EvidenceHead(hidden, config.dropout) if config.evidence_head else None

    def forward(self, batch: dict[str, Tensor], watch_attention: bool = False) -> NetworkOutput:
        """Classify a batch of `input_ids`, `attention_mask` (and `token_type_ids`), each (batch, tokens).

        Where the network reads chunks, rows are chunks, `CHUNK_POSTS` (batch,) says whose, and the output has a row a
        post; without that key each row is a post of one chunk. `watch_attention` needs eager attention.
        """
        states, weights = self.states(batch, watch_attention)
        output = self.classify(self.pooled(states, batch))
        evidence = self.evidence(states[-1]) if self.evidence is not None else None
        attention = None
        if weights is not None:
            attention = pooled_attention(weights.mean(dim=1), batch["attention_mask"], self.config.pooling)
        return replace(output, evidence=evidence, attention=attention)

    def states(self, batch: dict[str, Tensor], attention: bool = False) -> tuple[tuple[Tensor, ...], Tensor | None]:
        """Return the hidden states and, where asked for, the last layer's attention; see `hidden_states`."""
        inputs = {key: value for key, value in batch.items() if key != CHUNK_POSTS}
        return hidden_states(self.encoder, inputs, self.aggregation.every_layer, attention, self.split_batches)

    def pooled(self, states: Sequence[Tensor], batch: dict[str, Tensor]) -> Tensor:
        """Return one summary of each layer for each post, shape (posts, layers, hidden)."""
        summaries = torch.stack([self.pool(state, batch["attention_mask"]) for state in states], dim=1)
        if self.chunk_pool is not None and CHUNK_POSTS in batch:
            summaries = self.chunk_pool(summaries, batch[CHUNK_POSTS])
        return summaries

    def summarise(self, batch: dict[str, Tensor]) -> Tensor:
        """Return one summary of each layer for each post, shape (posts, layers, hidden)."""
        return self.pooled(self.states(batch)[0], batch)

    def classify(self, summaries: Tensor) -> NetworkOutput:
        """Return the output for summaries of shape (posts, layers, hidden)."""
        aggregated = self.aggregation(summaries)
        representation = aggregated.representation
        return NetworkOutput(
            self.head(representation),
            aggregated,
            self.projection(representation) if self.projection is not None else None,
            self.reservation(representation) if self.reservation is not None else None,
        )

    def new_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that start from scratch: aggregation, projection, head."""
        inside = {id(parameter) for parameter in self.encoder.parameters()}
        return [p for p in self.parameters() if p.requires_grad and id(p) not in inside]
