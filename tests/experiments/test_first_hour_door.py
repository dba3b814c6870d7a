"""A new user's first hour: a plain file, no YAML, through the doors; messages, exit codes, names of runs."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support import SENTENCES

from mhclf.errors import ConfigError, DataError

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def train():
    spec = importlib.util.spec_from_file_location("train_door", REPOSITORY / "experiments" / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame(
        [
            {"post": f"{text} {copy}", "stressed": "no" if label == "people" else "yes", "author": f"{label}{number}"}
            for label, sentences in SENTENCES.items()
            for number, text in enumerate(sentences)
            for copy in ("today", "as ever", "i think")
        ]
    )
    frame.to_csv("my posts.csv", index=False)
    return frame


def run_folder(printed):
    return Path(re.search(r"run folder: (\S+)", printed)[1])


def test_a_plain_file_its_yaml_and_a_changed_file(train, here, capsys):
    options = ["--method", "tfidf_lr", "--report", "false"]
    assert train(["--data", "my posts.csv", *options]) == 0
    printed = capsys.readouterr().out
    assert "my posts.csv: no YAML is given, so this is guessed:\n  text: column 'post' (by its name; " in printed
    assert (
        "label: column 'stressed' (the only one with a few values that recur), 2 labels: 'no' 24, 'yes' 48" in printed
    )
    assert "group: column 'author' (by its name; 24 values" in printed
    folder = run_folder(printed)
    assert folder.parent == Path("runs/my_posts")

    yaml = (folder / "dataset.yaml").read_text()
    assert "".join(f"  {line}\n" for line in yaml.splitlines()) in printed
    Path("kept.yaml").write_text(yaml)
    for same in (["kept.yaml"], ["my posts.csv", "--columns.text", "post", "--columns.label", "stressed"]):
        assert train(["--data", *same, *options]) == 0
        again = capsys.readouterr().out
        assert "(was complete already" in again and run_folder(again) == folder

    here.iloc[1:].to_csv("my posts.csv", index=False)
    assert train(["--data", "my posts.csv", *options]) == 0
    assert run_folder(capsys.readouterr().out) != folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "my post.csv"], "there is no file 'my post.csv'. Did you mean 'my posts.csv'?"),
        (
            ["--data", "my posts.csv", "--columns.label", "stresed"],
            "has no column 'stresed' (or has it twice). Did you",
        ),
        (["--data", "my posts.csv", "--columns.text", "stressed", "--columns.label", "post"], "has another value in"),
        (["--data", "demo", "--columns.text", "post"], "columns: are for a data file without a YAML"),
        (["--encoder", "minilmm"], "encoder: 'minilmm' is no built-in name. Did you mean 'minilm'?"),
        (["--method", "tfidf_lr", "--trainer.strategy", "dpp"], "none that Lightning knows. Did you mean 'ddp'?"),
        (["--method", "tfidf_lr", "--trainer.accelerator", "cpuu"], "none that Lightning knows. Did you mean 'cpu'?"),
        (
            ["--data", "posts.txt"],
            "give the path of its YAML or of its data file (csv, tsv, json, jsonl, parquet, xlsx).",
        ),
    ],
)
def test_what_stops_is_one_message(arguments, message, train, here):
    with pytest.raises((ConfigError, DataError)) as error:
        train(arguments)
    assert error.value.exit_code == 2 and message in str(error.value)


def test_an_output_that_stands_there_is_told_at_once(here):
    Path("scores.csv").write_text("kept\n")
    door = [sys.executable, str(REPOSITORY / "experiments" / "predict.py")]
    options = ["--run", "nowhere", "--input", "my posts.csv", "--output", "scores.csv"]
    found = subprocess.run([*door, *options], capture_output=True, text=True, env={"PYTHONPATH": str(REPOSITORY)})
    assert (found.returncode, Path("scores.csv").read_text()) == (2, "kept\n")
    assert found.stderr == "error: scores.csv: exists. Give --overwrite to replace it, or another --output.\n"
