"""A loaded data set in the form that Hugging Face `datasets` users expect."""

from typing import Any

from datasets import Dataset, DatasetDict, Features, List, Value

from mhclf.data.audit import audit
from mhclf.data.load import load_table
from mhclf.data.table import SPLITS


def load_dataset(name: str, *, data_root: str | None = None, mask: bool = True) -> DatasetDict:
    """Load a data set as `datasets.DatasetDict`, split, repaired, masked, without exact duplicates across splits.

    Parameters
    ----------
    name : str
        Name or YAML path.
    data_root : str, optional
        Folder of the data files.
    mask : bool
        Replace identifiers inside texts.

    Returns
    -------
    DatasetDict
        Features `id`, `text`, `group`, `label` (class number, or list of 0/1), `label_names`, and where the set has
        them `rationale` (list of [start, end]) and `explanation`.
    """
    table, _ = audit(load_table(name, data_root=data_root, mask=mask))
    # Stated, so that a part without a single rationale or label has the features of the others.
    several = table.targets.ndim == 2
    features = {name: Value("string") for name in ("id", "text", "group", "explanation")} | {
        "label": List(Value("int64")) if several else Value("int64"),
        "label_names": List(Value("string")) if several else Value("string"),
        "rationale": List(List(Value("int64"))),
    }
    parts = {}
    for split in SPLITS:
        part = table.part(split)
        if not len(part):
            continue
        columns: dict[str, Any] = {
            "id": part.frame["id"].tolist(),
            "text": part.texts,
            "group": part.frame["group"].tolist(),
            "label": part.targets.tolist(),
            "label_names": part.gold_names(),
        }
        if part.rationales:
            columns["rationale"] = [[list(span) for span in item.spans] for item in part.rationales]
        if part.config.columns.explanation:
            columns["explanation"] = part.frame["explanation"].tolist()
        parts[split] = Dataset.from_dict(columns, features=Features({name: features[name] for name in columns}))
    return DatasetDict(parts)
