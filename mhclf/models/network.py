"""The network: encoder, pooling, layer aggregation, head, and a projection for the contrastive loss."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from mhclf.models.aggregation import AGGREGATIONS, Aggregated
from mhclf.models.encoder import hidden_states
from mhclf.models.heads import HEADS, Head
from mhclf.models.pooling import POOLINGS


@dataclass(frozen=True)
class NetworkConfig:
    """What rebuilds the network beside the encoder's own configuration; plain values, saved with the model."""

    task: str
    labels: tuple[str, ...]
    aggregation: str = "layer_attentive_residual"
    pooling: str = "mean"
    dropout: float = 0.1
    projection_size: int = 0


@dataclass(frozen=True)
class NetworkOutput:
    """Logits (batch, labels), the aggregated layers, and unit projections (batch, size) or None."""

    logits: Tensor
    aggregated: Aggregated
    projection: Tensor | None


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
    """

    def __init__(self, encoder: PreTrainedModel, config: NetworkConfig) -> None:
        super().__init__()
        hidden = int(encoder.config.hidden_size)
        self.config = config
        self.encoder = encoder
        self.pool = POOLINGS.get(config.pooling)
        self.aggregation = AGGREGATIONS.get(config.aggregation)(
            layers=int(encoder.config.num_hidden_layers) + 1, hidden=hidden
        )
        self.head: Head = HEADS.get(config.task)(hidden, len(config.labels), config.dropout)
        self.projection = ProjectionHead(hidden, config.projection_size) if config.projection_size else None

    def forward(self, batch: dict[str, Tensor]) -> NetworkOutput:
        """Classify a batch of `input_ids`, `attention_mask` (and `token_type_ids`), each (batch, tokens)."""
        states = hidden_states(self.encoder, batch, self.aggregation.every_layer)
        mask = batch["attention_mask"]
        summaries = torch.stack([self.pool(state, mask) for state in states], dim=1)
        aggregated = self.aggregation(summaries)
        projection = self.projection(aggregated.representation) if self.projection is not None else None
        return NetworkOutput(self.head(aggregated.representation), aggregated, projection)

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Return the pretrained parameters."""
        return [parameter for parameter in self.encoder.parameters() if parameter.requires_grad]

    def new_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that start from scratch: aggregation, projection, head."""
        inside = {id(parameter) for parameter in self.encoder.parameters()}
        return [p for p in self.parameters() if p.requires_grad and id(p) not in inside]
