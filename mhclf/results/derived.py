"""Records beyond the plain scores, from a run's saved predictions and manifest alone.

Temperature and thresholds are fitted on the validation rows and measured on the test rows; coverage and slices are
parts of the split by which the run is judged.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mhclf.errors import RunError
from mhclf.evaluation import (
    classification_intervals,
    coverage_scores,
    fit_temperature,
    fit_thresholds,
    higher_is_better,
    metric_names,
    scale_by_temperature,
    scores,
    slice_scores,
)
from mhclf.evaluation.bootstrap import RANKING_RESAMPLES, bootstrap_interval
from mhclf.evaluation.classification import BY_RESERVATION, TEMPERATURE_SCALED, TUNED_THRESHOLDS
from mhclf.evaluation.selective import SELECTIVE_METRICS, probability_confidence, selective_metrics
from mhclf.evaluation.thresholds import LabelThreshold, decide_by_thresholds
from mhclf.results.files import write_text
from mhclf.results.predictions import Predictions
from mhclf.results.records import ResultRecord
from mhclf.results.runfolder import Manifest, read_split
from mhclf.results.slices import default_slices

COVERAGE = "coverage "
"""How the slices of selective prediction begin: `coverage 90 %`."""

TEMPERATURE_FILE, THRESHOLDS_FILE = "temperature.json", "thresholds.json"
_SCALED = ("ece", "ece_equal_mass", "brier", "nll")
_TUNED = {
    "multilabel": ("subset_accuracy", "macro_f1", "weighted_f1", "micro_f1", "samples_f1"),
    "multiclass": ("accuracy", "balanced_accuracy", "macro_f1", "positive_f1"),
    "ordinal": ("accuracy", "balanced_accuracy", "macro_f1", "positive_f1"),
    "choice": ("accuracy",),
}


def derived_records(folder: Path, identity: Mapping[str, Any]) -> list[ResultRecord]:
    """Return the records that follow from saved predictions, and write `temperature.json` and `thresholds.json`.

    Parameters
    ----------
    folder : Path
        A run folder with `predictions.parquet` and `data_manifest.json`.
    identity : mapping
        The fields of `ResultRecord` that say which run it is.

    Returns
    -------
    list of ResultRecord
        On test, under the temperature and the thresholds fitted on validation: ``ece_temperature_scaled``,
        ``macro_f1_tuned_thresholds`` and the like. On test, or on validation while test is shut: accuracy and macro-F1
        in the slices ``coverage 90 %`` (most certain posts) and ``words ...``, ``confidence ...``; a slice of fewer
        than 20 posts has an undefined value. Where the run has learnt to abstain also ``aurc_by_reservation`` and
        ``e_aurc_by_reservation``: the plain ones order the posts by their greatest probability.

    Raises
    ------
    DataError, RunError
        As in `read_split`.
    """
    manifest, test = read_split(folder, "test")
    _, validation = read_split(folder, "validation")
    records = []
    if validation is not None:
        records += _temperature(folder, manifest, validation, test, identity)
        if manifest.multilabel or len(manifest.labels) == 2:
            records += _thresholds(folder, manifest, validation, test, identity)
    shown, split = (test, "test") if test is not None else (validation, "validation")
    if shown is not None:
        records += _coverage(manifest, shown, split, identity)
        records += _by_reservation(manifest, shown, split, identity)
        records += _slices(manifest, shown, split, identity)
    return records


def read_label_thresholds(folder: Path) -> tuple[LabelThreshold, ...]:
    """Return a run's `thresholds.json`, in the order of the labels; empty where there is none.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    path = folder / THRESHOLDS_FILE
    if not path.is_file():
        return ()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["thresholds"]
        fields: list[dict[str, Any]] = [
            {key: math.nan if value is None else value for key, value in entry.items()} for entry in entries
        ]
        return tuple(LabelThreshold(**entry) for entry in fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path}: is damaged ({type(error).__name__}). Run it again with --overwrite.") from error


def read_thresholds(folder: Path) -> dict[str, float]:
    """Return label -> threshold of a run, in the order of the labels; empty where it has none.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    return {item.label: item.value for item in read_label_thresholds(folder)}


def _temperature(
    folder: Path, manifest: Manifest, validation: Predictions, test: Predictions | None, identity: Mapping[str, Any]
) -> list[ResultRecord]:
    task, labels = manifest.task, manifest.labels
    fitted = fit_temperature(task, validation.gold_classes, validation.probability, labels)
    _write(folder / TEMPERATURE_FILE, {"fitted_on": "validation", **dataclasses.asdict(fitted)})
    if test is None:
        return []
    scaled = scale_by_temperature(task, test.probability, fitted.value)
    arrays = (task, test.gold_classes, test.predicted_classes, scaled, labels)
    values = scores(*arrays)
    ends = classification_intervals(*arrays, test.groups, _SCALED)
    return _records({name: (values[name], *ends[name]) for name in _SCALED}, TEMPERATURE_SCALED, test, identity)


def _thresholds(
    folder: Path, manifest: Manifest, validation: Predictions, test: Predictions | None, identity: Mapping[str, Any]
) -> list[ResultRecord]:
    task, labels = manifest.task, manifest.labels
    fitted = fit_thresholds(task, validation.gold_classes, validation.probability, labels)
    entries = [{key: _plain(value) for key, value in dataclasses.asdict(item).items()} for item in fitted]
    content = {"fitted_on": "validation", "objective": "f1", "n": len(validation.ids), "thresholds": entries}
    _write(folder / THRESHOLDS_FILE, content)
    if test is None:
        return []
    decisions = decide_by_thresholds(task, test.probability, [item.value for item in fitted])
    arrays = (task, test.gold_classes, decisions, None, labels)
    values = scores(*arrays)
    names = _TUNED[task]
    ends = classification_intervals(*arrays, test.groups, names)
    return _records({name: (values[name], *ends[name]) for name in names}, TUNED_THRESHOLDS, test, identity)


def _coverage(manifest: Manifest, shown: Predictions, split: str, identity: Mapping[str, Any]) -> list[ResultRecord]:
    table = coverage_scores(
        manifest.task, shown.gold_classes, shown.predicted_classes, -shown.abstention, manifest.labels, shown.groups
    )
    return [
        record
        for row in table
        for record in _records(row.values, "", shown, identity, split, f"{COVERAGE}{100 * row.wanted:g} %", row.n)
    ]


def _by_reservation(
    manifest: Manifest, shown: Predictions, split: str, identity: Mapping[str, Any]
) -> list[ResultRecord]:
    """Return AURC where the abstention that was saved orders the posts; empty where it is that of the probabilities."""
    if np.allclose(shown.abstention, 1 - probability_confidence(manifest.task, shown.probability), atol=1e-5):
        return []
    sure, right = -shown.abstention, shown.correct.astype(np.float64)
    values = selective_metrics(sure, right)

    def ends(name: str) -> tuple[float, float]:
        return bootstrap_interval(
            lambda weights: selective_metrics(sure, right, weights)[name], shown.groups, RANKING_RESAMPLES
        )

    found = {name: (float(values[name].item()), *ends(name)) for name in SELECTIVE_METRICS}
    return _records(found, BY_RESERVATION, shown, identity, split)


def _slices(manifest: Manifest, shown: Predictions, split: str, identity: Mapping[str, Any]) -> list[ResultRecord]:
    metrics = slice_metrics(manifest)
    found = slice_scores(
        manifest.task, shown.gold_classes, shown.predicted_classes, manifest.labels,
        default_slices(shown.columns), metrics, shown.groups,
    )  # fmt: skip
    nothing = (math.nan, math.nan, math.nan)
    return [
        record
        for part in found
        for record in _records(
            part.values or dict.fromkeys(metrics, nothing), "", shown, identity, split, part.name, part.n
        )
    ]


def slice_metrics(manifest: Manifest) -> tuple[str, ...]:
    """Return what a slice is scored by: the headline metric where it needs no probabilities, accuracy, macro-F1."""
    known = metric_names(manifest.task, manifest.labels, with_probability=False)
    usual = ("subset_accuracy" if manifest.multilabel else "accuracy", "macro_f1")
    return tuple(dict.fromkeys(name for name in (manifest.headline_metric, *usual) if name in known))


def _records(
    values: Mapping[str, Sequence[float]],
    ending: str,
    rows: Predictions,
    identity: Mapping[str, Any],
    split: str = "test",
    part: str = "all",
    n: int | None = None,
) -> list[ResultRecord]:
    return [
        ResultRecord(
            **identity, split=split, slice=part, metric=name + ending, value=value, ci_low=low, ci_high=high,
            n=len(rows.ids) if n is None else n, higher_is_better=higher_is_better(name),
        )
        for name, (value, low, high) in values.items()
    ]  # fmt: skip


def _plain(value: Any) -> Any:
    """Return NaN as None, anything else as it is."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _write(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
