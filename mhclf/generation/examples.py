"""Examples for a prompt: from train only, balanced over the answers, seeded, never a post that is scored."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mhclf.data.spans import letters_and_digits
from mhclf.data.table import PostTable
from mhclf.errors import ConfigError
from mhclf.generation.questions import Question
from mhclf.generation.wording import Wording


@dataclass(frozen=True)
class Example:
    """A train post with its right answer, and its explanation where it has one."""

    id: str
    text: str
    context: str
    answer: str
    explanation: str
    options: tuple[str, ...] = ()


def choose_examples(
    train: PostTable,
    scored: PostTable,
    question: Question,
    wording: Wording,
    count: int,
    seed: int,
    explained: bool = False,
) -> list[Example]:
    """Choose examples.

    Parameters
    ----------
    train, scored : PostTable
        Train rows that share letters and digits, or a group, with a scored row are never chosen.
    question : Question
    wording : Wording
    count : int
    seed : int
        A smaller count of one seed is the beginning of a larger one.
    explained : bool
        Only rows that have an explanation.

    Returns
    -------
    list of Example
        The answers take turns, so that each is shown as often as any other, but for one.

    Raises
    ------
    ConfigError
        If train has too few rows for that.
    """
    if count == 0:
        return []
    texts = {letters_and_digits(text) for text in scored.texts_with_options}
    groups = set(scored.frame["group"].astype(str))
    texts_of_train, known, explanations = (
        train.texts,
        train.texts_with_options,
        train.frame["explanation"].astype(str).tolist(),
    )
    contexts, options = train.contexts or [""] * len(train), train.options or [()] * len(train)
    by_answer: dict[str, list[Example]] = defaultdict(list)
    for row in np.random.default_rng(seed).permutation(len(train)):
        text, explanation = texts_of_train[row], explanations[row]
        if letters_and_digits(known[row]) in texts or str(train.frame["group"].iloc[row]) in groups:
            continue
        if explained and not explanation:
            continue
        answer = question.gold_answer(train.targets[row].tolist(), wording)
        identifier = str(train.frame["id"].iloc[row])
        by_answer[answer].append(Example(identifier, text, contexts[row], answer, explanation, options[row]))
    # Every answer of a plain question takes its turn, also a rare one; of a joint question the most frequent sets do.
    order: Sequence[str] = question.answers
    if question.joint:
        order = sorted(by_answer, key=lambda answer: (-len(by_answer[answer]), answer))
    waiting = [list(by_answer[answer]) for answer in order if by_answer[answer]]
    chosen: list[Example] = []
    while len(chosen) < count and waiting:
        chosen += [examples.pop(0) for examples in waiting][: count - len(chosen)]
        waiting = [examples for examples in waiting if examples]
    if len(chosen) < count:
        what = "rows with an explanation" if explained else "rows"
        raise ConfigError(
            f"shots: train has {len(chosen)} {what} that are not scored, {count} examples were asked for. "
            "Give --shots, or choose another strategy."
        )
    return chosen
