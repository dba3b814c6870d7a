"""The network: encoder, pooling, layer aggregation, head, and a projection for the contrastive loss."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from mhclf.data.tokens import CHUNK_POSTS
from mhclf.models.aggregation import AGGREGATIONS, Aggregated, AggregationOptions
from mhclf.models.encoder import hidden_states
from mhclf.models.heads import HEADS, Head, ReservationHead
from mhclf.models.pooling import POOLINGS, ChunkPooling


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


@dataclass(frozen=True)
class NetworkOutput:
    """Logits (batch, labels), the aggregated layers, unit projections (batch, size), reservation logits (batch,)."""

    logits: Tensor
    aggregated: Aggregated
    projection: Tensor | None = None
    reservation: Tensor | None = None


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
    """

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

    def forward(self, batch: dict[str, Tensor]) -> NetworkOutput:
        """Classify a batch of `input_ids`, `attention_mask` (and `token_type_ids`), each (batch, tokens).

        Where the network reads chunks, rows are chunks, `CHUNK_POSTS` (batch,) says whose, and the output has a row a
        post; without that key each row is a post of one chunk.
        """
        return self.classify(self.summarise(batch))

    def summarise(self, batch: dict[str, Tensor]) -> Tensor:
        """Return one summary of each layer for each post, shape (posts, layers, hidden)."""
        inputs = {key: value for key, value in batch.items() if key != CHUNK_POSTS}
        states = hidden_states(self.encoder, inputs, self.aggregation.every_layer)
        summaries = torch.stack([self.pool(state, inputs["attention_mask"]) for state in states], dim=1)
        if self.chunk_pool is not None and CHUNK_POSTS in batch:
            summaries = self.chunk_pool(summaries, batch[CHUNK_POSTS])
        return summaries

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
