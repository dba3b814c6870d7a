"""Robustness of a run: its files, its numbers, and what is refused."""

import json

import pandas as pd
import pytest

from mhclf.config.training import TrainerConfig
from mhclf.errors import RunError
from mhclf.results.robustness import read_robustness
from mhclf.results.robustness_table import robustness_table
from mhclf.training.robustness import measure_robustness
from mhclf.training.run import run
from mhclf.training.saved import read_predictions


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
