"""What a language model is asked, and what it answers: the border between prompting and backends."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Turn:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True)
class Ask:
    """A request for text.

    Attributes
    ----------
    turns : tuple of Turn
        The conversation so far; the model speaks next.
    opening : str
        Words that its answer begins with; the model goes on from them.
    max_new_tokens : int
    temperature : float
        0 takes the most probable token at every step.
    seed : int
        Of sampling; the same request with the same seed has the same answer, whatever it is batched with.
    """

    turns: tuple[Turn, ...]
    opening: str = ""
    max_new_tokens: int = 160
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Choose:
    """A request for the log-probability of each of some answers.

    Attributes
    ----------
    turns, opening
        As in `Ask`.
    choices : tuple of str
        Answers, as they would stand behind the opening.
    """

    turns: tuple[Turn, ...]
    choices: tuple[str, ...]
    opening: str = ""


@dataclass(frozen=True)
class Said:
    """A generated answer.

    Attributes
    ----------
    text : str
        Without the opening.
    finished : bool
        False where it was cut at `max_new_tokens`.
    tokens : int
        Tokens that were generated; 0 where the backend does not say.
    """

    text: str
    finished: bool
    tokens: int


@dataclass(frozen=True)
class Chances:
    """Log-probabilities of answers.

    Attributes
    ----------
    log_probabilities : tuple of float
        Sum over the tokens of each choice, natural logarithm, at most 0.
    tokens : tuple of int
        Tokens of each choice.
    """

    log_probabilities: tuple[float, ...]
    tokens: tuple[int, ...]


Request = Ask | Choose
Answer = Said | Chances


class Backend(Protocol):
    """Answers requests."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything about the backend that changes an answer: model, hash of weights, precision, versions."""
        ...

    def shorten(self, text: str, tokens: int) -> str:
        """Return the start of a text, at most so many tokens long."""
        ...

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Yield (number of the request, answer) in any order, each as soon as it is there."""
        ...


def request_key(identity: Mapping[str, Any], request: Request) -> str:
    """Return a hash of all that decides an answer: backend, prompt, choices, settings, seed."""
    content = [dict(identity), type(request).__name__, asdict(request)]
    if isinstance(request, Ask) and request.temperature == 0:
        # Without sampling the seed changes nothing.
        content[2] = asdict(request) | {"seed": 0}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
