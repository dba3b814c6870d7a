"""From a post and a strategy to the conversation that a model sees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mhclf.config.generation import GenerationConfig
from mhclf.errors import ConfigError
from mhclf.generation.cues import emotion_words
from mhclf.generation.examples import Example
from mhclf.generation.questions import Question
from mhclf.generation.requests import Turn
from mhclf.generation.strategy import Step, Strategy, fill
from mhclf.generation.wording import Wording, wording_of

NO_POST = "N/A"
"""Stands in the place of the post where the answer without one is asked for."""


@dataclass(frozen=True)
class Post:
    """A post as it stands in prompts, cut to its longest length."""

    text: str
    context: str = ""
    options: tuple[str, ...] = ()
    """Where each row has its own."""


@dataclass(frozen=True)
class Prompter:
    """Renders the conversations about one question.

    Attributes
    ----------
    strategy : Strategy
    question : Question
    language : str
    context : str
        `GenerationConfig.context`.
    examples : sequence of Example
    """

    strategy: Strategy
    question: Question
    language: str
    context: str = "none"
    examples: Sequence[Example] = ()

    @property
    def wording(self) -> Wording:
        """The fixed words of the language."""
        return wording_of(self.language)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The strategy's steps; the last one asks for the label."""
        return self.strategy.steps

    def turns(self, place: int, post: Post, answers: Mapping[str, str]) -> tuple[Turn, ...]:
        """Return the conversation up to the question of one step.

        Parameters
        ----------
        place : int
            Number of the step.
        post : Post
        answers : mapping
            What the model said in earlier steps, by their names.
        """
        step = self.steps[place]
        asked = Turn("user", fill(step.ask[self.language], self._values(post, answers)))
        if step.continues:
            before = self.steps[place - 1].name
            return (*self.turns(place - 1, post, answers), Turn("assistant", answers[before]), asked)
        system = self.strategy.system.get(self.language)
        return (*((Turn("system", system),) if system else ()), asked)

    def explanation_turns(self, label_turns: Sequence[Turn], answer: str) -> tuple[Turn, ...]:
        """Return the conversation that asks why, after the answer was given."""
        asked = self.wording.explain.format(answer=answer)
        return (*label_turns, Turn("assistant", answer), Turn("user", asked))

    def opening(self, answer: str) -> str:
        """Return the start of an answer that an explanation follows, '' where it is asked for in a turn of its own."""
        return fill(self.strategy.answer_form, {"answer": answer}) if self.strategy.answer_form else ""

    def _values(self, post: Post, answers: Mapping[str, str]) -> dict[str, str]:
        found = emotion_words(post.text, self.language)
        words = [word for listed in found.values() for word in listed]
        question = self.question.with_options(post.options)
        return {
            "introduction": self._introduction(),
            "examples": "".join(self._example(example) for example in self.examples),
            "before": self._before(post.context),
            "source": self._source(post.text, post.context),
            "post": post.text,
            "question": self._asked(question, post.context),
            # Options of a row are part of what is asked about it.
            "options": "" if question.by_row else question.options(self.wording),
            "constraint": question.constraint(self.wording),
            "cues": self.wording.cues.format(cues=self.wording.separator.join(words))
            if words
            else self.wording.no_cues,
            **answers,
        }

    def _introduction(self) -> str:
        platform = self.wording.platform if self.context in {"platform", "both"} else ""
        expert = self.wording.expert if self.context in {"expert", "both"} else ""
        return platform + expert

    def _before(self, context: str) -> str:
        if not context or self.question.reads_context:
            return ""
        # `replace`, not `format`: posts hold braces.
        return self.wording.before.replace("{context}", context)

    def _asked(self, question: Question, context: str) -> str:
        asked = question.asked(context)
        return f"{asked}\n{question.options(self.wording)}" if question.by_row else asked

    def _source(self, text: str, context: str) -> str:
        return self._before(context) + self.wording.source.replace("{post}", text)

    def _example(self, example: Example) -> str:
        answer = example.answer
        if self.strategy.explained_examples and example.explanation:
            answer = f"{example.explanation} {answer}"
        before, _, rest = self.wording.example.partition("{source}")
        middle, _, after = rest.partition("{answer}")
        source = self._source(example.text, example.context)
        question = self._asked(self.question.with_options(example.options), example.context)
        return before + source + middle.replace("{question}", question) + answer + after


def check_language(strategy: Strategy, name: str, language: str) -> None:
    """Refuse a strategy that has no words in the language of the data set."""
    wording_of(language)
    for step in strategy.steps:
        if language not in step.ask:
            known = ", ".join(sorted(step.ask))
            raise ConfigError(f"strategy '{name}': step '{step.name}' is worded in {known}, not in '{language}'.")


def with_overrides(strategy: Strategy, config: GenerationConfig) -> tuple[int, int]:
    """Return the number of examples and of samples: the configuration's where it has one, else the strategy's.

    Raises
    ------
    ConfigError
        If several samples are asked for of a strategy that does not sample, or a setting would change nothing.
    """
    name = config.strategy
    if config.shots and not strategy.uses("examples"):
        raise ConfigError(f"shots: '{name}' has no place for examples. Use --strategy few_shot.")
    if config.context != "none" and not strategy.uses("introduction"):
        raise ConfigError(f"context: '{name}' has no place for it. Leave it out, or use --strategy zero_shot.")
    if not strategy.reads_post and (config.explain or config.labels.prior == "subtract"):
        raise ConfigError(f"'{name}' shows no post: leave out --explain and --labels.prior, or use another strategy.")
    shots = strategy.shots if config.shots is None else config.shots
    samples = strategy.samples if config.samples is None else config.samples
    if samples > 1 and strategy.temperature == 0:
        raise ConfigError(
            f"samples: {samples} answers of '{config.strategy}' would all be the same, because it does not sample. "
            "Use --strategy self_consistency."
        )
    return shots, samples
