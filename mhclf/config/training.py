"""Settings of training: optimiser, batches, trainer."""

from dataclasses import dataclass, field
from typing import Any, Literal

from mhclf.errors import ConfigError


@dataclass(frozen=True)
class OptimConfig:
    """The optimiser: AdamW with linear warm-up and decay.

    Attributes
    ----------
    lr : float
        Learning rate of the encoder.
    head_lr : float
        Learning rate of what starts from scratch: aggregation, projection, head.
    weight_decay : float
        For weights, not for biases and norms.
    warmup : float
        Share of all steps over which the learning rate grows.
    gradient_clip : float
        Largest norm of all gradients together; 0 turns clipping off.
    layer_decay : float
        Each layer of the encoder learns this many times slower than the one above it; 1 for one rate.
    """

    lr: float = 1e-4
    head_lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.1
    gradient_clip: float = 1.0
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        if self.lr < 0 or self.head_lr < 0 or not 0 <= self.warmup < 1:
            raise ConfigError("optim: needs lr >= 0, head_lr >= 0 and 0 <= warmup < 1.")
        if self.weight_decay < 0 or self.gradient_clip < 0:
            raise ConfigError("optim: needs weight_decay >= 0 and gradient_clip >= 0.")
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(f"optim: layer_decay: is {self.layer_decay}, expected above 0 and at most 1.")


@dataclass(frozen=True)
class BatchConfig:
    """Batches of posts of similar length.

    Attributes
    ----------
    size : int
        Posts in a batch, on each device.
    max_tokens : int
        Fewer posts where padding included this would be passed; it caps memory only.
    by_length : bool
        Off gives plain random batches.
    per_class : int
        Posts of one class that stay together in a batch, so that each has a positive; 2 or more overrides `by_length`,
        0 leaves it off.
    """

    size: int = 32
    max_tokens: int = 16384
    by_length: bool = True
    per_class: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or self.max_tokens < 1:
            raise ConfigError("batch: size and max_tokens must be 1 or more.")
        if self.per_class == 1 or self.per_class < 0 or self.per_class > self.size:
            raise ConfigError(f"batch: per_class: is {self.per_class}, expected 0, or 2 up to the batch's size.")


@dataclass(frozen=True)
class TrainerConfig:
    """How long and on what to train.

    Attributes
    ----------
    epochs : int
        Passes over train.
    accelerator : str
        Lightning's name: `auto`, `cpu`, `gpu`, ...
    precision : str
        `auto` is bf16 where the processor or GPU multiplies it faster, else fp32. Saved predictions are always computed
        in fp32.
    threads : int
        Threads of torch on the CPU; 0 leaves its default.
    keep_checkpoints : bool
        Keep `checkpoints/` when the run is complete; `model/` always stays.
    devices : int
        Devices (or processes on a CPU) that share each step; a batch then holds `batch.size` posts on each.
    strategy : str
        Lightning's name: `auto`, `ddp`, ...
    accumulate : int
        Batches whose gradients make one step: the mean of their losses, each batch alike however many rows or tokens
        it holds.
    patience : int
        Stop after this many epochs without a better validation score; 0 never stops.
    average : bool
        Validate, choose and save an exponential moving average of the weights.
    average_decay : float
        Share of the average that stays at each step.
    loggers : mapping
        Class in `lightning.pytorch.loggers` -> its options, beside `training_log.csv`.
    options : mapping
        Any other option of `lightning.Trainer`.
    """

    epochs: int = 4
    accelerator: str = "auto"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    threads: int = 0
    keep_checkpoints: bool = True
    devices: int = 1
    strategy: str = "auto"
    accumulate: int = 1
    patience: int = 0
    average: bool = False
    average_decay: float = 0.99
    loggers: dict[str, dict[str, Any]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.threads < 0:
            raise ConfigError("trainer: epochs must be 1 or more and threads 0 or more.")
        if self.devices < 1 or self.accumulate < 1 or self.patience < 0 or not 0 < self.average_decay < 1:
            raise ConfigError("trainer: needs devices >= 1, accumulate >= 1, patience >= 0 and 0 < average_decay < 1.")
