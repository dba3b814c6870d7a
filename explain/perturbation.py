"""Methods that take words out and look at the output."""

import re
from collections.abc import Sequence

import numpy as np

from explain.attribution import METHODS, WordScores
from explain.model import ExplainedModel, Target
from explain.reading import ReadPost

_SENTENCE_END = re.compile(r"[.!?。！？]+[\"'”’)]*(?=\s|$)|[。！？]|\n")


@METHODS.register("occlusion")
def occlusion(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Leave one word out: how much the quantity falls when the word's tokens are deleted."""
    settings = {"unit": "word", "removal": "delete"}
    return [
        WordScores(_drops(model, post, target, np.arange(len(post.words))), dict(settings))
        for post, target in zip(posts, targets, strict=True)
    ]


@METHODS.register("sentence_occlusion")
def sentence_occlusion(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Leave one sentence out; the fall of the quantity is shared equally among the sentence's words that are read."""
    settings = {"unit": "sentence", "removal": "delete"}
    return [
        WordScores(_drops(model, post, target, sentence_numbers(post)), dict(settings))
        for post, target in zip(posts, targets, strict=True)
    ]


def sentence_numbers(post: ReadPost) -> np.ndarray:
    """Return the sentence of each word, from 0, shape (words,); a sign that ends a sentence belongs to it."""
    ends = [match.end() for match in _SENTENCE_END.finditer(post.text)]
    return np.array([np.searchsorted(ends, start, side="right") for start, _ in post.words], dtype=np.int64)


def _drops(model: ExplainedModel, post: ReadPost, target: Target, units: np.ndarray) -> np.ndarray:
    """Return each word's share of the fall when its unit (words,) is deleted; 0 for words that are not read."""
    seen = post.seen
    scores = np.zeros(len(post.words))
    present = np.unique(units[seen])
    if not len(present):
        return scores
    kept = np.ones((len(present) + 1, len(post.words)), dtype=bool)
    for row, unit in enumerate(present, start=1):
        kept[row] = units != unit
    found = model.masked(post, kept, target, "delete")
    for unit, value in zip(present, found[0] - found[1:], strict=True):
        own = seen & (units == unit)
        scores[own] = value / own.sum()
    return scores
