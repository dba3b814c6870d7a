"""What a judge is told: the conversations of each mechanism, as pure functions of texts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mhclf.errors import ConfigError
from mhclf.generation.requests import Turn
from mhclf.generation.rubric import Criterion, Rubric
from mhclf.registry import nearest


@dataclass(frozen=True)
class JudgeWording:
    """Fixed words of one language; names in braces are filled in.

    Attributes
    ----------
    role : str
        The system message.
    before, post, answer, explanation : str
        What is judged.
    criterion, anchor : str
        By what.
    arguing : str
        Asks one side of a debate for its argument.
    low, high : str
        What the sides argue for.
    so_far, argument, moderator : str
        What the sides said, to the other side and to the moderator.
    second : str
        What the first judge answered, to the one who corrects it.
    scored, parsed : str
        How the answer has to look.
    separator : str
        Between numbers of the scale.
    """

    role: str
    before: str
    post: str
    answer: str
    explanation: str
    criterion: str
    anchor: str
    arguing: str
    low: str
    high: str
    so_far: str
    argument: str
    moderator: str
    second: str
    scored: str
    parsed: str
    separator: str


WORDINGS = {
    "en": JudgeWording(
        role="You rate how a decision about a post is explained: the explanation, never the writer of the post.",
        before='Said before: "{context}"',
        post='Post: "{post}"',
        answer="Decision: {answer}",
        explanation='Explanation: "{explanation}"',
        criterion="Criterion: {name}. {description}",
        anchor="{score}: {text}",
        arguing="Argue in two or three sentences that by this criterion the explanation deserves {side}. No number.",
        low="a low score",
        high="a high score",
        so_far="Said so far:",
        argument="For {side}: {text}",
        moderator="Two sides argued. Decide by the post and the explanation, not by who argued better.",
        second='Another judge answered: "{said}"\nJudge for yourself, and correct that answer where it is wrong.',
        scored="Answer with one of the numbers {scores} and nothing else.",
        parsed='Answer with {"score": N, "reason": "one sentence"}, where N is one of {scores}.',
        separator=", ",
    ),
    "zh": JudgeWording(
        role="请评价对一段文字所作判断的解释。只评价解释，不评价文字的作者。",
        before="此前的对话：“{context}”",
        post="文字：“{post}”",
        answer="判断：{answer}",
        explanation="解释：“{explanation}”",
        criterion="评价标准：{name}。{description}",
        anchor="{score}：{text}",
        arguing="请用两三句话论证：按照这一标准，该解释应得{side}。不要给出数字。",
        low="低分",
        high="高分",
        so_far="已有的论述：",
        argument="主张{side}：{text}",
        moderator="双方已陈述。请依据文字和解释作出判断，而不是依据谁更善辩。",
        second="另一位评价者的回答：“{said}”\n请独立判断，如有错误请更正。",
        scored="请只回答{scores}中的一个数字，不要回答其他内容。",
        parsed='请回答 {"score": N, "reason": "一句话"}，其中N为{scores}之一。',
        separator="、",
    ),
}


def judge_wording(language: str) -> JudgeWording:
    """Return the words of a language.

    Raises
    ------
    ConfigError
        If there are none.
    """
    if language not in WORDINGS:
        raise ConfigError(
            f"language: judges are asked in {', '.join(sorted(WORDINGS))}, not in '{language}'."
            f"{nearest(language, WORDINGS)} Add its words to WORDINGS in mhclf/generation/judge_prompts.py."
        )
    return WORDINGS[language]


@dataclass(frozen=True)
class Judged:
    """An explanation with what it is judged by.

    Attributes
    ----------
    post, explanation : str
    answer : str
        The decision that is explained, in words; '' where the explanation names it itself.
    context : str
        What was said before the post; '' for nothing.
    """

    post: str
    explanation: str
    answer: str = ""
    context: str = ""


@dataclass(frozen=True)
class JudgePrompts:
    """Renders the conversations about explanations.

    Attributes
    ----------
    rubric : Rubric
    language : str
    scored : bool
        The answer is one number alone.
    """

    rubric: Rubric
    language: str
    scored: bool

    @property
    def wording(self) -> JudgeWording:
        """The fixed words of the language."""
        return judge_wording(self.language)

    def alone(self, item: Judged, criterion: Criterion) -> tuple[Turn, ...]:
        """Return what a judge on its own is asked."""
        return self._turns([*self._case(item, criterion), self._form()])

    def second(self, item: Judged, criterion: Criterion, said: str) -> tuple[Turn, ...]:
        """Return what the judge is asked that corrects the answer of a first one."""
        told = put(self.wording.second, said=said)
        return self._turns([*self._case(item, criterion), told, self._form()])

    def side(
        self, item: Judged, criterion: Criterion, high: bool, arguments: Sequence[tuple[bool, str]]
    ) -> tuple[Turn, ...]:
        """Return what one side of a debate is asked; `arguments` are those so far, with whether for a high score."""
        words = self.wording
        before = [words.so_far, *self._arguments(arguments)] if arguments else []
        asked = put(words.arguing, side=words.high if high else words.low)
        return self._turns([*self._case(item, criterion), *before, asked])

    def moderator(self, item: Judged, criterion: Criterion, arguments: Sequence[tuple[bool, str]]) -> tuple[Turn, ...]:
        """Return what the moderator of a debate is asked."""
        told = [self.wording.moderator, *self._arguments(arguments)]
        return self._turns([*self._case(item, criterion), *told, self._form()])

    def _turns(self, lines: Sequence[str]) -> tuple[Turn, ...]:
        return Turn("system", self.wording.role), Turn("user", "\n".join(lines))

    def _case(self, item: Judged, criterion: Criterion) -> list[str]:
        words = self.wording
        anchors = criterion.anchors[self.language]
        return [
            *([put(words.before, context=item.context)] if item.context else []),
            put(words.post, post=item.post),
            *([put(words.answer, answer=item.answer)] if item.answer else []),
            put(words.explanation, explanation=item.explanation),
            put(words.criterion, name=criterion.name, description=criterion.description[self.language]),
            *(put(words.anchor, score=score, text=anchors[score]) for score in sorted(anchors, key=int)),
        ]

    def _arguments(self, arguments: Sequence[tuple[bool, str]]) -> list[str]:
        words = self.wording
        return [put(words.argument, side=words.high if high else words.low, text=text) for high, text in arguments]

    def _form(self) -> str:
        scores = self.wording.separator.join(str(score) for score in self.rubric.scores)
        return put(self.wording.scored if self.scored else self.wording.parsed, scores=scores)


def put(template: str, **values: str) -> str:
    """Return a template with its names in braces filled in; braces inside the values stay as they are."""
    return re.sub(r"\{([a-z]+)\}", lambda match: values[match[1]], template)
