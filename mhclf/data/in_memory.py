"""Posts and labels that stand in memory: checked like those of a file, and made a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets

from mhclf.config.columns import ColumnsConfig
from mhclf.config.dataset import DatasetConfig, SplitsConfig
from mhclf.config.source import SourceConfig
from mhclf.data.repair import clean_post
from mhclf.data.splits import assign_splits
from mhclf.data.table import PostTable
from mhclf.errors import DataError

Task = Literal["multiclass", "multilabel", "ordinal"]
Form = Literal["single", "indicator", "lists"]


@dataclass(frozen=True)
class ClassTargets:
    """Labels as numbers.

    Attributes
    ----------
    classes : array
        The different labels, sorted: (labels,).
    numbers : array of int
        Class numbers (n,), or 0/1 labels (n, labels).
    form : str
        How several labels were given: `indicator`, `lists`, or `single` for one a post.
    """

    classes: npt.NDArray[Any]
    numbers: npt.NDArray[np.int64]
    form: Form


def as_texts(posts: Any, name: str = "X") -> list[str]:
    """Return posts as a list.

    Parameters
    ----------
    posts : sequence of str, array, Series, or one-column DataFrame or 2-D array
    name : str
        For messages.

    Raises
    ------
    DataError
        If there are several columns, or a post is missing, empty or no text; names its row, from 0.
    """
    if isinstance(posts, str | bytes):
        raise DataError(f"{name}: is one text. Give a list of texts, also for one post: [text].")
    if isinstance(posts, pd.DataFrame):
        posts = posts.to_numpy(dtype=object)
    if hasattr(posts, "toarray"):
        raise DataError(f"{name}: is a sparse matrix. Give the texts themselves, before any vectoriser.")
    if getattr(posts, "ndim", 1) == 2:
        if posts.shape[1] != 1:
            raise DataError(f"{name}: has {posts.shape[1]} columns. Give the one that holds the posts.")
        posts = posts[:, 0]
    if getattr(posts, "ndim", 1) != 1 or not hasattr(posts, "__iter__"):
        raise DataError(f"{name}: is a {type(posts).__name__}. Give a list of texts.")
    texts = []
    for row, post in enumerate(posts):
        if not isinstance(post, str):
            raise DataError(
                f"{name}: row {row} holds no text but a {type(post).__name__}. Fill the post in or leave the row out."
            )
        if not post.strip():
            raise DataError(f"{name}: row {row} is empty. Fill the post in or leave the row out.")
        texts.append(str(post))
    return texts


def as_targets(labels: Any, rows: int) -> ClassTargets:
    """Return labels as numbers.

    Parameters
    ----------
    labels : sequence of class names or numbers, 0/1 array (n, labels), or sequence of lists of classes
    rows : int
        Number of posts.

    Raises
    ------
    DataError
        If the length differs, a label is missing, or there is only one class.
    """
    if labels is None:
        raise DataError("y: is None. Give one label for each post, or a 0/1 matrix, or a list of lists of labels.")
    if hasattr(labels, "toarray"):
        labels = labels.toarray()
    values = labels.to_numpy() if hasattr(labels, "to_numpy") else labels
    count = len(values)
    if count != rows:
        raise DataError(f"X, y: have {rows} and {count} rows. Give one label, or list of labels, for each post.")
    if not count:
        raise DataError("X, y: have no rows. Give posts to learn from.")
    if all(isinstance(value, list | tuple | set | frozenset) for value in values):
        return _several(values)
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] > 1:
        if not np.isin(array, (0, 1)).all():
            raise DataError("y: has several columns that hold more than 0 and 1. Give a 0/1 column for each label.")
        return ClassTargets(np.arange(array.shape[1]), array.astype(np.int64), "indicator")
    array = array.ravel()
    missing = pd.isna(array)
    if missing.any():
        raise DataError(f"y: row {int(missing.argmax())} has no label. Fill it in or leave the row out.")
    check_classification_targets(array)
    try:
        classes, numbers = np.unique(array, return_inverse=True)
    except TypeError as error:
        raise DataError("y: mixes text and numbers. Give one kind of label.") from error
    if len(classes) < 2:
        raise DataError(f"y: holds 1 class ('{classes[0]}'). Give posts of two classes or more.")
    return ClassTargets(classes, numbers.astype(np.int64), "single")


def _several(values: Sequence[Any]) -> ClassTargets:
    try:
        classes = np.unique(np.array([label for value in values for label in value]))
    except TypeError as error:
        raise DataError("y: mixes text and numbers. Give one kind of label.") from error
    if not len(classes):
        raise DataError("y: holds no label at all. Give posts with labels.")
    place = {label: index for index, label in enumerate(classes.tolist())}
    numbers = np.zeros((len(values), len(classes)), dtype=np.int64)
    for row, value in enumerate(values):
        numbers[row, [place[label] for label in value]] = 1
    return ClassTargets(classes, numbers, "lists")


def table_in_memory(
    texts: list[str],
    targets: ClassTargets,
    task: Task,
    groups: Sequence[Any] | None,
    splits: SplitsConfig,
    max_length: int,
    mask: bool,
) -> PostTable:
    """Return a table of train and validation rows, repaired and masked as those of a file are.

    Parameters
    ----------
    groups : sequence, optional
        Posts of one group are not parted by the validation cut.
    splits : SplitsConfig
        Its `validation`, `seed` and `stratify` say how validation rows are drawn.
    """
    if groups is not None and len(groups) != len(texts):
        raise DataError(f"X, groups: have {len(texts)} and {len(groups)} rows. Give one group for each post.")
    config = DatasetConfig(
        name="in-memory",
        task=task,
        labels=tuple(str(label) for label in targets.classes.tolist()),
        source=SourceConfig(files=("in-memory",)),
        columns=ColumnsConfig(text="text", label="label"),
        splits=splits,
        max_length=max_length,
    )
    ids = [f"{row:06d}" for row in range(len(texts))]
    frame = pd.DataFrame(
        {
            "id": ids,
            "text": [clean_post(text, config.repair, mask) for text in texts],
            "group": ids if groups is None else [str(group) for group in groups],
            "split": "train",
            "explanation": "",
            "context": "",
            "confidence": np.nan,
        }
    )
    return assign_splits(PostTable(config, frame, targets.numbers))
