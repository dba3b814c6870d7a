"""The search for near-duplicates as posts grow in number."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from mhclf.data.audit.near import near_duplicates
from mhclf.results.speed import Check, Sample
from speed.posts import made_up_posts
from speed.work import WORKS, Clock, Work

_WORDS = (20, 120)
_VOCABULARY = 20_000
_REPEATED = 50
"""Every so many posts one is repeated with its first word changed."""


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
        """Return the number of posts."""
        return ["25000 posts", "100000 posts"]

    def prepare(self) -> None:
        """Make up the posts."""
        size = max(2 * _REPEATED, self.bench.size(int(self.data.split()[0])) // 4)
        self.many, self.many_pairs = posts_with_repeats(4 * size)
        self.few, self.few_pairs = posts_with_repeats(size)
        self.settings |= {"posts": 4 * size, "fewer": size, "words": f"{_WORDS[0]} to {_WORDS[1]}"}
        near_duplicates(self.few[:100])

    def ours(self) -> Sample:
        """Search the larger list."""
        with Clock() as clock:
            self.found_many = near_duplicates(self.many)
        return Sample(clock.seconds)

    def theirs(self) -> Sample:
        """Search the smaller one."""
        with Clock() as clock:
            self.found_few = near_duplicates(self.few)
        return Sample(clock.seconds)

    def check(self) -> list[Check]:
        """Compare with the pairs that were made."""
        wrong = len({(pair.first, pair.second) for pair in self.found_many} ^ self.many_pairs)
        wrong += len({(pair.first, pair.second) for pair in self.found_few} ^ self.few_pairs)
        return [Check("pairs missed or made up", wrong, 0)]
