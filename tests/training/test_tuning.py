"""Searches: by validation alone, the same after a kill, settings that train.py takes."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from support import LINEAR, write_tiny_dataset

from mhclf.config.command_line import build_config
from mhclf.config.places import recipe_folder
from mhclf.config.run import OptimConfig, TrainerConfig
from mhclf.config.structure import read_yaml
from mhclf.config.tuning import parse_space
from mhclf.errors import RunError
from mhclf.results.records import read_records
from mhclf.training import tune as tuning
from mhclf.training.console import tune_tables
from mhclf.training.tune import tune

REPOSITORY = Path(__file__).resolve().parents[2]
SPACE = parse_space("lr=1e-4..1e-2:log,contrastive.weight=0..1,pooling=mean|cls")
ONE = TrainerConfig(epochs=1, accelerator="cpu", precision="fp32")


def recipe(config):
    return build_config(recipe_folder(), {"method": config.method})


def test_trials_best_and_settings(tiny_config):
    config = tiny_config(trainer=ONE)
    seen = []
    outcome = tune(config, SPACE, 5, recipe(config), seen.append)
    assert list(outcome.trials) == seen and [trial.number for trial in seen] == [0, 1, 2, 3, 4]
    assert outcome.best.score == max(trial.score for trial in seen)
    assert len({tuple(trial.values.values()) for trial in seen}) == 5
    assert all(1e-4 <= trial.values["optim.lr"] <= 1e-2 for trial in seen)
    assert sum(outcome.importances.values()) == pytest.approx(1) or not outcome.importances
    best = build_config(recipe_folder(), read_yaml(outcome.settings))
    assert best.optim.lr == outcome.best.values["optim.lr"] and best.optim.head_lr == config.optim.head_lr
    assert best.model.pooling == outcome.best.values["model.pooling"] and best.trainer == TrainerConfig(
        epochs=1, accelerator="cpu", precision="fp32"
    )
    assert best.test and best.report and best.data == config.data
    more = tune(config, SPACE, 6, recipe(config))
    assert more.trials[:5] == outcome.trials and len(more.trials) == 6


def test_the_least_is_best_where_less_is_better(tiny_config, tmp_path):
    path = write_tiny_dataset(tmp_path / "data")
    path.write_text(re.sub("metrics: .*", "metrics: [nll, accuracy]", path.read_text()))
    config = tiny_config(data=str(path), trainer=ONE)
    outcome = tune(config, parse_space("lr=1e-6..1e-2:log"), 3, recipe(config))
    scores = [trial.score for trial in outcome.trials]
    assert outcome.best.score == min(scores) < max(scores)
    table = tune_tables(outcome)[0]
    assert [row[1] for row in table.rows] == sorted(scores)
    assert table.columns[1].direction == "lower"
    path.write_text(path.read_text().replace("[nll, accuracy]", "[accuracy, nll]"))
    with pytest.raises(RunError) as error:
        tune(config, parse_space("lr=1e-6..1e-2:log"), 3, recipe(config))
    assert str(error.value) == (
        f"{outcome.folder}: was begun by another metric. Remove the folder, or give the same files."
    )


def test_scores_are_those_of_validation_and_no_test_post_is_scored(tiny_config, tmp_path):
    config = tiny_config(trainer=ONE)
    outcome = tune(config, SPACE, 2, recipe(config))
    folders = list((outcome.folder / "runs" / "tiny").iterdir())
    records = [record for folder in folders for record in read_records(folder / "results.jsonl")]
    assert len(folders) == 2 and {record.split for record in records} == {"validation"}
    values = {r.value for r in records if (r.slice, r.metric, r.method) == ("all", "macro_f1", "lara_supcon")}
    assert values == {trial.score for trial in outcome.trials}


def test_other_test_labels_change_nothing(tiny_config, tmp_path):
    path = write_tiny_dataset(tmp_path / "data")
    config = tiny_config(data=str(path), trainer=ONE)
    rows = [json.loads(line) for line in (tmp_path / "data" / "tiny.jsonl").read_text().splitlines()]
    from mhclf.data.load import load_table

    split = load_table(str(path)).frame.set_index("id")["split"].to_dict()
    # The parts are drawn once; then they are given, so that other labels do not move a row.
    path.write_text(
        path.read_text()
        .replace("group: group}", "group: group, split: part}")
        .replace("splits: {kind: ratio, test: 0.25}", "splits: {kind: given}")
    )
    scores = []
    for flip in (False, True):
        lines = [
            row | {"part": split[row["id"]]} | ({"label": "work"} if flip and split[row["id"]] == "test" else {})
            for row in rows
        ]
        (tmp_path / "data" / "tiny.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        found = tune(tiny_config(data=str(path), trainer=ONE, out=str(tmp_path / f"o{flip}")), SPACE, 2, recipe(config))
        scores.append([(trial.values, trial.score) for trial in found.trials])
    assert scores[0] == scores[1]
    (tmp_path / "oTrue").rename(tmp_path / "oThird")
    lines = [line for line in lines if line["part"] != "test"]
    (tmp_path / "data" / "tiny.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(RunError, match="was begun on other data. Remove the folder, or give the same files."):
        tune(tiny_config(data=str(path), trainer=ONE, out=str(tmp_path / "oThird")), SPACE, 3, recipe(config))


class _KillError(BaseException):
    pass


def test_a_killed_search_equals_one_that_was_not(tiny_config, tmp_path, monkeypatch):
    config = tiny_config(trainer=ONE)
    whole = tune(config, SPACE, 4, recipe(config))
    again = tiny_config(trainer=ONE, out=str(tmp_path / "again"))
    real = tuning.run

    def dies(given):
        real(given)
        raise _KillError

    for _ in range(2):
        monkeypatch.setattr(tuning, "run", dies)
        with pytest.raises(_KillError):
            tune(again, SPACE, 4, recipe(config))
        monkeypatch.setattr(tuning, "run", real)
        tune(again, SPACE, 2, recipe(config))
    found = tune(again, SPACE, 4, recipe(config))
    assert found.trials == whole.trials
    assert len(list((found.folder / "runs" / "tiny").iterdir())) == 4


def test_failed_trials_are_passed_over(tiny_config):
    config = tiny_config(trainer=ONE, optim=OptimConfig(lr=1e30, head_lr=1e30, warmup=0.0, gradient_clip=0))
    with pytest.raises(RunError, match="every trial failed."):
        tune(config, parse_space("contrastive.weight=0..1"), 2, recipe(config))


@pytest.mark.slow
def test_the_door_goes_on_after_a_kill(tiny_config, tmp_path):
    config = tiny_config()
    command = [sys.executable, "experiments/tune.py", "--data", config.data, "--encoder", config.encoder]
    command += ["--out", str(tmp_path / "out"), "--trainer.epochs", "1", "--trainer.accelerator", "cpu"]
    command += ["--trials", "4", "--space", "lr=1e-4..1e-2:log,model.dropout=0..0.4"]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None and process.stdout.readline().startswith("[1/4] 0.")
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, env=dict(os.environ))
    assert found.returncode == 0, found.stderr
    assert "[1/4]" not in found.stdout and "[4/4]" in found.stdout and "4 trials" in found.stdout
    assert "the test set was not opened" in " ".join(found.stdout.split())


def test_the_linear_recipe_has_nothing_to_tune_but_runs(tiny_config):
    config = tiny_config(**LINEAR)
    outcome = tune(config, parse_space("max_length=16|32"), 2, recipe(config))
    assert outcome.importances == {}
