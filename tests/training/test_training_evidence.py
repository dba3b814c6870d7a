"""Runs that learn from marked words: what they gain, what they save, what is refused."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from support import write_tiny_dataset

from explain import attribute
from explain.extraction import rationale_head
from explain.model import ExplainedModel, Target
from explain.reading import ReadPost
from mhclf.config.loss import ContrastiveConfig, EvidenceConfig
from mhclf.config.model import ModelConfig
from mhclf.config.run import RunConfig
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.data.load import load_table
from mhclf.data.spans import align, marked_words
from mhclf.data.spans import words as split_words
from mhclf.errors import ConfigError, RunError
from mhclf.training.run import run
from mhclf.training.saved import load_run, read_predictions


@pytest.fixture(scope="module")
def marked_set(tmp_path_factory):
    """Return the tiny set, whose experts marked the first two words of every post."""
    path = write_tiny_dataset(tmp_path_factory.mktemp("marked"), name="marked")
    rows = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    for row in rows:
        row["evidence"] = " ".join(row["text"].split()[:2])
    path.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path.write_text(path.read_text() + "rationale: {column: evidence, kind: phrases}\n")
    return path


@pytest.fixture(scope="module")
def config(encoder_folder, marked_set, tmp_path_factory):
    return RunConfig(
        data=str(marked_set),
        encoder=str(encoder_folder("bert")),
        out=str(tmp_path_factory.mktemp("runs")),
        report=False,
        contrastive=ContrastiveConfig(weight=0),
        optim=OptimConfig(lr=3e-3, head_lr=1e-2),
        batch=BatchConfig(size=8),
        trainer=TrainerConfig(epochs=8, accelerator="cpu", precision="fp32"),
    )


def hits(loaded, data, method):
    """Return the mean share of positive scores that lies on marked words of test posts."""
    table = load_table(str(data)).part("test")
    shares = []
    for found, rationale in zip(attribute(loaded, table.texts, method=method), table.rationales, strict=True):
        scores = np.maximum(found.scores, 0)
        shares.append(scores[marked_words(found.words, rationale.spans)].sum() / scores.sum())
    return np.mean(shares)


def test_attention_goes_to_marked_words(config, marked_set):
    plain = load_run(run(config).folder)
    outcome = run(replace(config, evidence=EvidenceConfig(attention_weight=3.0, ramp="constant")))
    taught = load_run(outcome.folder)
    assert hits(taught, marked_set, "attention") > 1.5 * hits(plain, marked_set, "attention")
    with (outcome.folder / "training_log.csv").open(newline="") as file:
        losses = [float(row["loss/evidence"]) for row in csv.DictReader(file) if row["kind"] == "step"]
    assert sum(losses[-5:]) < 0.95 * sum(losses[:5])


def test_a_head_marks_words_beside_the_label(config, marked_set):
    outcome = run(replace(config, evidence=EvidenceConfig(head_weight=3.0, ramp="constant")))
    taught = load_run(outcome.folder)
    assert hits(taught, marked_set, "rationale_head") > 1.5 * hits(taught, marked_set, "attention")
    (found,) = attribute(taught, ["my sister never calls"], method="rationale_head")
    assert all(0 < score < 1 for score in found.scores)
    # Words that share a token share its probability: it is a mean, and no sum.
    ids, signs = torch.tensor([7, 9, 11]), split_words("... x")
    post = ReadPost("... x", "", tuple(signs), ids, None, align([(0, 3), (4, 5), (4, 5)], signs))
    with torch.no_grad():
        batch = {"input_ids": ids[None], "attention_mask": torch.ones(1, 3, dtype=torch.int64)}
        first, *others = taught.parts()[0](batch).evidence[0].sigmoid().tolist()
    (shared,) = rationale_head(ExplainedModel(taught), [post], [Target(0)], 0)
    assert shared.scores.tolist() == pytest.approx([first, first, first, sum(others) / 2], abs=1e-6)
    test = read_predictions(outcome.folder).part("test")
    table = load_table(str(marked_set))
    texts = dict(zip(table.frame["id"].astype(str), table.texts, strict=True))
    again = taught.predict_proba([texts[identifier] for identifier in test.ids])
    assert np.allclose(again, test.probability, atol=1e-6)
    plain = load_run(run(config).folder)
    with pytest.raises(RunError, match="has no head for evidence. Train it with --method rationale_head."):
        attribute(plain, ["a post"], method="rationale_head")


def test_refusals(config, tiny_dataset):
    taught = replace(config, evidence=EvidenceConfig(head_weight=1.0))
    with pytest.raises(ConfigError) as error:
        run(replace(taught, data=str(tiny_dataset)))
    assert str(error.value) == ("tiny: evidence: no train post has words that an expert marked. Choose another recipe.")
    cnn = ModelConfig(kind="cnn", aggregation="last")
    with pytest.raises(ConfigError) as error:
        run(replace(config, model=cnn, evidence=EvidenceConfig(attention_weight=1.0)))
    assert str(error.value) == "evidence: attention_weight: 'cnn' has no attention. Use --evidence.head_weight."
