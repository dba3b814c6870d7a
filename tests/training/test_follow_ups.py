"""Suites whose runs are scored on other data sets and on changed posts: measured once, read back, failures named."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score
from support import LINEAR

from mhclf.config.suite import GridConfig, PlannedCell, SuiteConfig
from mhclf.config.suite_grid import NoiseConfig, TargetConfig
from mhclf.results.suite import read_suite_records, write_suite_records
from mhclf.results.suite_table import suite_markdown
from mhclf.training.follow_ups import count_follow_ups, follow_up
from mhclf.training.saved import load_run
from mhclf.training.suite_records import gather

POSTS = [
    ("the left shoulder burns after a night of packing boxes", "physical"),
    ("my ankle is swollen and the bandage is too tight", "physical"),
    ("a quiet weekend with cousins who cook far too much", "social"),
    ("invoices pile up and the accountant has resigned too", "job"),
    ("they want the report on friday and the printer is dead", "job"),
    ("rain since tuesday and the garden is one big puddle", "weather"),
]
MAP = {"physical": "body", "social": "people", "job": "work"}
NOISE = NoiseConfig(("typos", "lower_case"), 0.3, 4)


@pytest.fixture
def target(tmp_path):
    """A data set of which two labels have a source: the third source label is never right there."""

    def write(posts=POSTS):
        folder = tmp_path / "there"
        folder.mkdir(exist_ok=True)
        rows = [{"id": f"n{n}", "text": text, "label": label, "part": "test"} for n, (text, label) in enumerate(posts)]
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "there.yaml").write_text(
            "name: there\ntask: multiclass\nlabels: [physical, social, job, weather]\nsource: {files: rows.jsonl}\n"
            "columns: {id: id, text: text, label: label, split: part}\nmetrics: [accuracy, macro_f1]\n"
        )
        return str(folder / "there.yaml")

    return write


@pytest.fixture
def planned(tiny_config, target):
    without_people = TargetConfig(target(), {"physical": "body", "job": "work"})
    return [PlannedCell(tiny_config(**LINEAR, seed=seed), "tfidf_lr", "", (without_people,), NOISE) for seed in (1, 2)]


def test_a_table_for_each_target_and_each_change(planned, carry_out, tmp_path):
    done = carry_out(planned)
    assert [item.dataset for item in gather(done).rows] == ["tiny"], "nothing followed yet"
    assert count_follow_ups(planned[0]) == 3
    assert follow_up(done) == []
    records = gather(done)
    assert [item.dataset for item in records.rows] == ["tiny", "tiny \u2192 there", "tiny, typos", "tiny, lower_case"]

    # The transfer's numbers are those of its predictions; a decision for "people" is wrong.
    folder = done[0].outcome.folder
    texts = [text for text, label in POSTS if label in {"physical", "job"}]
    gold = [MAP[label] for _, label in POSTS if label in {"physical", "job"}]
    decided = load_run(folder).predict(texts)
    (run,) = (run for run in records.runs if run.dataset == "tiny \u2192 there" and run.seed == 1)
    assert run.values["accuracy"] == pytest.approx(accuracy_score(gold, decided))
    assert run.values["macro_f1"] == pytest.approx(f1_score(gold, decided, labels=["body", "work"], average="macro"))
    assert run.correct == ("".join(str(int(g == d)) for g, d in zip(gold, decided, strict=True)),)
    (rows,) = (rows for rows in records.rows if rows.dataset == "tiny \u2192 there")
    assert rows.headline_metrics == ("accuracy", "macro_f1") and rows.labels == 2 and len(rows.ids) == len(gold)
    assert rows.rows == {"read": 6, "without_source_label": 2, "shared_with_training": 0, "scored": 4}

    # Under noise: the run's own rows, other predictions.
    frame = pd.read_parquet(folder / "robustness" / "typos.parquet")
    (noisy,) = (run for run in records.runs if run.dataset == "tiny, typos" and run.seed == 1)
    assert noisy.values["accuracy"] == pytest.approx(np.mean(frame["gold"] == frame["prediction"]))
    assert noisy.seconds == 0 and "auroc" in noisy.values
    hashes = {run.dataset: run.data_hash for run in records.runs}
    assert len(set(hashes.values())) == 4
    ids = {rows.dataset: rows.ids for rows in records.rows}
    assert ids["tiny"] == ids["tiny, typos"] and not set(ids["tiny"]) & set(ids["tiny \u2192 there"])

    file = write_suite_records(tmp_path / "s.jsonl", records)
    grid = GridConfig(("tiny",), ("tfidf_lr",), (1, 2), ("tiny-bert",), targets=planned[0].targets, noise=NOISE)
    suite = SuiteConfig("s", (grid,), baselines=("tfidf_lr",))
    assert suite.datasets == tuple(item.dataset for item in records.rows)
    table = suite_markdown(suite, read_suite_records(file), "make it")
    assert "n = 4 test rows in 4 groups (read 6, without_source_label 2, shared_with_training 0, scored 4)" in table
    assert "Not run yet" not in table


def test_what_was_measured_is_not_measured_again(planned, carry_out, target):
    done = carry_out(planned[:1])
    follow_up(done)
    folder = done[0].outcome.folder
    files = [folder / "transfer" / "there" / "manifest.json", folder / "robustness" / "robustness.json"]
    times = [file.stat().st_mtime_ns for file in files]
    assert follow_up(done) == []
    assert [file.stat().st_mtime_ns for file in files] == times
    # Other rows under the same name, another map, one more kind: only what changed is measured.
    target(POSTS[:-1])
    more = replace(planned[0], noise=replace(NOISE, kinds=("typos", "upper_case")))
    again = [replace(done[0], planned=more)]
    assert follow_up(again) == []
    assert [new.stat().st_mtime_ns > old for new, old in zip(files, times, strict=True)] == [True, True]
    assert set(json.loads(files[1].read_text())["kinds"]) == {"typos", "lower_case", "upper_case"}
    assert [item.rows["read"] for item in gather(again).rows if "there" in item.dataset] == [5]
    other = replace(more, targets=(replace(more.targets[0], label_map=MAP),), noise=None)
    assert [item.dataset for item in gather([replace(done[0], planned=other)]).rows] == ["tiny"]


def test_a_follow_up_that_fails_is_named_and_the_rest_goes_on(planned, carry_out):
    bad = (TargetConfig("no-such-set"), TargetConfig(planned[0].targets[0].data, {"physical": "bodi"}))
    cell = replace(planned[0], targets=bad, noise=NoiseConfig(("typo",)))
    done = carry_out([cell])
    failed = follow_up(done)
    assert [item.planned.name for item in failed] == [
        "tiny \u2192 no-such-set tfidf_lr tiny-bert seed 1",
        "tiny \u2192 there tfidf_lr tiny-bert seed 1",
        "tiny, typo tfidf_lr tiny-bert seed 1",
    ]
    assert [item.failure.message[:45] for item in failed] == [
        "data: no data set is called 'no-such-set'. Kn",
        "label map: physical: 'bodi' is no label of th",
        "Unknown noise 'typo'. Did you mean 'typos'? K",
    ]
    runs = {run.dataset: run.error for run in gather([*done, *failed]).runs}
    assert runs["tiny"] == "" and runs["tiny \u2192 there"] == "ConfigError"
