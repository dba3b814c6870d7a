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


@dataclass(frozen=True)
class Share:
    """Which part of each batch a process takes: `rank` of `world`."""

    rank: int = 0
    world: int = 1


class PostBatches(Sampler[list[int]]):
    """Batches of positions, in an order that is drawn anew each epoch; every post is in exactly one.

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

    @property
    def sampler(self) -> "PostBatches":
        """Itself: Lightning looks for `set_epoch` on the sampler of a batch sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's order; called by Lightning, also when a run is resumed."""
        self.epoch = epoch

    def batches(self) -> list[list[int]]:
        """Return this epoch's batches, of all processes together."""
        if self.seed is None:
            return self._cut([[row] for row in np.argsort(-self.lengths, kind="stable").tolist()])
        generator = np.random.default_rng([self.seed, self.epoch])
        order = generator.permutation(len(self.lengths))
        if self.config.per_class and self.classes is not None:
            units = company(self.classes[order], self.config.per_class)
            units = [order[unit].tolist() for unit in units]
            batches = self._cut([units[index] for index in generator.permutation(len(units))])
        else:
            if self.config.by_length:
                # A stable sort of shuffled posts: equal lengths meet other neighbours each epoch.
                order = order[np.argsort(self.lengths[order], kind="stable")]
            batches = self._cut([[row] for row in order.tolist()])
        if len(batches) > 1 and len(batches[-1]) < self.share.world:
            # Each process needs a post.
            batches[-2:] = [batches[-2] + batches[-1]]
        return [batches[index] for index in generator.permutation(len(batches))]

    def _cut(self, units: list[list[int]]) -> list[list[int]]:
        """Fill batches with units, which are not cut unless they are larger than a batch."""
        size, most = self.config.size * self.share.world, self.config.max_tokens * self.share.world
        batches: list[list[int]] = []
        longest = 0
        for unit in units:
            widest = max(int(self.lengths[row]) for row in unit)
            longest = max(longest, widest)
            full = not batches or len(batches[-1]) + len(unit) > size
            if full or (len(batches[-1]) + len(unit)) * longest > most:
                batches.append([])
                longest = widest
            batches[-1].extend(unit)
        return batches

    def __iter__(self) -> Iterator[list[int]]:
        # A generator: Lightning asks for the first iterator before it says at which epoch a resumed run stands.
        for batch in self.batches():
            yield batch[self.share.rank :: self.share.world]

    def __len__(self) -> int:
        return len(self.batches())


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
