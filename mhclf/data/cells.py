"""From raw cells to texts, ids, targets: every wrong cell is an error with file, row and column."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mhclf.config.dataset import DatasetConfig
from mhclf.errors import DataError
from mhclf.registry import nearest


def read_texts(raw: pd.DataFrame, column: str, row_names: list[str]) -> list[str]:
    """Return the posts of a column; an empty cell or one that is no text is an error."""
    texts = []
    for value, where in zip(raw[column], row_names, strict=True):
        if not isinstance(value, str) or not value.strip():
            kind = "empty" if isinstance(value, str) or _missing(value) else "no text"
            raise DataError(f"{where}, column '{column}': is {kind}. Remove the row or fill in the post.")
        texts.append(value)
    return texts


def read_identifiers(raw: pd.DataFrame, column: str | None, row_names: list[str]) -> list[str]:
    """Return the ids of a column, all present and different, or numbers where there is no column."""
    if column is None:
        return [f"{number:06d}" for number in range(len(raw))]
    ids = [plain_cell(value) for value in raw[column]]
    if "" in ids:
        raise DataError(
            f"{row_names[ids.index('')]}, column '{column}': the id is empty. "
            "Give each row its own id, or leave 'columns: id' out to number the rows."
        )
    twice = [value for value, count in Counter(ids).items() if count > 1]
    if twice:
        rows = [where for value, where in zip(ids, row_names, strict=True) if value == twice[0]]
        raise DataError(
            f"{rows[1]}, column '{column}': the id stands already in {rows[0]} ({len(twice)} such ids). "
            "Give each row its own id, or leave 'columns: id' out to number the rows."
        )
    return ids


def read_targets(config: DatasetConfig, raw: pd.DataFrame, row_names: list[str]) -> npt.NDArray[np.int64]:
    """Return class numbers (n,), or 0/1 labels (n, labels), by the labels that the YAML lists.

    Raises
    ------
    DataError
        On an empty or unknown label, or a label column that holds something else than 0 and 1.
    """
    number = {label.raw: index for index, label in enumerate(config.label_pairs)}
    column = config.columns.label
    if isinstance(column, tuple):
        targets = np.zeros((len(raw), len(column)), dtype=np.int64)
        for index, name in enumerate(column):
            for row, value in enumerate(raw[name]):
                if str(value).strip() not in {"0", "1", "0.0", "1.0", "True", "False", "true", "false"}:
                    raise DataError(
                        f"{row_names[row]}, column '{name}': '{short_cell(value)}' is neither 0 nor 1. Mend the cell."
                    )
                targets[row, index] = str(value).strip().lower() in {"1", "1.0", "true"}
        return targets
    if config.task == "multilabel":
        targets = np.zeros((len(raw), len(number)), dtype=np.int64)
        for row, value in enumerate(raw[column]):
            for item in as_list(value):
                targets[row, _class_number(number, item, column, row_names[row])] = 1
        return targets
    return np.array(
        [_class_number(number, value, column, where) for value, where in zip(raw[column], row_names, strict=True)],
        dtype=np.int64,
    )


def _missing(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, NA."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def plain_cell(value: Any) -> str:
    """Return an id, group or explanation as text: '' for a missing one, and 7 for 7.0."""
    if _missing(value):
        return ""
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if whole else str(value).strip()


def as_list(value: Any) -> list[Any]:
    """Return a cell's items: of a list, of comma-separated text, or the single value; none for a missing cell."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    if isinstance(value, Sequence | np.ndarray):
        return list(value)
    return [] if _missing(value) else [value]


def _class_number(number: dict[str, int], value: Any, column: str, where: str) -> int:
    key = str(value).strip()
    if key not in number and isinstance(value, bool | np.bool_):
        # YAML and JSON write true where Python says True.
        key = key.lower()
    if key not in number:
        # Files without a type for whole numbers hold 1.0 for the label 1.
        key = plain_cell(value)
    if key not in number:
        if not key:
            raise DataError(f"{where}, column '{column}': the label is empty. Fill it in or remove the row.")
        raise DataError(
            f"{where}, column '{column}': unknown label '{short_cell(key)}'.{nearest(key, number)} "
            f"The YAML lists {', '.join(number)}."
        )
    return number[key]


def short_cell(value: Any) -> str:
    """A cell for a message: short, so that a post in the wrong column is not printed."""
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}... ({len(text)} characters)"
