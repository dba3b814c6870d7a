"""Rows of a file of any size, one after another: what cannot be read is a row with a problem, never a missing one."""

import csv
import gzip
import re
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow
import pyarrow.parquet

from mhclf.data.cells import name_like, nearest_column, plain_cell, quoted_cell, shown_columns
from mhclf.data.readers.json_files import json_object
from mhclf.data.readers.text import codec_of, unreadable
from mhclf.errors import ConfigError, DataError

KINDS = ("csv", "tsv", "jsonl", "parquet")
TEXT_COLUMNS = ("text", "post", "body", "content", "selftext", "tweet", "message", "utterance", "comment", "sentence")
"""Names under which posts stand in published files, the usual one first."""

LONGEST = 8 * 2**20
"""Characters of a row beyond which it is not read: what bounds the memory where a quote is never closed."""

_UNDECODABLE = re.compile("[\udc80-\udcff]")
_SEPARATORS = {"csv": ",", "tsv": "\t"}


@dataclass(frozen=True)
class RowColumns:
    """Which columns of a file are read.

    Attributes
    ----------
    text : str
    identifier, context : str, optional
    keep : tuple of str
        Columns that the output repeats.
    """

    text: str
    identifier: str | None = None
    context: str | None = None
    keep: tuple[str, ...] = ()

    @property
    def wanted(self) -> tuple[str, ...]:
        """All of them, each once."""
        names = [self.text, self.identifier, self.context, *self.keep]
        return tuple(dict.fromkeys(name for name in names if name is not None))


@dataclass(frozen=True, slots=True)
class LenientRow:
    """One row of the file.

    Attributes
    ----------
    number : int
        From 1, without the header.
    identifier, text, context : str
    kept : tuple
        Cells of the columns to keep; None where they cannot be read.
    problem : str
        Why the row has no text, without a word of it; '' for nothing.
    line : int or None
        Where it starts in a text file, from 1.
    share : float
        Share of the file read so far.
    """

    number: int
    identifier: str
    text: str
    context: str
    kept: tuple[Any, ...]
    problem: str
    line: int | None
    share: float


def kind_of(path: Path) -> str:
    """Return the format by the file's ending, before `.gz` in text formats.

    Raises
    ------
    ConfigError
        If it is none of `KINDS`.
    """
    endings = [ending.lower().lstrip(".") for ending in path.suffixes[-2:]]
    packed = bool(endings) and endings[-1] == "gz"
    kind = (endings[:-1] if packed else endings)[-1:]
    if not kind or kind[0] not in KINDS or (packed and kind[0] == "parquet"):
        raise ConfigError(f"{path}: unknown file ending. Known: {', '.join(KINDS)}; csv, tsv and jsonl also as .gz.")
    return kind[0]


def column_names(path: Path, encoding: str = "utf-8") -> tuple[str, ...]:
    """Return the columns of a file; of jsonl, those of its first hundred readable lines.

    Raises
    ------
    DataError
        If the file cannot be opened, has no header, or names a column twice.
    """
    kind = kind_of(path)
    if kind == "parquet":
        with _parquet(path) as file:
            names = list(file.schema_arrow.names)
    elif kind == "jsonl":
        names = []
        with _text(path, encoding, "\n") as (stream, _):
            for number, (_, row, _) in enumerate(_objects(stream)):
                if number >= 100:
                    break
                names += [str(name) for name in row or () if name not in names]
        if not names:
            raise DataError(f"{path}: has no readable line. Give one JSON object a line.")
    else:
        with _text(path, encoding, "") as (stream, _):
            names = _header(path, _records(stream, _SEPARATORS[kind]))
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"{path}: two columns are called {quoted_cell(twice[0])}. Rename one.")
    return tuple(names)


def choose_columns(
    path: Path,
    known: Sequence[str],
    text: str | None = None,
    identifier: str | None = None,
    context: str | None = None,
    keep: Sequence[str] = (),
) -> RowColumns:
    """Return the columns to read; the text column is guessed where none is given.

    Raises
    ------
    DataError
        If a column is not there, or none can be guessed; lists those that are.
    ConfigError
        If the only column has no name that looks like one: a file without a header line has a post in its place.
    """
    shown = shown_columns(known)
    if text is None:
        lowered = {name.lower(): name for name in reversed(known)}
        text = next((lowered[name] for name in TEXT_COLUMNS if name in lowered), None)
        if text is None and len(known) == 1:
            if not name_like(known[0]):
                raise ConfigError(
                    f"{path}: the name of its only column looks like a post, not like a name. Put a header line on "
                    "top, such as text, or give that name as --text-column."
                )
            text = known[0]
        if text is None:
            raise DataError(f"{path}: which column holds the posts? Say --text-column. Columns there: {shown}.")
    columns = RowColumns(text, identifier, context, tuple(keep))
    for name in columns.wanted:
        if name not in known:
            raise DataError(f"{path}: no column '{name}'.{nearest_column(name, known)} Columns there: {shown}.")
    return columns


def read_leniently(path: Path, columns: RowColumns, encoding: str = "utf-8") -> Iterator[LenientRow]:
    """Yield every row of a file in order, in memory that does not grow with it.

    Parameters
    ----------
    path : Path
        csv, tsv, jsonl (each also as .gz) or parquet.
    columns : RowColumns
        From `choose_columns`.
    encoding : str
        Of text formats: Python's name, or `mixed` (see `mhclf.data.readers.text.read_text`).

    Raises
    ------
    DataError
        If the file as a whole cannot be read.

    Notes
    -----
    A row is a problem where it does not decode, does not parse, has more or fewer cells than the header, is longer
    than `LONGEST`, or has no text. Where a quote is never closed, the line that opens it is the problem, and reading
    goes on with the line behind it. Blank lines are no rows, as in training.
    """
    kind = kind_of(path)
    if kind == "parquet":
        yield from _parquet_rows(path, columns)
    elif kind == "jsonl":
        yield from _json_rows(path, columns, encoding)
    else:
        yield from _delimited_rows(path, columns, encoding, _SEPARATORS[kind])


def _row(number: int, columns: RowColumns, cells: dict[str, Any], line: int | None, share: float) -> LenientRow:
    """Return the row of these cells."""
    identifier = plain_cell(cells[columns.identifier]) if columns.identifier else str(number)
    if any(_UNDECODABLE.search(value) for value in cells.values() if isinstance(value, str)):
        readable = "" if _UNDECODABLE.search(identifier) else identifier
        return _broken(number, columns, "bytes that do not decode", line, share, readable)
    text = cells[columns.text]
    before = plain_cell(cells[columns.context]) if columns.context else ""
    problem = ""
    if text is None or text != text or (isinstance(text, str) and not text.strip()):
        problem = "the text is empty"
    elif not isinstance(text, str):
        problem = "the text is a number, a list or the like"
    kept = tuple(cells.get(name) for name in columns.keep)
    return LenientRow(number, identifier, "" if problem else str(text), before, kept, problem, line, share)


def _broken(
    number: int, columns: RowColumns, problem: str, line: int | None, share: float, identifier: str = ""
) -> LenientRow:
    identifier = identifier if columns.identifier else str(number)
    return LenientRow(number, identifier, "", "", (None,) * len(columns.keep), problem, line, share)


def _delimited_rows(path: Path, columns: RowColumns, encoding: str, separator: str) -> Iterator[LenientRow]:
    with _text(path, encoding, "") as (stream, share):
        records = _records(stream, separator)
        header = _header(path, records)
        places = {name: header.index(name) for name in columns.wanted}
        for number, (line, cells, problem) in enumerate(records, start=1):
            if not problem and len(cells) != len(header):
                problem = f"has {len(cells)} cells, the header has {len(header)}"
            if problem:
                yield _broken(number, columns, problem, line, share())
            else:
                yield _row(number, columns, {name: cells[place] for name, place in places.items()}, line, share())


def _header(path: Path, records: Iterator[tuple[int, list[str], str]]) -> list[str]:
    _, header, problem = next(records, (0, [], "is empty"))
    if problem or any(_UNDECODABLE.search(name) for name in header):
        raise DataError(f"{path}: has no readable header line ({problem or 'bytes that do not decode'}).")
    return header


def _json_rows(path: Path, columns: RowColumns, encoding: str) -> Iterator[LenientRow]:
    with _text(path, encoding, "\n") as (stream, share):
        for number, (line, cells, problem) in enumerate(_objects(stream), start=1):
            if cells is None:
                yield _broken(number, columns, problem, line, share())
            elif columns.text not in cells:
                yield _broken(number, columns, "has no such key as the text column", line, share())
            else:
                yield _row(number, columns, {name: cells.get(name) for name in columns.wanted}, line, share())


def _objects(stream: TextIOWrapper) -> Iterator[tuple[int, dict[str, Any] | None, str]]:
    """Yield line number, object (None for a broken line), and what is wrong."""
    lines = _Lines(stream)
    while True:
        lines.begin()
        try:
            text = next(lines, None)
        except _TooLongError:
            yield lines.first, None, f"is longer than {LONGEST} characters"
            continue
        if text is None:
            return
        if not text.strip():
            continue
        if _UNDECODABLE.search(text):
            yield lines.first, None, "bytes that do not decode"
            continue
        try:
            yield lines.first, json_object(text.removesuffix("\n"), "line"), ""
        except DataError as error:
            # The message names what JSON lacks and never what stands there.
            yield lines.first, None, str(error).removeprefix("line: ").rstrip(".")


def _parquet_rows(path: Path, columns: RowColumns) -> Iterator[LenientRow]:
    with _parquet(path) as file:
        number, rows = 0, max(1, file.metadata.num_rows)
        for batch in file.iter_batches(1024, columns=list(columns.wanted)):
            found = {name: _values(batch.column(name)) for name in columns.wanted}
            for row in range(len(batch)):
                number += 1
                yield _row(number, columns, {name: found[name][row] for name in found}, None, number / rows)


def _values(column: pyarrow.Array) -> list[Any]:
    """Return the cells; text that is not UTF-8 keeps its bytes as lone surrogates."""
    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type):
        large = pyarrow.types.is_large_string(column.type)
        raw = column.view(pyarrow.large_binary() if large else pyarrow.binary()).to_pylist()
        return [None if cell is None else cell.decode("utf-8", "surrogateescape") for cell in raw]
    return cast(list[Any], column.to_pylist())


@contextmanager
def _parquet(path: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable parquet file: {str(error).splitlines()[0]}.") from error


class _TooLongError(Exception):
    """A line, or a row with its open quote, that is longer than `LONGEST`."""


class _Lines:
    """Lines of a stream, with their numbers; those of one row can be put back."""

    def __init__(self, stream: TextIOWrapper) -> None:
        self._stream = stream
        self._waiting: deque[str | None] = deque()
        self._taken: list[str | None] = []
        self._size = self._next = 0
        self.first = 0
        self.ended = False

    def begin(self) -> None:
        """Begin a row."""
        self._taken, self._size, self.first = [], 0, self._next + 1

    def put_back(self) -> None:
        """Put back all lines of the row but the first."""
        self._waiting.extendleft(reversed(self._taken[1:]))
        self._next -= len(self._taken) - 1
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else self._read()
        if line == "":
            self.ended = True
            raise StopIteration
        self._taken.append(line)
        self._next += 1
        self._size += len(line or "")
        if line is None or self._size > LONGEST:
            raise _TooLongError
        return line

    def _read(self) -> str | None:
        """Return the next line, '' at the end, None for one that is too long."""
        line = self._stream.readline(LONGEST + 1)
        if len(line) <= LONGEST:
            return line
        while line and not line.endswith(("\n", "\r")):
            line = self._stream.readline(LONGEST)
        return None


def _records(stream: TextIOWrapper, separator: str) -> Iterator[tuple[int, list[str], str]]:
    """Yield first line, cells, and what is wrong, for every row that is not blank."""
    lines = _Lines(stream)
    reader = csv.reader(lines, delimiter=separator)
    while True:
        lines.begin()
        too_long = False
        # The limit belongs to the whole process: it is set for a row only.
        before = csv.field_size_limit(LONGEST + 1)
        try:
            cells = next(reader, None)
        except _TooLongError:
            cells, too_long = [], True
        finally:
            csv.field_size_limit(before)
        if cells is None:
            return
        open_quote = lines.ended or (too_long and len(lines._taken) > 1)
        if open_quote:
            lines.put_back()
            yield lines.first, [], "opens a quote that is never closed"
        elif too_long:
            yield lines.first, [], f"is longer than {LONGEST} characters"
        elif cells:
            yield lines.first, cells, ""


@contextmanager
def _text(path: Path, encoding: str, newline: str) -> Iterator[tuple[TextIOWrapper, Any]]:
    """Open a text file; yields it, and a function that tells the share read. Broken bytes become lone surrogates."""
    name, errors = codec_of(encoding)
    try:
        size = max(1, path.stat().st_size)
        with ExitStack() as stack:
            packed = stack.enter_context(path.open("rb"))
            zipped = path.suffix.lower() == ".gz"
            raw = cast(BinaryIO, stack.enter_context(gzip.open(packed))) if zipped else packed
            errors = "surrogateescape" if errors == "strict" else errors
            stream = TextIOWrapper(raw, name, errors=errors, newline=newline)
            yield stream, lambda: min(1.0, packed.tell() / size)
    except UnicodeError as error:
        raise DataError(f"{path}: not {encoding} text. Give its --encoding, or convert the file to UTF-8.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error
