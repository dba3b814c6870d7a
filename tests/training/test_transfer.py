"""A run on another data set: shared posts left out, numbers recomputed from the files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from doors import door
from sklearn.metrics import accuracy_score, f1_score
from support import LINEAR, SENTENCES, write_tiny_dataset

from mhclf.data.load import load_table
from mhclf.errors import ConfigError, DataError, RunError
from mhclf.results.records import read_records
from mhclf.training.prepared import prepare_data
from mhclf.training.run import run
from mhclf.training.saved import load_run
from mhclf.training.transfer import evaluate_on

REPOSITORY = Path(__file__).resolve().parents[2]
NEW = [
    ("the left shoulder burns after a night of packing boxes", "physical"),
    ("a quiet weekend with cousins who cook far too much", "social"),
    ("invoices pile up and the accountant has resigned too", "job"),
    ("rain since tuesday and the garden is one big puddle", "weather"),
]


@pytest.fixture
def folder(tiny_config):
    return run(tiny_config(**LINEAR)).folder


def write_target(path, rows, labels=("physical", "social", "job", "weather"), split="test"):
    path.mkdir()
    lines = [{"id": f"n{n}", "text": text, "label": label, "part": split} for n, (text, label) in enumerate(rows)]
    (path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (path / "target.yaml").write_text(
        f"name: target\ntask: multiclass\nlabels: [{', '.join(labels)}]\nsource: {{files: rows.jsonl}}\n"
        "columns: {id: id, text: text, label: label, split: part}\n"
    )
    return str(path / "target.yaml")


MAP = {"physical": "body", "social": "people", "job": "work"}


def test_numbers_come_from_the_predictions(folder, tmp_path):
    data = write_target(tmp_path / "target", NEW)
    outcome = evaluate_on(folder, data, MAP)
    assert outcome.rows == {"read": 4, "without_source_label": 1, "shared_with_training": 0, "scored": 3}
    assert outcome.folder == folder / "transfer" / "target" and outcome.classes == ("physical", "social", "job")
    frame = pd.read_parquet(outcome.folder / "predictions.parquet")
    loaded = load_run(folder)
    texts = [text for text, label in NEW if label in MAP]
    columns = [f"probability/{name}" for name in outcome.classes]
    source = loaded.predict_proba(texts)[:, [loaded.labels.index(name) for name in ("body", "people", "work")]]
    np.testing.assert_allclose(frame[columns], source, atol=1e-6)
    assert frame["gold"].tolist() == ["physical", "social", "job"]
    assert [MAP[name] for name in frame["prediction"]] == loaded.predict(texts)
    values = {record.metric: record.value for record in outcome.records}
    assert values["accuracy"] == pytest.approx(accuracy_score(frame["gold"], frame["prediction"]))
    assert values["macro_f1"] == pytest.approx(f1_score(frame["gold"], frame["prediction"], average="macro"))
    assert read_records(outcome.folder / "results.jsonl") == outcome.records
    first = outcome.records[0]
    assert (first.run, first.dataset, first.split, first.slice) == (folder.name, "target", "test", "all")
    assert (first.method, first.encoder, first.n) == ("tfidf_lr", "tfidf", 3)
    content = b"".join(path.read_bytes() for path in outcome.folder.iterdir())
    assert not [text for text, _ in NEW if text.encode() in content]


def test_posts_of_the_training_side_are_left_out(folder, tiny_config, tmp_path):
    prepared = prepare_data(tiny_config(**LINEAR)).table
    train = prepared.part("train").texts
    exact, inside = train[0], f"{train[1]} and then much more was said about quite other things that day"
    near = prepared.part("validation").texts[0] + " indeed"
    data = write_target(tmp_path / "target", [(exact, "physical"), (inside, "job"), (near, "job"), *NEW[:3]])
    outcome = evaluate_on(folder, data, MAP)
    assert outcome.rows["shared_with_training"] == 3 and outcome.rows["scored"] == 3
    assert pd.read_parquet(outcome.folder / "predictions.parquet")["id"].tolist() == ["n3", "n4", "n5"]
    only = write_target(tmp_path / "only", [(exact, "physical"), (inside, "job"), ("bad weather", "weather")])
    with pytest.raises(DataError) as error:
        evaluate_on(folder, only, MAP)
    assert str(error.value) == (
        "target: no test post is left to score: 1 have no source label, 2 are shared with the run's training posts."
    )


def test_a_source_label_without_a_target_is_wrong_unless_left_out(folder, tmp_path):
    rows = [(f"{text} or so they told the other neighbours", "physical") for text in SENTENCES["work"]]
    rows += [(text, label) for text, label in NEW[:2]]
    data = write_target(tmp_path / "target", rows, labels=("physical", "social"))
    given = {"physical": "body", "social": "people"}
    outcome = evaluate_on(folder, data, given)
    frame = pd.read_parquet(outcome.folder / "predictions.parquet")
    manifest = json.loads((outcome.folder / "manifest.json").read_text())
    assert manifest["source_labels_without_target"] == ["work"]
    assert manifest["decided_for_a_label_without_target"] == (frame["prediction"] == "work").sum()
    value = next(record.value for record in outcome.records if record.metric == "accuracy")
    assert value == pytest.approx((frame["gold"] == frame["prediction"]).mean())
    again = evaluate_on(folder, data, given, renormalise=True)
    frame = pd.read_parquet(again.folder / "predictions.parquet")
    assert set(frame["prediction"]) <= {"physical", "social"}
    np.testing.assert_allclose(frame[["probability/physical", "probability/social"]].sum(axis=1), 1, atol=1e-6)


def test_a_multilabel_run_and_its_own_test_part(encoder_folder, tiny_multilabel, tiny_config, tmp_path):
    outcome = run(tiny_config(data=str(tiny_multilabel)))
    again = evaluate_on(outcome.folder, str(tiny_multilabel))
    own = [r for r in outcome.records if (r.split, r.slice, r.method) == ("test", "all", "lara_supcon")]
    fitted = ("_temperature_scaled", "_tuned_thresholds")
    values = {r.metric: r.value for r in own if not r.metric.endswith(fitted)}
    part = load_table(str(tiny_multilabel)).part("test")
    assert again.rows == {"read": len(part), "without_source_label": 0, "shared_with_training": 0, "scored": len(part)}
    assert {r.metric: r.value for r in again.records} == pytest.approx(values)
    single = evaluate_on(outcome.folder, write_target(tmp_path / "target", NEW), MAP)
    frame = pd.read_parquet(single.folder / "predictions.parquet")
    probability = load_run(outcome.folder).predict_proba([text for text, label in NEW if label in MAP])
    best = probability[:, [0, 2, 1]].argmax(axis=1)
    assert frame["prediction"].tolist() == [("physical", "social", "job")[number] for number in best]


def test_what_is_refused(tiny_config, tmp_path):
    source = write_tiny_dataset(tmp_path / "source")
    folder = run(tiny_config(**LINEAR, data=str(source))).folder
    data = write_target(tmp_path / "target", NEW)
    with pytest.raises(ConfigError, match="split: 'tset' is none of train, validation, test."):
        evaluate_on(folder, data, MAP, split="tset")
    with pytest.raises(DataError, match="target: has no validation part."):
        evaluate_on(folder, write_target(tmp_path / "t2", NEW), MAP, split="validation")
    with pytest.raises(ConfigError, match="label map: joins 0 classes"):
        evaluate_on(folder, data)
    rows = (tmp_path / "source" / "tiny.jsonl").read_text().replace("my knee", "one knee")
    (tmp_path / "source" / "tiny.jsonl").write_text(rows)
    with pytest.raises(RunError, match="is not the one that the run was trained on"):
        evaluate_on(folder, data, MAP)


def test_the_door(folder, tmp_path):
    data = write_target(tmp_path / "target", NEW)
    (tmp_path / "map.yaml").write_text("physical: body\nsocial: [people]\njob: work\nweather: null\n")
    found = door("evaluate", "--run", folder, "--data", data, "--label-map", tmp_path / "map.yaml", without=())
    assert found.returncode == 0, found.stderr
    printed = " ".join(found.stdout.split())
    assert "on target, test (n = 3)" in printed and "left out: 1 posts without a source label, 0 shared" in printed
    assert "macro_f1" in printed
