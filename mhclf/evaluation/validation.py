"""Checks at the border of the evaluation room: what comes in is right, or a `DataError` says what is not."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mhclf.errors import DataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TASKS = ("multiclass", "ordinal", "multilabel", "choice")
"""A `choice` among the options of a row is scored as a class: the place of the option."""
NO_ANSWER = -1
"""The class index of a prediction that names no label (an unparsed or refused answer): always wrong."""

_ROUNDING = 1e-6  # a float32 softmax may exceed 1 by this much


def choose(name: str, known: Sequence[str], what: str) -> str:
    """Return `name` if it is known; else raise a `DataError` with the nearest match and the whole list."""
    if name in known:
        return name
    near = get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise DataError(f"unknown {what} {name!r}.{hint} Known: {', '.join(known)}")


def check_labels(task: str, labels: Sequence[str]) -> tuple[str, ...]:
    """Return the fixed label list as a tuple: unique names, at least two (multilabel: one)."""
    choose(task, TASKS, "task")
    if isinstance(labels, str):
        raise DataError(f"labels must be a list of names, got the text {labels!r}")
    names = tuple(str(label) for label in labels)
    least = 1 if task == "multilabel" else 2
    if len(names) < least:
        raise DataError(f"{task} needs at least {least} label(s), got {len(names)}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"labels are listed twice: {', '.join(twice)}")
    return names


def numbers_without_nan(values: ArrayLike, name: str) -> FloatArray:
    """Return the values as float64; text, ragged lists and NaN (with its row) are a `DataError`."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "USMm":
            raise TypeError
        numbers = array.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} must hold numbers in a rectangular array, not text or objects") from None
    if np.isnan(numbers).any():
        raise DataError(f"{name} has NaN in row {int(np.argwhere(np.isnan(numbers))[0][0])}")
    return numbers


def check_classes(
    task: str, values: ArrayLike, n_labels: int, name: str, n_rows: int | None = None, no_answer: bool = False
) -> IntArray:
    """Check gold or predicted classes.

    Parameters
    ----------
    task : {"multiclass", "ordinal", "multilabel"}
    values : array (n,) of indices into the labels, or (n, n_labels) of 0 / 1 for multilabel
    n_labels : number of labels in the fixed list
    name : what the array is called in an error
    n_rows : the expected number of rows (that of the gold); None accepts any
    no_answer : accept `NO_ANSWER` (-1) in multiclass and ordinal predictions

    Returns
    -------
    array of int64, same shape

    Raises
    ------
    DataError
        Wrong shape or length, no rows, NaN, fractions, an index outside the labels.
    """
    numbers = numbers_without_nan(values, name)
    shape = f"(n, {n_labels})" if task == "multilabel" else "(n,)"
    if numbers.ndim != (2 if task == "multilabel" else 1):
        raise DataError(f"{name} must have shape {shape} for {task}, got {numbers.shape}")
    if len(numbers) == 0:
        raise DataError(f"{name} is empty: there is nothing to score")
    if task == "multilabel" and numbers.shape[1] != n_labels:
        raise DataError(f"{name} has {numbers.shape[1]} columns, but there are {n_labels} labels")
    if n_rows is not None and len(numbers) != n_rows:
        raise DataError(f"gold has {n_rows} rows, {name} {len(numbers)}")
    low = NO_ANSWER if no_answer and task != "multilabel" else 0
    high = 1 if task == "multilabel" else n_labels - 1
    bad = (numbers < low) | (numbers > high) | (numbers != np.round(numbers))
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        allowed = "0 or 1" if task == "multilabel" else f"an index from {low} to {high} ({n_labels} labels)"
        raise DataError(f"{name} must hold {allowed}; row {row} has {numbers[bad][0]:g}")
    return numbers.astype(np.int64)


def check_probability(values: ArrayLike, n_rows: int, n_labels: int, name: str = "probability") -> FloatArray:
    """Check an (n, n_labels) array of probabilities in [0, 1] without NaN; logits are an error."""
    numbers = numbers_without_nan(values, name)
    if numbers.shape != (n_rows, n_labels):
        raise DataError(f"{name} must have shape {(n_rows, n_labels)} (rows, labels), got {numbers.shape}")
    outside = (numbers < -_ROUNDING) | (numbers > 1 + _ROUNDING)
    if outside.any():
        row = int(np.argwhere(outside)[0][0])
        raise DataError(
            f"{name} must lie in [0, 1]; row {row} has {numbers[outside][0]:g}. "
            "These look like logits: apply softmax (multilabel: sigmoid) first"
        )
    return numbers


def check_seeds(
    task: str, values: ArrayLike, n_labels: int, name: str, n_rows: int, no_answer: bool = False
) -> IntArray:
    """Check predictions of several seeds, (s, n) or (s, n, n_labels); one seed may come without its axis."""
    numbers = numbers_without_nan(values, name)
    row_axes = 2 if task == "multilabel" else 1
    if numbers.ndim == row_axes:
        numbers = numbers[None]
    if numbers.ndim != row_axes + 1 or len(numbers) == 0:
        shape = "(seeds, n, labels)" if task == "multilabel" else "(seeds, n)"
        raise DataError(f"{name} must have shape {shape} for {task}, got {numbers.shape}")
    return np.stack(
        [check_classes(task, one, n_labels, f"{name}[{s}]", n_rows, no_answer) for s, one in enumerate(numbers)]
    )
