"""Named parts of a test set, such as short posts or posts that the annotators agreed on, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mhclf.errors import DataError
from mhclf.evaluation.bootstrap import classification_intervals
from mhclf.evaluation.classification import scores
from mhclf.evaluation.validation import check_classes, check_labels

LEAST_ROWS = 20
"""A smaller slice is not scored."""

MOST_CATEGORIES = 30
"""A column with more different values is no category."""


@dataclass(frozen=True)
class Slice:
    """A part of the rows: its name and a mask, shape (n,)."""

    name: str
    rows: NDArray[np.bool_]


@dataclass(frozen=True)
class SliceScores:
    """Scores of a slice.

    Attributes
    ----------
    name : of the slice
    n : rows
    values : metric -> (value, low, high); None where the slice has fewer than `LEAST_ROWS` rows
    """

    name: str
    n: int
    values: dict[str, tuple[float, float, float]] | None


def numeric_slices(name: str, values: ArrayLike, parts: int = 3) -> tuple[Slice, ...]:
    """Cut rows into parts of about the same size by a number, such as the words of a post.

    Equal numbers stay in one part, so that parts may differ in size or fall together. At most `parts` different
    numbers are slices of their own. Rows without a number (NaN) are in no slice.

    Parameters
    ----------
    name : of the number; slices are called ``name 1 to 40``
    values : array (n,)
    parts : 3 for tertiles

    Returns
    -------
    tuple of Slice
        From the lowest numbers to the highest; empty when no row has a number.

    Raises
    ------
    DataError
        When the values are no list of numbers, or `parts` is below 2.
    """
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"slices by {name}: expected numbers") from None
    if numbers.ndim != 1:
        raise DataError(f"slices by {name}: expected one list of numbers, got shape {numbers.shape}")
    if parts < 2:
        raise DataError(f"slices by {name}: parts must be 2 or more, got {parts}")
    known = numbers[~np.isnan(numbers)]
    distinct = np.unique(known)
    if len(distinct) <= parts:
        return tuple(Slice(f"{name} {value:g}", numbers == value) for value in distinct)
    # The cut is a number that occurs: what is not above it belongs to the lower part.
    cuts = np.unique(np.quantile(known, np.arange(1, parts) / parts, method="inverted_cdf"))
    place = np.searchsorted(cuts, numbers, side="left")
    place[np.isnan(numbers)] = -1
    found = []
    for part in range(len(cuts) + 1):
        rows = place == part
        if rows.any():
            low, high = numbers[rows].min(), numbers[rows].max()
            span = f"{low:g} to {high:g}" if low < high else f"{low:g}"
            found.append(Slice(f"{name} {span}", rows))
    return tuple(found)


def category_slices(name: str, values: ArrayLike) -> tuple[Slice, ...]:
    """Part rows by a column of words: one slice a value, called ``name value``, sorted by value; None is in no slice.

    Raises
    ------
    DataError
        When the column has more than `MOST_CATEGORIES` different values, so that it is an identifier or a text.
    """
    cells = list(np.asarray(values, dtype=object))
    words = [None if cell is None or cell != cell else str(cell) for cell in cells]
    distinct = sorted({word for word in words if word is not None})
    if len(distinct) > MOST_CATEGORIES:
        raise DataError(f"slices by {name}: {len(distinct)} different values; a category has at most {MOST_CATEGORIES}")
    return tuple(Slice(f"{name} {word}", np.array([cell == word for cell in words])) for word in distinct)


def slice_scores(
    task: str,
    gold: ArrayLike,
    prediction: ArrayLike,
    labels: Sequence[str],
    slices: Sequence[Slice],
    metrics: Sequence[str],
    groups: ArrayLike | None = None,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[SliceScores, ...]:
    """Score each slice, with a bootstrap interval over the groups in it.

    Parameters
    ----------
    task, gold, prediction, labels, groups : as in `mhclf.evaluation.classification_intervals`
    slices : from `numeric_slices` or `category_slices`
    metrics : names that need no probabilities

    Returns
    -------
    tuple of SliceScores
        Macro averages keep the labels that a slice lacks (as 0), so compare a slice with others only where the labels
        are spread alike.

    Raises
    ------
    DataError
        As in `scores`; a slice of another length.
    """
    names = check_labels(task, labels)
    g = check_classes(task, gold, len(names), "gold")
    p = check_classes(task, prediction, len(names), "prediction", len(g))
    owners = None if groups is None else np.asarray(groups)
    found = []
    for part in slices:
        if part.rows.shape != (len(g),):
            raise DataError(f"the slice '{part.name}' has shape {part.rows.shape}, expected ({len(g)},)")
        n = int(part.rows.sum())
        if n < LEAST_ROWS:
            found.append(SliceScores(part.name, n, None))
            continue
        own = g[part.rows], p[part.rows]
        of_rows = None if owners is None else owners[part.rows]
        values = scores(task, *own, None, names)
        ends = classification_intervals(task, *own, None, names, of_rows, metrics, n_resamples=n_resamples, seed=seed)
        found.append(SliceScores(part.name, n, {name: (values[name], *ends[name]) for name in metrics}))
    return tuple(found)
