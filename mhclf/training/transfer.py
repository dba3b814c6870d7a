"""An existing run on another data set: labels mapped, posts that it was trained on left out, numbers in its folder."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mhclf.config.run import short_name
from mhclf.data.audit.between import training_side
from mhclf.data.audit.survey import shared_rows
from mhclf.data.load import load_table
from mhclf.data.manifest import content_hash, data_hash
from mhclf.data.table import SPLITS, PostTable
from mhclf.errors import ConfigError, DataError, RunError
from mhclf.evaluation import classification_intervals, higher_is_better, metric_names, scores
from mhclf.evaluation.label_map import NO_LABEL, OTHER, LabelMap, build_label_map, map_gold, map_probabilities
from mhclf.registry import nearest
from mhclf.results.files import read_mapping, write_text
from mhclf.results.records import ResultRecord, write_records
from mhclf.training.outcome import abstention_scores
from mhclf.training.predict import Scored
from mhclf.training.prepared import prepare_data, refuse_choice
from mhclf.training.saved import Run, load_run, trained_hash

MANIFEST = "manifest.json"
"""Written last into the folder of a transfer."""


@dataclass(frozen=True)
class TransferOutcome:
    """A finished transfer.

    Attributes
    ----------
    folder : Path
        `predictions.parquet`, `results.jsonl` and `manifest.json` inside the run.
    records : tuple of ResultRecord
    classes : tuple of str
    rows : mapping
        `read`, `without_source_label`, `shared_with_training`, `scored`.
    """

    folder: Path
    records: tuple[ResultRecord, ...]
    classes: tuple[str, ...]
    rows: Mapping[str, int]


def evaluate_on(
    run_folder: str | Path,
    data: str,
    label_map: Mapping[str, Any] | None = None,
    *,
    split: str = "test",
    data_root: str | None = None,
    renormalise: bool = False,
) -> TransferOutcome:
    """Score a run on the posts of another data set.

    Parameters
    ----------
    run_folder : path
    data : str
        Name or YAML of the target.
    label_map : mapping, optional
        Target label -> source label or labels; see `mhclf.evaluation.label_map.build_label_map`.
    split : str
        Part of the target.
    data_root : str, optional
        Folder of the data files of both sets.
    renormalise : bool
        Leave source labels without a target out of every decision, instead of counting them as wrong.

    Raises
    ------
    ConfigError, DataError
        On a wrong map or part, or where no post is left.
    RunError
        If the run's training posts are not those that its manifest counted: shared posts could not be known.

    Notes
    -----
    Left out, and counted: posts without a label that the run knows; posts that a train or validation post of the run
    repeats, nearly repeats, contains, or stands in.
    """
    if split not in SPLITS:
        raise ConfigError(f"split: '{split}' is none of {', '.join(SPLITS)}.{nearest(split, SPLITS)}")
    run = load_run(run_folder)
    trained = _training_sides(run, data_root)
    target = load_table(data, data_root=data_root, mask=run.config.mask)
    refuse_choice(target.config)
    part = target.part(split)
    if not len(part):
        raise DataError(f"{target.config.name}: has no {split} part. Choose another --split.")
    labels = build_label_map(run.task, run.labels, target.config.task, target.labels, label_map)
    rows = {"read": len(part)}
    _, known = map_gold(labels, part.targets)
    part = part.select(known)
    rows["without_source_label"] = rows["read"] - len(part)
    part, rows["shared_with_training"] = _without_shared(part, trained)
    rows["scored"] = len(part)
    if not len(part):
        raise DataError(
            f"{target.config.name}: no {split} post is left to score: {rows['without_source_label']} have no source "
            f"label, {rows['shared_with_training']} are shared with the run's training posts."
        )
    gold, _ = map_gold(labels, part.targets)
    contexts = part.contexts if trained[0].config.columns.context else None
    scored = run.score(part.texts, contexts)
    probability = scored.probabilities
    mapped, decisions = map_probabilities(labels, probability, renormalise)
    name = target.config.name if split == "test" else f"{target.config.name}-{split}"
    folder = Path(run_folder) / "transfer" / name
    folder.mkdir(parents=True, exist_ok=True)
    _prediction_frame(part, labels, gold, mapped, decisions, scored).to_parquet(
        folder / "predictions.parquet", index=False
    )
    frame = part.frame
    hashed = content_hash([*zip(frame["id"], part.texts_in_context, frame["group"], gold.tolist(), strict=True)])
    identity = {
        "run": Path(run_folder).resolve().name,
        "dataset": target.config.name,
        "split": split,
        "slice": "all",
        "method": run.config.method,
        "encoder": "tfidf" if run.linear is not None else short_name(run.config.encoder),
        "seed": run.config.seed,
        "protocol": run.config.protocol,
        "data_hash": hashed,
    }
    records = _records(labels, gold, decisions, mapped, frame["group"].to_numpy(), identity)
    manifest = {
        "name": target.config.name,
        "asked": asked_for(data, label_map, split, renormalise),
        "split": split,
        "task": labels.task,
        "labels": list(labels.classes),
        "source": {"dataset": trained[0].config.name, "task": run.task, "labels": list(run.labels)},
        "label_map": _as_names(labels),
        "target_labels_left_out": list(labels.left_out),
        "source_labels_without_target": list(labels.uncovered_names),
        "renormalised": renormalise,
        "rows": rows,
        "decided_for_a_label_without_target": int((decisions == OTHER).sum()),
        "metrics": [name for name in target.config.metrics if name in metric_names(labels.task, labels.classes)],
        "hashes": {"data": hashed, "target": data_hash(target)},
    }
    write_records(folder / "results.jsonl", records)
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return TransferOutcome(folder, tuple(records), labels.classes, rows)


def asked_for(data: str, label_map: Mapping[str, Any] | None, split: str, renormalise: bool) -> dict[str, Any]:
    """Return what a transfer was asked for, as its manifest keeps it."""
    given = None if label_map is None else dict(label_map)
    return {"data": short_name(data), "label_map": given, "split": split, "renormalise": renormalise}


def finished_transfer(run_folder: Path, asked: Mapping[str, Any]) -> Path | None:
    """Return the folder of a finished transfer of a run; None where there is none that was asked for the same."""
    for manifest in sorted((run_folder / "transfer").glob(f"*/{MANIFEST}")):
        if read_mapping(manifest, "Remove its folder.").get("asked") == asked:
            return manifest.parent
    return None


def _training_sides(run: Run, data_root: str | None) -> list[PostTable]:
    """Return what a run was trained on, as it was: its train and validation rows, then those of auxiliary sets."""
    expected = trained_hash(run.folder)
    config = run.config if data_root is None else replace(run.config, data_root=data_root)
    prepared = prepare_data(config)
    if prepared.manifest["hashes"]["data"] != expected:
        raise RunError(
            f"{run.folder}: the data set '{run.config.data}' is not the one that the run was trained on, so the posts "
            "that both sets share cannot be found. Give the same files, or train again."
        )
    return [training_side(prepared.table), *prepared.auxiliary]


def _without_shared(part: PostTable, trained: Sequence[PostTable]) -> tuple[PostTable, int]:
    shared: set[int] = set().union(*(shared_rows(part, side) for side in trained))
    keep = np.array([row not in shared for row in range(len(part))], dtype=bool)
    return part.select(keep), len(shared)


def _prediction_frame(
    part: PostTable,
    labels: LabelMap,
    gold: npt.NDArray[np.int64],
    mapped: npt.NDArray[np.float64],
    decisions: npt.NDArray[np.int64],
    scored: Scored,
) -> pd.DataFrame:
    """Return predictions without text; a source label without a target keeps its own name."""
    frame = part.frame[["id", "group", "split"]].copy()
    if labels.task == "multilabel":
        frame["gold"], frame["prediction"] = (
            [[name for name, on in zip(labels.classes, row, strict=True) if on] for row in values]
            for values in (gold, decisions)
        )
    else:
        frame["gold"] = [labels.classes[number] for number in gold]
        outside = list(labels.uncovered)
        own = scored.probabilities[:, outside].argmax(axis=1) if outside else np.zeros(len(part), dtype=int)
        frame["prediction"] = [
            labels.classes[number] if number != OTHER else labels.uncovered_names[own[row]]
            for row, number in enumerate(decisions)
        ]
    for column, name in enumerate(labels.classes):
        frame[f"probability/{name}"] = mapped[:, column].astype(np.float32)
    frame["abstention"] = abstention_scores(labels.source_task, scored.probabilities, scored.reservation).astype(
        np.float32
    )
    return frame


def _records(
    labels: LabelMap,
    gold: npt.NDArray[np.int64],
    decisions: npt.NDArray[np.int64],
    mapped: npt.NDArray[np.float64],
    groups: npt.NDArray[Any],
    identity: dict[str, Any],
) -> list[ResultRecord]:
    arguments = (labels.task, gold, decisions, mapped, labels.classes)
    no_answer = labels.task == "multiclass"
    values = scores(*arguments, no_answer=no_answer)
    intervals = classification_intervals(*arguments, groups, no_answer=no_answer)
    return [
        ResultRecord(
            **identity,
            metric=metric,
            value=None if math.isnan(value) else value,
            ci_low=None if math.isnan(intervals[metric][0]) else intervals[metric][0],
            ci_high=None if math.isnan(intervals[metric][1]) else intervals[metric][1],
            n=len(gold),
            higher_is_better=higher_is_better(metric),
        )
        for metric, value in values.items()
    ]


def _as_names(labels: LabelMap) -> dict[str, list[str]]:
    names = (*labels.source_labels, NO_LABEL)
    return {
        labels.target_labels[target]: [names[index] for index in sources]
        for sources, targets in zip(labels.sources, labels.targets, strict=True)
        for target in targets
    }
