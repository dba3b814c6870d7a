"""Files in pieces of so many rows: csv, tsv, jsonl and parquet."""

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, cast

import pandas as pd
import pyarrow
import pyarrow.parquet

from mhclf.config.source import FileConfig
from mhclf.data.readers.json_files import json_object
from mhclf.data.readers.tables import frame_of_arrow, refuse_surplus_cells, table_fault
from mhclf.data.readers.text import codec_of, undecodable, unreadable
from mhclf.errors import DataError


@dataclass(frozen=True)
class PieceFile:
    """One file of the set: its split ('' for none), where it lies, its format and its settings."""

    split: str
    path: Path
    kind: str
    rule: FileConfig


def read_pieces(file: PieceFile, size: int) -> Iterator[pd.DataFrame]:
    """Yield `size` rows at a time as the reader of the whole file would give them; the index counts its rows from 0."""
    first = 0
    for frame in PIECE_READERS[file.kind](file.path, file.rule.encoding, size):
        if len(frame):
            yield frame.set_axis(pd.RangeIndex(first, first + len(frame)))
        first += len(frame)
    if not first:
        raise DataError(f"{file.path}: has a header but no rows.")


def _delimited(path: Path, encoding: str, size: int, separator: str) -> Iterator[pd.DataFrame]:
    with _text(path, encoding) as stream:
        block = stream.read(size)
        while block and not block.strip():
            block = stream.read(size)
        if not block:
            raise DataError(f"{path}: is empty. Give a file with a header line and rows.")
        stream.seek(0)
        try:
            with pd.read_csv(stream, sep=separator, dtype=str, keep_default_na=False, chunksize=size) as reader:
                for frame in reader:
                    refuse_surplus_cells(frame, path)
                    yield frame
        except (DataError, UnicodeDecodeError):
            raise
        except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
            raise DataError(f"{path}: {table_fault(error, separator)}") from error


def _csv(path: Path, encoding: str, size: int) -> Iterator[pd.DataFrame]:
    return _delimited(path, encoding, size, ",")


def _tsv(path: Path, encoding: str, size: int) -> Iterator[pd.DataFrame]:
    return _delimited(path, encoding, size, "\t")


def _jsonl(path: Path, encoding: str, size: int) -> Iterator[pd.DataFrame]:
    rows: list[dict[str, object]] = []
    line_of_first_row = 0
    with _text(path, encoding) as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                line_of_first_row = line_of_first_row or number
                rows.append(json_object(line.removesuffix("\n"), f"{path}, line {number}"))
            if len(rows) == size:
                yield pd.DataFrame(rows, dtype=object)
                rows = []
    if not line_of_first_row:
        raise DataError(f"{path}: is empty. Give one JSON object a line.")
    if rows:
        yield pd.DataFrame(rows, dtype=object)


def _parquet(path: Path, encoding: str, size: int) -> Iterator[pd.DataFrame]:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(size):
                yield frame_of_arrow(pyarrow.Table.from_batches([batch]))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable parquet file: {str(error).splitlines()[0]}.") from error


PIECE_READERS: dict[str, Callable[[Path, str, int], Iterator[pd.DataFrame]]] = {
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
    "parquet": _parquet,
}


def _unpacked(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


@contextmanager
def _text(path: Path, encoding: str) -> Iterator[TextIOWrapper]:
    """Open what `mhclf.data.readers.text.read_text` reads whole; the errors are the same."""
    name, errors = codec_of(encoding)
    try:
        with _unpacked(path) as raw:
            # Lines end in \n only, and stay as they are.
            yield TextIOWrapper(raw, name, errors=errors, newline="\n")
    except UnicodeDecodeError as error:
        raise undecodable(path, _undecodable_line(path, name), name) from error
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error


def _undecodable_line(path: Path, encoding: str) -> int:
    """Return the number of the first line that does not decode."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 0
    with _unpacked(path) as raw:
        while True:
            block = raw.read(1 << 20)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                # The end of the block before may stand in front of this one.
                waiting = error.object[: max(0, len(error.object) - len(block))]
                return lines - waiting.count(b"\n") + error.object[: error.start].count(b"\n") + 1
            lines += block.count(b"\n")
            if not block:
                return lines + 1
