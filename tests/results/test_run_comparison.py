"""Several runs on one page: refused unless on the same rows; numbers recomputed; texts only when given."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from mhclf.errors import DataError, RunError
from mhclf.evaluation import holm, paired_bootstrap, paired_permutation
from mhclf.results.compare import differences_table, metrics_table, read_runs, write_comparison
from mhclf.results.runfolder import read_run


def another_run(folder, target, *, method="other", keep=0.7, seed=1):
    """Copy a run and give some posts another answer; rows come in another order."""
    shutil.copytree(folder, target)
    random = np.random.default_rng(seed)
    frame = pd.read_parquet(target / "predictions.parquet")
    labels = [name.removeprefix("probability/") for name in frame if name.startswith("probability/")]
    moved = random.random(len(frame)) > keep
    guesses = random.choice(labels, len(frame))
    if isinstance(frame["gold"].iloc[0], str):
        frame["prediction"] = np.where(moved, guesses, frame["prediction"])
    else:
        pairs = zip(moved, guesses, frame["prediction"], strict=True)
        frame["prediction"] = [[guess] if change else list(old) for change, guess, old in pairs]
    frame.sample(frac=1, random_state=0).to_parquet(target / "predictions.parquet")
    config = yaml.safe_load((target / "config.yaml").read_text()) | {"method": method}
    (target / "config.yaml").write_text(yaml.safe_dump(config))
    lines = (target / "results.jsonl").read_text().replace('"layer_attentive_supcon"', f'"{method}"')
    (target / "results.jsonl").write_text(lines)
    return target


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_differences_are_paired_and_corrected(make_run, tmp_path, task):
    first = make_run(tmp_path / "first", task=task)
    folders = [
        first,
        another_run(first, tmp_path / "second"),
        another_run(first, tmp_path / "third", method="x", seed=2),
    ]
    table = differences_table(read_runs(folders))
    runs = [read_run(folder) for folder in folders]
    base = runs[0].predictions
    labels = base.labels
    expected, p_values = [], []
    for run in runs[1:]:
        rows = [run.predictions.ids.index(name) for name in base.ids]
        for metric in ("macro_f1", "subset_accuracy" if task == "multilabel" else "accuracy"):
            arrays = (metric, base.gold_classes, run.predictions.predicted_classes[rows], base.predicted_classes)
            test = paired_permutation(*arrays, base.groups, 2000, labels=labels)
            ends = paired_bootstrap(*arrays, base.groups, 2000, labels=labels)
            expected.append(f"{test.difference:.3f} [{ends.ci_low:.3f}, {ends.ci_high:.3f}]")
            p_values.append(test.p_value)
    assert [row[2].replace("-0.000", "0.000") for row in table.rows] == [e.replace("-0.000", "0.000") for e in expected]
    assert [row[3] for row in table.rows] == [f"{p:.3f}" for p in p_values]
    assert [str(row[4]).rstrip("*") for row in table.rows] == [f"{p:.3f}" for p in holm(p_values)]
    assert [row[0] for row in table.rows] == ["other", "other", "x", "x"]


def test_the_best_value_of_a_row_is_strong_whatever_its_direction(make_run, tmp_path):
    first = make_run(tmp_path / "first")
    second = another_run(first, tmp_path / "second")
    text = (second / "results.jsonl").read_text()
    (second / "results.jsonl").write_text(text.replace("0.0512", "0.0410").replace("0.7124", "0.6600"))
    table = metrics_table(read_runs([first, second]))
    rows = {row[0]: row[1:] for row in table.rows}
    assert [type(cell).__name__ for cell in rows["Macro-F1 ↑"]] == ["Strong", "str"]
    assert [type(cell).__name__ for cell in rows["Expected calibration error ↓"]] == ["str", "Strong"]
    assert rows["AUROC ↑"] == ("–", "–")


def test_the_page_lists_disagreements_escaped_and_without_texts(make_run, tmp_path):
    labels = ("<b>one</b>", "two & three", "four")
    first = make_run(tmp_path / "first", labels=labels, title="<script>alert(1)</script>")
    second = another_run(first, tmp_path / "second", method="<i>other</i>")
    page = write_comparison([first, second], tmp_path / "page.html").read_text()
    assert "<script>alert(1)" not in page and "<b>one" not in page and "<i>other" not in page
    assert 'class="post"' not in page and 'id="show-texts"' not in page
    runs = read_runs([first, second])
    ours, theirs = (found.predicted_classes for found in runs.predictions)
    differ = int((ours != theirs).sum())
    assert f"The runs answer {differ} of 60 posts differently." in page
    assert page.count("<tbody data-gold=") == differ
    assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")


def test_texts_are_in_the_page_hidden_and_escaped_only_for_disagreements(make_run, tmp_path):
    first = make_run(tmp_path / "first")
    second = another_run(first, tmp_path / "second")
    texts = {f"post-{k:04d}": f"<img src=x onerror=alert({k})>" for k in range(60)}
    page = write_comparison([first, second], tmp_path / "page.html", texts).read_text()
    assert "<img src=x" not in page
    shown = re.findall(r'<tr id="text-\d+" class="text" hidden>.*?&lt;img src=x onerror=alert\((\d+)\)', page)
    runs = read_runs([first, second])
    ours, theirs = (found.predicted_classes for found in runs.predictions)
    assert {f"post-{int(k):04d}" for k in shown} == {
        runs.predictions[0].ids[row] for row in np.flatnonzero(ours != theirs)
    }


def test_runs_that_agree_say_so(make_run, tmp_path):
    first = make_run(tmp_path / "first")
    second = another_run(first, tmp_path / "second", keep=1.1)
    assert "The runs answer every post alike." in write_comparison([first, second], tmp_path / "page.html").read_text()


def test_names_tell_runs_apart(make_run, tmp_path):
    first = make_run(tmp_path / "first")
    second = another_run(first, tmp_path / "second", method="layer_attentive_supcon")
    assert read_runs([first, second]).names == (
        "layer_attentive_supcon minilm seed 1 (1)",
        "layer_attentive_supcon minilm seed 1 (2)",
    )
    config = yaml.safe_load((second / "config.yaml").read_text()) | {"seed": 2}
    (second / "config.yaml").write_text(yaml.safe_dump(config))
    assert read_runs([first, second]).names == ("layer_attentive_supcon seed 1", "layer_attentive_supcon seed 2")


def change(folder, name, **values):
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(content | values))


def test_runs_on_other_rows_are_refused(make_run, tmp_path):
    first = make_run(tmp_path / "first")
    with pytest.raises(DataError, match="a comparison needs two runs or more, 1 given"):
        read_runs([first])
    with pytest.raises(DataError, match=r"first is given twice\."):
        read_runs([first, Path(tmp_path / "x" / ".." / "first")])
    with pytest.raises(RunError, match="is no folder"):
        read_runs([first, tmp_path / "nowhere"])
    other = another_run(first, tmp_path / "other")
    change(other, "data_manifest.json", hashes={"data": "f" * 16})
    with pytest.raises(DataError, match=r"other was evaluated on other data than .*first \(f{16}, not da.*same rows"):
        read_runs([first, other])
    fewer = another_run(first, tmp_path / "fewer")
    frame = pd.read_parquet(fewer / "predictions.parquet")
    frame[frame["id"] != "post-0007"].to_parquet(fewer / "predictions.parquet")
    with pytest.raises(DataError, match=r"holds 59 posts and .*first 60; 1 of the latter are missing"):
        read_runs([first, fewer])
    regolded = another_run(first, tmp_path / "regolded")
    frame = pd.read_parquet(regolded / "predictions.parquet")
    frame["gold"] = frame["gold"].iloc[0]
    frame.to_parquet(regolded / "predictions.parquet")
    with pytest.raises(DataError, match="has other gold labels than"):
        read_runs([first, regolded])
    empty = another_run(first, tmp_path / "empty")
    (empty / "predictions.parquet").unlink()
    with pytest.raises(DataError, match=r"empty has no predictions. Was the run finished\?"):
        read_runs([first, empty])
