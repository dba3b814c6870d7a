"""Robustness of a run: its files, its numbers, and what is refused."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from doors import door
from support import LINEAR

from mhclf.config.training import TrainerConfig
from mhclf.errors import RunError
from mhclf.results.robustness import read_robustness
from mhclf.results.robustness_table import robustness_table
from mhclf.training.robustness import measure_robustness
from mhclf.training.run import run
from mhclf.training.saved import read_predictions

REPOSITORY = Path(__file__).resolve().parents[2]


def test_flips_are_those_of_the_saved_predictions(tiny_config):
    outcome = run(tiny_config(trainer=TrainerConfig(epochs=6, accelerator="cpu", precision="fp32")))
    measured = measure_robustness(outcome.folder, ["typos", "lower_case"], 0.8, seed=3)
    assert read_robustness(outcome.folder / "robustness" / "robustness.json") == measured
    found = measured.kinds
    saved = read_predictions(outcome.folder).part("test")
    noisy = pd.read_parquet(outcome.folder / "robustness" / "typos.parquet")
    assert noisy["id"].tolist() == saved.ids.tolist()
    assert "text" not in noisy.columns
    before = pd.read_parquet(outcome.folder / "predictions.parquet").query("split == 'test'")["prediction"]
    assert found["typos"].flipped == pytest.approx((before.to_numpy() != noisy["prediction"].to_numpy()).mean())
    assert found["lower_case"].flipped == 0, "the tiny tokenizer lower-cases, and so are its posts"
    assert measured.touched == {"typos": 1.0, "lower_case": 0.0}
    kept = json.loads((outcome.folder / "robustness" / "robustness.json").read_text())
    assert kept["kinds"]["typos"]["flipped"] == found["typos"].flipped
    assert measure_robustness(outcome.folder, ["typos"], 0.8, seed=3).kinds["typos"] == found["typos"]
    assert [row[0] for row in robustness_table(measured).rows] == ["typos", "lower case"]


def test_other_data_are_refused(tiny_config):
    outcome = run(tiny_config())
    path = outcome.folder / "predictions.parquet"
    frame = pd.read_parquet(path)
    frame["id"] = [f"x{number}" for number in range(len(frame))]
    frame.to_parquet(path)
    with pytest.raises(RunError) as error:
        measure_robustness(outcome.folder, ["typos"], 0.1, seed=0)
    assert str(error.value) == (
        f"{outcome.folder}: its test rows are not those that the data set gives now. Train it again."
    )


def test_a_headline_that_needs_probabilities_gives_way_to_macro_f1(tiny_config, tiny_dataset, tmp_path):
    data = tmp_path / "ranked.yaml"
    text = re.sub(r"metrics: .*", "metrics: [auroc, accuracy]", tiny_dataset.read_text())
    data.write_text(text.replace("tiny.jsonl", str(tiny_dataset.with_suffix(".jsonl"))))
    outcome = run(tiny_config(data=str(data), **LINEAR))
    assert measure_robustness(outcome.folder, ["typos"], 0.5, seed=0).kinds["typos"].metric == "macro_f1"


def test_a_run_without_test_predictions_is_refused(tiny_config):
    outcome = run(tiny_config(test=False, **LINEAR))
    with pytest.raises(RunError) as error:
        measure_robustness(outcome.folder, ["typos"], 0.1, seed=0)
    assert str(error.value) == f"{outcome.folder}: has no test predictions. Train it again without --no-test."


def test_the_door_writes_what_it_measured_into_the_report(tiny_config):
    outcome = run(tiny_config(report=True, **LINEAR))
    report = outcome.folder / "report.html"
    assert 'id="robustness"' not in report.read_text()
    done = door("evaluate", "--run", outcome.folder, "--noise", "typos")
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'id="robustness"' in report.read_text()
    assert "Robustness: Small changes" in (outcome.folder / "MODEL_CARD.md").read_text()
