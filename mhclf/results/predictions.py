"""The saved predictions of one split as arrays, whatever the task, and the scores per class."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mhclf.errors import DataError
from mhclf.results.tables import Cell, Column, Table

NONE = "(none)"
COLUMNS = ("id", "group", "split", "gold", "prediction", "abstention")


@dataclass(frozen=True)
class Predictions:
    """Gold, prediction and probabilities of the posts of one split.

    Parameters
    ----------
    labels : tuple of str
        L names in the order of the data set.
    multilabel : bool
        Whether a post may have several labels or none.
    ids : tuple of str
        n post ids.
    gold, prediction : array of bool, shape (n, L)
        Which labels a post has, and which were predicted.
    probability : array of float, shape (n, L)
        Between 0 and 1; rows sum to 1 unless multilabel.
    abstention : array of float, shape (n,)
        Higher means less sure.
    groups : array of str, shape (n,)
        Posts of one group (a user, a source post) are resampled together.
    columns : pandas.DataFrame
        All columns of the file for these posts, such as `words` and `confidence`.
    """

    labels: tuple[str, ...]
    multilabel: bool
    ids: tuple[str, ...]
    gold: NDArray[np.bool_]
    prediction: NDArray[np.bool_]
    probability: NDArray[np.float64]
    abstention: NDArray[np.float64]
    groups: NDArray[np.object_]
    columns: pd.DataFrame

    @property
    def gold_classes(self) -> NDArray[np.int64]:
        """The gold as `mhclf.evaluation` takes it: class numbers (n,), or 0 / 1 (n, L) for multilabel."""
        return self._classes(self.gold)

    @property
    def predicted_classes(self) -> NDArray[np.int64]:
        """The prediction as `mhclf.evaluation` takes it."""
        return self._classes(self.prediction)

    def _classes(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.asarray(chosen if self.multilabel else chosen.argmax(axis=1), dtype=np.int64)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether all labels of a post are right, shape (n,)."""
        return np.asarray((self.gold == self.prediction).all(axis=1), dtype=np.bool_)

    def places_of(self, ids: Sequence[str]) -> NDArray[np.int64] | None:
        """Return the row of each of these posts; None unless they are all of the posts, each once."""
        place = {identifier: row for row, identifier in enumerate(self.ids)}
        if not len(ids) == len(self.ids) == len(place) or place.keys() != set(ids):
            return None
        return np.array([place[identifier] for identifier in ids], dtype=np.int64)

    def names(self, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return the labels of each row of an (n, L) array as text, several joined by ` + `."""
        return tuple(join_labels(self.labels[index] for index in np.flatnonzero(row)) for row in chosen)

    def mean_probability(self, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return per post the mean probability of the labels chosen in an (n, L) array; NaN where none is."""
        count = chosen.sum(axis=1)
        total = np.where(chosen, self.probability, 0.0).sum(axis=1)
        mean = np.full(len(self.ids), np.nan, dtype=np.float64)
        np.divide(total, count, out=mean, where=count > 0)
        return mean


def join_labels(labels: Iterable[str]) -> str:
    """Return several labels as one text, `(none)` for an empty list."""
    return " + ".join(labels) or NONE


def predictions_of(frame: pd.DataFrame, labels: Sequence[str], *, multilabel: bool, split: str = "test") -> Predictions:
    """Return the rows of one split of a `predictions.parquet` as arrays.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns id, group, split, gold, prediction, abstention, and `probability/<label>` for each label.
    labels : sequence of str
        The labels of the data set, in order.
    multilabel : bool
        Whether gold and prediction are lists.
    split : str
        Which rows.

    Returns
    -------
    Predictions
        In the order of the frame; may hold no post.

    Raises
    ------
    DataError
        When a column is missing, a label is unknown, or a probability lies outside 0 to 1.
    """
    probabilities = [f"probability/{label}" for label in labels]
    missing = [name for name in (*COLUMNS, *probabilities) if name not in frame.columns]
    if missing:
        raise DataError(f"predictions: the columns {', '.join(map(repr, missing))} are missing.")
    part = frame.loc[(frame["split"] == split).to_numpy()]
    ids = tuple(str(value) for value in part["id"])
    try:
        probability = part[probabilities].to_numpy(dtype=np.float64)
        abstention = part["abstention"].to_numpy(dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise DataError("predictions: a probability or an abstention score is no number.") from error
    bad = ~((probability >= -1e-6) & (probability <= 1 + 1e-6)).all(axis=1)
    if bad.any():
        raise DataError(f"predictions: post '{ids[int(bad.argmax())]}' has a probability outside 0 to 1.")
    return Predictions(
        labels=tuple(labels),
        multilabel=multilabel,
        ids=ids,
        gold=_indicator(part["gold"].tolist(), ids, labels, "gold"),
        prediction=_indicator(part["prediction"].tolist(), ids, labels, "prediction"),
        probability=probability,
        abstention=abstention,
        groups=part["group"].astype(str).to_numpy(dtype=object),
        columns=part.reset_index(drop=True),
    )


def class_table(predictions: Predictions, intervals: Mapping[str, str] | None = None) -> Table:
    """Return precision, recall, F1, gold and predicted posts for each label.

    Parameters
    ----------
    predictions : Predictions
        Of one split.
    intervals : mapping of str to str, optional
        Label to the interval of its F1, as text; without it there is no such column.

    Returns
    -------
    Table
        One row for each label, in order.
    """
    gold, prediction = predictions.gold, predictions.prediction
    hits = (gold & prediction).sum(axis=0)
    support, predicted = gold.sum(axis=0), prediction.sum(axis=0)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (label, _ratio(hits[k], predicted[k]), _ratio(hits[k], support[k]),
         _ratio(2 * hits[k], support[k] + predicted[k]), int(support[k]), int(predicted[k]))
        for k, label in enumerate(predictions.labels)
    )  # fmt: skip
    columns: tuple[Column, ...] = (
        Column("class"), Column("precision", "right", "higher"), Column("recall", "right", "higher"),
        Column("F1", "right", "higher"), Column("gold posts", "right"), Column("predicted posts", "right"),
    )  # fmt: skip
    if intervals:
        columns = (*columns[:4], Column("95 % interval of F1", "right"), *columns[4:])
        rows = tuple((*row[:4], intervals.get(str(row[0])), *row[4:]) for row in rows)
    undefined = any(None in row[1:4] for row in rows)
    notes = ("A dash: undefined, because no post has or was given this label.",) if undefined else ()
    return Table("Scores by class", columns, rows, notes)


def _ratio(part: int, whole: int) -> float | None:
    """Return part / whole, None for an empty whole."""
    return float(part) / float(whole) if whole else None


def _indicator(values: Sequence[Any], ids: Sequence[str], labels: Sequence[str], column: str) -> NDArray[np.bool_]:
    """Return names, or lists of names, as an (n, L) array."""
    place = {label: index for index, label in enumerate(labels)}
    chosen = np.zeros((len(values), len(labels)), dtype=np.bool_)
    for row, value in enumerate(values):
        for name in [value] if isinstance(value, str) else list(value):
            if name not in place:
                known = ", ".join(map(repr, labels))
                raise DataError(f"predictions: post '{ids[row]}' has the {column} label {name!r}; known are {known}.")
            chosen[row, place[name]] = True
    return chosen
