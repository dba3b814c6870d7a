"""A loaded data set in the form that Hugging Face `datasets` users expect."""

from typing import Any

from datasets import Dataset, DatasetDict, Features, List, Value

from mhclf.config.dataset import DatasetConfig
from mhclf.data.audit import audit
from mhclf.data.load import load_table
from mhclf.data.table import SPLITS, PostTable


def load_dataset(name: str, *, data_root: str | None = None, mask: bool = True, large: bool = False) -> DatasetDict:
    """Load a data set as `datasets.DatasetDict`, split, repaired, masked, without exact duplicates across splits.

    Parameters
    ----------
    name : str
        Name or YAML path.
    data_root : str, optional
        Folder of the data files.
    mask : bool
        Replace identifiers inside texts.
    large : bool
        Read in pieces into memory-mapped Arrow files: for sets larger than memory. Splits that are drawn are other
        ones than without it; see `mhclf.data.large.load_large`.

    Returns
    -------
    DatasetDict
        Features `id`, `text`, `group`, `label` (class number, or list of 0/1), `label_names`, and where the set has
        them `rationale` (list of [start, end]), `explanation`, `context` and `confidence`.
    """
    if large:
        # It builds on this module.
        from mhclf.data.large import load_large

        return load_large(name, data_root=data_root, mask=mask)
    table, _ = audit(load_table(name, data_root=data_root, mask=mask))
    features = features_of(table.config)
    parts = {split: table.part(split) for split in SPLITS}
    return DatasetDict(
        {split: Dataset.from_dict(columns_of(part), features=features) for split, part in parts.items() if len(part)}
    )


def features_of(config: DatasetConfig) -> Features:
    """Return the features of a set; stated, so that a part without a single rationale has those of the others."""
    several = config.task == "multilabel"
    features: dict[str, Any] = {
        "id": Value("string"),
        "text": Value("string"),
        "group": Value("string"),
        "label": List(Value("int64")) if several else Value("int64"),
        "label_names": List(Value("string")) if several else Value("string"),
    }
    if config.rationale:
        features["rationale"] = List(List(Value("int64")))
    if config.columns.options:
        features["options"] = List(Value("string"))
    for name in ("explanation", "context"):
        if getattr(config.columns, name):
            features[name] = Value("string")
    if config.columns.confidence:
        features["confidence"] = Value("float64")
    return Features(features)


def columns_of(table: PostTable) -> dict[str, list[Any]]:
    """Return the columns that `features_of` names."""
    columns: dict[str, list[Any]] = {
        "id": table.frame["id"].tolist(),
        "text": table.texts,
        "group": table.frame["group"].tolist(),
        "label": table.targets.tolist(),
        "label_names": table.gold_names(),
    }
    if table.config.rationale:
        columns["rationale"] = [[list(span) for span in item.spans] for item in table.rationales]
    if table.options is not None:
        columns["options"] = [list(own) for own in table.options]
    for name in ("explanation", "context", "confidence"):
        if getattr(table.config.columns, name):
            columns[name] = table.frame[name].tolist()
    return columns
