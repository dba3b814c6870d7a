"""Readers: one file to a table of raw cells, with errors that name file and row."""

import gzip
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from mhclf.errors import DataError

Reader = Callable[[Path], pd.DataFrame]

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _read_text(path: Path) -> str:
    """Return the file's text (gzip by ending), stripping a byte order mark."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: cannot be read ({reason}). Check the file and its permissions.") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # `error.object` lacks the byte order mark, and `error.start` counts in it.
        row = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {row}: not UTF-8 text. Convert the file to UTF-8 (for example with iconv)."
        ) from error


def _read_delimited(path: Path, separator: str) -> pd.DataFrame:
    from io import StringIO

    text = _read_text(path)
    if not text.strip():
        raise DataError(f"{path}: is empty. Give a file with a header line and rows.")
    try:
        # Cells stay text: ids like 007 and labels like 1.0 keep their form; an empty cell is an empty string.
        frame = pd.read_csv(StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise DataError(f"{path}: not a readable table: {str(error).splitlines()[0]}.") from error
    if not isinstance(frame.index, pd.RangeIndex):
        # Pandas takes surplus cells for row names, and every cell would stand one column off.
        raise DataError(
            f"{path}: the rows have more cells than the header. Name every column, and quote a cell that holds a "
            "separator."
        )
    return frame


def read_csv(path: Path) -> pd.DataFrame:
    """Read comma-separated values; every cell is text."""
    return _read_delimited(path, ",")


def read_tsv(path: Path) -> pd.DataFrame:
    """Read tab-separated values; every cell is text."""
    return _read_delimited(path, "\t")


def read_jsonl(path: Path) -> pd.DataFrame:
    """Read one JSON object a line; blank lines are skipped."""
    rows = []
    # Not splitlines(): JSON strings may hold U+2028 and its like unescaped.
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if line.strip():
            rows.append(_json_object(line, f"{path}, line {number}"))
    if not rows:
        raise DataError(f"{path}: is empty. Give one JSON object a line.")
    return pd.DataFrame(rows, dtype=object)


def read_json(path: Path) -> pd.DataFrame:
    """Read a JSON list of objects."""
    content = _parse_json(_read_text(path), str(path))
    if not isinstance(content, list) or not content or not all(isinstance(item, dict) for item in content):
        raise DataError(f"{path}: expected a JSON list of objects, one for each row.")
    return pd.DataFrame(content, dtype=object)


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a parquet file."""
    import pyarrow
    import pyarrow.parquet

    try:
        # Whole numbers beside an empty cell stay whole; an index that pandas saved stays a column.
        table = pyarrow.parquet.read_table(path)
        return pd.DataFrame(table.to_pandas(integer_object_nulls=True, ignore_metadata=True))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable parquet file: {str(error).splitlines()[0]}.") from error


def _parse_json(text: str, where: str) -> object:
    try:
        content = json.loads(text)
        return _without_surrogates(content) if _SURROGATE.search(text) else content
    except RecursionError as error:
        raise DataError(f"{where}: not valid JSON: nested too deep.") from error
    except ValueError as error:
        raise DataError(f"{where}: not valid JSON: {getattr(error, 'msg', 'a number has too many digits')}.") from error


def _without_surrogates(value: Any) -> Any:
    """Replace halves of cut emoji, which no encoding can hold, by U+FFFD; lengths stay."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _json_object(line: str, where: str) -> dict[str, object]:
    row = _parse_json(line, where)
    if not isinstance(row, dict):
        raise DataError(f"{where}: holds no JSON object. Each line is one {{...}}.")
    return row


READERS: dict[str, Reader] = {
    "csv": read_csv,
    "tsv": read_tsv,
    "json": read_json,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
}


def read_table(path: Path, kind: str = "auto") -> pd.DataFrame:
    """Read `path` into a frame of raw cells.

    Parameters
    ----------
    path : Path
        The file; a trailing `.gz` is unpacked (text formats).
    kind : str
        A key of `READERS`, or `auto` for the file's ending.

    Raises
    ------
    DataError
        If the ending is unknown or the content does not parse; names file and line.
    """
    if kind == "auto":
        endings = [ending.lstrip(".").lower() for ending in path.suffixes]
        kind = next((ending for ending in reversed(endings) if ending in READERS), "")
    if kind not in READERS:
        raise DataError(f"{path}: unknown file ending. Known: {', '.join(READERS)}; or say 'source: format'.")
    return READERS[kind](path)
