"""Every setting of one run; each key is also an option of the front doors."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from mhclf.errors import ConfigError


@dataclass(frozen=True)
class AuditConfig:
    """The audit before training.

    Attributes
    ----------
    on_leak : str
        Posts that stand in train and in another split: drop them from train, stop (exit 3), or keep them.
    against : list of str
        Other data sets on which the model will be tested: train posts that repeat, nearly repeat, contain or are
        contained in one of their test posts are dropped from train.
    """

    on_leak: Literal["drop", "stop", "keep"] = "drop"
    against: tuple[str, ...] = ()


@dataclass(frozen=True)
class SubsetConfig:
    """Less training data, for few-shot work and learning curves.

    Attributes
    ----------
    per_class : int, optional
        Train posts of each class (with several labels a post, at least as many where there are).
    share : float, optional
        Share of the train posts of each class.
    seed : int
        Which posts; a smaller subset of one seed lies inside a larger one.
    """

    per_class: int | None = None
    share: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.per_class is not None and self.share is not None:
            raise ConfigError("subset: give 'per_class' or 'share', not both.")
        if self.per_class is not None and self.per_class < 1:
            raise ConfigError(f"subset: per_class: is {self.per_class}, expected 1 or more.")
        if self.share is not None and not 0 < self.share <= 1:
            raise ConfigError(f"subset: share: is {self.share}, expected above 0 and at most 1.")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"subset: seed: is {self.seed}, expected a whole number from 0 to 2**32 - 1.")


@dataclass(frozen=True)
class ModelConfig:
    """The network.

    Attributes
    ----------
    kind : str
        `transformer`, or `tfidf_lr` for the linear baseline.
    aggregation : str
        How layers become one vector: `last`, `layer_attentive_residual`.
    pooling : str
        How tokens become one vector: `mean`, `cls`, `max`.
    dropout : float
        Before the head.
    attention : str
        Attention kernel; `auto` takes `eager` on a CPU for short posts, where it was measured faster, else `sdpa`.
    """

    kind: Literal["transformer", "tfidf_lr"] = "transformer"
    aggregation: str = "layer_attentive_residual"
    pooling: str = "mean"
    dropout: float = 0.1
    attention: Literal["auto", "sdpa", "eager"] = "auto"

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"model: dropout: is {self.dropout}, expected a share from 0 to below 1.")


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
    """

    weight: float = 0.5
    temperature: float = 0.1
    ramp: str = "linear"
    ramp_share: float = 0.5
    projection_size: int = 128

    def __post_init__(self) -> None:
        if self.weight < 0 or self.temperature <= 0 or not 0 < self.ramp_share <= 1 or self.projection_size < 1:
            raise ConfigError(
                "contrastive: needs weight >= 0, temperature > 0, 0 < ramp_share <= 1 and projection_size >= 1; "
                f"got {self.weight}, {self.temperature}, {self.ramp_share}, {self.projection_size}."
            )


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
    """

    lr: float = 1e-4
    head_lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.1
    gradient_clip: float = 1.0

    def __post_init__(self) -> None:
        if self.lr < 0 or self.head_lr < 0 or not 0 <= self.warmup < 1:
            raise ConfigError("optim: needs lr >= 0, head_lr >= 0 and 0 <= warmup < 1.")
        if self.weight_decay < 0 or self.gradient_clip < 0:
            raise ConfigError("optim: needs weight_decay >= 0 and gradient_clip >= 0.")


@dataclass(frozen=True)
class BatchConfig:
    """Batches of posts of similar length.

    Attributes
    ----------
    size : int
        Posts in a batch.
    max_tokens : int
        Fewer posts where padding included this would be passed; it caps memory only.
    by_length : bool
        Off gives plain random batches.
    """

    size: int = 32
    max_tokens: int = 16384
    by_length: bool = True

    def __post_init__(self) -> None:
        if self.size < 1 or self.max_tokens < 1:
            raise ConfigError("batch: size and max_tokens must be 1 or more.")


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
        `auto` is bf16 where the processor has it, else fp32. Saved predictions are always computed in fp32.
    threads : int
        Threads of torch on the CPU; 0 leaves its default.
    keep_checkpoints : bool
        Keep `checkpoints/` when the run is complete; `model/` always stays.
    """

    epochs: int = 4
    accelerator: str = "auto"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    threads: int = 0
    keep_checkpoints: bool = True

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.threads < 0:
            raise ConfigError("trainer: epochs must be 1 or more and threads 0 or more.")


@dataclass(frozen=True)
class RunConfig:
    """The run.

    Attributes
    ----------
    data : str
        Name of a data set or path of its YAML.
    method : str
        Recipe in experiments/recipes whose differences were applied.
    encoder : str
        `minilm`, `mpnet`, a local folder, or a hub name.
    seed : int
        Varies the model only, never the rows.
    split_seed : int, optional
        Replaces the data set's own `splits.seed`, for repeated splits.
    fold : int, optional
        Replaces the data set's own `splits.fold`, for cross-validation.
    max_length : int, optional
        Tokens per post; the data set's own value when empty.
    data_root : str, optional
        Folder of the data files; `$MHCLF_DATA`, then `./data`, when empty.
    out : str
        Folder in which run folders are made.
    limit : int, optional
        Rows per split, for a quick look.
    mask : bool
        Mask e-mail addresses and user names in texts.
    test : bool
        Open the test set; off while you explore.
    report : bool
        Draw figures, report and model card; suites leave them out, and a later start of the same run adds them.
    protocol : str
        `sound`, the only one that a training run can follow so far.
    """

    data: str = "demo"
    method: str = "lara_supcon"
    encoder: str = "minilm"
    seed: int = 1
    split_seed: int | None = None
    fold: int | None = None
    max_length: int | None = None
    data_root: str | None = None
    out: str = "runs"
    limit: int | None = None
    mask: bool = True
    test: bool = True
    report: bool = True
    protocol: Literal["sound", "welldunn-2024", "mentallama-2024"] = "sound"
    audit: AuditConfig = AuditConfig()
    subset: SubsetConfig = SubsetConfig()
    model: ModelConfig = ModelConfig()
    contrastive: ContrastiveConfig = ContrastiveConfig()
    optim: OptimConfig = OptimConfig()
    batch: BatchConfig = BatchConfig()
    trainer: TrainerConfig = TrainerConfig()

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit: is {self.limit}, expected 1 row or more per split.")
        if self.max_length is not None and self.max_length < 4:
            raise ConfigError(f"max_length: is {self.max_length}, expected 4 tokens or more.")
        if self.seed < 0 or self.seed >= 2**32:
            raise ConfigError(f"seed: is {self.seed}, expected a whole number from 0 to 2**32 - 1.")
        # Validation rows are drawn with split_seed + 1000.
        if self.split_seed is not None and not 0 <= self.split_seed < 2**31:
            raise ConfigError(f"split_seed: is {self.split_seed}, expected a whole number from 0 to 2**31 - 1.")
        if self.protocol != "sound":
            raise ConfigError(f"protocol: '{self.protocol}' cannot be replayed by a training run yet; use 'sound'.")


def short_name(name: str) -> str:
    """Return the name under which records keep a data set or encoder: no path of a machine, no separators."""
    path = PurePath(name)
    if path.suffix in {".yaml", ".yml"}:
        return path.stem
    is_path = name.startswith((".", "/", "~")) or name.count("/") > 1
    return path.name if is_path else name.replace("/", "--")
