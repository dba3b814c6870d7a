"""Settings of a classifier with an explanation head; each key is also an option of `experiments/generate.py joint`."""

from dataclasses import dataclass, field
from pathlib import Path

from mhclf.config.model import LoraConfig
from mhclf.config.run import RunConfig
from mhclf.config.structure import from_mapping, read_yaml
from mhclf.errors import ConfigError


@dataclass(frozen=True)
class ExplanationConfig:
    """The explanation head: a language model that reads the classifier's representation as prefix tokens.

    Attributes
    ----------
    decoder : str
        `smollm2`, a folder saved by transformers, or a hub name; a causal model.
    prefix_length : int
        Prefix tokens made of the representation.
    reads_post : bool
        The prompt holds the post; off, all that the decoder knows of the post is the prefix (and the label).
    weight : float
        Weight of the generation loss beside the classifier's; 0 leaves the head as it starts.
    label_weight : float
        Weight of a token of the label, which begins each response; one of the explanation has weight 1.
    lr : float
        Learning rate of projector and adapters.
    lora : LoraConfig
        Adapters on the decoder; `rank` 0 leaves it as it is, so that the prefix alone learns.
    post_tokens : int
        Longest post in the prompt.
    response_tokens : int
        Longest response that is learnt; the rest is cut off, and counted.
    max_new_tokens : int
        Longest explanation that is written.
    micro_batch : int
        Explanations that the decoder works on at a time; it changes memory and time, not the loss.
    keep_out : list of str
        Sets whose posts are neither learnt nor used for choosing; `experts` stands for those whose explanations experts
        wrote and that share posts with it: the YAML of either names the other under `shares_text_with`.
    """

    decoder: str = "smollm2"
    prefix_length: int = 4
    reads_post: bool = True
    weight: float = 0.5
    label_weight: float = 1.0
    lr: float = 5e-4
    lora: LoraConfig = field(default_factory=lambda: LoraConfig(rank=8))
    post_tokens: int = 200
    response_tokens: int = 96
    max_new_tokens: int = 60
    micro_batch: int = 4
    keep_out: tuple[str, ...] = ("experts",)

    def __post_init__(self) -> None:
        for name in ("prefix_length", "post_tokens", "response_tokens", "max_new_tokens", "micro_batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"explanation: {name}: is {getattr(self, name)}, expected 1 or more.")
        if self.weight < 0 or self.lr < 0:
            raise ConfigError("explanation: needs weight >= 0 and lr >= 0.")
        if self.label_weight <= 0:
            raise ConfigError(f"explanation: label_weight: is {self.label_weight}, expected above 0.")


@dataclass(frozen=True)
class JointConfig(RunConfig):
    """A training run whose classifier also explains.

    Attributes
    ----------
    explanation : ExplanationConfig
    """

    explanation: ExplanationConfig = field(default_factory=ExplanationConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model.kind == "tfidf_lr":
            raise ConfigError("explanation: the linear baseline has no representation. Choose a neural method.")
        if self.trainer.devices > 1 or int(self.trainer.options.get("num_nodes", 1)) > 1:
            raise ConfigError("explanation: is learnt in one process. Leave --trainer.devices 1.")
        if self.trainer.average:
            raise ConfigError("explanation: goes without an average of the weights. Leave --trainer.average off.")


def read_run_config(file: Path) -> RunConfig:
    """Return the settings of a training run: a `JointConfig` where its classifier also explains.

    Raises
    ------
    ConfigError
        If the file is missing or holds other keys.
    """
    content = read_yaml(file)
    return from_mapping(JointConfig if "explanation" in content else RunConfig, content, str(file))
