"""What a column of raw cells looks like: prose, a few values, 0 and 1, numbers, lists."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mhclf.cjk import CJK
from mhclf.data.cells import as_list, plain_cell, short_cell

MOST_LABELS = 50
LONGEST_LABEL = 60
_SAMPLE = 2000
_WORD = re.compile(rf"[{CJK}]|[^\s{CJK}]+")
_BINARY = frozenset({"0", "1", "0.0", "1.0", "True", "False", "true", "false"})


@dataclass(frozen=True)
class ColumnProfile:
    """One column.

    Attributes
    ----------
    name : str
    rows : int
        Rows of the table, those with an empty cell included.
    values : tuple of (str or None)
        Each cell as a label would be read; None where it is empty, or no plain value.
    counts : mapping of str to int
        Value to its number of rows.
    words : float
        Mean number of words (or Chinese, Japanese, Korean signs) in a cell that is not empty.
    texts : bool
        Whether every cell that is not empty holds text.
    plain : bool
        Whether every cell holds text, a number, true or false, or nothing.
    items : mapping of str to int
        Item to its number of rows, where each cell holds a list, or text parted by commas.
    """

    name: str
    rows: int
    values: tuple[str | None, ...]
    counts: Mapping[str, int]
    words: float
    texts: bool
    plain: bool
    items: Mapping[str, int]

    @property
    def filled(self) -> int:
        """Rows whose cell is not empty."""
        return sum(value is not None for value in self.values)

    @property
    def numeric(self) -> bool:
        """Whether every value is a number."""
        return bool(self.counts) and all(map(_is_number, self.counts))

    @property
    def whole(self) -> bool:
        """Whether every value is a whole number."""
        return self.numeric and all(float(value).is_integer() for value in self.counts)

    @property
    def binary(self) -> bool:
        """Whether the column holds nothing but 0 and 1, or true and false, and both of them."""
        return set(self.counts) <= _BINARY and len({value.lower() in {"1", "1.0", "true"} for value in self.counts}) > 1

    @property
    def prose(self) -> bool:
        """Whether the cells are texts of several words that hardly recur."""
        return self.texts and self.filled > 0 and self.words >= 3 and len(self.counts) > self.filled / 2

    @property
    def different(self) -> bool:
        """Whether every row has a value of its own."""
        return self.rows > 0 and len(self.counts) == self.filled == self.rows

    def label_fault(self) -> str:
        """Return why the column can hold no class label, as the end of a sentence; '' where it can."""
        count = len(self.counts)
        if not self.plain:
            return "holds more than plain values"
        if not count:
            return "is empty in every row"
        if count == 1:
            (value,) = self.counts
            shown = f" ('{value}')" if short_cell(value) == value else ""
            return f"holds one value only{shown}; a classifier needs two or more"
        if self.numeric and (not self.whole or count > MOST_LABELS):
            return f"holds measured numbers ({count} different ones), not classes; cut them into classes first"
        if count == self.filled and self.filled > 2:
            return f"has another value in each of its {self.filled} rows"
        if any(len(value) > LONGEST_LABEL for value in self.counts):
            return f"holds texts of more than {LONGEST_LABEL} characters, not labels"
        if count > MOST_LABELS:
            return f"has {count} different values in {self.filled} rows, more than the {MOST_LABELS} that are guessed"
        return ""


def profile(name: str, cells: Sequence[Any]) -> ColumnProfile:
    """Return the profile of a column's raw cells."""
    plain = [_is_plain(cell) for cell in cells]
    given = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    known = {cell.strip() for cell in given}
    values = [_value(cell, known) if fine else None for cell, fine in zip(cells, plain, strict=True)]
    sample = given[:_SAMPLE]
    return ColumnProfile(
        name,
        len(cells),
        tuple(values),
        Counter(value for value in values if value is not None),
        sum(map(_words, sample)) / len(sample) if sample else 0.0,
        texts=len(given) > 0 and all(isinstance(cell, str) or _is_empty(cell) for cell in cells),
        plain=all(plain),
        items=_items(cells),
    )


def _is_empty(cell: Any) -> bool:
    return _is_plain(cell) and not plain_cell(cell)


def _is_plain(cell: Any) -> bool:
    return bool(pd.api.types.is_scalar(cell))


def _value(cell: Any, known: set[str]) -> str | None:
    """Return a cell as reading compares it with the labels of a YAML."""
    if _is_empty(cell):
        return None
    text = str(cell).strip()
    return text if isinstance(cell, str | bool | np.bool_) or text in known else plain_cell(cell)


def _items(cells: Sequence[Any]) -> Mapping[str, int]:
    """Return the items of a column of lists, none where it is not one."""
    filled = [cell for cell in cells if not _is_empty(cell)]
    lists = [cell for cell in filled if isinstance(cell, list | tuple | np.ndarray)]
    if lists and len(lists) == len(filled):
        if not all(isinstance(item, str) for cell in lists for item in cell):
            return {}
        return Counter(item.strip() for cell in lists for item in set(cell))
    if lists or not all(isinstance(cell, str) for cell in filled) or not any("," in cell for cell in filled):
        return {}
    return Counter(item for cell in filled for item in set(as_list(cell)))


def _is_number(value: str) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except (ValueError, OverflowError):
        return False


def _words(text: str) -> int:
    return len(_WORD.findall(text))
