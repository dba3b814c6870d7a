"""From a YAML to a table: read, check, repair, mask, locate rationales, split."""

from dataclasses import replace

import numpy as np
import pandas as pd

from mhclf.config.columns import GivenColumns
from mhclf.config.dataset import DatasetConfig
from mhclf.data.answers import label_of_answer, published_label
from mhclf.data.cells import (
    plain_cell,
    post_hash,
    quoted_cell,
    read_confidence,
    read_identifiers,
    read_options,
    read_targets,
    read_texts,
)
from mhclf.data.locate import LocatedDataset, find_dataset
from mhclf.data.rationales import read_rationales
from mhclf.data.repair import Rationale, clean_post, mask_identifiers, mask_with_spans, repair_encoding
from mhclf.data.rows import CONTEXT, POST_ID, SPLIT, RawRows, read_added_rows, read_rows
from mhclf.data.sidecar import read_sidecar
from mhclf.data.spans import letters_and_digits
from mhclf.data.splits import ADDED, assign_splits
from mhclf.data.table import SPLITS, PostTable
from mhclf.errors import ConfigError, DataError


def load_table(
    name: str,
    *,
    data_root: str | None = None,
    mask: bool = True,
    split_seed: int | None = None,
    fold: int | None = None,
    sidecars: bool = True,
    columns: GivenColumns | None = None,
) -> PostTable:
    """Load a data set by name or path, ready for training.

    Parameters
    ----------
    name : str
        `demo`, `dreaddit`, ... or the path of a YAML, or of a data file whose columns are then guessed.
    data_root : str, optional
        Folder of the data files; `$MHCLF_DATA`, then `./data`, when empty.
    mask : bool
        Replace e-mail addresses, user names and handles inside texts.
    split_seed, fold : int, optional
        Replace the YAML's `splits.seed` and `splits.fold`.
    sidecars : bool
        Read the YAML's group and split files, and split; turned off where such a file is being made.
    columns : GivenColumns, optional
        Columns of a data file that are not guessed.

    Returns
    -------
    PostTable
        Every row of the set, with a split each. Leaks are still in it; `mhclf.data.audit` finds them.

    Raises
    ------
    ConfigError, DataError
        With file, row and column.
    """
    located = find_dataset(name, columns)
    config = located.config
    table = build_table(config, read_rows(located, data_root), mask)
    if not sidecars:
        return table
    known = {letters_and_digits(text) for text in table.texts}
    table = _with_sidecars(table, located)
    if config.source.added_to_train:
        table = _with_added(table, build_table(config, read_added_rows(located, data_root), mask), known)
    rule = config.splits
    if fold is not None and rule.kind != "folds":
        raise ConfigError(f"{config.name}: fold: is for 'splits: {{kind: folds}}', but the set has '{rule.kind}'.")
    rule = replace(
        rule,
        seed=rule.seed if split_seed is None else split_seed,
        fold=rule.fold if fold is None else fold,
    )
    return assign_splits(replace(table, config=replace(config, splits=rule)))


def _with_sidecars(table: PostTable, located: LocatedDataset) -> PostTable:
    """Take groups and splits from the files beside the YAML; a split `-` leaves its row out."""
    columns, folder = located.config.columns, located.path.parent
    texts = table.texts
    if columns.group_file:
        groups = read_sidecar(folder / columns.group_file, texts, "group numbers")
        table = replace(table, frame=table.frame.assign(group=groups))
    if columns.split_file:
        splits = read_sidecar(folder / columns.split_file, texts, "splits")
        for row, split in enumerate(splits, start=1):
            if split not in (*SPLITS, "-"):
                raise DataError(
                    f"{folder / columns.split_file}, row {row}: {quoted_cell(split)} is no split. "
                    f"Known: {', '.join(SPLITS)}, - (left out)."
                )
        keep = np.array(splits) != "-"
        if not keep.any():
            raise DataError(f"{folder / columns.split_file}: leaves out every row; none is left.")
        table = table.with_splits(np.array(splits, dtype=object)).select(keep)
        table = replace(table, counts=dict(table.counts) | {"rows_left_out_by_split_file": int((~keep).sum())})
    return table


def _with_added(table: PostTable, added: PostTable, known: set[str]) -> PostTable:
    """Add rows that are only ever trained on, minus those whose text is `known`: the set has it, or left it out."""
    new = np.array([letters_and_digits(text) not in known for text in added.texts])
    added = added.select(new)
    taken, prefix = set(table.frame["id"]) | set(table.frame["group"]), "added-"
    while any(f"{prefix}{name}" in taken for name in [*added.frame["id"], *added.frame["group"]]):
        prefix += "added-"
    frame = added.frame.assign(split=ADDED, id=prefix + added.frame["id"], group=prefix + added.frame["group"])
    counts = dict(table.counts) | {"rows_added_to_train": len(added), "added_rows_shared": int((~new).sum())}
    return replace(
        table,
        frame=pd.concat([table.frame, frame], ignore_index=True),
        targets=np.concatenate([table.targets, added.targets]),
        rationales=table.rationales + added.rationales,
        counts=counts,
        left_out={**table.left_out, **{f"{fault} (added)": rows for fault, rows in added.left_out.items()}},
    )


def build_table(config: DatasetConfig, rows: RawRows, mask: bool) -> PostTable:
    """Repair, mask and locate: raw rows to a table without splits."""
    columns, raw = config.columns, rows.frame
    originals = read_texts(raw, columns, rows.names)
    repaired = [repair_encoding(text) for text in originals] if config.repair else originals
    rationales = read_rationales(config, raw, originals, repaired, rows.names)
    if mask and rationales:
        masked = [mask_with_spans(text, item) for text, item in zip(repaired, rationales, strict=True)]
        texts, rationales = [text for text, _ in masked], tuple(item for _, item in masked)
    else:
        texts = [mask_identifiers(text)[0] for text in repaired] if mask else repaired
    ids = read_identifiers(raw, columns.id, rows.names)
    if columns.group == POST_ID and POST_ID not in raw:
        # Of the masked text, also where texts stay unmasked: copies of one set are grouped alike.
        groups = [post_hash(text if mask else mask_identifiers(text)[0]) for text in texts]
    else:
        groups = [plain_cell(value) for value in raw[columns.group]] if columns.group else ids
    confidence = read_confidence(raw, columns.confidence, rows.names) if columns.confidence else np.nan
    frame = pd.DataFrame(
        {
            "id": ids,
            "text": texts,
            # A row without a group stands alone; rows are not joined by what is missing.
            "group": [group or f"(none) {row_id}" for group, row_id in zip(groups, ids, strict=True)],
            "split": raw[SPLIT].to_numpy() if SPLIT in raw else "",
            "explanation": _beside(config, raw, columns.explanation, mask),
            "context": _beside(config, raw, CONTEXT if columns.context else None, mask),
            "confidence": confidence,
        }
    )
    if columns.options:
        options = read_options(raw, config, rows.names)
        frame["options"] = [tuple(clean_post(one, config.repair, mask) for one in own) for own in options]
    counts = {
        "rows": len(raw),
        "texts_repaired": sum(a != b for a, b in zip(originals, repaired, strict=True)),
        "texts_masked": sum(a != b for a, b in zip(repaired, texts, strict=True)),
    }
    counts |= {f"rows_left_out_{fault}": len(names) for fault, names in rows.left_out.items()}
    if columns.group:
        counts["rows_without_group"] = groups.count("")
    if config.rationale:
        counts |= _rationale_counts(rationales)
    if config.published_labels:
        counts["labels_read_otherwise_by_the_published_rule"] = _disagreements(config, raw)
    left_out = {fault: tuple(names) for fault, names in rows.left_out.items()}
    return PostTable(config, frame, read_targets(config, raw, rows.names), rationales, counts, left_out)


def _beside(config: DatasetConfig, raw: pd.DataFrame, column: str | None, mask: bool) -> list[str]:
    """Return a column of free text beside the post, repaired and masked like it."""
    if column is None:
        return [""] * len(raw)
    return [clean_post(plain_cell(value), config.repair, mask) for value in raw[column]]


def _rationale_counts(rationales: tuple[Rationale, ...]) -> dict[str, int]:
    given = [item for item in rationales if item.parts]
    return {
        "rationales": len(given),
        "rationales_located_fully": sum(item.located == item.parts for item in given),
        "rationales_located_partly": sum(0 < item.located < item.parts for item in given),
        "rationales_not_located": sum(item.located == 0 for item in given),
    }


def _disagreements(config: DatasetConfig, raw: pd.DataFrame) -> int:
    """Count the answers out of which the published rule reads another label than ours, or none."""
    name_of = {value: label.name for label in config.label_pairs for value in label.raw_values}
    answers = [str(answer) for answer in raw[str(config.columns.label)]]
    return sum(
        name_of.get(str(label_of_answer(answer, name_of)))
        != name_of.get(str(published_label(answer, config.published_labels)))
        for answer in answers
    )
