"""Records from saved predictions: fitted on validation, measured on test, every part recomputed by hand."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from mhclf.errors import DataError, RunError
from mhclf.results.derived import derived_records, read_thresholds
from mhclf.results.slices import slice_table
from mhclf.results.summary import metric_name

IDENTITY = {
    "run": "r", "dataset": "demo", "method": "m", "encoder": "e", "seed": 1, "protocol": "sound", "data_hash": "x",
}  # fmt: skip


def frame_of(folder, split):
    frame = pd.read_parquet(folder / "predictions.parquet")
    return frame[frame["split"] == split]


def add_columns(folder, **columns):
    frame = pd.read_parquet(folder / "predictions.parquet").assign(**columns)
    frame.to_parquet(folder / "predictions.parquet")


def test_temperature_is_fitted_on_validation_and_measured_on_test(make_run, tmp_path):
    folder = make_run(tmp_path / "run", rows=120)
    records = {(r.slice, r.metric): r for r in derived_records(folder, IDENTITY)}
    fitted = json.loads((folder / "temperature.json").read_text())
    assert (fitted["fitted_on"], fitted["n"]) == ("validation", 60)
    validation, test = frame_of(folder, "validation"), frame_of(folder, "test")
    labels = [name.removeprefix("probability/") for name in test if name.startswith("probability/")]
    columns = [f"probability/{label}" for label in labels]

    def loss(frame, temperature):
        powered = frame[columns].to_numpy() ** (1 / temperature)
        gold = [labels.index(name) for name in frame["gold"]]
        return log_loss(gold, powered / powered.sum(axis=1, keepdims=True), labels=range(len(labels)))

    assert fitted["nll_after"] == pytest.approx(loss(validation, fitted["value"]))
    around = [loss(validation, fitted["value"] * factor) for factor in (0.98, 1.02)]
    assert fitted["nll_after"] < min(around)
    record = records["all", "nll_temperature_scaled"]
    assert record.value == pytest.approx(loss(test, fitted["value"]))
    assert record.ci_low < record.value < record.ci_high and not record.higher_is_better
    assert {r.split for r in records.values()} == {"test"}
    assert not (folder / "thresholds.json").exists()  # more than two labels, one a post


def test_thresholds_of_several_labels(make_run, tmp_path):
    folder = make_run(tmp_path / "run", task="multilabel", rows=100)
    records = {(r.slice, r.metric): r for r in derived_records(folder, IDENTITY)}
    thresholds = read_thresholds(folder)
    test = frame_of(folder, "test")
    labels = list(thresholds)
    decided = np.column_stack([test[f"probability/{label}"] >= thresholds[label] for label in labels])
    gold = np.array([[label in row for label in labels] for row in test["gold"]])
    found = records["all", "macro_f1_tuned_thresholds"]
    assert found.value == pytest.approx(f1_score(gold, decided, average="macro"))
    assert records["all", "subset_accuracy_tuned_thresholds"].value == pytest.approx(accuracy_score(gold, decided))
    assert json.loads((folder / "thresholds.json").read_text())["fitted_on"] == "validation"


def test_the_positive_one_of_two_labels_has_a_threshold(make_run, tmp_path):
    folder = make_run(tmp_path / "run", labels=("no", "yes"), rows=80)
    records = {r.metric: r for r in derived_records(folder, IDENTITY) if r.slice == "all"}
    test = frame_of(folder, "test")
    decided = test["probability/yes"] >= read_thresholds(folder)["yes"]
    assert records["positive_f1_tuned_thresholds"].value == pytest.approx(f1_score(test["gold"] == "yes", decided))


def test_coverage_keeps_the_most_certain_posts(make_run, tmp_path):
    folder = make_run(tmp_path / "run", rows=100)
    records = {(r.slice, r.metric): r for r in derived_records(folder, IDENTITY)}
    test = frame_of(folder, "test").sort_values("abstention")
    for share in (100, 95, 90, 80, 70, 50):
        kept = test[:share]
        record = records[f"coverage {share} %", "accuracy"]
        assert (record.n, record.value) == (share, pytest.approx((kept["gold"] == kept["prediction"]).mean()))


def test_a_learnt_reservation_has_its_own_risk_coverage_curve(make_run, tmp_path):
    folder = make_run(tmp_path / "run", rows=120)
    plain = {r.metric for r in derived_records(folder, IDENTITY)}
    assert not [name for name in plain if name.endswith("_by_reservation")]
    frame = pd.read_parquet(folder / "predictions.parquet")
    add_columns(folder, abstention=np.random.default_rng(4).random(len(frame)))
    found = {r.metric: r for r in derived_records(folder, IDENTITY) if r.slice == "all" and r.split == "test"}
    record, test = found["aurc_by_reservation"], frame_of(folder, "test")
    right = (test["gold"] == test["prediction"]).to_numpy()[np.argsort(test["abstention"].to_numpy())]
    assert record.value == pytest.approx((np.cumsum(1 - right) / np.arange(1, 121)).mean())
    assert record.ci_low < record.value < record.ci_high
    assert (record.n, record.higher_is_better) == (120, False)
    wrong = (1 - right).sum()
    best = np.maximum(0, np.arange(1, 121) - (120 - wrong)) / np.arange(1, 121)
    assert found["e_aurc_by_reservation"].value == pytest.approx(record.value - best.mean())
    assert metric_name("aurc_by_reservation") == "Area under the risk-coverage curve, by reservation"


def test_slices_by_words_and_confidence_with_the_small_ones_unscored(make_run, tmp_path):
    folder = make_run(tmp_path / "run", rows=120)
    words = np.arange(180) % 90
    confidence = np.float32(np.where(np.arange(180) < 10, 0.6, 1.0))
    add_columns(folder, words=words, confidence=confidence)
    records = [r for r in derived_records(folder, IDENTITY) if r.slice.startswith(("words", "confidence"))]
    by_slice = {r.slice: r for r in records if r.metric == "macro_f1"}
    assert list(by_slice) == ["words 0 to 19", "words 20 to 49", "words 50 to 89", "confidence 0.6", "confidence 1"]
    few = by_slice["confidence 0.6"]
    assert (few.n, few.value, few.ci_low) == (10, None, None)
    test = frame_of(folder, "test")
    short = test[test["words"] < 20]
    assert by_slice["words 0 to 19"].n == len(short)
    expected = f1_score(short["gold"], short["prediction"], average="macro", labels=sorted(set(test["gold"])))
    assert by_slice["words 0 to 19"].value == pytest.approx(expected)


def test_a_shut_test_set_stays_shut(make_run, tmp_path):
    folder = make_run(tmp_path / "run", rows=100)
    frame = pd.read_parquet(folder / "predictions.parquet").query("split == 'validation'")
    frame.to_parquet(folder / "predictions.parquet")
    records = derived_records(folder, IDENTITY)
    assert {r.split for r in records} == {"validation"}
    assert not [r for r in records if "temperature" in r.metric]
    assert (folder / "temperature.json").is_file()


def test_without_validation_nothing_is_fitted(make_run, tmp_path):
    folder = make_run(tmp_path / "run", labels=("no", "yes"))
    frame = pd.read_parquet(folder / "predictions.parquet").query("split == 'test'")
    frame.to_parquet(folder / "predictions.parquet")
    assert {r.slice.split()[0] for r in derived_records(folder, IDENTITY)} == {"coverage"}
    assert read_thresholds(folder) == {} and not (folder / "temperature.json").exists()


def test_damage_is_told(make_run, tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / "thresholds.json").write_text("{}")
    with pytest.raises(RunError, match=r"thresholds.json: is damaged \(KeyError\)"):
        read_thresholds(folder)
    with pytest.raises(RunError, match="has no data_manifest.json"):
        derived_records(Path(tmp_path), IDENTITY)


def test_any_column_by_name(make_run, tmp_path):
    folder = make_run(tmp_path / "run", rows=100)
    test = frame_of(folder, "test")
    extra = pd.DataFrame({"id": test["id"][:90], "source": ["phone", "web", "web"] * 30})
    table = slice_table(folder, ["gold", "source"], extra=extra)
    counts = {row[0]: row[1] for row in table.rows}
    assert counts["source phone"] == 30 and counts["source web"] == 60
    assert counts["gold Anxiety"] == int((test["gold"] == "Anxiety").sum())
    with pytest.raises(DataError, match=r"there is no column 'sorce'. Did you mean 'source'\?"):
        slice_table(folder, ["sorce"], extra=extra)
    with pytest.raises(DataError, match="slices by id: 100 different values; a category has at most 30"):
        slice_table(folder, ["id"])
    with pytest.raises(DataError, match="need a column 'id' that names each post once"):
        slice_table(folder, ["gold"], extra=pd.concat([extra, extra]))
