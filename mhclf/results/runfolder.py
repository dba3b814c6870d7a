"""Reading the files of a run folder that pictures, report and model card are made of."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from mhclf.errors import DataError, RunError
from mhclf.evaluation import RiskLabels, risk_labels
from mhclf.evaluation.confusable import ClassPair
from mhclf.results.layers import LayerFindings
from mhclf.results.pairs import read_pairs
from mhclf.results.predictions import Predictions, predictions_of
from mhclf.results.records import ResultRecord, read_records
from mhclf.results.robustness import Robustness, read_robustness


@dataclass(frozen=True)
class Manifest:
    """What `data_manifest.json` says; keys beyond these are left aside."""

    name: str
    task: str
    labels: tuple[str, ...]
    title: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    class_counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    load: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Mapping[str, Any], ...] = ()
    headline_metric: str = ""
    risk: Mapping[str, Any] = field(default_factory=dict)
    language: str = "en"
    licence: str = ""
    access: str = ""
    citation: str = ""
    ethics: str = ""
    protocol: str = ""

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> "Manifest":
        """Return the manifest of a parsed file; empty values count as absent.

        Raises
        ------
        DataError
            When name, task or labels are missing, or a value has the wrong form.
        """
        missing = [key for key in ("name", "task", "labels") if not content.get(key)]
        if missing:
            raise DataError(f"manifest: {', '.join(map(repr, missing))} missing or empty.")
        known = {key: value for key, value in content.items() if key in cls.__dataclass_fields__ and value}
        for key in ("labels", "findings"):
            if key in known:
                if not isinstance(known[key], list):
                    raise DataError(f"manifest: '{key}' must be a list.")
                known[key] = tuple(known[key])
        for key in ("rows", "class_counts", "hashes", "load", "risk"):
            if not isinstance(known.get(key, {}), Mapping):
                raise DataError(f"manifest: '{key}' must be a mapping.")
        if "risk" in known and not known["risk"].get("high"):
            raise DataError("manifest: 'risk' names no label under 'high'.")
        for key, value in known.items():
            if cls.__dataclass_fields__[key].type is str:
                known[key] = str(value)
        return cls(**known)

    @property
    def multilabel(self) -> bool:
        """Whether a post may have several labels."""
        return self.task == "multilabel"

    @property
    def risk_labels(self) -> RiskLabels | None:
        """What the data set says about risk; None where it says nothing."""
        if not self.risk:
            return None
        return risk_labels(self.task, self.labels, tuple(self.risk["high"]), tuple(self.risk.get("order", ())))


@dataclass(frozen=True)
class RunFiles:
    """The content of a run folder, as far as it is there (None where a file is absent).

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.
    config, environment : mapping
        `config.yaml` and `environment.json`, parsed.
    manifest : Manifest
        `data_manifest.json`.
    records : tuple of ResultRecord
        `results.jsonl`.
    split : str
        What the run is judged by: `test`, or `validation` while the test set is shut.
    predictions : Predictions or None
        The rows of that split in `predictions.parquet`.
    training_log, representation : pandas.DataFrame or None
        `training_log.csv` and `representation.parquet`.
    representation_method : mapping
        `representation.json`; empty where absent.
    layers : LayerFindings or None
        `layers.json`.
    pairs : tuple of ClassPair
        `class_pairs.json`, the most confused first; empty where absent.
    robustness : Robustness or None
        `robustness/robustness.json`.
    """

    folder: Path
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    manifest: Manifest
    records: tuple[ResultRecord, ...]
    split: str
    predictions: Predictions | None
    training_log: pd.DataFrame | None
    layers: LayerFindings | None
    representation: pd.DataFrame | None
    representation_method: Mapping[str, Any]
    pairs: tuple[ClassPair, ...] = ()
    robustness: Robustness | None = None

    @property
    def method(self) -> str:
        """Name of the method, from the config."""
        return named(self.config, "method")

    @property
    def encoder(self) -> str:
        """Name of the encoder, from the config; empty where there is none."""
        return named(self.config, "encoder")


def named(config: Mapping[str, Any], key: str) -> str:
    """Return `config[key]` when it is a word, or its `name` when it is a mapping; empty when absent."""
    value = config.get(key)
    if isinstance(value, Mapping):
        value = value.get("name")
    return "" if value is None else str(value)


def read_run(folder: str | os.PathLike[str]) -> RunFiles:
    """Read a run folder.

    Parameters
    ----------
    folder : path-like
        A folder with at least `config.yaml` and `data_manifest.json`.

    Returns
    -------
    RunFiles
        What is there.

    Raises
    ------
    RunError
        When the folder, `config.yaml` or `data_manifest.json` is missing, or a table holds words for numbers.
    DataError
        When a file cannot be parsed or has the wrong form; the message names it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"{folder} is no folder; give the folder of a run, such as runs/<data>/<method>-...")
    for name in ("config.yaml", "data_manifest.json"):
        if not (folder / name).is_file():
            raise RunError(f"{folder} has no {name}, so it is no run folder or its run never started.")
    manifest_path, layers_path = folder / "data_manifest.json", folder / "layers.json"
    try:
        manifest = Manifest.from_mapping(_mapping(manifest_path))
    except DataError as error:
        raise DataError(f"{manifest_path}: {error}") from error
    try:
        layers = LayerFindings.from_mapping(_mapping(layers_path)) if layers_path.is_file() else None
    except DataError as error:
        raise DataError(f"{layers_path}: {error}") from error
    log_path, map_path = folder / "training_log.csv", folder / "representation.parquet"
    log = _frame(log_path, ("kind", "epoch", "step"))
    curves = [] if log is None else [str(name) for name in log.columns if name != "kind"]
    points = _frame(map_path, ("id", "gold", "correct", "x", "y"))
    records_path, predictions_path = folder / "results.jsonl", folder / "predictions.parquet"
    records = read_records(records_path) if records_path.is_file() else ()
    rows = _frame(predictions_path, ("id", "split"))
    seen = {record.split for record in records} | (set() if rows is None else set(rows["split"]))
    split = "validation" if "validation" in seen and "test" not in seen else "test"
    return RunFiles(
        folder=folder,
        config=_mapping(folder / "config.yaml"),
        environment=_mapping(folder / "environment.json"),
        manifest=manifest,
        records=records,
        split=split,
        predictions=None if rows is None else _predictions(rows, manifest, split, predictions_path),
        training_log=_checked(log, log_path, curves, ["kind"]),
        layers=layers,
        representation=_checked(points, map_path, ("correct", "x", "y"), ("id", "gold")),
        representation_method=_mapping(folder / "representation.json"),
        pairs=read_pairs(folder / "class_pairs.json"),
        robustness=read_robustness(folder / "robustness" / "robustness.json"),
    )


def read_split(folder: Path, split: str) -> tuple[Manifest, Predictions | None]:
    """Return the manifest of a run folder and the saved predictions of one split, None where it has no row.

    Raises
    ------
    RunError
        When `data_manifest.json` or `predictions.parquet` is missing.
    DataError
        When one cannot be parsed or has the wrong form; the message names it.
    """
    manifest_path, rows_path = folder / "data_manifest.json", folder / "predictions.parquet"
    for path in (manifest_path, rows_path):
        if not path.is_file():
            raise RunError(f"{folder} has no {path.name}, so it is no run folder or its run never ended.")
    try:
        manifest = Manifest.from_mapping(_mapping(manifest_path))
    except DataError as error:
        raise DataError(f"{manifest_path}: {error}") from error
    rows = _frame(rows_path, ("id", "split"))
    return manifest, None if rows is None else _predictions(rows, manifest, split, rows_path)


def _mapping(path: Path) -> Mapping[str, Any]:
    """Return a JSON or YAML file that holds a mapping; an empty mapping when the file is absent."""
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(text)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path}: cannot be parsed ({error}).") from error
    if not isinstance(content, Mapping):
        raise DataError(f"{path}: expected a mapping at the top.")
    return content


def _frame(path: Path, columns: tuple[str, ...]) -> pd.DataFrame | None:
    """Return a table that has at least `columns`; None when the file is absent or has no rows."""
    if not path.is_file():
        return None
    try:
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except pd.errors.EmptyDataError:
        return None
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DataError(f"{path}: the columns {', '.join(map(repr, missing))} are missing.")
    return frame if len(frame) else None


def _checked(
    frame: pd.DataFrame | None, path: Path, numbers: Sequence[str], words: Sequence[str]
) -> pd.DataFrame | None:
    """Return a table whose columns hold numbers (or true and false) and text, as the run wrote them.

    Raises
    ------
    RunError
        When a column holds something else.
    """
    if frame is None:
        return None
    wrong = [name for name in numbers if not pd.api.types.is_numeric_dtype(frame[name])]
    wrong += [name for name in words if not all(isinstance(cell, str) for cell in frame[name])]
    if wrong:
        raise RunError(
            f"{path}: the columns {', '.join(map(repr, wrong))} hold other values than the run wrote. Run it again "
            "with --overwrite."
        )
    return frame


def _predictions(frame: pd.DataFrame, manifest: Manifest, split: str, path: Path) -> Predictions | None:
    """Return the predictions of one split; None when it has no row."""
    try:
        predictions = predictions_of(frame, manifest.labels, multilabel=manifest.multilabel, split=split)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return predictions if predictions.ids else None
