"""Data sets larger than memory: read in pieces, by the functions of `load_table`, into memory-mapped Arrow files."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow
import pyarrow.parquet
from datasets import Dataset, DatasetDict
from filelock import FileLock

from mhclf.config.columns import TurnsConfig
from mhclf.config.dataset import DatasetConfig
from mhclf.config.places import cache_folder
from mhclf.config.structure import to_mapping
from mhclf.data.hub import columns_of, features_of
from mhclf.data.large.parts import part_of, refuse_leaks, repeating_rows, settle_spare
from mhclf.data.large.pieces import PIECE_READERS, PieceFile, read_pieces
from mhclf.data.load import build_table
from mhclf.data.locate import LocatedDataset, find_dataset, find_file
from mhclf.data.readers import known_kind
from mhclf.data.rows import check_columns, extra_columns, finish_rows, join_parts, one_row_a_question, rename_columns
from mhclf.data.spans import text_key
from mhclf.data.splits import no_train
from mhclf.data.table import SPLITS, PostTable
from mhclf.errors import ConfigError, DataError

_NUMBER, _ROW = "__number__", "__row__"


@dataclass(frozen=True)
class _Rows:
    """What is kept of each row in memory: its part, and hashes of text, id and group (none where no column is)."""

    parts: npt.NDArray[np.uint8]
    texts: npt.NDArray[np.uint64]
    ids: npt.NDArray[np.uint64]
    groups: npt.NDArray[np.uint64]


def load_large(
    name: str,
    *,
    data_root: str | None = None,
    mask: bool = True,
    rows_at_once: int = 10_000,
    cache: Path | None = None,
) -> DatasetDict:
    """Load a data set of any size as memory-mapped `datasets.DatasetDict`: the rows of `load_dataset`.

    Parameters
    ----------
    name : str
        Name or YAML path. Its files are csv, tsv, jsonl (all also as .gz) or parquet.
    data_root : str, optional
        Folder of the data files.
    mask : bool
        Replace identifiers inside texts.
    rows_at_once : int
        Rows that are in memory at a time. Of parquet, a row group is.
    cache : Path, optional
        Folder of the Arrow files; `$MHCLF_CACHE/large`, by default `~/.cache/mhclf/large`. Another YAML, file or
        release makes new ones; delete old ones by hand.

    Returns
    -------
    DatasetDict
        As `load_dataset` describes it. The first call writes the cache, and needs twice its final size on the disk;
        later ones open it.

    Raises
    ------
    ConfigError
        If the set needs all rows at once (see Notes).
    DataError
        With file, row and column.
    AuditError
        If a group is cut by the given splits, or a split is empty.

    Notes
    -----
    `ratio`, `folds` and a validation part that is not given draw each group by a hash of seed and group. Groups stay
    whole, and a row's part never depends on the other rows. But shares are met on average only, the more closely the
    more groups there are, and `stratify` is not followed, unlike in `load_table`; so the parts are other ones.

    While the cache is written, each row keeps 9 bytes in memory (its part, and 8 bytes of a hash of its text), and 8
    more each for an id and a group column; about twice that at the moment of comparing. By these hashes the same id
    is found in different pieces, and exact duplicates across splits are dropped as in `load_dataset`. That two
    different ids of a hundred million share a hash, and stop the loading, has a chance of 1 in 3,700.

    Not in pieces: xlsx, json, eraser, imhi, hub, `added_to_train`, `group_file`, `split_file`, and earlier turns as
    context.
    """
    if rows_at_once < 1:
        raise ConfigError(f"rows_at_once: is {rows_at_once}, expected 1 or more.")
    located = find_dataset(name)
    files = _files(located, data_root)
    folder = (cache or cache_folder() / "large").expanduser() / _key(located.config, files, mask)
    if not folder.is_dir():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                if not folder.is_dir():
                    _fill(folder, located, files, mask, rows_at_once)
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"{folder}: cannot be written ({reason}). Make room, or set MHCLF_CACHE.") from error
    try:
        paths = {split: folder / f"{split}.arrow" for split in SPLITS}
        return DatasetDict({split: Dataset.from_file(str(path)) for split, path in paths.items() if path.is_file()})
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{folder}: cannot be read. Delete the folder; it is made anew.") from error


def _files(located: LocatedDataset, data_root: str | None) -> list[PieceFile]:
    """Return the files of a set, and refuse what cannot be read in pieces."""
    config, source, columns = located.config, located.config.source, located.config.columns
    refused = {
        "a hub": source.hub,
        "'added_to_train'": source.added_to_train,
        "'group_file'": columns.group_file,
        "'split_file'": columns.split_file,
        "'options'": columns.options,
        "a context of earlier turns": isinstance(columns.context, TurnsConfig),
    }
    for what, there in refused.items():
        if there:
            raise _not_in_pieces(str(located.path), what)
    files = []
    for split, rules in source.files_by_split():
        for rule in rules:
            path = find_file(rule, located.path, data_root, config.access)
            kind: str = rule.format if rule.format != "auto" else source.format
            kind = known_kind(path) if kind == "auto" else kind
            if kind not in PIECE_READERS:
                raise _not_in_pieces(str(path), kind)
            files.append(PieceFile(split, path, kind, rule))
    if config.splits.kind == "given" and not columns.split and not any(file.split for file in files):
        raise no_train(config)
    return files


def _not_in_pieces(where: str, what: str) -> ConfigError:
    return ConfigError(
        f"{where}: {what} cannot be read in pieces. Use load_table (load_dataset without 'large'), which reads the "
        "set whole, or give the rows as csv, tsv, jsonl or parquet."
    )


def _key(config: DatasetConfig, files: list[PieceFile], mask: bool) -> str:
    """Return a name for what is read: by the YAML, the files, and the code that reads."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        code.update(path.read_bytes())
    states = [(str(file.path.resolve()), file.path.stat().st_size, file.path.stat().st_mtime_ns) for file in files]
    content = json.dumps([code.hexdigest(), to_mapping(config), states, mask])
    return hashlib.sha256(content.encode("utf-8")).hexdigest()[:32]


def _fill(folder: Path, located: LocatedDataset, files: list[PieceFile], mask: bool, size: int) -> None:
    """Write `folder` under another name, then rename it: there is a whole one or none."""
    half = Path(f"{folder}.part")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    try:
        rows = _write_rows(half / "rows", located.config, _tables(located, files, mask, size))
        _refuse_repeated_ids(half / "rows", located.config, rows.ids)
        parts = settle_spare(located.config, rows.parts)
        keep = ~repeating_rows(parts, rows.texts)
        refuse_leaks(located.config, parts[keep], rows.groups[keep] if len(rows.groups) else rows.groups)
        _write_parts(half, located.config, parts, keep)
        (half / "rows").unlink()
        half.rename(folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _tables(
    located: LocatedDataset, files: list[PieceFile], mask: bool, size: int
) -> Iterator[tuple[PostTable, list[str]]]:
    """Yield piece for piece what `load_table` makes of its rows, with 'file, row n' of each."""
    config = located.config
    known = [_columns(file, size) for file in files]
    heads = [
        _shaped(pd.DataFrame(columns=names, dtype=object), file, config)
        for names, file in zip(known, files, strict=True)
    ]
    check_columns(located, [(file.split, str(file.path), head) for file, head in zip(files, heads, strict=True)])
    numbered = replace(config, columns=replace(config.columns, id=config.columns.id or _NUMBER))
    read = kept = 0
    for names, file in zip(known, files, strict=True):
        for piece in read_pieces(file, size):
            frame = _shaped(piece.reindex(columns=names) if file.kind == "jsonl" else piece, file, config)
            missing = [column for _, column in extra_columns(located) if column and column not in frame.columns]
            frame, rows_of_file = join_parts(located, [(file.split, str(file.path), frame)], config.columns.split)
            frame = frame.assign(**dict.fromkeys(missing))
            read += len(frame)
            rows = finish_rows(located, frame, rows_of_file)
            if not len(rows.frame):
                continue
            if config.columns.id is None:
                rows.frame[_NUMBER] = [f"{kept + row:06d}" for row in range(len(rows.frame))]
            kept += len(rows.frame)
            yield build_table(numbered, rows, mask), rows.names
    if not kept:
        raise DataError(f"{located.path}: 'source: where' and 'source: leave_out' leave no row of {read}.")


def _columns(file: PieceFile, size: int) -> list[str]:
    """Return the columns of a file; of jsonl, where each row has its own, those of all rows."""
    names: dict[str, None] = {}
    for piece in read_pieces(file, size):
        names |= dict.fromkeys(piece.columns)
        if file.kind != "jsonl":
            break
    return list(names)


def _shaped(frame: pd.DataFrame, file: PieceFile, config: DatasetConfig) -> pd.DataFrame:
    """Rename columns and make questions rows, as the file's entry in the YAML says."""
    frame = rename_columns(frame, file.rule.rename, file.path)
    if not file.rule.questions:
        return frame
    return one_row_a_question(frame, file.rule.questions, config.columns.id, file.path)


def _write_rows(path: Path, config: DatasetConfig, tables: Iterable[tuple[PostTable, list[str]]]) -> _Rows:
    """Write all rows, and return what is kept of them in memory."""
    schema = features_of(config).arrow_schema.append(pyarrow.field(_ROW, pyarrow.string()))
    pieces = []
    with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_stream(sink, schema) as writer:
        for table, names in tables:
            writer.write_table(pyarrow.Table.from_pydict(columns_of(table) | {_ROW: names}, schema=schema))
            units = table.frame["group" if config.splits.group_by else "id"]
            pieces.append(
                _Rows(
                    np.array(
                        [part_of(config.splits, *row) for row in zip(table.frame["split"], units, strict=True)],
                        dtype=np.uint8,
                    ),
                    np.array([int(text_key(text)[:16], 16) for text in table.texts_in_context], dtype=np.uint64),
                    _hashes(table.frame["id"] if config.columns.id else ()),
                    _hashes(table.frame["group"] if config.columns.group else ()),
                )
            )
    return _Rows(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in _Rows.__annotations__))


def _hashes(values: Iterable[str]) -> npt.NDArray[np.uint64]:
    digests = (hashlib.sha256(str(value).encode("utf-8")).digest() for value in values)
    return np.array([int.from_bytes(digest[:8], "big") for digest in digests], dtype=np.uint64)


def _refuse_repeated_ids(path: Path, config: DatasetConfig, ids: npt.NDArray[np.uint64]) -> None:
    values, counts = np.unique(ids, return_counts=True)
    if not (counts > 1).any():
        return
    first = int(np.isin(ids, values[counts > 1]).argmax())
    rows = np.flatnonzero(ids == ids[first])[:2]
    names, start = [], 0
    for batch in _batches(path):
        names += [batch[_ROW][int(row) - start].as_py() for row in rows if start <= row < start + len(batch)]
        start += len(batch)
    raise DataError(
        f"{names[1]}, column '{config.columns.id}': the id stands already in {names[0]} ({(counts > 1).sum()} such "
        "ids). Give each row its own id, or leave 'columns: id' out to number the rows."
    )


def _write_parts(
    folder: Path, config: DatasetConfig, parts: npt.NDArray[np.uint8], keep: npt.NDArray[np.bool_]
) -> None:
    """Copy the kept rows from `rows` into a file for each split."""
    schema = features_of(config).arrow_schema
    with ExitStack() as stack:
        writers = {}
        for part, split in enumerate(SPLITS):
            if (keep & (parts == part)).any():
                sink = stack.enter_context(pyarrow.OSFile(str(folder / f"{split}.arrow"), "wb"))
                writers[part] = stack.enter_context(pyarrow.ipc.new_stream(sink, schema))
        start = 0
        for batch in _batches(folder / "rows"):
            rows = slice(start, start + len(batch))
            columns = pyarrow.RecordBatch.from_arrays(batch.columns[:-1], schema=schema)
            for part, writer in writers.items():
                chosen = keep[rows] & (parts[rows] == part)
                if chosen.any():
                    writer.write_batch(columns.filter(pyarrow.array(chosen)))
            start = rows.stop


def _batches(path: Path) -> Iterator[pyarrow.RecordBatch]:
    """Read, not map: pages of a mapped file count as memory in use."""
    with pyarrow.OSFile(str(path), "rb") as source, pyarrow.ipc.open_stream(source) as reader:
        yield from reader
