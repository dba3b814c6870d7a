"""Small invented data sets on disk and in memory, and the folder of the real ones."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from mhclf.config.columns import ColumnsConfig
from mhclf.config.dataset import DatasetConfig, SplitsConfig
from mhclf.config.source import SourceConfig
from mhclf.config.structure import from_mapping
from mhclf.data.load import load_table
from mhclf.data.table import PostTable
from mhclf.errors import DataError

TableMaker = Callable[..., PostTable]
SetWriter = Callable[..., Path]


def make_table(
    texts: Sequence[str],
    targets: Sequence[Any],
    groups: Sequence[str] | None = None,
    splits: Sequence[str] | str = "",
    **rule: Any,
) -> PostTable:
    """Return a table whose `splits` rule has these settings; classes are named a, b, c, ..."""
    values = np.array(targets, dtype=np.int64)
    classes = values.shape[1] if values.ndim == 2 else max(2, int(values.max()) + 1)
    config = DatasetConfig(
        name="small",
        task="multilabel" if values.ndim == 2 else "multiclass",
        labels=tuple("abcdefgh"[:classes]),
        source=SourceConfig(files="rows.csv"),
        columns=ColumnsConfig(text="text", label="label"),
        splits=from_mapping(SplitsConfig, rule, "rule"),
    )
    ids = [f"{number:06d}" for number in range(len(texts))]
    frame = pd.DataFrame({"id": ids, "text": list(texts), "group": list(groups or ids), "split": splits}).assign(
        explanation="", context="", confidence=np.nan
    )
    return PostTable(config, frame, values)


@pytest.fixture(name="make_table")
def _make_table() -> TableMaker:
    return make_table


@pytest.fixture
def write_set(tmp_path: Path) -> SetWriter:
    """Return a function that writes `set.yaml` and its files, and returns the YAML's path."""

    def write(files: dict[str, str | bytes], **settings: Any) -> Path:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        content = {
            "name": "small",
            "task": "multiclass",
            "labels": ["calm", "tense"],
            "source": {"files": next(iter(files))},
            "columns": {"text": "text", "label": "label"},
            "splits": {"kind": "ratio"},
        }
        path = tmp_path / "set.yaml"
        path.write_text(yaml.safe_dump(content | settings, sort_keys=False), encoding="utf-8")
        return path

    return write


@pytest.fixture
def refused(write_set: SetWriter) -> Callable[..., str]:
    """Return a function that loads a set which must be refused, and returns the message without the folder."""

    def refused(files: dict[str, str | bytes], kind: type[Exception] = DataError, **settings: Any) -> str:
        path = write_set(files, **settings)
        with pytest.raises(kind) as error:
            load_table(str(path))
        return str(error.value).replace(f"{path.parent}/", "")

    return refused
