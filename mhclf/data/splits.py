"""Splits: seeded, stratified, grouped; the same rows for every method and seed."""

import math
import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit

from mhclf.config.dataset import DatasetConfig
from mhclf.data.table import PostTable
from mhclf.errors import DataError

ADDED = "added"
"""Split of rows that are only ever trained on, until `assign_splits` makes them train."""


def assign_splits(table: PostTable) -> PostTable:
    """Give every row a split by the table's YAML.

    Parameters
    ----------
    table : PostTable
        With a `split` column filled for `kind: given`.

    Notes
    -----
    Where no validation part is given, it is taken from train, seeded, stratified and grouped; so are the parts of
    `folds`. A set with a test part only (an evaluation set) stays one. Rows marked `ADDED` become train at the end.
    """
    rule = table.config.splits
    splits = table.frame["split"].to_numpy(dtype=object).copy()
    own = splits != ADDED
    if rule.kind != "given":
        rows = np.flatnonzero(own)
        splits[rows] = "train"
        splits[_test_rows(table, rows)] = "test"
    elif not (splits == "train").any() and not (splits[own] == "test").all():
        raise no_train(table.config)
    train = np.flatnonzero(splits == "train")
    if len(train) and not (splits == "validation").any():
        # Another stream than the test cut's, so that the two do not mirror each other.
        held_out = _held_out(table, train, rule.validation, rule.seed + 1000, rule.stratify, rule.group_by)
        splits[held_out] = "validation"
    splits[~own] = "train"
    return table.with_splits(splits)


def _test_rows(table: PostTable, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    rule = table.config.splits
    if rule.kind == "ratio":
        return _held_out(table, rows, rule.test, rule.seed, rule.stratify, rule.group_by)
    groups = table.frame["group"].to_numpy()[rows] if rule.group_by else np.arange(len(rows)).astype(str)
    if len(set(groups)) < rule.folds:
        raise DataError(
            f"{table.config.name}: {len(set(groups))} group(s) cannot make {rule.folds} folds. Lower 'splits: folds'."
        )
    classes = strata(table.targets[rows]) if rule.stratify else np.zeros(len(rows), dtype=np.int64)
    parts = _grouped_folds(classes, groups, rule.folds, rule.seed)
    # Where every class is smaller than the number of folds, classes cannot be spread over them.
    parts = parts or _grouped_folds(np.zeros_like(classes), groups, rule.folds, rule.seed)
    if not parts or any(len(part) == 0 for part in parts):
        raise DataError(
            f"{table.config.name}: the groups are too uneven for {rule.folds} folds; a part would be empty. "
            "Lower 'splits: folds'."
        )
    return np.asarray(rows[parts[rule.fold]])


def _grouped_folds(
    classes: npt.NDArray[np.int64], groups: npt.NDArray[Any], folds: int, seed: int
) -> list[npt.NDArray[np.int64]]:
    """Return the rows of each fold, stratified and grouped; nothing where every class is smaller than `folds`."""
    with warnings.catch_warnings():
        # A class with fewer rows than folds is expected in small sets; the shares are then as near as can be.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        try:
            return [part for _, part in splitter.split(classes, classes, groups)]
        except ValueError:
            return []


def no_train(config: DatasetConfig) -> DataError:
    """Return the error for a set of which nothing is trained on."""
    return DataError(
        f"{config.name}: no row belongs to train. Name the split of each file or a split column, "
        "or say 'splits: {kind: ratio}'."
    )


def strata(targets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return one class number a row to stratify by; for several labels a row, its rarest one (0 for none)."""
    if targets.ndim == 1:
        return targets
    frequency = targets.sum(axis=0)
    ranked = np.where(targets > 0, frequency[None, :], np.iinfo(np.int64).max)
    return np.where(targets.any(axis=1), ranked.argmin(axis=1) + 1, 0)


def _held_out(
    table: PostTable, rows: npt.NDArray[np.int64], share: float, seed: int, stratify: bool, group_by: str | None
) -> npt.NDArray[np.int64]:
    """Return about `share` of `rows`, chosen with this seed."""
    groups = table.frame["group"].to_numpy()[rows] if group_by else np.arange(len(rows)).astype(str)
    classes = strata(table.targets[rows]) if stratify else np.zeros(len(rows), dtype=np.int64)
    n_groups = len(set(groups))
    if n_groups < 2:
        raise DataError(
            f"{table.config.name}: {len(rows)} rows in {n_groups} group(s) cannot be split. "
            "Add rows, or give 'splits: {group_by: null}'."
        )
    counts = np.unique(classes, return_counts=True)[1]
    held_out = math.ceil(share * len(rows))
    enough = share * len(rows) >= len(counts) and len(rows) - held_out >= max(2, len(counts))
    if n_groups == len(rows) and counts.min() > 1 and enough:
        splitter = StratifiedShuffleSplit(1, test_size=share, random_state=seed)
        return np.asarray(rows[next(splitter.split(rows, classes))[1]])
    folds, taken = _folds(share, n_groups)
    wanted = max(1, round(share * len(rows)))
    parts = _grouped_folds(classes, groups, folds, seed)
    # One huge group makes a fold much too large, or leaves others empty: start where the share is met best.
    for first in range(len(parts) - taken + 1):
        chosen = np.sort(np.concatenate(parts[first : first + taken]))
        left = n_groups - len(set(groups[chosen]))
        if wanted / 2 <= len(chosen) <= 2 * wanted and left >= min(2, n_groups - 1):
            return np.asarray(rows[chosen])
    # No fold fits, or every class is smaller than the number of folds: draw whole groups at random towards the share.
    return rows[np.isin(groups, _drawn_groups(groups, wanted, seed))]


def _folds(share: float, n_groups: int) -> tuple[int, int]:
    """Return a number of folds, and how many of them together hold about `share` of the rows."""
    if share <= 0.1:
        folds, taken = round(1 / share), 1
    elif share >= 0.9:
        folds = round(1 / (1 - share))
        taken = folds - 1
    else:
        ratio = Fraction(share).limit_denominator(20)
        folds, taken = ratio.denominator, ratio.numerator
    if folds > n_groups:
        folds, taken = n_groups, round(share * n_groups)
    return folds, min(max(1, taken), folds - 1)


def _drawn_groups(groups: npt.NDArray[Any], wanted: int, seed: int) -> list[Any]:
    """Return groups in random order until `wanted` rows are reached, passing over those that go far beyond."""
    names, sizes = np.unique(groups, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    chosen: list[Any] = []
    total = 0
    for index in order:
        # The nearer of the two totals; at least one group is drawn, and two stay for train and validation.
        nearer = abs(total + sizes[index] - wanted) <= abs(total - wanted)
        if nearer and len(chosen) < max(1, len(names) - 2):
            chosen.append(names[index])
            total += sizes[index]
    return chosen or [names[sizes.argmin()]]
