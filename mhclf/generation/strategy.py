"""Prompt strategies as files: which questions a model is asked about a post, one after the other."""

import functools
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import jinja2.meta
import jinja2.sandbox

from mhclf.config.structure import find_yaml, from_mapping, read_yaml
from mhclf.errors import ConfigError
from mhclf.registry import nearest

FOLDER = Path(__file__).resolve().parent / "strategies"
LABEL = "label"
"""The last step: its answer is the label."""

VARIABLES = ("introduction", "examples", "before", "source", "post", "question", "options", "constraint", "cues")

# Prompts are plain text: nothing is escaped, and a post is put in as it is, never read as a template.
_TEMPLATES = jinja2.sandbox.SandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)


@dataclass(frozen=True)
class Step:
    """One question to the model.

    Attributes
    ----------
    name : str
        Later steps know its answer by this name.
    ask : mapping
        Language -> template; it may use `VARIABLES` and the names of earlier steps.
    continues : bool
        Goes on with the conversation of the step before; else a conversation of its own.
    max_new_tokens : int, optional
    """

    name: str
    ask: dict[str, str]
    continues: bool = False
    max_new_tokens: int | None = None


@dataclass(frozen=True)
class Strategy:
    """One strategy.

    Attributes
    ----------
    title : str
    steps : tuple of Step
        The last one is called `label`.
    system : mapping
        Language -> system message.
    shots : int
        Examples from train in the prompt.
    explained_examples : bool
        Examples show their explanation, too.
    samples : int
        Answers a post; the label is their vote.
    temperature : float
    reads_post : bool
        False shows the model nothing but the question.
    answer_form : str
        Template of an answer with explanation behind it; '' asks for the explanation in a turn of its own.
    """

    title: str
    steps: tuple[Step, ...]
    system: dict[str, str] = field(default_factory=dict)
    shots: int = 0
    explained_examples: bool = False
    samples: int = 1
    temperature: float = 0.0
    reads_post: bool = True
    answer_form: str = ""

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if not names or names[-1] != LABEL:
            raise ConfigError(f"steps: the last one must be called '{LABEL}'.")
        taken = {*VARIABLES, "answer"}
        for place, name in enumerate(names):
            if not name.isidentifier() or name in taken or name in names[:place]:
                raise ConfigError(f"steps: '{name}' is no name for a step, or is taken. Choose another word.")
        if self.steps[0].continues:
            raise ConfigError("steps: the first one has nothing to continue.")
        if self.samples < 1 or self.shots < 0 or self.temperature < 0:
            raise ConfigError("samples: expected 1 or more; shots and temperature: 0 or more.")
        if self.samples > 1 and self.temperature == 0:
            raise ConfigError("samples: several answers at temperature 0 are one and the same. Raise the temperature.")
        for place, step in enumerate(self.steps):
            known = {*VARIABLES, *names[:place]}
            for language, template in step.ask.items():
                unknown = sorted(_variables(template, f"step '{step.name}', {language}") - known)
                if unknown:
                    raise ConfigError(
                        f"step '{step.name}', {language}: nothing is called '{unknown[0]}'."
                        f"{nearest(unknown[0], known)} Known: {', '.join(sorted(known))}."
                    )

    def uses(self, variable: str) -> bool:
        """Whether any prompt of the strategy has a place for one of `VARIABLES`."""
        return any(variable in _variables(text, self.title) for step in self.steps for text in step.ask.values())


def _variables(template: str, where: str) -> set[str]:
    try:
        return set(jinja2.meta.find_undeclared_variables(_TEMPLATES.parse(template)))
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError(f"{where}: line {error.lineno} of the template is broken ({error.message}).") from error


def strategy_names() -> list[str]:
    """Return the names of the shipped strategies."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_strategy(name: str) -> Strategy:
    """Read a shipped strategy by name, or one of yours by path.

    Raises
    ------
    ConfigError
        If there is none, or its content is wrong.
    """
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"}:
        path = find_yaml(FOLDER, name, "strategy")
    content = read_yaml(path)
    try:
        return from_mapping(Strategy, content, str(path))
    except ConfigError as error:
        # What a class finds wrong in itself does not know its file.
        message = str(error)
        raise ConfigError(message if message.startswith(str(path)) else f"{path}: {message}") from error


def fill(template: str, values: dict[str, str]) -> str:
    """Return a template with its values put in, without white space at its ends."""
    return _compiled(template).render(values).strip()


@functools.cache
def _compiled(template: str) -> jinja2.Template:
    """Return a template that is filled for every post."""
    return _TEMPLATES.from_string(template)
