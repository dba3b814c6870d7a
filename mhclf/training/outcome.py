"""From predictions to the files of the run folder: predictions, records, layers, the map of the representation."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.decomposition import PCA

from mhclf.config.dataset import DatasetConfig
from mhclf.data.spans import count_words
from mhclf.data.table import PostTable
from mhclf.evaluation import RiskLabels, classification_intervals, higher_is_better, risk_labels, scores
from mhclf.evaluation.confusable import class_pairs
from mhclf.evaluation.layers import UNIFORM_THRESHOLD, kl_from_uniform
from mhclf.results.records import ResultRecord
from mhclf.training.predict import NetworkPredictions


def decide(task: str, probabilities: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return class numbers (n,), or 0/1 labels (n, labels) at .5."""
    if task == "multilabel":
        return (probabilities >= 0.5).astype(np.int64)
    return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)


def abstention_scores(
    task: str, probabilities: npt.NDArray[Any], reservation: npt.NDArray[Any] | None = None
) -> npt.NDArray[Any]:
    """Return how unsure the model is, shape (n,): its reservation where it has one, else 1 - confidence.

    Confidence is the largest probability; for several labels, how sure the least certain one is.
    """
    if reservation is not None:
        return reservation
    if task == "multilabel":
        return np.asarray(1 - np.maximum(probabilities, 1 - probabilities).min(axis=1))
    return np.asarray(1 - probabilities.max(axis=1))


def prediction_frame(
    table: PostTable, probabilities: npt.NDArray[Any], reservation: npt.NDArray[Any] | None = None
) -> pd.DataFrame:
    """Return the content of `predictions.parquet` for the rows of `table`: no text.

    For `reservation` (n,) see `abstention_scores`.
    """
    decisions = decide(table.config.task, probabilities)
    predicted = PostTable(table.config, table.frame, decisions).gold_names()
    frame = table.frame[["id", "group", "split"]].copy()
    frame["gold"] = table.gold_names()
    frame["prediction"] = predicted
    for column, label in enumerate(table.labels):
        frame[f"probability/{label}"] = probabilities[:, column].astype(np.float32)
    frame["abstention"] = abstention_scores(table.config.task, probabilities, reservation).astype(np.float32)
    frame["words"] = np.array([count_words(text) for text in table.texts], dtype=np.int32)
    if table.frame["confidence"].notna().any():
        frame["confidence"] = table.frame["confidence"].astype(np.float32)
    return frame


def risk_of(config: DatasetConfig) -> RiskLabels | None:
    """Return what the data set says about risk, None where it says nothing."""
    if not config.risk.high:
        return None
    return risk_labels(config.task, config.label_names, config.risk.high, config.risk.order)


def result_records(table: PostTable, probabilities: npt.NDArray[Any], identity: dict[str, Any]) -> list[ResultRecord]:
    """Return one record per metric for the rows of one split, with bootstrap intervals over groups.

    Parameters
    ----------
    table : PostTable
        Rows of one split.
    probabilities : array (n, labels)
    identity : mapping
        The fields of `ResultRecord` that say which run it is.
    """
    task, labels = table.config.task, list(table.labels)
    decisions = decide(task, probabilities)
    probabilities = np.clip(np.asarray(probabilities, dtype=np.float64), 0.0, 1.0)
    risk = risk_of(table.config)
    values = scores(task, table.targets, decisions, probabilities, labels, risk=risk)
    groups = table.frame["group"].to_numpy()
    intervals = classification_intervals(task, table.targets, decisions, probabilities, labels, groups, risk=risk)
    split = str(table.frame["split"].iloc[0])
    return [
        ResultRecord(
            **identity,
            split=split,
            slice="all",
            metric=metric,
            value=_number(value),
            ci_low=_number(intervals[metric][0]),
            ci_high=_number(intervals[metric][1]),
            n=len(table),
            higher_is_better=higher_is_better(metric),
        )
        for metric, value in values.items()
    ]


def majority_probabilities(train: PostTable, rows: int) -> npt.NDArray[np.float64]:
    """Return what the majority baseline says of `rows` posts: the label rates of train."""
    if train.targets.ndim == 2:
        rates = train.targets.mean(axis=0)
    else:
        rates = np.bincount(train.targets, minlength=len(train.labels)) / len(train)
    return np.tile(rates, (rows, 1))


def layer_summary(predictions: NetworkPredictions, table: PostTable, names: list[str]) -> dict[str, Any]:
    """Return the content of `layers.json`: global and per-class weights, contributions, distance from uniform."""
    weights, contributions = predictions.layer_weights, predictions.contributions
    if weights is None or contributions is None:
        raise ValueError("the aggregation has no layer weights")
    mean = weights.mean(axis=0)
    one_hot = table.targets if table.targets.ndim == 2 else np.eye(len(table.labels), dtype=int)[table.targets]
    per_class = {
        label: _rounded(weights[one_hot[:, column] == 1].mean(axis=0))
        for column, label in enumerate(table.labels)
        if (one_hot[:, column] == 1).any()
    }
    kl = float(kl_from_uniform(mean))
    return {
        "layer_names": names,
        "weights_mean": _rounded(mean),
        "weights_sd": _rounded(weights.std(axis=0)),
        "contribution_mean": _rounded(contributions.mean(axis=0)),
        "contribution_sd": _rounded(contributions.std(axis=0)),
        "gate": predictions.gate,
        "kl_from_uniform": kl,
        "kl_per_input_mean": float(kl_from_uniform(weights).mean()),
        "kl_maximum": math.log(len(names)),
        "uniform_interval": UNIFORM_THRESHOLD,
        "distinguishable_from_uniform": kl > UNIFORM_THRESHOLD,
        "per_class": per_class,
        "n": len(weights),
    }


def layer_weight_frame(table: PostTable, predictions: NetworkPredictions, names: list[str]) -> pd.DataFrame:
    """Return each post's layer weights: id, split, one column `weight/<layer>` a layer. No text."""
    if predictions.layer_weights is None:
        raise ValueError("the aggregation has no layer weights")
    columns = {f"weight/{name}": predictions.layer_weights[:, layer] for layer, name in enumerate(names)}
    return pd.DataFrame({"id": table.frame["id"], "split": table.frame["split"], **columns})


def representation_frame(table: PostTable, predictions: NetworkPredictions) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the 2-D map (principal components) with gold and prediction, and how much variance it shows."""
    components = min(2, *predictions.representations.shape)
    analysis = PCA(components, svd_solver="full")
    points = analysis.fit_transform(predictions.representations.astype(np.float64))
    # The sign of a component is arbitrary: fix it, so that the map is the same everywhere.
    points *= np.where(analysis.components_.sum(axis=1) < 0, -1, 1)
    points = np.pad(points, ((0, 0), (0, 2 - components)))
    gold = table.gold_names()
    predicted = PostTable(table.config, table.frame, predictions.decisions).gold_names()
    frame = pd.DataFrame(
        {
            "id": table.frame["id"],
            "gold": [_joined(name) for name in gold],
            "prediction": [_joined(name) for name in predicted],
            "correct": [a == b for a, b in zip(gold, predicted, strict=True)],
            "x": points[:, 0],
            "y": points[:, 1],
        }
    )
    variance = [float(share) for share in analysis.explained_variance_ratio_]
    return frame, {"method": "PCA", "explained_variance": [*variance, 0.0, 0.0][:2]}


def pair_summary(table: PostTable, predictions: NetworkPredictions) -> list[dict[str, Any]]:
    """Return the content of `class_pairs.json`: each pair of classes with its margin and its confusion rate."""
    pairs = class_pairs(predictions.representations, table.targets, predictions.decisions, table.labels)
    return [asdict(pair) for pair in pairs]


def _joined(names: Any) -> str:
    return names if isinstance(names, str) else " + ".join(names) or "(none)"


def _rounded(values: npt.NDArray[Any]) -> list[float]:
    return [round(float(value), 6) for value in values]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
