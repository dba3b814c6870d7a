"""Scoring files: equal to the run's own probabilities, in order, nothing lost over kills, bounded memory."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import doors
import numpy as np
import pandas as pd
import pytest
from support import LINEAR, SENTENCES

from mhclf.config.run import BatchConfig, OptimConfig, RunConfig, TrainerConfig
from mhclf.data.repair import clean_post
from mhclf.errors import ConfigError, DataError
from mhclf.training import scoring
from mhclf.training.run import run
from mhclf.training.saved import load_run
from mhclf.training.scoring import ScoringConfig, score_file

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY)}
POSTS = [text for group in SENTENCES.values() for text in group]


@pytest.fixture(scope="module")
def folders(encoder_folder, tiny_dataset, tiny_multilabel, tmp_path_factory):
    """Return the folders of a neural, a linear and a multi-label run."""
    base = RunConfig(
        data=str(tiny_dataset),
        encoder=str(encoder_folder("bert")),
        out=str(tmp_path_factory.mktemp("runs")),
        report=False,
        optim=OptimConfig(lr=1e-3, head_lr=1e-2),
        batch=BatchConfig(size=8),
        trainer=TrainerConfig(epochs=1, accelerator="cpu", precision="fp32"),
    )
    configs = {"neural": base, "linear": replace(base, **LINEAR), "several": replace(base, data=str(tiny_multilabel))}
    return {name: run(config).folder for name, config in configs.items()}


def write_csv(path, texts, **columns):
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text", *columns])
        writer.writerows(zip([f"p{n}" for n in range(len(texts))], texts, *columns.values(), strict=True))
    return path


@pytest.mark.parametrize("name", ["neural", "linear", "several"])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_scores_are_those_of_the_run(folders, tmp_path, monkeypatch, name, ending):
    monkeypatch.setattr(scoring, "_PIECE_ROWS", 7)
    loaded = load_run(folders[name])
    raw = [*POSTS, "write to someone@example.org or u/somebody", "itâ€™s the fever", "word " * 3000]
    source = write_csv(tmp_path / "posts.csv", raw)
    pieces = []
    config = ScoringConfig(source, tmp_path / f"out.{ending}", id_column="id")
    outcome = score_file(loaded, config, pieces.append)
    assert (outcome.rows, outcome.broken, outcome.problems, outcome.resumed_at) == (len(raw), 0, None, 0)
    assert [piece.rows for piece in pieces] == [7, 14, 21, 27] and pieces[-1].share == 1
    texts = [clean_post(text, repair=True, mask=True) for text in raw]
    assert texts[-3:-1] == ["write to [email] or u/user", "it’s the fever"]
    expected = loaded.predict_proba(texts)
    readers = {"csv": pd.read_csv, "jsonl": lambda path: pd.read_json(path, lines=True), "parquet": pd.read_parquet}
    found = readers[ending](config.output)
    np.testing.assert_allclose(found[[f"probability/{x}" for x in loaded.labels]].to_numpy(), expected, atol=1e-6)
    assert found["id"].tolist() == [f"p{n}" for n in range(len(raw))]
    predictions = [
        json.loads(cell) if name == "several" and ending == "csv" else list(cell) if name == "several" else cell
        for cell in found["prediction"]
    ]
    assert predictions == loaded.predict(texts)
    sure = np.maximum(expected, 1 - expected).min(axis=1) if name == "several" else expected.max(axis=1)
    np.testing.assert_allclose(found["abstention"], 1 - sure, atol=1e-6)
    content = config.output.read_bytes()
    assert not [text for text in POSTS if text.encode() in content]


def test_half_precision_rounds_and_is_part_of_what_the_output_is_made_from(folders, tmp_path):
    loaded = load_run(folders["neural"])
    source = write_csv(tmp_path / "posts.csv", POSTS)
    found = {}
    for precision in ("fp32", "bf16"):
        config = ScoringConfig(source, tmp_path / f"{precision}.csv", precision=precision)
        score_file(loaded, config, lambda progress: None)
        found[precision] = pd.read_csv(config.output)[[f"probability/{x}" for x in loaded.labels]].to_numpy()
    np.testing.assert_allclose(found["fp32"], loaded.predict_proba(POSTS), atol=1e-6)
    rounded = np.abs(found["bf16"] - found["fp32"]).max()
    assert 1e-6 < rounded < 0.02
    assert (found["bf16"].argmax(axis=1) == found["fp32"].argmax(axis=1)).all()


def test_unmasked_on_request_and_with_context(folders, tmp_path):
    loaded = load_run(folders["neural"])
    raw = ["u/somebody hurts my knee", "u/somebody hurts my knee"]
    source = write_csv(tmp_path / "posts.csv", raw, before=["", "the boss of u/another moved the exam"])
    out = tmp_path / "out.parquet"
    score_file(loaded, ScoringConfig(source, out, context_column="before", mask=False, batch_size=1))
    contexts = ["", "the boss of u/another moved the exam"]
    found = pd.read_parquet(out)
    columns = [f"probability/{label}" for label in loaded.labels]
    np.testing.assert_allclose(found[columns], loaded.predict_proba(raw, contexts), atol=1e-6)
    assert found["id"].tolist() == ["1", "2"]


def test_bad_rows_stand_in_the_output_and_in_the_side_file(folders, tmp_path):
    source = tmp_path / "posts.csv"
    source.write_bytes(b"id,text,mood\nx,my knee hurts,low\ny,caf\xe9 secret,low\nx,,high\nz,one secret\n")
    config = ScoringConfig(source, tmp_path / "out.csv", id_column="id", keep=("mood",))
    outcome = score_file(load_run(folders["linear"]), config)
    assert (outcome.rows, outcome.broken) == (4, 3)
    found = pd.read_csv(config.output)
    assert found["id"].fillna("").tolist() == ["x", "y", "x", ""]
    assert found["prediction"].isna().tolist() == [False, True, True, True]
    assert found["abstention"].isna().tolist() == [False, True, True, True]
    assert found["mood"].fillna("").tolist() == ["low", "", "high", ""]
    problems = [json.loads(line) for line in outcome.problems.read_text().splitlines()]
    assert problems == [
        {"row": 2, "line": 3, "reason": "bytes that do not decode"},
        {"row": 3, "line": 4, "reason": "the text is empty"},
        {"row": 4, "line": 5, "reason": "has 2 cells, the header has 3"},
    ]


def test_a_file_without_rows_gives_an_output_without_rows(folders, tmp_path):
    source = write_csv(tmp_path / "posts.csv", [])
    for ending in ("csv", "jsonl", "parquet"):
        outcome = score_file(load_run(folders["linear"]), ScoringConfig(source, tmp_path / f"out.{ending}"))
        assert outcome.rows == 0 and outcome.output.is_file()
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == 0


def test_limit_and_refusals(folders, tmp_path):
    loaded = load_run(folders["linear"])
    source = write_csv(tmp_path / "posts.csv", POSTS)
    out = tmp_path / "out.jsonl"
    assert score_file(loaded, ScoringConfig(source, out, limit=5)).rows == 5
    with pytest.raises(ConfigError, match="out.jsonl: exists. Give --overwrite"):
        score_file(loaded, ScoringConfig(source, out))
    assert score_file(loaded, ScoringConfig(source, out, overwrite=True)).rows == len(POSTS)
    with pytest.raises(ConfigError, match="posts.csv: is the input. Give another --output."):
        ScoringConfig(source, tmp_path / "." / "posts.csv")
    with pytest.raises(ConfigError, match="limit: is 0, expected 1 or more."):
        ScoringConfig(source, out, limit=0)
    with pytest.raises(ConfigError, match="unknown file ending for an output. Known: csv, jsonl, parquet."):
        score_file(loaded, ScoringConfig(source, tmp_path / "out.xlsx"))
    with pytest.raises(DataError, match="no column 'txt'. Did you mean 'text'?"):
        score_file(loaded, ScoringConfig(source, out, text_column="txt"))


class _StopError(Exception):
    pass


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_going_on_equals_going_through(folders, tmp_path, monkeypatch, ending):
    monkeypatch.setattr(scoring, "_PIECE_ROWS", 5)
    loaded = load_run(folders["linear"])
    source = write_csv(tmp_path / "posts.csv", [text if n % 6 else "" for n, text in enumerate(POSTS)])
    whole = score_file(loaded, ScoringConfig(source, tmp_path / f"whole.{ending}"))
    config = ScoringConfig(source, tmp_path / f"out.{ending}")

    def stop(progress):
        raise _StopError

    for _ in range(4):
        with pytest.raises(_StopError):
            score_file(loaded, config, stop)
        assert not config.output.exists()
    outcome = score_file(loaded, config)
    assert (outcome.resumed_at, outcome.rows, outcome.broken) == (20, len(POSTS), 4)
    assert config.output.read_bytes() == whole.output.read_bytes()
    assert outcome.problems.read_bytes() == whole.problems.read_bytes()


def test_going_on_with_another_run_or_file_is_refused(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "_PIECE_ROWS", 5)
    source = write_csv(tmp_path / "posts.csv", POSTS)
    config = ScoringConfig(source, tmp_path / "out.csv")

    def stop(progress):
        raise _StopError

    with pytest.raises(_StopError):
        score_file(load_run(folders["linear"]), config, stop)
    with pytest.raises(ConfigError, match="was begun with another run. Give what it was begun with"):
        score_file(load_run(folders["neural"]), config)
    with pytest.raises(ConfigError, match="was begun with another mask setting."):
        score_file(load_run(folders["linear"]), replace(config, mask=False))
    write_csv(source, POSTS[::-1])
    with pytest.raises(ConfigError, match="was begun with another input file."):
        score_file(load_run(folders["linear"]), config)


def door(*arguments):
    return doors.door("predict", *arguments)


def test_a_killed_door_goes_on(folders, tmp_path):
    source = write_csv(tmp_path / "posts.csv", [f"{text} {n}" for n in range(1200) for text in POSTS])
    arguments = ["--run", folders["linear"], "--input", source, "--output", tmp_path / "out.csv", "--id-column", "id"]
    command = [sys.executable, str(REPOSITORY / "experiments" / "predict.py"), *map(str, arguments)]
    record = tmp_path / "out.csv.progress.json"
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if record.is_file() and json.loads(record.read_text())["rows"]:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out.csv").exists(), "the door ended before it was killed"
    again = door(*arguments, "--no_mask")
    assert again.returncode == 2 and "begun with another mask setting" in again.stderr
    again = door(*arguments, "--quiet")
    assert again.returncode == 0, again.stderr
    assert "went on behind row " in again.stdout and "28800 rows, texts from column 'text'" in again.stdout
    assert pd.read_csv(tmp_path / "out.csv")["id"].tolist() == [f"p{n}" for n in range(28_800)]


def test_the_door_tells_what_is_wrong(folders, tmp_path):
    source = write_csv(tmp_path / "posts.csv", ["my knee hurts", ""])
    found = door("--run", folders["linear"], "--input", source, "--output", tmp_path / "out.csv")
    assert found.returncode == 0
    assert "1 rows could not be scored and have no prediction; reasons: " in found.stdout
    missing = door("--run", folders["linear"], "--input", tmp_path / "no.csv", "--output", tmp_path / "o.csv")
    assert (missing.returncode, missing.stderr) == (2, f"error: input: {tmp_path / 'no.csv'} is no file.\n")
    foreign = door("--run", tmp_path, "--input", source, "--output", tmp_path / "o.csv")
    assert foreign.returncode == 1 and "is no run folder (no config.yaml)" in foreign.stderr


PEAK = """
import resource, sys
from pathlib import Path
from mhclf.training.saved import load_run
from mhclf.training.scoring import ScoringConfig, score_file
score_file(load_run(sys.argv[1]), ScoringConfig(Path(sys.argv[2]), Path(sys.argv[3])))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_file(folders, tmp_path, ending):
    peaks = []
    for rows in (10_000, 200_000):
        texts = [f"{POSTS[n % len(POSTS)]} {n}" for n in range(rows)]
        source = write_csv(tmp_path / f"{rows}.csv", texts)
        arguments = [str(folders["neural"]), str(source), str(tmp_path / f"{rows}.{ending}.{ending}")]
        found = subprocess.run(
            [sys.executable, "-c", PEAK, *arguments], capture_output=True, text=True, env=ENVIRONMENT
        )
        assert found.returncode == 0, found.stderr
        peaks.append(int(found.stdout))
    assert peaks[1] <= peaks[0] + 150, peaks
