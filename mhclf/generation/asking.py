"""Carrying out a strategy: step by step over all posts, so that each step is one batched piece of work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mhclf.config.generation import GenerationConfig
from mhclf.errors import ConfigError
from mhclf.generation.cache import AnswerCache, answer_all
from mhclf.generation.deciding import Decision, Floats, decide_by_scores, decide_by_votes, normalised
from mhclf.generation.parsing import Parsed, explanation_of, parse_answer
from mhclf.generation.prompting import NO_POST, Post, Prompter
from mhclf.generation.requests import Ask, Backend, Chances, Choose, Said, Turn
from mhclf.generation.strategy import LABEL

Turns = tuple[Turn, ...]
Parser = Callable[[str], Parsed]
Progress = Callable[[str, int, int], None]
"""Called with what is asked for, how many answers are there, and how many there will be."""


@dataclass(frozen=True)
class Asker:
    """Asks a backend about posts, by one prompter.

    Attributes
    ----------
    backend : Backend
    cache : AnswerCache
    prompter : Prompter
    config : GenerationConfig
    samples : int
    parse : callable, optional
        Replaces the parser of answers.
    on_progress : callable, optional
    """

    backend: Backend
    cache: AnswerCache
    prompter: Prompter
    config: GenerationConfig
    samples: int = 1
    parse: Parser | None = None
    on_progress: Progress | None = None

    def label(self, posts: Sequence[Post]) -> list[Decision]:
        """Return a decision for each post, without explanation."""
        said = self._earlier_steps(posts)
        last = len(self.prompter.steps) - 1
        turns = [
            [self.prompter.turns(last, post, sample) for sample in samples]
            for post, samples in zip(posts, said, strict=True)
        ]
        if self.config.labels.by != "score":
            return self._parsed(posts, turns, said)
        priors = self._priors(posts) if self.config.labels.prior == "subtract" else [0.0] * len(posts)
        return self._scored(turns, said, priors)

    def explain(self, posts: Sequence[Post], decisions: Sequence[Decision]) -> list[Decision]:
        """Return decisions with the model's explanations of them: of what was decided in the end."""
        # Of several samples the explanation goes on from one that came to the decision.
        said = [decision.said[decision.agreeing] for decision in decisions if decision.said]
        if len(said) < len(posts):
            said = [samples[0] for samples in self._earlier_steps(posts)]
        last = len(self.prompter.steps) - 1
        turns = [self.prompter.turns(last, post, earlier) for post, earlier in zip(posts, said, strict=True)]
        return self._explained(turns, decisions)

    def _earlier_steps(self, posts: Sequence[Post]) -> list[list[dict[str, str]]]:
        """Ask the steps before the label: one mapping of step to text for each post and sample."""
        said: list[list[dict[str, str]]] = [[{} for _ in range(self.samples)] for _ in posts]
        for place, step in enumerate(self.prompter.steps[:-1]):
            asks = [
                Ask(
                    self.prompter.turns(place, post, sample),
                    max_new_tokens=step.max_new_tokens or self.config.max_new_tokens,
                    temperature=self.prompter.strategy.temperature,
                    seed=self.config.seed * 1000 + number,
                )
                for post, samples in zip(posts, said, strict=True)
                for number, sample in enumerate(samples)
            ]
            answers = iter(self._said(step.name, asks))
            for samples in said:
                for sample in samples:
                    sample[step.name] = next(answers).text.strip()
        return said

    def _scored(
        self, turns: list[list[Turns]], said: list[list[dict[str, str]]], priors: Sequence[Floats | float]
    ) -> list[Decision]:
        choices = self.prompter.question.answers
        chances = iter(self._chances([Choose(one, choices) for samples in turns for one in samples]))
        length = self.config.labels.length
        decisions = []
        for samples, texts, prior in zip(turns, said, priors, strict=True):
            found = [next(chances) for _ in samples]
            scores = [normalised(item.log_probabilities, item.tokens, length) - prior for item in found]
            decisions.append(decide_by_scores(scores, texts if len(self.prompter.steps) > 1 else ()))
        return decisions

    def _priors(self, posts: Sequence[Post]) -> list[Floats]:
        """Return for each post the scores of the answers where the prompt holds none, but the same question."""
        if len(self.prompter.steps) > 1:
            raise ConfigError("labels: prior: 'subtract' needs a strategy of one step. Use zero_shot or few_shot.")
        question = self.prompter.question
        empty = [Post(NO_POST, post.context if question.reads_context else "", post.options) for post in posts]
        found = self._chances([Choose(self.prompter.turns(0, post, {}), question.answers) for post in empty])
        return [normalised(item.log_probabilities, item.tokens, self.config.labels.length) for item in found]

    def _parsed(
        self, posts: Sequence[Post], turns: list[list[Turns]], said: list[list[dict[str, str]]]
    ) -> list[Decision]:
        question = self.prompter.question
        asks = [
            Ask(
                one,
                max_new_tokens=self.prompter.steps[-1].max_new_tokens or self.config.max_new_tokens,
                temperature=self.prompter.strategy.temperature if len(samples) > 1 else 0.0,
                seed=self.config.seed * 1000 + number,
            )
            for samples in turns
            for number, one in enumerate(samples)
        ]
        answers = iter(self._said(LABEL, asks))
        decisions = []
        for post, samples in zip(posts, said, strict=True):
            texts = [sample | {LABEL: next(answers).text.strip()} for sample in samples]
            own = question.with_options(post.options)
            parsed = [self.parse(text[LABEL]) if self.parse else parse_answer(text[LABEL], own) for text in texts]
            votes, parsers = [item.options for item in parsed], [item.parser for item in parsed]
            decisions.append(decide_by_votes(votes, parsers, len(question.answers), question.joint, texts))
        return decisions

    def _explained(self, turns: Sequence[Turns], decisions: Sequence[Decision]) -> list[Decision]:
        """Add explanations: what stands behind the label already, or what the model says when asked for it."""
        explained = list(decisions)
        waiting: list[int] = []
        asks = []
        for number, (one, decision) in enumerate(zip(turns, decisions, strict=True)):
            given = explanation_of(decision.said[decision.agreeing].get(LABEL, "")) if decision.said else ""
            # Of yes-or-no questions only a yes has something to explain.
            denied = self.prompter.question.label is not None and decision.options != (0,)
            if given or decision.options is None or denied:
                explained[number] = replace(decision, explanation=given)
                continue
            wording, answers = self.prompter.wording, self.prompter.question.answers
            answer = wording.separator.join(answers[option] for option in decision.options) or wording.none
            opening = self.prompter.opening(answer)
            asked = one if opening else self.prompter.explanation_turns(one, answer)
            waiting.append(number)
            asks.append(Ask(asked, opening, self.config.max_new_tokens))
        for number, said in zip(waiting, self._said("explanation", asks), strict=True):
            explained[number] = replace(decisions[number], explanation=said.text.strip())
        return explained

    def _said(self, what: str, asks: Sequence[Ask]) -> list[Said]:
        answers = answer_all(self.backend, self.cache, asks, self._counter(what, len(asks)))
        return [answer for answer in answers if isinstance(answer, Said)]

    def _chances(self, requests: Sequence[Choose]) -> list[Chances]:
        answers = answer_all(self.backend, self.cache, requests, self._counter(LABEL, len(requests)))
        return [answer for answer in answers if isinstance(answer, Chances)]

    def _counter(self, what: str, total: int) -> Callable[[int], None]:
        done = 0

        def count(settled: int) -> None:
            nonlocal done
            done += settled
            if self.on_progress:
                self.on_progress(what, done, total)

        return count
