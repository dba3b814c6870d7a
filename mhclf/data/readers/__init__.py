"""Readers: one file to a table of raw cells, with errors that name file and row."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from mhclf.data.readers.json_files import read_json, read_jsonl
from mhclf.data.readers.tables import read_csv, read_parquet, read_tsv, read_xlsx
from mhclf.errors import DataError

Reader = Callable[[Path, str], pd.DataFrame]

READERS: dict[str, Reader] = {
    "csv": read_csv,
    "tsv": read_tsv,
    "json": read_json,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "xlsx": read_xlsx,
}


def read_table(path: Path, kind: str = "auto", encoding: str = "utf-8") -> pd.DataFrame:
    """Read `path` into a frame of raw cells.

    Parameters
    ----------
    path : Path
        The file; a trailing `.gz` is unpacked (text formats).
    kind : str
        A key of `READERS`, or `auto` for the file's ending.
    encoding : str
        Of text formats; see `mhclf.data.readers.text.read_text`.

    Raises
    ------
    DataError
        If the ending is unknown or the content does not parse; names file and line.
    """
    return READERS[known_kind(path, kind)](path, encoding)


def known_kind(path: Path, kind: str = "auto") -> str:
    """Return a key of `READERS`: the kind itself, or for `auto` what the file's ending says, before a `.gz` or so.

    Raises
    ------
    DataError
        If there is none.
    """
    if kind == "auto":
        endings = [ending.lstrip(".").lower() for ending in path.suffixes]
        kind = next((ending for ending in reversed(endings) if ending in READERS), "")
    if kind not in READERS:
        raise DataError(f"{path}: unknown file ending. Known: {', '.join(READERS)}; or say 'source: format'.")
    return kind
