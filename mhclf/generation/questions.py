"""What is asked about a data set, and the words of its answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase

from mhclf.config.dataset import DatasetConfig
from mhclf.config.generation import LabelsConfig
from mhclf.data.table import option_lines
from mhclf.errors import ConfigError
from mhclf.generation.wording import Wording

LETTERS = ascii_uppercase
CONTEXT = "{context}"
"""Stands in a question for the context of the row, where that is what is asked about the post."""


@dataclass(frozen=True)
class Question:
    """One question about a post.

    Attributes
    ----------
    text : str
        `CONTEXT` in it stands for the context of the row.
    words : tuple of str
        The possible answers in words.
    answers : tuple of str
        What the model is to answer: the words, or letters.
    descriptions : tuple of str
        Of each answer; '' for none.
    label : int, optional
        The label that a yes-or-no question is about; its answers are yes (0) and no (1).
    joint : bool
        Whether several answers may be given, or none.
    by_row : bool
        Whether the words are those of a row, which `with_options` puts in; the answers are letters.
    """

    text: str
    words: tuple[str, ...]
    answers: tuple[str, ...]
    descriptions: tuple[str, ...]
    label: int | None = None
    joint: bool = False
    by_row: bool = False

    @property
    def reads_context(self) -> bool:
        """Whether the rows' contexts are part of the question, not something said before the post."""
        return CONTEXT in self.text

    def asked(self, context: str) -> str:
        """Return the question as it is asked about a row."""
        return self.text.replace(CONTEXT, context)

    def with_options(self, options: Sequence[str]) -> "Question":
        """Return the question as it is asked about a row with options of its own; itself where there are none."""
        return replace(self, words=tuple(options)) if options else self

    @property
    def lettered(self) -> bool:
        """Whether the answer is a letter."""
        return self.by_row or self.answers != self.words

    def options(self, wording: Wording) -> str:
        """Return the list of possible answers as it stands in the prompt."""
        listed = []
        options = option_lines(self.answers, self.words) if self.lettered else self.words
        for option, description in zip(options, self.descriptions, strict=True):
            listed.append(wording.described.format(option=option, description=description) if description else option)
        if self.by_row:
            # They may hold commas, so each has a line.
            return "\n".join([wording.own_options, *listed])
        return wording.options.format(options=wording.separator.join(listed))

    def constraint(self, wording: Wording) -> str:
        """Return how the answer has to look."""
        if self.joint:
            return wording.joint_constraint
        return wording.letter_constraint if self.lettered else wording.constraint

    def gold_answer(self, target: int | list[int], wording: Wording) -> str:
        """Return the right answer for an example, from its class number, or its 0/1 labels."""
        if isinstance(target, int):
            return self.answers[target]
        if self.label is not None:
            return self.answers[0 if target[self.label] else 1]
        present = [answer for answer, on in zip(self.answers, target, strict=True) if on]
        return wording.separator.join(present) or wording.none


def questions_of(dataset: DatasetConfig, labels: LabelsConfig, wording: Wording) -> list[Question]:
    """Return one question, or one for each label of a set with several labels a post.

    Raises
    ------
    ConfigError
        If two labels have the same words, or there are more labels than letters.
    """
    prompt = dataset.prompt
    if dataset.task == "choice":
        letters = dataset.label_names
        blank = ("",) * len(letters)
        return [Question(prompt.question or wording.choice_question, letters, letters, blank, by_row=True)]
    names = dataset.label_names
    words = tuple(prompt.label_words.get(name, name) for name in names)
    if len({word.casefold() for word in words}) < len(words):
        raise ConfigError(f"{dataset.name}: prompt: label_words: two labels have the same words.")
    descriptions = tuple(prompt.descriptions.get(name, "") for name in names)
    text = prompt.question or wording.question
    several = dataset.task == "multilabel"
    questions = labels.questions
    if questions == "auto":
        questions = "joint" if labels.by == "parse" else "per_label"
    if several and questions == "per_label":
        asked = (
            (word, f" ({described})" if described else "") for word, described in zip(words, descriptions, strict=True)
        )
        texts = [wording.asks_one.format(label=word) + described for word, described in asked]
        both = (wording.yes, wording.no)
        return [
            Question(text, both, _answers(both, labels, dataset.name), ("", ""), label)
            for label, text in enumerate(texts)
        ]
    return [Question(text, words, _answers(words, labels, dataset.name), descriptions, None, several)]


def _answers(words: tuple[str, ...], labels: LabelsConfig, name: str) -> tuple[str, ...]:
    if labels.form == "words":
        return words
    if len(words) > len(LETTERS):
        raise ConfigError(f"{name}: {len(words)} labels are more than there are letters. Use --labels.form words.")
    return tuple(LETTERS[: len(words)])
