"""Settings of instruction tuning; each key is also an option of `experiments/generate.py tune`."""

from dataclasses import dataclass, field
from typing import Literal

from mhclf.config.model import LoraConfig
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.errors import ConfigError


@dataclass(frozen=True)
class InstructionConfig:
    """Tuning a language model on posts, questions, labels and explanations (IMHI's form, arXiv:2309.13567).

    Attributes
    ----------
    data : str
        Data set whose train rows are learnt; its validation rows choose the epoch, its test rows are not touched.
    first : list of str
        Data sets of a first, general stage (as in MentalGLM and MentalQLM), without posts that meet a validation or
        test post of `data`.
    first_epochs : int
        Passes over them.
    keep_out : list of str
        Sets whose posts are neither learnt nor used for choosing; `experts` stands for those whose explanations experts
        wrote and that share posts with it: the YAML of either names the other under `shares_text_with`.
    model : str
        `smollm2`, a folder saved by transformers, or a hub name; a causal model.
    response : str
        What is learnt: `explained` (label and explanation; rows without one: the label), or the `label` only.
    label_weight : float
        Weight of a token of the label; one of the explanation has weight 1.
    seed : int
        Order of rows, adapters, dropout.
    post_tokens : int
        Longest post in the prompt.
    response_tokens : int
        Longest response; the rest is cut off, and counted.
    lora : LoraConfig
        `rank` 0 tunes all weights.
    optim : OptimConfig
        `lr` for all that learns.
    trainer : TrainerConfig
        `epochs` over `data`.
    data_root, out, limit, mask
        As for a training run.
    """

    data: str = "demo"
    first: tuple[str, ...] = ()
    first_epochs: int = 1
    keep_out: tuple[str, ...] = ("experts",)
    model: str = "smollm2"
    response: Literal["explained", "label"] = "explained"
    label_weight: float = 10.0
    seed: int = 1
    post_tokens: int = 300
    response_tokens: int = 160
    data_root: str | None = None
    out: str = "runs"
    limit: int | None = None
    mask: bool = True
    lora: LoraConfig = field(default_factory=lambda: LoraConfig(rank=8))
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=5e-4, weight_decay=0.0))
    batch: BatchConfig = field(default_factory=lambda: BatchConfig(size=4))
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(epochs=1, accumulate=2))

    def __post_init__(self) -> None:
        if self.label_weight <= 0:
            raise ConfigError(f"label_weight: is {self.label_weight}, expected above 0.")
        for name in ("first_epochs", "post_tokens", "response_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: is {getattr(self, name)}, expected 1 or more.")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit: is {self.limit}, expected 1 row or more per split.")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed: is {self.seed}, expected a whole number from 0 to 2**32 - 1.")
        if self.trainer.devices > 1 or self.batch.per_class:
            raise ConfigError("instruction tuning runs in one process, in batches by length. Leave those options out.")
        if self.data in self.first:
            raise ConfigError(f"first: '{self.data}' is the data set of the second stage. Leave it out.")
