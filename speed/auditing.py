"""The search for near-duplicates as posts grow in number."""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import ClassVar

import numpy as np

from mhclf.data.audit.near import Pair, near_duplicates
from mhclf.results.speed import Check, Sample
from speed.posts import made_up_posts, read_posts
from speed.work import WORKS, Clock, Work

_WORDS = (20, 120)
_VOCABULARY = 20_000
_REPEATED = 50
"""Every so many posts one is repeated with its first word changed."""

_LARGE_SETS = ("goemotions_single",)
_COMPARED, _THRESHOLD = 300, 0.7
"""Posts of a real set that are compared each with each, and the similarity from which two are a pair."""


def posts_with_repeats(count: int) -> tuple[list[str], set[tuple[int, int]]]:
    """Return made-up posts, and the pairs among them that nearly repeat one another."""
    # Word frequencies as in a language: a few words make up most of the text.
    generator = np.random.default_rng(count)
    ranks = (np.exp(generator.random(100_000) * np.log(_VOCABULARY)) - 1).astype(int)
    posts = made_up_posts(count, _WORDS, count, [f"w{rank}" for rank in ranks.tolist()])
    pairs = set()
    for row in range(_REPEATED, count, _REPEATED):
        # The first word: posts that begin alike count as exact repeats, cut differently.
        posts[row] = "other " + posts[row - 1].split(" ", 1)[1]
        pairs.add((row - 1, row))
    return posts, pairs


@WORKS.register("near_duplicates")
class NearDuplicatesWork(Work):
    """Four times the posts."""

    title_ours = "near_duplicates, 4 n posts"
    title_theirs = "near_duplicates, n posts"
    kind = "times_as_long"
    unit = "s"
    aims: ClassVar[Mapping[str, float]] = {"": 5.0}
    guess = 60.0

    @classmethod
    def parts(cls, chosen: list[str]) -> list[str]:
        """Return numbers of made-up posts, and the large ones of the chosen sets."""
        return ["25000 posts", "100000 posts", *(name for name in chosen if name in _LARGE_SETS)]

    def prepare(self) -> None:
        """Make up the posts, or read them."""
        if self.data in _LARGE_SETS:
            texts = read_posts(self.data, self.bench.data_root).train.texts
            size = self.bench.size(len(texts)) // 4
            self.many, self.few = list(texts[: 4 * size]), list(texts[:size])
            self.settings |= {"posts": 4 * size, "fewer": size}
        else:
            size = max(2 * _REPEATED, self.bench.size(int(self.data.split()[0])) // 4)
            self.many, self.many_pairs = posts_with_repeats(4 * size)
            self.few, self.few_pairs = posts_with_repeats(size)
            self.settings |= {"posts": 4 * size, "fewer": size, "words": f"{_WORDS[0]} to {_WORDS[1]}, made up"}
        near_duplicates(self.few[:100], threshold=_THRESHOLD)

    def ours(self) -> Sample:
        """Search the larger list."""
        with Clock() as clock:
            self.found_many = near_duplicates(self.many, threshold=_THRESHOLD)
        return Sample(clock.seconds)

    def theirs(self) -> Sample:
        """Search the smaller one."""
        with Clock() as clock:
            self.found_few = near_duplicates(self.few, threshold=_THRESHOLD)
        return Sample(clock.seconds)

    def check(self) -> list[Check]:
        """Compare with the pairs that were made, or some posts with partners each with each."""
        if self.data in _LARGE_SETS:
            wrong, compared = wrong_pairs(self.many, self.found_many)
            self.settings |= {"pairs": len(self.found_many), "compared_each_with_each": compared}
        else:
            wrong = len({(pair.first, pair.second) for pair in self.found_many} ^ self.many_pairs)
            wrong += len({(pair.first, pair.second) for pair in self.found_few} ^ self.few_pairs)
        return [Check("pairs missed or made up", wrong, 0)]


def wrong_pairs(texts: Sequence[str], found: Sequence[Pair]) -> tuple[int, int]:
    """Compare posts that were found to have a partner each with each.

    Returns
    -------
    wrong : int
        Pairs among them that were missed or made up.
    compared : int
        Posts.
    """
    rows = sorted({row for pair in found for row in (pair.first, pair.second)})[:_COMPARED]
    sets = {row: _shingles(texts[row]) for row in rows}
    brute = {
        (first, second)
        for first, second in combinations(rows, 2)
        if len(sets[first] & sets[second]) >= _THRESHOLD * len(sets[first] | sets[second])
    }
    ours = {(pair.first, pair.second) for pair in found if pair.first in sets and pair.second in sets}
    return len(ours ^ brute), len(rows)


def _shingles(text: str) -> set[tuple[str, ...]]:
    """Return the three-word sequences of an English text."""
    words = re.findall(r"[^\W_]+", text.lower().replace("'", "").replace("\u2019", ""))
    return {tuple(words[at : at + 3]) for at in range(max(1, len(words) - 2))}
