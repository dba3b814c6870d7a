"""All files of a data set as one frame of raw cells: joined, with splits and context, minus what is left out."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from mhclf.config.columns import ColumnsConfig, TurnsConfig
from mhclf.config.source import FileConfig
from mhclf.data.cells import (
    nearest_column,
    plain_cell,
    quoted_cell,
    row_faults,
    short_cell,
    shown_columns,
    texts_or_nothing,
)
from mhclf.data.hub_source import read_hub
from mhclf.data.locate import LocatedDataset, find_file
from mhclf.data.readers import read_table
from mhclf.data.readers.eraser import read_eraser
from mhclf.data.readers.imhi import parse_imhi
from mhclf.data.split_names import splits_of
from mhclf.errors import DataError

SPLIT, CONTEXT, POST_ID = "__split__", "__context__", "post_id"
"""Columns that reading adds; `post_id`, a hash of the post, where `columns: group` names it and no file has it."""


@dataclass(frozen=True)
class RawRows:
    """Raw cells of a data set.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row a post, with `SPLIT` where the source gives it and `CONTEXT` where the YAML asks for it.
    names : list of str
        'file, row n' for messages.
    left_out : mapping
        Fault -> rows that were left out because of it.
    """

    frame: pd.DataFrame
    names: list[str]
    left_out: dict[str, list[str]] = field(default_factory=dict)


def read_rows(located: LocatedDataset, data_root: str | None) -> RawRows:
    """Read all files of a set.

    Raises
    ------
    DataError
        With file, row and column.
    """
    source, columns = located.config.source, located.config.columns
    if source.hub:
        found = read_hub(source.hub.repository, source.hub.revision, source.hub.splits, located.config.access)
        parts = [(split, f"{source.hub.repository}, {split}", frame) for split, frame in found.items()]
    else:
        parts = [
            (split, str(path), frame)
            for split, files in source.files_by_split()
            for path, frame in (_read_file(located, file, data_root) for file in files)
        ]
    check_columns(located, parts)
    frame, names = join_parts(located, parts, columns.split)
    return _refuse_nothing(located, finish_rows(located, frame, names), len(frame))


def read_added_rows(located: LocatedDataset, data_root: str | None) -> RawRows:
    """Read the files of `added_to_train`, by the same columns; those beyond text and label may be missing."""
    parts = [
        ("", str(path), frame)
        for path, frame in (_read_file(located, file, data_root) for file in located.config.source.added_files())
    ]
    check_columns(located, parts, added=True)
    frame, names = join_parts(located, parts, split_column=None)
    missing = [column for _, column in extra_columns(located) if column and column not in frame.columns]
    rows = finish_rows(located, frame.assign(**dict.fromkeys(missing)), names)
    return _refuse_nothing(located, rows, len(frame))


def finish_rows(located: LocatedDataset, frame: pd.DataFrame, names: list[str]) -> RawRows:
    """Add what is made from several rows or columns, then leave out what the YAML leaves out: perhaps every row."""
    columns = located.config.columns
    if isinstance(columns.context, TurnsConfig):
        frame[CONTEXT] = _earlier_turns(frame, columns, columns.context)
    elif columns.context:
        frame[CONTEXT] = frame[columns.context]
    return _leave_out(located, frame, names)


def _read_file(located: LocatedDataset, file: FileConfig, data_root: str | None) -> tuple[Path, pd.DataFrame]:
    access = located.config.access
    path = find_file(file, located.path, data_root, access)
    kind = file.format if file.format != "auto" else located.config.source.format
    if kind == "eraser":
        documents = find_file(FileConfig(path=file.documents), located.path, data_root, access)
        frame = read_eraser(path, documents, file.encoding)
    else:
        frame = read_table(path, "auto" if kind == "imhi" else kind, file.encoding)
    if frame.empty:
        raise DataError(f"{path}: has a header but no rows.")
    frame = rename_columns(frame, file.rename, path)
    if kind == "imhi":
        frame = parse_imhi(frame, path)
    if file.questions:
        frame = one_row_a_question(frame, file.questions, located.config.columns.id, path)
    return path, frame


def rename_columns(frame: pd.DataFrame, names: dict[str, str], path: Path) -> pd.DataFrame:
    """Rename columns; an unknown old name, or a new one that is taken, is an error."""
    for old, new in names.items():
        if old not in frame.columns:
            raise DataError(f"{path}: no column '{old}', which 'rename' names.{nearest_column(old, frame.columns)}")
        if new in frame.columns and new not in names:
            raise DataError(f"{path}: 'rename' turns '{old}' into '{new}', but such a column is there already.")
    return frame.rename(columns=names)


def one_row_a_question(
    frame: pd.DataFrame, questions: dict[str, str], id_column: str | None, path: Path
) -> pd.DataFrame:
    """Return a row for each post and question; `answer` is yes where the question's column holds 1.

    The index keeps the row of the file; an id gets the question's column behind it.
    """
    for column in questions:
        if column not in frame.columns:
            meant = nearest_column(column, frame.columns)
            raise DataError(f"{path}: no column '{column}', which 'questions' names.{meant}")
        values = frame[column].astype(str).str.strip().isin(["0", "1", "0.0", "1.0"])
        if not values.all():
            row = int((~values).to_numpy().argmax())
            raise DataError(
                f"{path}, row {frame.index[row] + 1}, column '{column}': {quoted_cell(frame[column].iloc[row])} "
                "is neither 0 nor 1. Mend the cell."
            )
    repeated = frame.loc[frame.index.repeat(len(questions))].copy()
    repeated["question"] = list(questions.values()) * len(frame)
    answers = frame[list(questions)].astype(str).map(lambda value: "yes" if float(value) else "no")
    repeated["answer"] = answers.to_numpy().ravel()
    if id_column in repeated.columns:
        behind = list(questions) * len(frame)
        repeated[id_column] = [f"{plain_cell(i)}-{c}" for i, c in zip(repeated[id_column], behind, strict=True)]
    return repeated


def join_parts(
    located: LocatedDataset, parts: Sequence[tuple[str, str, pd.DataFrame]], split_column: str | None
) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of all parts, and their names; the index of a part counts the rows of its file from 0."""
    frames, names = [], []
    known = splits_of(split for split, _, _ in parts)
    if split_column:
        unlisted = [frame[split_column] for split, _, frame in parts if not split]
        known |= splits_of({plain_cell(value) for column in unlisted for value in column})
    for split, where, frame in parts:
        rows = [f"{where}, row {number + 1}" for number in frame.index]
        if split:
            frame = frame.assign(**{SPLIT: _split_name(split, known, str(located.path))})
        elif split_column:
            values = [
                _split_name(plain_cell(value), known, f"{row}, column '{split_column}'")
                for value, row in zip(frame[split_column], rows, strict=True)
            ]
            frame = frame.assign(**{SPLIT: values})
        frames.append(frame)
        names += rows
    return pd.concat(frames, ignore_index=True), names


def _split_name(name: str, known: Mapping[str, str], where: str) -> str:
    if name not in known:
        both = name.strip().casefold() == "eval"
        hint = " Another name of the validation part stands beside it: rename it to test or validation." if both else ""
        raise DataError(f"{where}: {quoted_cell(name)} is no split. Known: train, validation, test.{hint}")
    return known[name]


def check_columns(located: LocatedDataset, parts: Sequence[tuple[str, str, pd.DataFrame]], added: bool = False) -> None:
    """Refuse a file that lacks a column which every file needs, or a set in which no file has an extra one."""
    config, columns = located.config, located.config.columns
    needed: list[tuple[str, str | None]] = [("text", column) for column in columns.text_columns]
    needed += [("options", column) for column in columns.option_columns]
    needed += [("id", columns.id), ("group", None if columns.group == POST_ID else columns.group)]
    needed += [("label", c) for c in ([columns.label] if isinstance(columns.label, str) else columns.label)]
    needed += [("source: where", column) for column in config.source.where]
    if isinstance(columns.context, TurnsConfig):
        turns = columns.context
        needed += [("context: conversation", turns.conversation), ("context: speaker", turns.speaker)]
    if not added:
        needed.append(("split", columns.split))
    for _, where, frame in parts:
        _require([item for item in needed if item[1]], list(map(str, frame.columns)), where, located.path)
    everywhere = list(dict.fromkeys(str(column) for _, _, frame in parts for column in frame.columns))
    if parts and not added:
        _require([item for item in extra_columns(located) if item[1]], everywhere, parts[0][1], located.path)


def extra_columns(located: LocatedDataset) -> list[tuple[str, str | None]]:
    """Return (key, column) of what not every file must have."""
    config, columns = located.config, located.config.columns
    return [
        ("explanation", columns.explanation),
        ("confidence", columns.confidence),
        ("text_instead", columns.text_instead),
        ("context", columns.context if isinstance(columns.context, str) else None),
        *(("rationale", column) for _, column in (config.rationale.columns if config.rationale else ())),
    ]


def _require(wanted: Sequence[tuple[str, str | None]], known: list[str], where: str, yaml_path: Path) -> None:
    for key, column in wanted:
        if column not in known:
            # A file without a header line has posts in its place.
            shown, meant = shown_columns(known, 12), nearest_column(str(column), known)
            hidden = any(len(name) > 60 or short_cell(name).startswith("a text of ") for name in known)
            hint = " Has the file a header line?" if hidden else ""
            if len(known) == 1 and any(sign in known[0] for sign in ";\t|"):
                hint = (
                    " Are its cells parted by another sign than the format's? Save it with commas as .csv, or with "
                    "tabs as .tsv."
                )
            raise DataError(
                f"{where}: no column '{column}', which {yaml_path} names as {key}.{meant} Columns there: {shown}.{hint}"
            )


def _earlier_turns(frame: pd.DataFrame, columns: ColumnsConfig, rule: TurnsConfig) -> list[str]:
    """Return for each row the turns before it in its conversation, the oldest first, a line each."""
    said: dict[tuple[str, str], deque[str]] = {}
    found = []
    speakers = frame[rule.speaker] if rule.speaker else [""] * len(frame)
    texts = texts_or_nothing(frame, columns)
    # Files of different splits may count their conversations anew.
    splits = frame[SPLIT] if SPLIT in frame.columns else [""] * len(frame)
    for split, conversation, speaker, text in zip(splits, frame[rule.conversation], speakers, texts, strict=True):
        name, who = plain_cell(conversation), plain_cell(speaker)
        turns = said.setdefault((split, name), deque(maxlen=rule.turns))
        # Rows without a conversation stand alone.
        found.append("\n".join(turns) if name else "")
        if text:
            turns.append(f"{who}: {text}" if who else text)
    return found


def _leave_out(located: LocatedDataset, frame: pd.DataFrame, names: list[str]) -> RawRows:
    """Drop the rows that `where` does not ask for, and those with a fault that the YAML knows of."""
    config = located.config
    keep = pd.Series(True, index=frame.index)
    for column, wanted in config.source.where.items():
        values = frame[column].map(plain_cell)
        keep &= values.isin([wanted] if isinstance(wanted, str) else list(wanted))
    left_out: dict[str, list[str]] = {}
    if config.source.leave_out:
        for row, fault in zip(frame.index[keep], row_faults(frame[keep], config.columns), strict=True):
            if fault in config.source.leave_out:
                keep[row] = False
                left_out.setdefault(fault, []).append(_without_folder(names[row]))
    kept = [name for name, on in zip(names, keep, strict=True) if on]
    return RawRows(frame[keep].reset_index(drop=True), kept, left_out)


def _refuse_nothing(located: LocatedDataset, rows: RawRows, before: int) -> RawRows:
    """Return the rows, or say why none is left."""
    if len(rows.frame):
        return rows
    if rows.left_out:
        raise DataError(f"{located.path}: every row has a fault that 'source: leave_out' names; none is left.")
    raise DataError(f"{located.path}: 'source: where' leaves no row of {before}.")


def _without_folder(name: str) -> str:
    """Return 'file, row n' without the folders of this machine: it goes into manifests."""
    path, _, row = name.rpartition(", row ")
    return f"{Path(path).name}, row {row}"
