"""A fake run folder, for every task, with the files that training writes."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from mhclf.results.records import ResultRecord, write_records

HOSTILE = (
    "<script>alert('x')</script>",
    r"50 % \& $\alpha$ _{x}^2 # ~",
    '=HYPERLINK("http://x","y")',
    "a | b\nc",
    "yes: [no] - '\"",
    "../../etc/passwd",
)


def record(**changes: Any) -> ResultRecord:
    """Return a record with everything set, some of it changed."""
    content: dict[str, Any] = {
        "run": "demo", "dataset": "demo", "split": "test", "slice": "all", "method": "layer_attentive_supcon",
        "encoder": "minilm", "seed": 1, "metric": "macro_f1", "value": 0.7124, "ci_low": 0.6512,
        "ci_high": 0.7698, "n": 60, "higher_is_better": True, "protocol": "sound", "data_hash": "ab12cd34",
    }  # fmt: skip
    return ResultRecord(**(content | changes))


def build_run(
    folder: Path,
    labels: Sequence[str] = ("Anxiety", "Depression", "Suicidal ideation", "Off my chest"),
    task: str = "multiclass",
    *,
    rows: int = 60,
    seed: int = 0,
    uniform: bool = True,
    method: str = "layer_attentive_supcon",
    title: str = "Demonstration corpus",
    minimal: bool = False,
) -> Path:
    """Write the files of a run folder; `minimal` leaves out what the linear baseline does not have."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    labels = list(labels)
    multilabel = task == "multilabel"
    total = rows + rows // 2
    if multilabel:
        gold = random.random((total, len(labels))) < 0.35
        probability = np.clip(0.25 + 0.45 * gold + random.normal(0, 0.22, gold.shape), 0.01, 0.99)
        predicted = probability > 0.5
        names: list[Any] = [[labels[k] for k in np.flatnonzero(row)] for row in gold]
        answers: list[Any] = [[labels[k] for k in np.flatnonzero(row)] for row in predicted]
        right = (gold == predicted).all(axis=1)
    else:
        index = random.integers(0, len(labels), total)
        logits = random.normal(0, 1.1, (total, len(labels)))
        logits[np.arange(total), index] += 2.2
        probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        choice = probability.argmax(axis=1)
        names, answers = [labels[k] for k in index], [labels[k] for k in choice]
        right = index == choice
        gold, predicted = np.eye(len(labels), dtype=bool)[index], np.eye(len(labels), dtype=bool)[choice]
    split = ["test"] * rows + ["validation"] * (total - rows)
    ids, groups = [f"post-{k:04d}" for k in range(total)], [f"user-{k // 2}" for k in range(total)]
    frame = pd.DataFrame({"id": ids, "group": groups, "split": split, "gold": names, "prediction": answers})
    for k, label in enumerate(labels):
        frame[f"probability/{label}"] = probability[:, k]
    frame["abstention"] = 1 - probability.max(axis=1)
    frame.to_parquet(folder / "predictions.parquet")

    def counts(part: slice) -> dict[str, int]:
        return {label: int(gold[part, k].sum()) for k, label in enumerate(labels)}

    manifest = {
        "name": "demo", "title": title, "task": task, "labels": labels,
        "rows": {"train": 240, "validation": total - rows, "test": rows},
        "class_counts": {"train": {label: 40 + k for k, label in enumerate(labels)},
                         "validation": counts(slice(rows, None)), "test": counts(slice(0, rows))},
        "hashes": {key: key[:2] * 8 for key in ("ids", "texts", "labels", "splits", "data")},
        "load": {"repaired_texts": 12, "masked_identifiers": {"email": 1, "user": 4}},
        "findings": [
            {"check": "near_duplicates", "severity": "warning", "count": 3,
             "message": "3 test posts resemble a training post."},
            {"check": "truncation", "severity": "note", "count": 9, "message": "9 posts exceed 256 tokens."},
        ],
        "headline_metric": "macro_f1", "licence": "CC BY 4.0",
        "citation": "Doe et al. 2024, A demonstration corpus.",
        "ethics": "Do not try to find the authors.", "protocol": "sound",
    }  # fmt: skip
    (folder / "data_manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    config = {
        "data": "demo", "data_root": str(Path.home() / "secret-data"), "max_length": 256,
        "method": method, "encoder": "minilm", "seed": 1,
        "model": {"kind": "tfidf_lr" if method == "tfidf_lr" else "transformer", "dropout": 0.1},
        "optim": {"lr": 3e-5, "epochs": 3, "layer_decay": None}, "losses": ["cross_entropy", "supcon"],
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    environment = {"python": "3.11.2", "versions": {"torch": "2.13.0"}, "precision": "fp32",
                   "git": {"commit": "abc123", "modified": False}}  # fmt: skip
    (folder / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    own = {"method": method, "n": rows, "run": folder.name}
    write_records(folder / "results.jsonl", [
        record(metric="accuracy", value=float(right[:rows].mean()), ci_low=0.6, ci_high=0.85, **own),
        record(**own),
        record(metric="auroc", value=None, ci_low=None, ci_high=None, **own),
        record(metric="ece", value=0.0512, ci_low=0.031, ci_high=0.09, higher_is_better=False, **own),
        record(split="validation", value=0.74, ci_low=None, ci_high=None, **own | {"n": total - rows}),
        record(**own | {"method": "majority"}, value=0.1231, ci_low=0.1, ci_high=0.15),
        record(metric=f"f1/{labels[0]}", value=0.6667, ci_low=0.5, ci_high=0.8, **own),
        record(**own | {"method": "tfidf_lr"}, value=0.6514, ci_low=0.59, ci_high=0.71),
    ])  # fmt: skip
    if not minimal:
        _write_network_files(folder, labels, frame[:rows], right[:rows], random, uniform=uniform)
    return folder


def _write_network_files(
    folder: Path, labels: Sequence[str], frame: pd.DataFrame, right: Any, random: Any, *, uniform: bool
) -> None:
    """Write training log, layer findings and representation."""
    log = []
    for step in range(1, 121):
        decay = float(np.exp(-step / 45))
        noise = random.normal(0, 0.05, 2)
        log.append({"kind": "step", "epoch": (step - 1) // 40, "step": step,
                    "loss": 0.7 + 1.4 * decay + noise[0],
                    "loss/classification": 0.4 + decay + noise[1], "loss/contrastive": 1.1 + decay,
                    "contrastive_weight": min(0.3, step / 300), "learning_rate": 3e-5 * (1 - step / 130),
                    "samples_per_second": 55.0})  # fmt: skip
        if step % 40 == 0:
            log.append(
                {
                    "kind": "epoch",
                    "epoch": step // 40 - 1,
                    "step": step,
                    "validation_loss": 0.8 + decay,
                    "validation_macro_f1": 0.7 - 0.5 * decay,
                    "validation_accuracy": 0.75 - 0.4 * decay,
                }
            )
    pd.DataFrame(log).to_csv(folder / "training_log.csv", index=False)
    count = 7
    weights = np.full(count, 1 / count) + (0 if uniform else np.linspace(-0.1, 0.1, count))
    shares = np.array([0.02] * (count - 1) + [1 - 0.02 * (count - 1)])
    layers = {
        "layer_names": ["embeddings", *(f"layer {k}" for k in range(1, count))],
        "weights_mean": weights.tolist(), "weights_sd": [0.004] * count,
        "contribution_mean": shares.tolist(), "contribution_sd": [0.01] * count,
        "gate": 0.031, "kl_from_uniform": 0.00041 if uniform else 0.127, "kl_per_input_mean": 0.0123,
        "kl_maximum": float(np.log(count)), "uniform_interval": 0.0012,
        "distinguishable_from_uniform": not uniform,
        "per_class": {label: weights.tolist() for label in labels}, "n": len(frame),
    }  # fmt: skip
    (folder / "layers.json").write_text(json.dumps(layers), encoding="utf-8")

    def joined(values: Any) -> list[str]:
        return [value if isinstance(value, str) else " + ".join(value) or "(none)" for value in values]

    gold = joined(frame["gold"])
    centre = {name: random.normal(0, 2.5, 2) for name in dict.fromkeys(gold)}
    points = np.array([centre[name] for name in gold]) + random.normal(0, 0.8, (len(frame), 2))
    answers = joined(frame["prediction"])
    columns = {"id": frame["id"], "gold": gold, "prediction": answers, "correct": right}
    table = pd.DataFrame(columns | {"x": points[:, 0], "y": points[:, 1]})
    table.to_parquet(folder / "representation.parquet")
    how = {"method": "PCA", "explained_variance": [0.412, 0.187]}
    (folder / "representation.json").write_text(json.dumps(how), encoding="utf-8")


@pytest.fixture(scope="session")
def make_record() -> Callable[..., ResultRecord]:
    """Return the function that makes a record."""
    return record


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    """Return the function that writes a run folder."""
    return build_run


@pytest.fixture(scope="session")
def hostile() -> tuple[str, ...]:
    """Return names that mean trouble in HTML, LaTeX, YAML, spreadsheets or paths."""
    return HOSTILE
