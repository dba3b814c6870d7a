"""From a YAML to a table: read, check, repair, mask, locate rationales, split."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mhclf.config.dataset import DatasetConfig
from mhclf.data.locate import LocatedDataset, find_dataset, find_file
from mhclf.data.readers import read_table
from mhclf.data.repair import (
    Rationale,
    locate_phrases,
    locate_span,
    mask_identifiers,
    mask_with_spans,
    repair_encoding,
)
from mhclf.data.spans import letters_and_digits, merge_spans
from mhclf.data.splits import assign_splits
from mhclf.data.table import SPLITS, PostTable
from mhclf.errors import DataError
from mhclf.registry import nearest

GROUP_FILE_HEADER = "# texts sha256 "
"""First line of a group file: the rows that its numbers belong to."""

_SPLIT_NAMES = {"val": "validation", "valid": "validation", "dev": "validation"}


def load_table(
    name: str,
    *,
    data_root: str | None = None,
    mask: bool = True,
    split_seed: int | None = None,
    read_groups: bool = True,
) -> PostTable:
    """Load a data set by name or YAML path, ready for training.

    Parameters
    ----------
    name : str
        `demo`, `dreaddit`, ... or the path of a YAML file.
    data_root : str, optional
        Folder of the data files; `$MHCLF_DATA`, then `./data`, when empty.
    mask : bool
        Replace e-mail addresses, user names and handles inside texts.
    split_seed : int, optional
        Replaces the YAML's `splits.seed`.
    read_groups : bool
        Read the YAML's group file; turned off where that file is being made.

    Returns
    -------
    PostTable
        Every row of the set, with a split each. Leaks are still in it; `mhclf.data.audit` finds them.

    Raises
    ------
    ConfigError, DataError
        With file, row and column.
    """
    located = find_dataset(name)
    raw, row_names = _read_rows(located, data_root)
    config = located.config
    table = _build(config, raw, row_names, mask)
    if config.columns.group_file and read_groups:
        groups = _read_groups(located.path.parent / config.columns.group_file, len(table), _texts_hash(config, raw))
        table = PostTable(config, table.frame.assign(group=groups), table.targets, table.rationales, table.counts)
    return assign_splits(table, split_seed)


def _read_rows(located: LocatedDataset, data_root: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Read all files of a set; returns the raw frame (with `split` where files give it) and 'file, row n' names."""
    source = located.config.source
    files = source.files if isinstance(source.files, dict) else {"": source.files}
    frames, row_names = [], []
    for split, file in files.items():
        path = find_file(file, located.path, data_root)
        frame = read_table(path, source.format)
        _check_columns(located.config, frame, path, located.path)
        if split:
            frame = frame.assign(**{"__split__": _split_name(split, str(located.path))})
        elif located.config.columns.split:
            column = located.config.columns.split
            frame = frame.assign(
                **{
                    "__split__": [
                        _split_name(str(value), f"{path}, row {number}, column '{column}'")
                        for number, value in enumerate(frame[column], start=1)
                    ]
                }
            )
        frames.append(frame)
        row_names += [f"{path}, row {number}" for number in range(1, len(frame) + 1)]
    return pd.concat(frames, ignore_index=True), row_names


def _split_name(name: str, where: str) -> str:
    split = _SPLIT_NAMES.get(name, name)
    if split not in SPLITS:
        raise DataError(f"{where}: '{_short(name)}' is no split. Known: train, validation, test.")
    return split


def _check_columns(config: DatasetConfig, frame: pd.DataFrame, path: Path, yaml_path: Path) -> None:
    columns = config.columns
    named = {"text": columns.text, "id": columns.id, "explanation": columns.explanation, "group": columns.group}
    named["split"] = columns.split
    named["rationale"] = config.rationale.column if config.rationale else None
    wanted = [(key, column) for key, column in named.items() if column is not None]
    wanted += [("label", c) for c in ([columns.label] if isinstance(columns.label, str) else columns.label)]
    for key, column in wanted:
        if column not in frame.columns:
            known = [str(c) for c in frame.columns]
            shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
            raise DataError(
                f"{path}: no column '{column}', which {yaml_path} names as {key}."
                f"{nearest(column, known)} Columns there: {shown}."
            )
    if len(frame) == 0:
        raise DataError(f"{path}: has a header but no rows.")


def _build(config: DatasetConfig, raw: pd.DataFrame, row_names: list[str], mask: bool) -> PostTable:
    columns = config.columns
    originals = _texts(raw, columns.text, row_names)
    repaired = [repair_encoding(text) for text in originals] if config.repair else originals
    rationales = _rationales(config, raw, originals, repaired, row_names)
    if mask and rationales:
        masked = [mask_with_spans(text, item) for text, item in zip(repaired, rationales, strict=True)]
        texts, rationales = [text for text, _ in masked], tuple(item for _, item in masked)
    else:
        texts = [mask_identifiers(text)[0] for text in repaired] if mask else repaired
    ids = _identifiers(raw, columns.id, row_names)
    groups = [_cell(value) for value in raw[columns.group]] if columns.group else ids
    explanations = [_cell(value) for value in raw[columns.explanation]] if columns.explanation else [""] * len(raw)
    if config.repair:
        explanations = [repair_encoding(text) for text in explanations]
    if mask:
        explanations = [mask_identifiers(text)[0] for text in explanations]
    frame = pd.DataFrame(
        {
            "id": ids,
            "text": texts,
            # A row without a group stands alone; rows are not joined by what is missing.
            "group": [group or f"(none) {row_id}" for group, row_id in zip(groups, ids, strict=True)],
            "split": raw["__split__"].to_numpy() if "__split__" in raw else "",
            "explanation": explanations,
        }
    )
    counts = {
        "rows": len(raw),
        "texts_repaired": sum(a != b for a, b in zip(originals, repaired, strict=True)),
        "texts_masked": sum(a != b for a, b in zip(repaired, texts, strict=True)),
    }
    if columns.group:
        counts["rows_without_group"] = groups.count("")
    if config.rationale:
        with_parts = [item for item in rationales if item.parts]
        counts |= {
            "rationales": len(with_parts),
            "rationales_located_fully": sum(item.located == item.parts for item in with_parts),
            "rationales_located_partly": sum(0 < item.located < item.parts for item in with_parts),
            "rationales_not_located": sum(item.located == 0 for item in with_parts),
        }
    return PostTable(config, frame, _targets(config, raw, row_names), rationales, counts)


def _texts(raw: pd.DataFrame, column: str, row_names: list[str]) -> list[str]:
    texts = []
    for value, where in zip(raw[column], row_names, strict=True):
        if not isinstance(value, str) or not value.strip():
            kind = "empty" if isinstance(value, str) or _missing(value) else "no text"
            raise DataError(f"{where}, column '{column}': is {kind}. Remove the row or fill in the post.")
        texts.append(value)
    return texts


def _identifiers(raw: pd.DataFrame, column: str | None, row_names: list[str]) -> list[str]:
    if column is None:
        return [f"{number:06d}" for number in range(len(raw))]
    ids = [_cell(value) for value in raw[column]]
    if "" in ids:
        raise DataError(
            f"{row_names[ids.index('')]}, column '{column}': the id is empty. "
            "Give each row its own id, or leave 'columns: id' out to number the rows."
        )
    twice = [value for value, count in Counter(ids).items() if count > 1]
    if twice:
        rows = [where for value, where in zip(ids, row_names, strict=True) if value == twice[0]]
        raise DataError(
            f"{rows[1]}, column '{column}': the id stands already in {rows[0]} ({len(twice)} such ids). "
            "Give each row its own id, or leave 'columns: id' out to number the rows."
        )
    return ids


def _targets(config: DatasetConfig, raw: pd.DataFrame, row_names: list[str]) -> npt.NDArray[np.int64]:
    number = {label.raw: index for index, label in enumerate(config.label_pairs)}
    column = config.columns.label
    if isinstance(column, tuple):
        targets = np.zeros((len(raw), len(column)), dtype=np.int64)
        for index, name in enumerate(column):
            for row, value in enumerate(raw[name]):
                if str(value).strip() not in {"0", "1", "0.0", "1.0", "True", "False", "true", "false"}:
                    raise DataError(
                        f"{row_names[row]}, column '{name}': '{_short(value)}' is neither 0 nor 1. Mend the cell."
                    )
                targets[row, index] = str(value).strip().lower() in {"1", "1.0", "true"}
        return targets
    if config.task == "multilabel":
        targets = np.zeros((len(raw), len(number)), dtype=np.int64)
        for row, value in enumerate(raw[column]):
            for item in _as_list(value):
                targets[row, _class_number(number, item, column, row_names[row])] = 1
        return targets
    return np.array(
        [_class_number(number, value, column, where) for value, where in zip(raw[column], row_names, strict=True)],
        dtype=np.int64,
    )


def _missing(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, NA."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _cell(value: Any) -> str:
    """Return an id, group or explanation as text: '' for a missing one, and 7 for 7.0."""
    if _missing(value):
        return ""
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if whole else str(value).strip()


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    if isinstance(value, Sequence | np.ndarray):
        return list(value)
    return [] if _missing(value) else [value]


def _class_number(number: dict[str, int], value: Any, column: str, where: str) -> int:
    key = str(value).strip()
    if key not in number and isinstance(value, bool | np.bool_):
        # YAML and JSON write true where Python says True.
        key = key.lower()
    if key not in number:
        # Files without a type for whole numbers hold 1.0 for the label 1.
        key = _cell(value)
    if key not in number:
        if not key:
            raise DataError(f"{where}, column '{column}': the label is empty. Fill it in or remove the row.")
        raise DataError(
            f"{where}, column '{column}': unknown label '{_short(key)}'.{nearest(key, number)} "
            f"The YAML lists {', '.join(number)}."
        )
    return number[key]


def _short(value: Any) -> str:
    """A cell for a message: short, so that a post in the wrong column is not printed."""
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}... ({len(text)} characters)"


def _rationales(
    config: DatasetConfig, raw: pd.DataFrame, originals: list[str], repaired: list[str], row_names: list[str]
) -> tuple[Rationale, ...]:
    if config.rationale is None:
        return ()
    kind, separators = config.rationale.kind, config.rationale.separators
    found = []
    for row, value in enumerate(raw[config.rationale.column]):
        where = f"{row_names[row]}, column '{config.rationale.column}'"
        if kind == "phrases":
            phrases = [value] if isinstance(value, str) else _as_list(value)
            phrases = [repair_encoding(str(phrase)) if config.repair else str(phrase) for phrase in phrases]
            found.append(locate_phrases(repaired[row], phrases, separators))
        else:
            spans = _spans(value, where)
            if kind == "token_spans":
                spans = _token_to_characters(originals[row], spans, where)
            for start, end in spans:
                size = len(originals[row])
                if not 0 <= start < end <= size:
                    raise DataError(
                        f"{where}: the span [{start}, {end}] lies outside the {size} characters of the text."
                    )
            parts = [locate_span(originals[row], repaired[row], span) for span in spans]
            found.append(
                Rationale(
                    tuple(merge_spans(span for part in parts for span in part.spans)),
                    len(parts),
                    sum(part.located for part in parts),
                )
            )
    return tuple(found)


def _spans(value: Any, where: str) -> list[tuple[int, int]]:
    import json

    try:
        pairs = json.loads(value) if isinstance(value, str) and value.strip() else _as_list(value)
        return [(int(start), int(end)) for start, end in pairs]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{where}: expected [start, end] pairs, such as [[0, 12], [20, 31]].") from error


def _token_to_characters(text: str, spans: list[tuple[int, int]], where: str) -> list[tuple[int, int]]:
    import re

    offsets = [match.span() for match in re.finditer(r"\S+", text)]
    for start, end in spans:
        if not 0 <= start < end <= len(offsets):
            raise DataError(
                f"{where}: the token span [{start}, {end}] lies outside the {len(offsets)} words of the text."
            )
    return [(offsets[start][0], offsets[end - 1][1]) for start, end in spans]


def source_texts_hash(name: str, data_root: str | None = None) -> str:
    """Return a hash of a set's texts as its files hold them: what a group file belongs to."""
    located = find_dataset(name)
    return _texts_hash(located.config, _read_rows(located, data_root)[0])


def _texts_hash(config: DatasetConfig, raw: pd.DataFrame) -> str:
    folded = "\n".join(letters_and_digits(str(text)) for text in raw[config.columns.text])
    return hashlib.sha256(folded.encode("utf-8")).hexdigest()


def _read_groups(path: Path, rows: int, texts_hash: str) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DataError(f"{path}: the group file cannot be read ({reason}).") from error
    groups = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if len(groups) != rows:
        raise DataError(f"{path}: holds {len(groups)} group numbers for {rows} rows. Make it again for these files.")
    for line in lines:
        if line.startswith(GROUP_FILE_HEADER) and line.removeprefix(GROUP_FILE_HEADER).strip() != texts_hash:
            raise DataError(f"{path}: was made for other rows or another order. Make it again for these files.")
    return groups
