"""From a YAML to a table: read, check, repair, mask, locate rationales, split."""

import hashlib
from pathlib import Path

import pandas as pd

from mhclf.config.dataset import DatasetConfig
from mhclf.data.cells import plain_cell, read_identifiers, read_targets, read_texts, short_cell
from mhclf.data.locate import LocatedDataset, find_dataset, find_file
from mhclf.data.rationales import read_rationales
from mhclf.data.readers import read_table
from mhclf.data.repair import mask_identifiers, mask_with_spans, repair_encoding
from mhclf.data.spans import letters_and_digits
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
        raise DataError(f"{where}: '{short_cell(name)}' is no split. Known: train, validation, test.")
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
    originals = read_texts(raw, columns.text, row_names)
    repaired = [repair_encoding(text) for text in originals] if config.repair else originals
    rationales = read_rationales(config, raw, originals, repaired, row_names)
    if mask and rationales:
        masked = [mask_with_spans(text, item) for text, item in zip(repaired, rationales, strict=True)]
        texts, rationales = [text for text, _ in masked], tuple(item for _, item in masked)
    else:
        texts = [mask_identifiers(text)[0] for text in repaired] if mask else repaired
    ids = read_identifiers(raw, columns.id, row_names)
    groups = [plain_cell(value) for value in raw[columns.group]] if columns.group else ids
    explanations = [plain_cell(value) for value in raw[columns.explanation]] if columns.explanation else [""] * len(raw)
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
    return PostTable(config, frame, read_targets(config, raw, row_names), rationales, counts)


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
