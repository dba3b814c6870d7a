"""Tables: csv, tsv, xlsx, parquet."""

import re
import zipfile
import zlib
from io import StringIO
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet

from mhclf.data.readers.text import read_text
from mhclf.errors import DataError

_SURPLUS = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_OPEN_QUOTE = re.compile(r"EOF inside string starting at row (\d+)")
# What openpyxl lets through when a part of the packed file is damaged.
_WORKBOOK_FAULTS = (OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError,
                    SyntaxError, zipfile.BadZipFile, zlib.error)  # fmt: skip


def _read_delimited(path: Path, separator: str, encoding: str) -> pd.DataFrame:
    text = read_text(path, encoding)
    if not text.strip():
        raise DataError(f"{path}: is empty. Give a file with a header line and rows.")
    try:
        # Cells stay text: ids like 007 and labels like 1.0 keep their form; an empty cell is an empty string.
        frame = pd.read_csv(StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        refuse_other_sign(text.lstrip().partition("\n")[0], separator, path)
        raise DataError(f"{path}: {table_fault(error, separator)}") from error
    if not isinstance(frame.index, pd.RangeIndex):
        refuse_other_sign(text.lstrip().partition("\n")[0], separator, path)
    refuse_surplus_cells(frame, path)
    return frame


def refuse_other_sign(header: str, separator: str, path: str | Path) -> None:
    """Refuse a header that holds another separator and not the one of the file's ending."""
    if separator not in header and any(sign in header for sign in ";\t|,"):
        raise DataError(
            f"{path}: its cells seem to be parted by another sign than its ending says. Save it with commas as .csv, "
            "or with tabs as .tsv."
        )


def table_fault(error: Exception, separator: str) -> str:
    """Return what pandas says of a table in words that say what to do; it counts rows, the header as the first."""
    said = str(error).splitlines()[0]
    name = {",": "comma", "\t": "tab"}.get(separator, "separator")
    if found := _SURPLUS.search(said):
        wanted, row, seen = map(int, found.groups())
        return (
            f"row {row - 1} has {seen} cells, the header has {wanted}. Put a cell that holds a {name} in quotes: "
            f'"one{separator} two".'
        )
    if found := _OPEN_QUOTE.search(said):
        place = f"row {found[1]}" if int(found[1]) else "the header"
        return f"{place} opens a quote that is never closed. Close it, and double the quotes inside a cell."
    return f"not a readable table: {said.rstrip('.')}. Open it and save it again as csv in UTF-8."


def refuse_surplus_cells(frame: pd.DataFrame, path: Path) -> None:
    """Refuse rows longer than the header: pandas takes their first cells for names, and all stand one column off."""
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(
            f"{path}: the rows have more cells than the header. Name every column, and quote a cell that holds a "
            "separator."
        )


def frame_of_arrow(table: pyarrow.Table) -> pd.DataFrame:
    """Return raw cells: whole numbers beside an empty cell stay whole, an index that pandas saved stays a column."""
    return pd.DataFrame(table.to_pandas(integer_object_nulls=True, ignore_metadata=True))


def read_csv(path: Path, encoding: str = "utf-8") -> pd.DataFrame:
    """Read comma-separated values; every cell is text."""
    return _read_delimited(path, ",", encoding)


def read_tsv(path: Path, encoding: str = "utf-8") -> pd.DataFrame:
    """Read tab-separated values; every cell is text."""
    return _read_delimited(path, "\t", encoding)


def read_xlsx(path: Path, encoding: str = "utf-8") -> pd.DataFrame:
    """Read the first sheet of an Excel file; every cell is text, and an empty cell an empty string.

    Raises
    ------
    DataError
        If openpyxl is missing, or the file is no workbook.
    """
    try:
        frame = pd.read_excel(path, dtype=str, keep_default_na=False, engine="openpyxl")
    except ImportError as error:
        raise DataError(
            f"{path}: Excel files need openpyxl 3.1.5 or newer. Install it (pip install -U openpyxl) or save as csv."
        ) from error
    except _WORKBOOK_FAULTS as error:
        raise DataError(
            f"{path}: not a readable Excel workbook. Open it and save it again, or save it as csv."
        ) from error
    return frame.fillna("")


def read_parquet(path: Path, encoding: str = "utf-8") -> pd.DataFrame:
    """Read a parquet file."""
    try:
        return frame_of_arrow(pyarrow.parquet.read_table(path))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable parquet file: {str(error).splitlines()[0]}.") from error
