"""Settings of the network: encoder, layers, pooling, long posts, adapters."""

from dataclasses import dataclass
from typing import Literal

from mhclf.errors import ConfigError


@dataclass(frozen=True)
class ModelConfig:
    """The network.

    Attributes
    ----------
    kind : str
        `transformer`; `bilstm` or `cnn` over the encoder's word vectors; or `tfidf_lr`, the linear baseline.
    aggregation : str
        How layers become one vector: `last`, `mean_last`, `scalar_mix`, `layer_attention`, `layer_attentive_residual`,
        `layer_attentive_residual_gated`.
    last_layers : int
        Layers that `mean_last` averages.
    initial_gate : float
        Where the gate of the layer-attentive residual starts.
    pooling : str
        How tokens become one vector: `mean`, `cls`, `max`, `attention`.
    dropout : float
        Before the head.
    abstain : bool
        Learn a reservation beside the labels (needs the loss `gamblers`).
    frozen_layers : int
        The embeddings and this many layers keep their pretrained weights; -1 freezes the whole encoder.
    attention : str
        Attention kernel; `auto` takes `eager` on a CPU for short posts, where it was measured faster, else `sdpa`.
    """

    kind: Literal["transformer", "bilstm", "cnn", "tfidf_lr"] = "transformer"
    aggregation: str = "layer_attentive_residual"
    last_layers: int = 4
    initial_gate: float = 0.1
    pooling: str = "mean"
    dropout: float = 0.1
    abstain: bool = False
    frozen_layers: int = 0
    attention: Literal["auto", "sdpa", "eager"] = "auto"

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"model: dropout: is {self.dropout}, expected a share from 0 to below 1.")
        if self.last_layers < 1 or self.frozen_layers < -1:
            raise ConfigError("model: needs last_layers >= 1 and frozen_layers >= 0 (or -1 for the whole encoder).")


@dataclass(frozen=True)
class LongPostsConfig:
    """What is read of a post that is longer than `max_length`.

    Attributes
    ----------
    strategy : str
        `head` reads the start; `head_tail` the start and the end (Sun et al. 2019); `chunks` reads all in pieces of
        `max_length` tokens, which attention pools.
    head_share : float
        Share of `max_length` that `head_tail` takes from the start.
    overlap : int
        Tokens that neighbouring chunks share.
    max_chunks : int
        A longer post is read in this many chunks, spread evenly over it.
    """

    strategy: Literal["head", "head_tail", "chunks"] = "head"
    head_share: float = 0.25
    overlap: int = 32
    max_chunks: int = 16

    def __post_init__(self) -> None:
        if not 0 < self.head_share < 1:
            raise ConfigError(f"long: head_share: is {self.head_share}, expected a share between 0 and 1.")
        if self.overlap < 0 or self.max_chunks < 1:
            raise ConfigError("long: needs overlap >= 0 and max_chunks >= 1.")


FROM_START = LongPostsConfig()
"""What every function that reads posts does unless told otherwise."""


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters on the encoder (Hu et al. 2022); the new parts are trained in full.

    Attributes
    ----------
    rank : int
        Rank of the update; 0 trains the encoder itself.
    alpha : int
        The update is multiplied by `alpha / rank`.
    dropout : float
        Before the adapters.
    targets : list of str
        Ends of the names of linear layers; `all-linear` is all of them.
    """

    rank: int = 0
    alpha: int = 16
    dropout: float = 0.05
    targets: tuple[str, ...] = ("all-linear",)

    def __post_init__(self) -> None:
        if self.rank < 0 or self.alpha <= 0 or not 0 <= self.dropout < 1 or not self.targets:
            raise ConfigError("lora: needs rank >= 0, alpha > 0, 0 <= dropout < 1 and one or more targets.")
