"""Training by two processes on the CPU: the loss curve is that of one process with batches twice as large."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mhclf.training.saved import read_predictions

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def still_encoder(encoder_folder, tmp_path):
    """Return an encoder without dropout: each process draws its own."""
    folder = tmp_path / "still-bert"
    shutil.copytree(encoder_folder("bert"), folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def train(data, encoder, out, *options):
    command = [sys.executable, str(REPOSITORY / "experiments" / "train.py"), "--data", str(data)]
    command += ["--encoder", str(encoder), "--out", str(out), "--trainer.epochs", "3", "--trainer.accelerator", "cpu"]
    command += ["--trainer.precision", "fp32", "--model.dropout", "0", "--optim.lr", "1e-3", "--optim.head_lr", "1e-2"]
    command += ["--contrastive.queue", "16", "--loss.class_weights", "balanced", "--report", "false", "--quiet"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *options], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = (path.parent for path in Path(out).rglob("predictions.parquet"))
    return folder


def losses(folder):
    with (folder / "training_log.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "step"]
    return np.array([[float(row["loss"]), float(row["loss/contrastive"])] for row in rows])


def test_two_processes_train_like_one(tiny_dataset, still_encoder, tmp_path):
    one = train(tiny_dataset, still_encoder, tmp_path / "one", "--batch.size", "8")
    two = train(
        tiny_dataset, still_encoder, tmp_path / "two", "--batch.size", "4",
        "--trainer.devices", "2", "--trainer.strategy", "ddp",
    )  # fmt: skip
    assert losses(one).shape == losses(two).shape
    assert np.allclose(losses(one), losses(two), atol=2e-4)
    ours, theirs = (read_predictions(folder) for folder in (one, two))
    assert np.allclose(ours.probability, theirs.probability, atol=1e-3)
