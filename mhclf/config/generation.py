"""Settings of prompting a language model for labels and explanations; each key is also an option of the door."""

from dataclasses import dataclass, field
from typing import Literal

from mhclf.errors import ConfigError


@dataclass(frozen=True)
class LocalConfig:
    """A causal or sequence-to-sequence model on this machine.

    Attributes
    ----------
    model : str
        `smollm2` (embedded), a folder saved by transformers, a `.gguf` file, or a hub name.
    adapter : str
        Folder of a LoRA adapter, laid over the model; '' for none.
    precision : str
        `auto` is bf16 where the processor or GPU multiplies it faster than fp32.
    batch_size : int
        Prompts a batch.
    """

    model: str = "smollm2"
    adapter: str = ""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    batch_size: int = 8

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"local: batch_size: is {self.batch_size}, expected 1 or more.")


@dataclass(frozen=True)
class EndpointConfig:
    """A server that speaks OpenAI's protocol.

    Attributes
    ----------
    url : str
        Base address, such as http://localhost:8000/v1.
    model : str
        The name by which the server knows it.
    kind : str
        `chat` or `completions`.
    concurrent : int
        Requests under way at a time.
    timeout : float
        Seconds to wait for one answer.
    retries : int
        Further tries of a request that fails, each after twice the wait.
    wait : float
        Seconds before the first of them.
    key_variable : str
        Environment variable that holds the key; the key itself is never written anywhere.
    """

    url: str = ""
    model: str = ""
    kind: Literal["chat", "completions"] = "chat"
    concurrent: int = 8
    timeout: float = 120.0
    retries: int = 5
    wait: float = 1.0
    key_variable: str = "OPENAI_API_KEY"

    def __post_init__(self) -> None:
        if self.concurrent < 1 or self.retries < 0 or self.timeout <= 0 or self.wait < 0:
            raise ConfigError(
                "endpoint: expected concurrent of 1 or more, retries and wait of 0 or more, timeout above 0."
            )


@dataclass(frozen=True)
class LabelsConfig:
    """How a label is read from the model.

    Attributes
    ----------
    by : str
        `score`: the label whose words are most probable as the answer. `parse`: the label that the generated answer
        names; an answer that names none counts as wrong. `run`: the label that a trained classifier predicted, so
        that the model only explains it.
    run : str
        Of `run`: the classifier's run folder.
    length : str
        Of `score`: the log-probability of a label's words is the `sum` over its tokens, or their `mean`.
    prior : str
        Of `score`: `subtract` takes off what the model answers without a post.
    fit : str
        Of `score`: `validation` fits a logistic regression from the labels' log-probabilities to the labels on the
        validation rows (for two labels: a threshold). `tuned` takes the one that `generate.py tune` fitted at its end
        and left beside the adapter or the weights.
    form : str
        `words`, or `letters`: options A, B, C and the answer one letter.
    questions : str
        For several labels a post: one `joint` question, or one yes-or-no question `per_label`. `auto` is per_label
        where labels are scored, joint where they are parsed.
    """

    by: Literal["score", "parse", "run"] = "score"
    run: str = ""
    length: Literal["sum", "mean"] = "sum"
    prior: Literal["none", "subtract"] = "none"
    fit: Literal["none", "validation", "tuned"] = "none"
    form: Literal["words", "letters"] = "words"
    questions: Literal["auto", "joint", "per_label"] = "auto"

    def __post_init__(self) -> None:
        if self.by != "score" and (self.prior != "none" or self.fit != "none"):
            raise ConfigError("labels: prior and fit need probabilities. Use --labels.by score.")
        if self.by != "score" and self.length != "sum":
            raise ConfigError("labels: length is of scored labels. Leave it out, or use --labels.by score.")
        if self.fit == "tuned" and (self.length != "sum" or self.prior != "none" or self.form != "words"):
            raise ConfigError("labels: fit: the tuned one is of plain scores of words. Leave out length, prior, form.")
        if self.by == "run" and (self.form != "words" or self.questions == "joint"):
            raise ConfigError("labels: by run, nothing is asked for the label. Leave out --labels.form and .questions.")
        if (self.by == "run") != bool(self.run):
            raise ConfigError("labels: --labels.by run and --labels.run DIR belong together.")
        if self.by != "parse" and self.questions == "joint":
            raise ConfigError("labels: a joint question can only be parsed. Use --labels.by parse, or per_label.")


@dataclass(frozen=True)
class GenerationConfig:
    """One prompting run.

    Attributes
    ----------
    data : str
        Name of a data set or path of its YAML.
    strategy : str
        Name of a file in mhclf/generation/strategies, or path of one of yours.
    context : str
        What the prompt says beforehand (Mental-LLM's enhancements): nothing, the `platform`, to answer as an
        `expert`, or `both`.
    shots : int, optional
        Examples in the prompt; the strategy's own number when empty.
    samples : int, optional
        Answers a post, by which it is voted; the strategy's own number when empty.
    explain : bool
        Ask for an explanation after the label.
    post_tokens : int
        Longest post in the prompt; the rest is cut off, and counted.
    max_new_tokens : int
        Longest answer of a step that does not say its own.
    backend : str
        `transformers` or `endpoint`.
    split : str
        The rows that are asked about.
    protocol : str
        `mentallama-2024` reads labels as the published code does: by substrings; unread answers become class 0 or
        "other".
    seed : int
        Of examples and samples.
    data_root, out, limit, mask
        As for a training run.
    """

    data: str = "demo"
    strategy: str = "zero_shot"
    context: Literal["none", "platform", "expert", "both"] = "none"
    shots: int | None = None
    samples: int | None = None
    explain: bool = False
    post_tokens: int = 400
    max_new_tokens: int = 160
    backend: Literal["transformers", "endpoint"] = "transformers"
    split: Literal["test", "validation"] = "test"
    protocol: Literal["sound", "mentallama-2024"] = "sound"
    seed: int = 1
    data_root: str | None = None
    out: str = "runs"
    limit: int | None = None
    mask: bool = True
    local: LocalConfig = field(default_factory=LocalConfig)
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    labels: LabelsConfig = field(default_factory=LabelsConfig)

    def __post_init__(self) -> None:
        for name in ("shots", "samples", "limit"):
            value = getattr(self, name)
            least = 0 if name == "shots" else 1
            if value is not None and value < least:
                raise ConfigError(f"{name}: is {value}, expected {least} or more.")
        for name in ("post_tokens", "max_new_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: is {getattr(self, name)}, expected 1 or more.")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed: is {self.seed}, expected a whole number from 0 to 2**32 - 1.")
        if self.backend == "endpoint":
            if not self.endpoint.url or not self.endpoint.model:
                raise ConfigError("endpoint: give its address and its model: --endpoint.url URL --endpoint.model NAME.")
            if self.labels.by == "score":
                raise ConfigError("labels: an endpoint gives no probabilities of whole labels. Use --labels.by parse.")
        if self.labels.fit == "tuned" and self.strategy != "imhi":
            raise ConfigError("labels: fit: the tuned one is of IMHI's form. Add --strategy imhi.")
        if self.labels.fit == "tuned" and self.split == "validation":
            raise ConfigError("labels: fit: the tuned one was fitted on the validation rows. Use --split test.")
        if self.labels.by == "run" and not self.explain:
            raise ConfigError("labels: by run, only explanations are asked for. Add --explain true.")
        if self.protocol == "mentallama-2024" and self.labels.by != "parse":
            raise ConfigError("protocol: mentallama-2024 parses answers. Add --labels.by parse.")
