"""Language models as judges of explanations: alone, corrected, after a debate, by vote (DialogGuard's mechanisms)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.special import softmax

from mhclf.config.judge import JudgeSettings
from mhclf.generation.cache import AnswerCache, answer_all
from mhclf.generation.judge_prompts import Judged, JudgePrompts
from mhclf.generation.requests import Ask, Backend, Chances, Choose, Request, Said, Turn
from mhclf.generation.rubric import Criterion, Rubric
from mhclf.generation.score_parsing import Reading, parse_score

Turns = tuple[Turn, ...]
Progress = Callable[[str, int, int], None]
Task = tuple[Judged, Criterion]
FIRST, SECOND, LOW, HIGH, MODERATOR, SAMPLE = "first", "second", "for_low", "for_high", "moderator", "sample"


@dataclass(frozen=True)
class Judgement:
    """What a judge gave to one explanation by one criterion.

    Attributes
    ----------
    value : float or None
        The score; None where none could be read.
    readings : tuple of Reading
        Of each answer that gives a score: of the one judge, of both, of the moderator, of the samples.
    said : tuple of (str, str)
        Who spoke, and what; of an answer by probabilities, the most probable number.
    probabilities : tuple of float, or None
        Of the numbers of the scale, behind the last answer, where it was scored.
    """

    value: float | None
    readings: tuple[Reading, ...]
    said: tuple[tuple[str, str], ...]
    probabilities: tuple[float, ...] | None = None

    @property
    def unread(self) -> float:
        """Share of the answers that give no score."""
        return sum(reading.value is None for reading in self.readings) / len(self.readings)


@dataclass(frozen=True)
class _Heard:
    """One answer that is to give a score."""

    reading: Reading
    said: str
    probabilities: tuple[float, ...] | None


@dataclass(frozen=True)
class Judge:
    """Judges explanations by each criterion of a rubric, every step as one batched piece of work.

    Attributes
    ----------
    backend : Backend
    cache : AnswerCache
        What was answered is not asked again.
    rubric : Rubric
    settings : JudgeSettings
    language : str
    seed : int
        Of samples.
    on_progress : callable, optional
        Called with what is asked for, how many answers are there, and how many there will be.
    """

    backend: Backend
    cache: AnswerCache
    rubric: Rubric
    settings: JudgeSettings
    language: str = "en"
    seed: int = 1
    on_progress: Progress | None = None

    def judge(self, items: Sequence[Judged]) -> list[dict[str, Judgement]]:
        """Return a judgement by each criterion, of each explanation."""
        tasks = [(item, criterion) for item in items for criterion in self.rubric.criteria]
        found = iter(_MECHANISMS[self.settings.mechanism](self, tasks))
        return [{name: next(found) for name in self.rubric.names} for _ in items]

    @property
    def prompts(self) -> JudgePrompts:
        """What renders the conversations."""
        return JudgePrompts(self.rubric, self.language, self.settings.by == "score")

    def heard(self, what: str, turns: Sequence[Turns], tasks: Sequence[Task], samples: int = 1) -> list[_Heard]:
        """Return the answers that are to give scores, all samples of one conversation side by side."""
        if self.settings.by == "score":
            numerals = tuple(str(score) for score in self.rubric.scores)
            return [self._scored(answer) for answer in self._answers(what, [Choose(one, numerals) for one in turns])]
        temperature = self.settings.temperature if samples > 1 else 0.0
        asks = [
            Ask(one, "", self.settings.max_new_tokens, temperature, self.seed * 1000 + number)
            for one in turns
            for number in range(samples)
        ]
        criteria = [criterion.name for _, criterion in tasks for _ in range(samples)]
        ends = self.rubric.lowest, self.rubric.highest
        texts = self.said(what, asks)
        return [_Heard(parse_score(text, *ends, name), text, None) for text, name in zip(texts, criteria, strict=True)]

    def said(self, what: str, asks: Sequence[Ask]) -> list[str]:
        """Return generated answers."""
        return [answer.text.strip() for answer in self._answers(what, asks) if isinstance(answer, Said)]

    def _scored(self, answer: object) -> _Heard:
        if not isinstance(answer, Chances):
            raise TypeError("a choice is answered with log-probabilities")
        chances = softmax(np.asarray(answer.log_probabilities, dtype=np.float64))
        expected = float(chances @ np.asarray(self.rubric.scores, dtype=np.float64))
        likeliest = str(self.rubric.scores[int(chances.argmax())])
        return _Heard(Reading(expected, "scored"), likeliest, tuple(chances.tolist()))

    def _answers(self, what: str, requests: Sequence[Request]) -> Sequence[object]:
        done = 0

        def count(settled: int) -> None:
            nonlocal done
            done += settled
            if self.on_progress:
                self.on_progress(what, done, len(requests))

        return answer_all(self.backend, self.cache, requests, count)


def _single(judge: Judge, tasks: Sequence[Task]) -> list[Judgement]:
    heard = judge.heard(FIRST, [judge.prompts.alone(*task) for task in tasks], tasks)
    return [Judgement(one.reading.value, (one.reading,), ((FIRST, one.said),), one.probabilities) for one in heard]


def _dual(judge: Judge, tasks: Sequence[Task]) -> list[Judgement]:
    firsts = judge.heard(FIRST, [judge.prompts.alone(*task) for task in tasks], tasks)
    asked = [judge.prompts.second(*task, first.said) for task, first in zip(tasks, firsts, strict=True)]
    seconds = judge.heard(SECOND, asked, tasks)
    return [
        Judgement(
            second.reading.value,
            (first.reading, second.reading),
            ((FIRST, first.said), (SECOND, second.said)),
            second.probabilities,
        )
        for first, second in zip(firsts, seconds, strict=True)
    ]


def _debate(judge: Judge, tasks: Sequence[Task]) -> list[Judgement]:
    arguments: list[list[tuple[bool, str]]] = [[] for _ in tasks]
    for number in range(judge.settings.rounds):
        # Who speaks first changes from round to round.
        for high in (False, True) if number % 2 == 0 else (True, False):
            asks = [
                Ask(judge.prompts.side(*task, high, before), "", judge.settings.max_new_tokens)
                for task, before in zip(tasks, arguments, strict=True)
            ]
            for before, text in zip(arguments, judge.said(HIGH if high else LOW, asks), strict=True):
                before.append((high, text))
    asked = [judge.prompts.moderator(*task, before) for task, before in zip(tasks, arguments, strict=True)]
    return [
        Judgement(
            one.reading.value,
            (one.reading,),
            (*((HIGH if high else LOW, text) for high, text in before), (MODERATOR, one.said)),
            one.probabilities,
        )
        for one, before in zip(judge.heard(MODERATOR, asked, tasks), arguments, strict=True)
    ]


def _majority_vote(judge: Judge, tasks: Sequence[Task]) -> list[Judgement]:
    samples = judge.settings.samples
    heard = judge.heard(SAMPLE, [judge.prompts.alone(*task) for task in tasks], tasks, samples)
    found = []
    for start in range(0, len(heard), samples):
        votes = heard[start : start + samples]
        readings = tuple(vote.reading for vote in votes)
        value = voted([reading.value for reading in readings], judge.settings.vote == "median")
        found.append(Judgement(value, readings, tuple((SAMPLE, vote.said) for vote in votes)))
    return found


def voted(votes: Sequence[float | None], by_median: bool = False) -> float | None:
    """Return the most frequent vote, the lower one of a tie, or the median; None where no vote could be read."""
    known = sorted(vote for vote in votes if vote is not None)
    if not known:
        return None
    # `max` keeps the first of equals, here the lowest.
    return float(median(known)) if by_median else max(known, key=known.count)


def describe(settings: JudgeSettings, model: str) -> str:
    """Return in words how a model judges, for a table's notes."""
    how = {
        "single": f"one answer of {model}",
        "dual": f"{model}, whose first answer a second one of it corrects",
        "debate": f"{model} as moderator, after {settings.rounds} round(s) of arguments for a low and for a high score",
        "majority_vote": f"{settings.vote} of {settings.samples} answers of {model} at temperature "
        f"{settings.temperature:g}",
    }[settings.mechanism]
    read = "expected score by the probabilities of the numbers" if settings.by == "score" else "score parsed from text"
    return f"{how}; {read}"


_MECHANISMS: dict[str, Callable[[Judge, Sequence[Task]], list[Judgement]]] = {
    "single": _single,
    "dual": _dual,
    "debate": _debate,
    "majority_vote": _majority_vote,
}
