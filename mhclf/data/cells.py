"""From raw cells to texts, ids, targets: every wrong cell is an error with file, row and column."""

import ast
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mhclf.cjk import CJK
from mhclf.config.columns import ColumnsConfig
from mhclf.config.dataset import DatasetConfig
from mhclf.data.answers import label_of_answer
from mhclf.data.spans import text_key
from mhclf.errors import DataError
from mhclf.registry import mistyped, nearest

_CJK_SIGN = re.compile(f"[{CJK}]")
_FAULTS = {
    "empty_text": "is empty. Remove the row or fill in the post.",
    "no_text": "is no text. Remove the row or fill in the post.",
    "damaged_text": "does not parse as a Python list of texts. Mend the cell, or name 'damaged_text' under "
    "'source: leave_out' to train without such rows.",
}


def read_texts(raw: pd.DataFrame, columns: ColumnsConfig, row_names: list[str]) -> list[str]:
    """Return the posts; an empty cell or one that is no text is an error."""
    texts = []
    for cells, where in zip(_text_cells(raw, columns), row_names, strict=True):
        text, fault = _text_of(cells, columns)
        if fault:
            shown = "', '".join(columns.text_columns)
            raise DataError(f"{where}, column '{shown}': {_FAULTS[fault]}")
        texts.append(text)
    return texts


def row_faults(raw: pd.DataFrame, columns: ColumnsConfig) -> list[str]:
    """Return for each row `empty_text`, `no_text`, `damaged_text`, `empty_label`, or '' where nothing is wrong."""
    faults = [_text_of(cells, columns)[1] for cells in _text_cells(raw, columns)]
    for column in [columns.label] if isinstance(columns.label, str) else columns.label:
        empty = [isinstance(value, str | float | None) and not plain_cell(value) for value in raw[column]]
        faults = [fault or ("empty_label" if here else "") for fault, here in zip(faults, empty, strict=True)]
    return faults


def texts_or_nothing(raw: pd.DataFrame, columns: ColumnsConfig) -> list[str]:
    """Return the posts; '' where there is none or it does not parse."""
    return [_text_of(cells, columns)[0] for cells in _text_cells(raw, columns)]


def _text_cells(raw: pd.DataFrame, columns: ColumnsConfig) -> Iterator[tuple[Any, ...]]:
    """Yield the cells of the text columns, and last of the column to take instead."""
    instead = raw[columns.text_instead] if columns.text_instead in raw.columns else [None] * len(raw)
    return zip(*(raw[name] for name in columns.text_columns), instead, strict=True)


def _text_of(cells: tuple[Any, ...], columns: ColumnsConfig) -> tuple[str, str]:
    """Return the text of a row and what is wrong with it ('' for nothing)."""
    *given, instead = cells
    present = [cell for cell in given if not _stands_for_nothing(cell, columns)]
    if not present and not _stands_for_nothing(instead, columns):
        present = [instead]
    if not all(isinstance(cell, str) for cell in present):
        return "", "no_text"
    text = "\n".join(present)
    if columns.text_kind == "python_list" and text:
        try:
            items = ast.literal_eval(text)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            return "", "damaged_text"
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            return "", "damaged_text"
        # Halves of cut emoji, which no encoding can hold.
        text = re.sub("[\ud800-\udfff]", "\ufffd", "\n\n".join(item for item in items if item.strip()))
    return text, "" if text.strip() else "empty_text"


def _stands_for_nothing(cell: Any, columns: ColumnsConfig) -> bool:
    return _missing(cell) or (isinstance(cell, str) and (not cell.strip() or cell.strip() in columns.text_empty))


def post_hash(text: str) -> str:
    """Return 16 hex digits that stand for a post: a group that shows no text."""
    return text_key(text)[:16]


def read_confidence(raw: pd.DataFrame, column: str, row_names: list[str]) -> list[float]:
    """Return shares from 0 to 1; NaN for an empty cell."""
    found = []
    for value, where in zip(raw[column], row_names, strict=True):
        try:
            share = float(value) if plain_cell(value) else math.nan
        except (TypeError, ValueError):
            share = -1.0
        if not math.isnan(share) and not 0 <= share <= 1:
            raise DataError(f"{where}, column '{column}': {quoted_cell(value)} is no share from 0 to 1. Mend the cell.")
        found.append(share)
    return found


def read_options(raw: pd.DataFrame, config: DatasetConfig, row_names: list[str]) -> list[tuple[str, ...]]:
    """Return the options of each row, each in a line: as many as there are labels, none empty, no two the same."""
    columns = config.columns.option_columns
    shown, wanted = "', '".join(columns), len(config.label_names)
    found = []
    for cells, where in zip(zip(*(raw[name] for name in columns), strict=True), row_names, strict=True):
        given = _written_list(cells[0]) if isinstance(config.columns.options, str) else cells
        if given is None:
            raise DataError(f"{where}, column '{shown}': is no list of options. Write it as JSON, or give columns.")
        if any(isinstance(option, bool | dict | list | tuple | np.ndarray) for option in given):
            raise DataError(f"{where}, column '{shown}': an option is neither text nor a number. Mend the cell.")
        # A line break inside an option would look like the next one.
        options = tuple(" ".join(plain_cell(option).split()) for option in given)
        if len(options) != wanted:
            raise DataError(
                f"{where}, column '{shown}': {len(options)} options for {wanted} labels. Give every row as many "
                "options as there are labels."
            )
        if "" in options:
            raise DataError(
                f"{where}, column '{shown}': option {options.index('') + 1} is empty. Fill it in, or remove the row."
            )
        if len({option.casefold() for option in options}) < wanted:
            raise DataError(f"{where}, column '{shown}': two options are the same. Mend the row, or remove it.")
        found.append(options)
    return found


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
    number = {raw: index for index, label in enumerate(config.label_pairs) for raw in label.raw_values}
    column = config.columns.label
    if config.columns.label_kind == "answer":
        return _targets_of_answers(number, raw[str(column)], f"column '{column}'", row_names)
    if isinstance(column, tuple):
        targets = np.zeros((len(raw), len(column)), dtype=np.int64)
        for index, name in enumerate(column):
            for row, value in enumerate(raw[name]):
                if str(value).strip() not in {"0", "1", "0.0", "1.0", "True", "False", "true", "false"}:
                    raise DataError(
                        f"{row_names[row]}, column '{name}': {quoted_cell(value)} is neither 0 nor 1. Mend the cell."
                    )
                targets[row, index] = str(value).strip().lower() in {"1", "1.0", "true"}
        return targets
    if config.task == "multilabel":
        targets = np.zeros((len(raw), len(config.labels)), dtype=np.int64)
        for row, value in enumerate(raw[column]):
            for item in as_list(value):
                targets[row, _class_number(number, item, column, row_names[row])] = 1
        return targets
    return np.array(
        [_class_number(number, value, column, where) for value, where in zip(raw[column], row_names, strict=True)],
        dtype=np.int64,
    )


def _targets_of_answers(
    number: dict[str, int], answers: "pd.Series[Any]", column: str, row_names: list[str]
) -> npt.NDArray[np.int64]:
    targets = np.zeros(len(answers), dtype=np.int64)
    for row, answer in enumerate(answers):
        label = label_of_answer(str(answer), number)
        if label is None:
            raise DataError(
                f"{row_names[row]}, {column}: the answer of {len(str(answer))} characters names none or several of the "
                f"labels {', '.join(number)}. Mend the row or the YAML's labels."
            )
        targets[row] = number[label]
    return targets


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


def _written_list(value: Any) -> list[Any] | None:
    """Return a cell's list, also where a text file holds it as JSON or as Python prints it; None for anything else."""
    if isinstance(value, str):
        for read in (json.loads, ast.literal_eval):
            try:
                value = read(value)
                break
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                continue
    return list(value) if isinstance(value, list | tuple | np.ndarray) else None


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
        shown = quoted_cell(key, number)
        what = f"unknown label {shown}" if shown.startswith("'") else f"{shown} is no label"
        raise DataError(
            f"{where}, column '{column}': {what}.{nearest(key, number)} The YAML lists {', '.join(number)}."
        )
    return number[key]


def short_label(value: Any) -> str:
    """A label or another value that recurs, for a message: short."""
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}... ({len(text)} characters)"


def short_cell(value: Any, known: Iterable[str] = ()) -> str:
    """A cell for a message: a word or two, and of a text the length, so that a post in the wrong column is not printed.

    Parameters
    ----------
    value : any
        The cell, or the name of a column: where a file has no header line, posts stand in place of names.
    known : iterable of str
        What the cell may hold. A slip in one of them is shown, of whatever words it is made.
    """
    text = str(value)
    return f"a text of {len(text)} characters" if _of_several_words(text, known) else short_label(text)


def quoted_cell(value: Any, known: Iterable[str] = ()) -> str:
    """`short_cell` in quotes, where it shows something of the cell."""
    text = str(value)
    return short_cell(text) if _of_several_words(text, known) else f"'{short_label(text)}'"


def name_like(text: str) -> bool:
    """Whether a text looks like the name of a column, not like a post: one word that is not long."""
    return len(text.split()) == 1 and len(text) <= 30 and not _of_several_words(text)


def shown_columns(names: Iterable[Any], most: int = 20) -> str:
    """Return the names of columns for a message, parted by commas."""
    found = [short_cell(name) for name in names]
    return ", ".join(found[:most]) + (", ..." if len(found) > most else "")


def nearest_column(name: str, known: Iterable[Any]) -> str:
    """Return ' Did you mean ...?' for the closest column whose name may be shown, or an empty string."""
    return nearest(name, [text for text in map(str, known) if short_cell(text) == text])


def _of_several_words(text: str, known: Iterable[str] = ()) -> bool:
    # Chinese and Japanese part no words: a handful of signs is a name, more are a sentence.
    several = len(text.split()) > 2 or len(_CJK_SIGN.findall(text)) > 6
    return several and not mistyped(text, known)
