"""What a data file without a YAML holds: its columns, its labels, its splits, guessed from names and contents."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import pandas as pd

from mhclf.config.columns import ColumnsConfig, GivenColumns
from mhclf.config.dataset import DatasetConfig, SplitsConfig, Task
from mhclf.config.source import Fault, SourceConfig, table_name
from mhclf.data.cells import nearest_column, quoted_cell, short_label, shown_columns
from mhclf.data.column_profile import MOST_LABELS, ColumnProfile, profile
from mhclf.data.large.lenient import TEXT_COLUMNS
from mhclf.data.readers.tables import refuse_other_sign
from mhclf.data.split_names import splits_of
from mhclf.errors import ConfigError, DataError

_TEXT = (*TEXT_COLUMNS, "posts", "texts", "post_text", "clean_text", "text_clean", "document", "statement", "tweets")
_LABEL = ("label", "labels", "gold_label", "gold", "class", "target", "y", "label_name", "label_id")
_IDENTIFIER = ("id", "post_id", "text_id", "row_id", "uid", "uuid", "sample_id", "index", "unnamed:_0", "")
_GROUP = (
    "group", "user", "user_id", "userid", "username", "user_name", "author", "author_id", "participant",
    "participant_id", "patient", "patient_id", "subject", "subject_id", "speaker", "client_id", "dialogue",
    "dialogue_id", "dialog_id", "conversation", "conversation_id", "session_id", "thread_id", "transcript_id",
)  # fmt: skip
_SPLIT = ("split", "set", "partition", "subset")
_OTHER = (
    "subreddit", "source", "platform", "language", "lang", "date", "year", "month", "time", "timestamp", "created",
    "created_utc", "age", "gender", "sex", "annotator", "annotators", "rater", "confidence", "explanation",
    "rationale", "reason", "title", "url", "link", "score", "fold",
)  # fmt: skip
_FEW = 20
"""Values of a column that may be taken for labels by its content alone."""


@dataclass(frozen=True)
class GuessedDataset:
    """A data set's configuration, and a sentence on each choice that was made; no sentence holds a post."""

    config: DatasetConfig
    reasons: tuple[str, ...]


def guess_dataset(frame: pd.DataFrame, path: str, given: GivenColumns | None = None) -> GuessedDataset:
    """Guess what a table of posts and labels holds.

    Parameters
    ----------
    frame : pandas.DataFrame
        Raw cells, one row a post.
    path : str
        Of the file: its name becomes the data set's, and stands in messages.
    given : GivenColumns, optional
        Columns that are not guessed.

    Returns
    -------
    GuessedDataset
        One label a post (`multiclass`), or several where there are 0/1 columns or a column of lists. Rows without text
        or label are left out. The test part is the column's that names splits, or 20 % of the rows.

    Raises
    ------
    ConfigError
        If a given column does not exist.
    DataError
        If no column, or more than one, could hold posts or labels, or the labels are none; lists the columns.
    """
    given = given or GivenColumns()
    names = [name for name in frame.columns if isinstance(name, str)]
    columns = {name: profile(name, frame[name].tolist()) for name in names if names.count(name) == 1}
    where = _Where(path, tuple(columns))
    if len(frame) < 2:
        raise DataError(f"{path}: has {len(frame)} row(s). Training needs some of each label, at the very least two.")
    for option, wanted in (("text", given.text), ("id", given.id), ("group", given.group)):
        where.check(option, wanted)
    for wanted in given.label:
        where.check("label", wanted)
    _refuse_missing_header(columns, where, given)
    reasons: list[str] = []
    text = _text_column(columns, given, where, reasons)
    beside = _beside(columns, text, given, reasons)
    task, label, labels = _labels(columns, {text, *beside.values()}, given, where, reasons)
    leave_out = _leave_out(columns, text, label, reasons)
    if "split" not in beside:
        reasons.append("splits: 20 % of the rows become the test part and 10 % of the rest validation, by a fixed seed")
    used = {text, *beside.values(), *([label] if isinstance(label, str) else label)}
    if unused := [name for name in columns if name not in used]:
        reasons.append(f"not used: {shown_columns(unused, 12)}")
    config = DatasetConfig(
        name=table_name(path),
        task=task,
        labels=labels,
        source=SourceConfig(files=PurePath(path).name, leave_out=leave_out),
        columns=ColumnsConfig(
            text=text, label=label, id=beside.get("id"), group=beside.get("group"), split=beside.get("split")
        ),
        splits=SplitsConfig() if "split" in beside else SplitsConfig(kind="ratio"),
    )
    return GuessedDataset(config, tuple(reasons))


@dataclass(frozen=True)
class _Where:
    """What messages name: the file and its columns."""

    path: str
    names: tuple[str, ...]

    def error(self, message: str, option: str) -> DataError:
        return DataError(
            f"{self.path}: {message} Columns there: {shown_columns(self.names)}. Say --columns.{option} NAME, or "
            "describe the file in a YAML of ten lines (datasets_cfg/_template.yaml shows them) and give that as --data."
        )

    def check(self, option: str, wanted: str | None) -> None:
        if wanted is not None and wanted not in self.names:
            shown = shown_columns(self.names)
            hint = " Has the file a header line?" if any(quoted_cell(name)[0] != "'" for name in self.names) else ""
            raise ConfigError(
                f"columns: {option}: {self.path} has no column '{wanted}' (or has it twice)."
                f"{nearest_column(wanted, self.names)} Columns there: {shown}.{hint}"
            )


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _refuse_missing_header(columns: Mapping[str, ColumnProfile], where: _Where, given: GivenColumns) -> None:
    """Refuse a file whose first line holds a post, not names; nothing of it is shown."""
    if given != GivenColumns() or any(_plain(name) in {*_TEXT, *_LABEL} for name in columns):
        return
    if any(len(name) > 60 for name in columns) or any(name in column.counts for name, column in columns.items()):
        raise DataError(
            f"{where.path}: the first line looks like a row, not like the names of columns. Put a header line on top, "
            "such as text,label."
        )
    if len(columns) == 1:
        refuse_other_sign(next(iter(columns)), "\t" if ".tsv" in where.path.lower() else ",", where.path)


def _text_column(columns: Mapping[str, ColumnProfile], given: GivenColumns, where: _Where, reasons: list[str]) -> str:
    if given.text is not None:
        if not columns[given.text].texts:
            raise where.error(f"the column {quoted_cell(given.text)} holds no text in every filled row.", "text")
        reasons.append(f"text: column {quoted_cell(given.text)} (given)")
        return given.text
    free = [name for name in columns if name not in {given.id, given.group, *given.label}]
    named = [name for name in free if _plain(name) in _TEXT and columns[name].texts and not columns[name].numeric]
    first = [name for name in named if _plain(name) == "text"]
    prose = [name for name in free if columns[name].prose and _plain(name) not in {*_OTHER, *_LABEL}]
    for found, why in ((first, "by its name"), (named, "by its name"), (prose, "the only one with texts")):
        if len(found) == 1:
            words = columns[found[0]].words
            reasons.append(f"text: column {quoted_cell(found[0])} ({why}; {words:.0f} words a cell on average)")
            return found[0]
        if len(found) > 1:
            raise where.error(f"which column holds the posts? {_quoted(found)} could.", "text")
    raise where.error("which column holds the posts? None has a usual name, or texts of several words.", "text")


def _beside(columns: Mapping[str, ColumnProfile], text: str, given: GivenColumns, reasons: list[str]) -> dict[str, str]:
    """Return the columns of id, group and split that there are."""
    found: dict[str, str] = {}
    taken = {text, *given.label}

    def take(key: str, name: str, why: str) -> None:
        found[key] = name
        taken.add(name)
        reasons.append(f"{key}: column {quoted_cell(name)} ({why})")

    for column in columns.values():
        name = _plain(column.name)
        if column.name in taken or name not in _SPLIT:
            continue
        fault = _split_fault(column)
        if not fault:
            take("split", column.name, f"it names {', '.join(sorted(column.counts))}")
            break
        reasons.append(
            f"note: {quoted_cell(column.name)} {fault}, so it is not used, and where it names official parts, other "
            "parts are drawn. Rename its values to train, validation, test to keep them"
        )
    if given.group is not None:
        take("group", given.group, "given; equal values stay in one split")
    if given.id is not None:
        take("id", given.id, "given")
    for wanted in _IDENTIFIER if "id" not in found else ():
        named = [name for name in columns if _plain(name) == wanted and name not in taken]
        if named and columns[named[0]].plain and columns[named[0]].different:
            take("id", named[0], "by its name; every row has its own")
            break
    for wanted in _GROUP if "group" not in found else ():
        named = [name for name in columns if _plain(name) == wanted and name not in taken]
        if named and columns[named[0]].plain and 1 < len(columns[named[0]].counts) < columns[named[0]].filled:
            many = len(columns[named[0]].counts)
            take("group", named[0], f"by its name; {many} values, and the rows of one value stay in one split")
            break
    return found


def _split_fault(column: ColumnProfile) -> str:
    """Return why a column names no splits, as the end of a sentence; '' where it does."""
    splits = splits_of(column.counts)
    if column.filled < column.rows:
        return f"is empty in {column.rows - column.filled} rows"
    if unknown := [value for value in column.counts if value not in splits]:
        return f"holds {_listed([_label(value, column.counts) for value in unknown[:3]])}"
    return "" if "train" in splits.values() else "names no train part"


def _labels(
    columns: Mapping[str, ColumnProfile], taken: set[str], given: GivenColumns, where: _Where, reasons: list[str]
) -> tuple[Task, str | tuple[str, ...], tuple[str, ...]]:
    """Return task, label column or columns, and the labels."""
    if len(given.label) > 1:
        for name in given.label:
            if not columns[name].binary:
                raise where.error(f"the column {quoted_cell(name)} holds more than 0 and 1, or only one.", "label")
        reasons.append(f"label: the 0/1 columns {_quoted(given.label)} (given): several labels a post")
        return "multilabel", given.label, given.label
    if given.label:
        return _one_label(columns[given.label[0]], "given", where, reasons)
    free = [column for column in columns.values() if column.name not in taken]
    named = [column for column in free if _plain(column.name) in _LABEL]
    fit = _without_copies([column for column in named if _can_be_label(column)])
    if len(fit) == 1 or (named and not fit):
        return _one_label((fit or named)[0], "by its name", where, reasons)
    if not fit:
        hinted = [c for c in free if "label" in _plain(c.name) and (_can_be_label(c) or c.binary)]
        unnamed = [c for c in free if _plain(c.name) not in {*_OTHER, *_IDENTIFIER, *_GROUP, *_SPLIT}]
        few = [c for c in unnamed if _can_be_label(c) and len(c.counts or c.items) <= _FEW and not c.prose]
        fit = _without_copies(hinted) or _without_copies(few)
        if len(fit) > 1 and all(column.binary for column in fit):
            names = tuple(column.name for column in fit)
            reasons.append(f"label: the 0/1 columns {_quoted(names)}: several labels a post")
            return "multilabel", names, names
    if len(fit) == 1:
        return _one_label(fit[0], "the only one with a few values that recur", where, reasons)
    if fit:
        raise where.error(f"which column holds the labels? {_quoted([c.name for c in fit])} could.", "label")
    others = [c for c in free if c not in unnamed and _can_be_label(c) and len(c.counts or c.items) <= _FEW]
    if others:
        raise where.error(
            f"which column holds the labels? None has a usual name. {_quoted([c.name for c in others])}: a few values "
            "recur, but by its name it is something else; if it holds the labels, add "
            f"--columns.label {shlex.quote(others[0].name)}.",
            "label",
        )
    faults = [f"{quoted_cell(c.name)} {c.label_fault()}" for c in free if c.label_fault()][:3]
    why = f" {'; '.join(faults)}." if faults else ""
    raise where.error(
        f"which column holds the labels? None has a usual name, or a few values that recur.{why}", "label"
    )


def _can_be_label(column: ColumnProfile) -> bool:
    return not column.label_fault() or _several(column)


def _several(column: ColumnProfile) -> bool:
    """Return whether the cells hold several labels each: lists, or words parted by commas that recur."""
    items = column.items
    if not 2 <= len(items) <= MOST_LABELS or any(not item or len(item) > 60 for item in items):
        return False
    return not column.plain or (len(items) < len(column.counts) and min(items.values()) > 1)


def _one_label(column: ColumnProfile, why: str, where: _Where, reasons: list[str]) -> tuple[Task, str, tuple[str, ...]]:
    shown = quoted_cell(column.name)
    if _several(column):
        labels = _ordered(column.items)
        reasons.append(
            f"label: column {shown} ({why}), lists of {len(labels)} labels: {_numbered(labels, column.items)}"
        )
        return "multilabel", column.name, labels
    if fault := column.label_fault():
        raise where.error(f"the column {shown} {fault}.", "label")
    labels = _ordered(column.counts)
    reasons.append(f"label: column {shown} ({why}), {len(labels)} labels: {_numbered(labels, column.counts)}")
    if rare := [label for label in labels if column.counts[label] < 10]:
        few = _listed([_label(one, column.counts) for one in rare])
        reasons.append(f"note: fewer than 10 rows of {few}; numbers on them will say little")
    alike = [a for a in labels if any(a != b and a.casefold() == b.casefold() for b in labels)]
    if alike:
        shown = _listed([_label(one, column.counts) for one in alike])
        reasons.append(f"note: {shown} differ in capitals only and are different labels")
    if column.whole and len(labels) > 2:
        reasons.append("note: if these numbers are levels from low to high, write 'task: ordinal' into the YAML")
    return "multiclass", column.name, labels


def _without_copies(columns: Sequence[ColumnProfile]) -> list[ColumnProfile]:
    """Return the columns without those that say the same by other values; of such, the one in words stays."""
    kept: list[ColumnProfile] = []
    for column in sorted(columns, key=lambda column: column.numeric):
        if not any(_same_partition(column, other) for other in kept):
            kept.append(column)
    return [column for column in columns if column in kept]


def _same_partition(one: ColumnProfile, other: ColumnProfile) -> bool:
    pairs = set(zip(one.values, other.values, strict=True))
    return len(pairs) == len(set(one.values)) == len(set(other.values)) and one.plain and other.plain


def _leave_out(
    columns: Mapping[str, ColumnProfile], text: str, label: str | tuple[str, ...], reasons: list[str]
) -> tuple[Fault, ...]:
    """Return the faults of rows that are left out, where there are such rows."""
    no_text = columns[text].rows - columns[text].filled
    of_label = [columns[name] for name in ([label] if isinstance(label, str) else label)]
    no_label = sum(None in row for row in zip(*(column.values for column in of_label), strict=True))
    found: dict[Fault, tuple[int, str]] = {"empty_text": (no_text, "no text"), "empty_label": (no_label, "no label")}
    # A list of no labels is a post without any of them, not a row without a label.
    if len(of_label) == 1 and not of_label[0].plain:
        del found["empty_label"]
    reasons += [f"left out: {count} rows with {what}" for count, what in found.values() if count]
    return tuple(fault for fault, (count, _) in found.items() if count)


def _ordered(labels: Iterable[str]) -> tuple[str, ...]:
    try:
        return tuple(sorted(labels, key=lambda label: (float(label), label)))
    except (ValueError, OverflowError):
        return tuple(sorted(labels, key=lambda label: (label.casefold(), label)))


def _numbered(labels: Sequence[str], counts: Mapping[str, int]) -> str:
    return _listed([f"{_label(label, counts)} {counts[label]}" for label in labels])


def _label(label: str, counts: Mapping[str, int]) -> str:
    """Return a label in quotes; of several words, one that stands in a single row may be a post."""
    return quoted_cell(label) if counts[label] < 2 else f"'{short_label(label)}'"


def _quoted(names: Sequence[str]) -> str:
    return _listed([quoted_cell(name) for name in names])


def _listed(shown: Sequence[str]) -> str:
    return ", ".join(shown[:10]) + (", ..." if len(shown) > 10 else "")
