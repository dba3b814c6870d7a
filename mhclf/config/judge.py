"""Settings of a language model that judges explanations; each key is also an option of `generate.py judge`."""

from dataclasses import dataclass, field
from typing import Literal

from mhclf.config.generation import EndpointConfig, LocalConfig
from mhclf.errors import ConfigError

SOURCES = ("generated", "reference", "first_sentence")


@dataclass(frozen=True)
class JudgeSettings:
    """How explanations are judged (the mechanisms of DialogGuard, arXiv:2512.02282).

    Attributes
    ----------
    mechanism : str
        `single`: one judge. `dual`: a second judge reads the first one's answer and corrects it; its score counts.
        `debate`: one side argues for a low score, one for a high one, a moderator decides. `majority_vote`: several
        sampled answers of one judge vote.
    rubric : str
        Name of a file in mhclf/generation/rubrics, or path of one of yours.
    by : str
        `score`: the expected score, from the log-probabilities of the scale's numbers as the answer; for models that
        keep to no form. `parse`: the score that the generated answer gives; what gives none is missing.
    samples : int
        Of `majority_vote`: answers.
    temperature : float
        Of `majority_vote`.
    vote : str
        Of `majority_vote`: the most frequent score (a tie goes to the lower one), or the `median`.
    rounds : int
        Of `debate`: how often each side speaks.
    post_tokens : int
        Longest post in the prompt.
    max_new_tokens : int
        Longest answer.
    """

    mechanism: Literal["single", "dual", "debate", "majority_vote"] = "single"
    rubric: str = "mentallama"
    by: Literal["score", "parse"] = "score"
    samples: int = 5
    temperature: float = 0.7
    vote: Literal["majority", "median"] = "majority"
    rounds: int = 1
    post_tokens: int = 400
    max_new_tokens: int = 120

    def __post_init__(self) -> None:
        for name in ("samples", "rounds", "post_tokens", "max_new_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"judge: {name}: is {getattr(self, name)}, expected 1 or more.")
        if self.temperature <= 0:
            raise ConfigError(f"judge: temperature: is {self.temperature}, expected above 0.")
        for name, mechanism in _OF_ONE.items():
            default = self.__dataclass_fields__[name].default
            if self.mechanism != mechanism and getattr(self, name) != default:
                raise ConfigError(
                    f"judge: {name} is of {mechanism}. Leave it out, or use --judge.mechanism {mechanism}."
                )
        if self.mechanism == "majority_vote" and self.by == "score":
            raise ConfigError("judge: scores by probability are the same in each sample. Use --judge.by parse.")


_OF_ONE = {
    "samples": "majority_vote",
    "temperature": "majority_vote",
    "vote": "majority_vote",
    "rounds": "debate",
}
"""Setting -> the one mechanism that reads it."""


@dataclass(frozen=True)
class JudgeConfig:
    """A judge: how it judges, and which model it is.

    Attributes
    ----------
    judge : JudgeSettings
    backend : str
        `transformers` or `endpoint`.
    local : LocalConfig
    endpoint : EndpointConfig
    seed : int
        Of sampled answers.
    """

    judge: JudgeSettings = field(default_factory=JudgeSettings)
    backend: Literal["transformers", "endpoint"] = "transformers"
    local: LocalConfig = field(default_factory=LocalConfig)
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed: is {self.seed}, expected a whole number from 0 to 2**32 - 1.")
        if self.backend == "endpoint":
            if not self.endpoint.url or not self.endpoint.model:
                raise ConfigError("endpoint: give its address and its model: --endpoint.url URL --endpoint.model NAME.")
            if self.judge.by == "score":
                raise ConfigError("judge: an endpoint gives no probabilities of numbers. Use --judge.by parse.")


@dataclass(frozen=True)
class JudgeRunConfig(JudgeConfig):
    """Judging the explanations of a finished run.

    Attributes
    ----------
    run : str
        Folder of a prompting or a joint run.
    sources : list of str
        What is judged: the `generated` explanations, the `reference` ones of the data set, the `first_sentence` of
        each post. What a judge gives to the latter two says what its scores are worth.
    limit : int, optional
        The first rows alone.
    data_root : str, optional
    """

    run: str = ""
    sources: tuple[str, ...] = ("generated",)
    limit: int | None = None
    data_root: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.run:
            raise ConfigError("run: give the folder that generate.py prompt or joint printed: --run DIR.")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit: is {self.limit}, expected 1 or more.")
        unknown = [name for name in self.sources if name not in SOURCES]
        if unknown or not self.sources or len(set(self.sources)) < len(self.sources):
            raise ConfigError(f"sources: expected one or more of {', '.join(SOURCES)}, each once.")
