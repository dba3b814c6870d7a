"""Less data on purpose: a few posts of each class, a share for a learning curve, a quick look; labels shuffled."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mhclf.config.run import SubsetConfig
from mhclf.data.splits import strata
from mhclf.data.table import SPLITS, PostTable
from mhclf.errors import DataError


def take_subset(table: PostTable, rule: SubsetConfig) -> PostTable:
    """Thin out the train part; validation and test stay whole.

    Parameters
    ----------
    table : PostTable
        Split and audited.
    rule : SubsetConfig
        `per_class` posts of each class, or a `share` of train. With one seed, a smaller subset lies inside a larger
        one, so that a learning curve adds posts and never exchanges them.

    Raises
    ------
    DataError
        If a class has no train post.
    """
    if rule.per_class is None and rule.share is None:
        return table
    train = np.flatnonzero((table.frame["split"] == "train").to_numpy())
    targets = table.targets[train]
    order = np.random.default_rng(rule.seed).permutation(len(train))
    if rule.per_class is not None:
        chosen = _few_of_each(targets, order, rule.per_class, table)
    else:
        chosen = _share_of_each(strata(targets), order, float(rule.share or 1.0))
    keep = np.ones(len(table), dtype=bool)
    keep[train] = False
    keep[train[chosen]] = True
    return table.select(keep)


def _few_of_each(
    targets: npt.NDArray[np.int64], order: npt.NDArray[np.int64], wanted: int, table: PostTable
) -> list[int]:
    """Return rows in random order, as long as one of their labels is still short of `wanted`."""
    one_hot = targets if targets.ndim == 2 else np.eye(len(table.labels), dtype=np.int64)[targets]
    missing = [label for label, count in zip(table.labels, one_hot.sum(axis=0), strict=True) if not count]
    if missing:
        raise DataError(
            f"{table.config.name}: train has no post of {', '.join(missing)}; a few of each class cannot be drawn."
        )
    counts = np.zeros(one_hot.shape[1], dtype=np.int64)
    chosen = []
    for row in order.tolist():
        if (one_hot[row] & (counts < wanted)).any():
            counts += one_hot[row]
            chosen.append(row)
    return chosen


def _share_of_each(classes: npt.NDArray[np.int64], order: npt.NDArray[np.int64], share: float) -> list[int]:
    chosen: list[int] = []
    for value in np.unique(classes):
        rows = order[classes[order] == value]
        chosen += rows[: math.ceil(share * len(rows))].tolist()
    return chosen


def limit_rows(table: PostTable, limit: int) -> PostTable:
    """Return at most `limit` rows of each split, drawn with a fixed seed; whatever the limit, order is kept.

    Each split is drawn by itself: leaving out train rows does not change which test rows are drawn.
    """
    kept: list[int] = []
    for number, split in enumerate(SPLITS):
        generator = np.random.default_rng([0, number])
        rows = np.flatnonzero((table.frame["split"] == split).to_numpy())
        kept += generator.permutation(rows)[:limit].tolist()
    return table.select(sorted(kept))


def shuffle_labels(table: PostTable, seed: int) -> PostTable:
    """Return a table whose train labels are shuffled among the train rows; validation and test stay.

    Notes
    -----
    What a model learns from it has nothing to do with the posts, and so should what explains it.
    """
    train = np.flatnonzero((table.frame["split"] == "train").to_numpy())
    targets = table.targets.copy()
    targets[train] = targets[np.random.default_rng(seed).permutation(train)]
    return replace(table, targets=targets)
