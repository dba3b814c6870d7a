"""Settings of the losses."""

from dataclasses import dataclass
from typing import Literal

from mhclf.errors import ConfigError


@dataclass(frozen=True)
class LossConfig:
    """The classification loss.

    Attributes
    ----------
    name : str
        `auto` (cross-entropy, for several labels a post binary cross-entropy), `focal` (Lin et al. 2017), `gamblers`
        (Liu et al. 2019), `balanced_accuracy` (cross-entropy and a surrogate of balanced accuracy).
    class_weights : str
        `balanced` weights a class by the inverse of its share of train, `effective_number` by the inverse of its
        effective number of posts (Cui et al. 2019).
    effective_beta : float
        Of `effective_number`.
    label_smoothing : float
        Share of each target that is spread over all labels.
    soft_labels : bool
        Give each post's label the probability `columns: confidence` and spread the rest over the others.
    focal_gamma : float
        How much `focal` plays down posts that are right already.
    payoff : float, optional
        `gamblers`: what a right bet pays, above 1 and at most the number of labels (taken when empty); less means
        more reservation.
    start_share : float
        `gamblers`: share of all steps with plain cross-entropy first.
    balanced_weight : float
        `balanced_accuracy`: weight of the surrogate.
    """

    name: str = "auto"
    class_weights: Literal["none", "balanced", "effective_number"] = "none"
    effective_beta: float = 0.999
    label_smoothing: float = 0.0
    soft_labels: bool = False
    focal_gamma: float = 2.0
    payoff: float | None = None
    start_share: float = 0.0
    balanced_weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.effective_beta < 1 or not 0 <= self.label_smoothing < 1 or not 0 <= self.start_share < 1:
            raise ConfigError("loss: effective_beta, label_smoothing and start_share must lie from 0 to below 1.")
        if self.focal_gamma < 0 or self.balanced_weight < 0:
            raise ConfigError("loss: needs focal_gamma >= 0 and balanced_weight >= 0.")
        if self.payoff is not None and self.payoff <= 1:
            raise ConfigError(f"loss: payoff: is {self.payoff}, expected above 1 and at most the number of labels.")


@dataclass(frozen=True)
class EvidenceConfig:
    """Learning from the words that experts marked in train posts.

    Attributes
    ----------
    attention_weight : float
        Largest weight of a loss that draws the last layer's attention to marked words; 0 turns it off.
    head_weight : float
        Largest weight of a head that says of each token whether it is marked: an extractive explanation beside the
        label; 0 leaves it out.
    ramp : str
        How the weights grow, as for the contrastive term.
    ramp_share : float
        Share of all steps over which they grow.
    """

    attention_weight: float = 0.0
    head_weight: float = 0.0
    ramp: str = "linear"
    ramp_share: float = 0.25

    def __post_init__(self) -> None:
        if self.attention_weight < 0 or self.head_weight < 0 or not 0 < self.ramp_share <= 1:
            raise ConfigError("evidence: needs attention_weight >= 0, head_weight >= 0 and 0 < ramp_share <= 1.")

    @property
    def on(self) -> bool:
        """Whether anything is learnt from marked words."""
        return self.attention_weight > 0 or self.head_weight > 0


@dataclass(frozen=True)
class ContrastiveConfig:
    """The supervised contrastive term.

    Attributes
    ----------
    weight : float
        Largest weight of the term; 0 turns it off.
    temperature : float
        Divides cosine similarities.
    ramp : str
        How the weight grows from 0: `constant` (does not), `linear`, `cosine`, `step`.
    ramp_share : float
        Share of all steps over which it grows.
    projection_size : int
        Width of the projection head's output.
    ordinal : bool
        For ordered labels: a pair counts as positive by how near its levels are, not only where they are equal.
    queue : int
        Earlier posts that stand beside those of the batch (Wang et al. 2020); helps small batches.
    """

    weight: float = 0.5
    temperature: float = 0.1
    ramp: str = "linear"
    ramp_share: float = 0.5
    projection_size: int = 128
    ordinal: bool = False
    queue: int = 0

    def __post_init__(self) -> None:
        if self.weight < 0 or self.temperature <= 0 or not 0 < self.ramp_share <= 1 or self.projection_size < 1:
            raise ConfigError(
                "contrastive: needs weight >= 0, temperature > 0, 0 < ramp_share <= 1 and projection_size >= 1; "
                f"got {self.weight}, {self.temperature}, {self.ramp_share}, {self.projection_size}."
            )
        if self.queue < 0:
            raise ConfigError(f"contrastive: queue: is {self.queue}, expected 0 posts or more.")
