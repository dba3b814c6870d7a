"""Which posts stand in a batch together: by length, at random, or with company of their class."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import DataLoader, Sampler

from mhclf.config.training import BatchConfig
from mhclf.data.tokens import TokenisedPosts
from mhclf.errors import ConfigError

Pack = list[list[int]]
"""A batch as units of positions that stay together."""


@dataclass(frozen=True)
class Share:
    """Which part of each batch a process takes: `rank` of `world`."""

    rank: int = 0
    world: int = 1


class PostBatches(Sampler[list[int]]):
    """Batches of positions, as many each epoch, in an order that is drawn anew; every post is in exactly one.

    Parameters
    ----------
    lengths : array of int
        Tokens of each post.
    config : BatchConfig
        `size` posts a batch on each process; fewer where `max_tokens` would be passed.
    seed : int or None
        None keeps the posts in order of length, longest first, for prediction.
    classes : array of int, optional
        Class of each post, for `per_class`.
    share : Share
        With several processes, the batches of one process `world` times as large, each cut into equal parts.
    """

    def __init__(
        self,
        lengths: npt.NDArray[np.int64],
        config: BatchConfig,
        seed: int | None,
        classes: npt.NDArray[np.int64] | None = None,
        share: Share = Share(),
    ) -> None:
        self.lengths, self.config, self.seed, self.epoch = lengths, config, seed, 0
        self.classes, self.share = classes, share
        self._counts: dict[int, int] = {}

    @property
    def sampler(self) -> "PostBatches":
        """Itself: Lightning looks for `set_epoch` on the sampler of a batch sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's order; called by Lightning, also when a run is resumed."""
        self.epoch = epoch

    def batches(self) -> list[list[int]]:
        """Return this epoch's batches, of all processes together.

        Raises
        ------
        ConfigError
            If there are fewer posts than processes.
        """
        if self.seed is None:
            return [
                _posts(pack) for pack in self._cut([[row] for row in np.argsort(-self.lengths, kind="stable").tolist()])
            ]
        packs, generator = self._packs(self.epoch)
        if self.epoch:
            packs = _evened(packs, len(self), self.share.world)
        return [_posts(packs[index]) for index in generator.permutation(len(packs))]

    def _packs(self, epoch: int) -> tuple[list[Pack], np.random.Generator]:
        """Return an epoch's batches as units, and the generator that orders them."""
        world = self.share.world
        if len(self.lengths) < world:
            raise ConfigError(f"trainer: devices: {world} processes cannot share {len(self.lengths)} posts.")
        generator = np.random.default_rng([self.seed or 0, epoch])
        order = generator.permutation(len(self.lengths))
        if self.config.per_class and self.classes is not None:
            units = [order[unit].tolist() for unit in company(self.classes[order], self.config.per_class)]
            units = [units[index] for index in generator.permutation(len(units))]
        else:
            if self.config.by_length:
                # A stable sort of shuffled posts: equal lengths meet other neighbours each epoch.
                order = order[np.argsort(self.lengths[order], kind="stable")]
            units = [[row] for row in order.tolist()]
        packs: list[Pack] = []
        for pack in self._cut(units):
            # Each process needs a post.
            if packs and min(_size(packs[-1]), _size(pack)) < world:
                packs[-1] += pack
            else:
                packs.append(pack)
        return packs, generator

    def _cut(self, units: list[list[int]]) -> list[Pack]:
        """Fill batches with units; none is cut, so that one alone may pass `max_tokens`."""
        size, most = self.config.size * self.share.world, self.config.max_tokens * self.share.world
        packs: list[Pack] = []
        posts = longest = 0
        for unit in units:
            widest = max(int(self.lengths[row]) for row in unit)
            longest = max(longest, widest)
            if not packs or posts + len(unit) > size or (posts + len(unit)) * longest > most:
                packs.append([])
                posts, longest = 0, widest
            packs[-1].append(unit)
            posts += len(unit)
        return packs

    def __iter__(self) -> Iterator[list[int]]:
        # A generator: Lightning asks for the first iterator before it says at which epoch a resumed run stands.
        for batch in self.batches():
            yield batch[self.share.rank :: self.share.world]

    def __len__(self) -> int:
        # The same in every epoch: Lightning asks once, plans its steps by it, and reads no batch beyond.
        if self.seed is None:
            return len(self.batches())
        if self.share.world not in self._counts:
            self._counts[self.share.world] = len(self._packs(0)[0])
        return self._counts[self.share.world]


def _posts(pack: Pack) -> list[int]:
    return [row for unit in pack for row in unit]


def _size(pack: Pack) -> int:
    return sum(len(unit) for unit in pack)


def _evened(packs: list[Pack], count: int, world: int) -> list[Pack]:
    """Return `count` batches: the units of surplus ones join the smallest others, or large ones are halved."""
    packs = [list(pack) for pack in packs]
    while len(packs) > count:
        surplus = packs.pop(min(range(len(packs)), key=lambda index: _size(packs[index])))
        for unit in surplus:
            min(packs, key=_size).append(unit)
    while len(packs) < count:
        halves = _halved(packs, world)
        if halves is None:
            break
        number, (first, second) = halves
        packs[number] = first
        packs.append(second)
    return packs


def _halved(packs: list[Pack], world: int) -> tuple[int, tuple[Pack, Pack]] | None:
    """Return the largest batch that can be cut in two with a post for each process, by number, and its halves.

    Between units where there is a place; else through a unit, with two posts on either side if possible.
    """
    sizes = [_size(pack) for pack in packs]
    largest = sorted(range(len(packs)), key=lambda number: -sizes[number])
    for number in largest:
        pack = packs[number]
        for cut in sorted(range(1, len(pack)), key=lambda cut: abs(cut - len(pack) // 2)):
            if min(_size(pack[:cut]), _size(pack[cut:])) >= world:
                return number, (pack[:cut], pack[cut:])
    for least in (2 * world, world):
        for number in largest:
            if sizes[number] >= 2 * least:
                rows = _posts(packs[number])
                return number, ([rows[: len(rows) // 2]], [rows[len(rows) // 2 :]])
    return None


def company(classes: npt.NDArray[np.int64], per_class: int) -> list[npt.NDArray[np.int64]]:
    """Cut posts into units of `per_class` of one class; the rest of a class joins its last unit.

    Parameters
    ----------
    classes : array of int, shape (n,)
    per_class : int
        2 or more.

    Returns
    -------
    list of array of int
        Positions; every post in one unit, and alone only where it is the only one of its class.
    """
    units = []
    for number in np.unique(classes):
        rows = np.flatnonzero(classes == number)
        count = max(1, len(rows) // per_class)
        cuts = [*range(0, count * per_class, per_class), len(rows)]
        units += [rows[start:end] for start, end in pairwise(cuts)]
    return units


def batch_classes(targets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the class of each post: its number, or for several labels a post the rarest of its labels, -1 for none."""
    if targets.ndim == 1:
        return targets
    ranks = targets.sum(axis=0).argsort(kind="stable")
    ordered = targets[:, ranks]
    return np.where(ordered.any(axis=1), ranks[ordered.argmax(axis=1)], -1)


def batch_loader(
    posts: TokenisedPosts, config: BatchConfig, seed: int | None, share: Share = Share()
) -> DataLoader[Any]:
    """Return a loader of `Batch`es; see `PostBatches` for `seed` and `share`."""
    classes = batch_classes(posts.targets.numpy()) if config.per_class else None
    return DataLoader(
        posts, batch_sampler=PostBatches(posts.lengths, config, seed, classes, share), collate_fn=posts.collate
    )
