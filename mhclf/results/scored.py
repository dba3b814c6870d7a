"""Scored rows as bytes of csv, jsonl or parquet: appended piece by piece, whole at the end.

What a spreadsheet would take for a formula has an apostrophe before it in csv: names of columns, ids, kept cells and
labels, so that such an id is no longer the one of the input. Parquet and jsonl hold what was given.
"""

import csv
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.ipc
import pyarrow.parquet

from mhclf.errors import ConfigError
from mhclf.results.escape import guard_formula

_ROWS_OF_GROUP = 65_536
"""Rows of a row group in parquet."""


@dataclass(frozen=True)
class ScoreColumns:
    """The columns of an output.

    Attributes
    ----------
    labels : tuple of str
    multilabel : bool
    keep : tuple of str
        Columns of the input that stand behind the id.
    """

    labels: tuple[str, ...]
    multilabel: bool
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = self.names
        twice = [name for name in self.keep if names.count(name) > 1]
        if twice:
            raise ConfigError(f"keep: the output has a column '{twice[0]}' of its own, or it is named twice.")

    @property
    def names(self) -> list[str]:
        """Names in order."""
        return ["id", *self.keep, "prediction", *(f"probability/{label}" for label in self.labels), "abstention"]


@dataclass(frozen=True)
class ScoredRows:
    """Scores of n rows; a row without a prediction has None there and NaN in the arrays.

    Attributes
    ----------
    ids : list of str
    kept : list of tuple
        Cells of the kept columns.
    predictions : list
        A label, or a list of labels, or None.
    probability : array (n, labels)
    abstention : array (n,)
    """

    ids: list[str]
    kept: list[tuple[Any, ...]]
    predictions: list[Any]
    probability: npt.NDArray[np.float64]
    abstention: npt.NDArray[np.float64]


@dataclass(frozen=True)
class ScoreFormat:
    """How a format is written: bytes of the header, bytes of rows, and what makes the part the output."""

    header: Callable[[ScoreColumns], bytes]
    rows: Callable[[ScoreColumns, ScoredRows], bytes]
    finish: Callable[[Path, Path], None]


def score_format(output: Path) -> ScoreFormat:
    """Return the format that the file's ending names.

    Raises
    ------
    ConfigError
        If there is none.
    """
    kind = output.suffix.lower().lstrip(".")
    if kind not in SCORE_FORMATS:
        raise ConfigError(f"{output}: unknown file ending for an output. Known: {', '.join(SCORE_FORMATS)}.")
    return SCORE_FORMATS[kind]


def _number(value: float) -> float | None:
    # Nine digits give every 32-bit number back.
    return None if np.isnan(value) else float(f"{value:.9g}")


def _as_text(cell: Any) -> str:
    if cell is None or isinstance(cell, str):
        return cell or ""
    return json.dumps(cell, ensure_ascii=False, default=str)


def _csv_line(values: list[Any]) -> str:
    stream = io.StringIO(newline="")
    guarded = [guard_formula(value) if isinstance(value, str) else value for value in values]
    csv.writer(stream, lineterminator="\n").writerow(guarded)
    return stream.getvalue()


def _csv_header(columns: ScoreColumns) -> bytes:
    return _csv_line(list(columns.names)).encode("utf-8")


def _csv_rows(columns: ScoreColumns, rows: ScoredRows) -> bytes:
    lines = []
    for row, identifier in enumerate(rows.ids):
        numbers = [_number(value) for value in (*rows.probability[row], rows.abstention[row])]
        kept = [_as_text(cell) for cell in rows.kept[row]]
        lines.append(_csv_line([identifier, *kept, _as_text(rows.predictions[row]), *numbers[:-1], numbers[-1]]))
    return "".join(lines).encode("utf-8", "replace")


def _no_header(columns: ScoreColumns) -> bytes:
    return b""


def _jsonl_rows(columns: ScoreColumns, rows: ScoredRows) -> bytes:
    lines = []
    for row, identifier in enumerate(rows.ids):
        numbers = [_number(value) for value in (*rows.probability[row], rows.abstention[row])]
        values = [identifier, *rows.kept[row], rows.predictions[row], *numbers]
        content = dict(zip(columns.names, values, strict=True))
        lines.append(json.dumps(content, ensure_ascii=False, default=str) + "\n")
    return "".join(lines).encode("utf-8", "replace")


def _schema(columns: ScoreColumns) -> pyarrow.Schema:
    label = pyarrow.list_(pyarrow.string()) if columns.multilabel else pyarrow.string()
    types = [pyarrow.string()] * (1 + len(columns.keep)) + [label] + [pyarrow.float32()] * (len(columns.labels) + 1)
    return pyarrow.schema(list(zip(columns.names, types, strict=True)))


def _arrow_header(columns: ScoreColumns) -> bytes:
    return bytes(_schema(columns).serialize())


def _arrow_rows(columns: ScoreColumns, rows: ScoredRows) -> bytes:
    kept = [[None if cell is None else _as_text(cell) for cell in column] for column in zip(*rows.kept, strict=True)]
    numbers = np.column_stack([rows.probability, rows.abstention]).astype(np.float32)
    arrays = [rows.ids, *kept, rows.predictions]
    schema = _schema(columns)
    filled = [pyarrow.array(values, schema.field(place).type) for place, values in enumerate(arrays)]
    filled += [pyarrow.array(column, pyarrow.float32(), from_pandas=True) for column in numbers.T]
    return bytes(pyarrow.RecordBatch.from_arrays(filled, schema=schema).serialize())


def _rename(part: Path, output: Path) -> None:
    os.replace(part, output)


def _parquet_of_arrow(part: Path, output: Path) -> None:
    """Write the messages of the part as row groups, so many rows in memory at a time."""
    half = output.with_name(output.name + ".merge")
    # Read, not map: pages of a mapped file count as memory in use.
    with (
        pyarrow.OSFile(str(part), "rb") as source,
        pyarrow.ipc.open_stream(source) as reader,
        pyarrow.parquet.ParquetWriter(half, reader.schema) as writer,
    ):
        waiting: list[pyarrow.RecordBatch] = []
        for batch in reader:
            waiting.append(batch)
            if sum(map(len, waiting)) >= _ROWS_OF_GROUP:
                writer.write_table(pyarrow.Table.from_batches(waiting))
                waiting = []
        if waiting:
            writer.write_table(pyarrow.Table.from_batches(waiting))
    with half.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(half, output)
    part.unlink()


SCORE_FORMATS = {
    "csv": ScoreFormat(_csv_header, _csv_rows, _rename),
    "jsonl": ScoreFormat(_no_header, _jsonl_rows, _rename),
    # Arrow's stream format, because a parquet file cannot grow: its index stands at its end.
    "parquet": ScoreFormat(_arrow_header, _arrow_rows, _parquet_of_arrow),
}
