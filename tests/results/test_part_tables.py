"""What report and card say of risk, calibration, coverage and slices, from a run's files."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from mhclf.errors import DataError
from mhclf.evaluation import classification_intervals, higher_is_better, scores
from mhclf.results.card import write_model_card
from mhclf.results.derived import derived_records
from mhclf.results.part_tables import (
    calibration_sentence,
    coverage_table,
    fitted_table,
    read_temperature,
    risk_level_table,
    risk_sentences,
    slices_table,
    thresholds_table,
)
from mhclf.results.records import ResultRecord, append_records
from mhclf.results.report import write_report
from mhclf.results.runfolder import read_run
from mhclf.results.summary import results_table

LABELS = ("supportive", "ideation", "attempt")


def measured(make_run, folder, *, risk=None, task="ordinal", words=True):
    """A run folder with all records that training writes for its own method."""
    make_run(folder, labels=LABELS, task=task, rows=90, minimal=True)
    path = folder / "data_manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"risk": risk or {}}))
    if words:
        frame = pd.read_parquet(folder / "predictions.parquet")
        frame.assign(words=np.arange(len(frame)) % 40).to_parquet(folder / "predictions.parquet")
    run = read_run(folder)
    found, known = run.predictions, run.manifest.risk_labels
    arrays = (task, found.gold_classes, found.predicted_classes, found.probability, LABELS)
    values = scores(*arrays, risk=known)
    ends = classification_intervals(*arrays, found.groups, risk=known)
    identity = {
        "run": folder.name, "dataset": "demo", "method": "layer_attentive_supcon", "encoder": "minilm", "seed": 1,
        "protocol": "sound", "data_hash": "ab12cd34",
    }  # fmt: skip
    plain = [
        ResultRecord(**identity, split="test", slice="all", metric=name, value=value, ci_low=ends[name][0],
                     ci_high=ends[name][1], n=90, higher_is_better=higher_is_better(name))
        for name, value in values.items()
    ]  # fmt: skip
    append_records(folder / "results.jsonl", [*plain, *derived_records(folder, identity)])
    return read_run(folder), values


def test_risk_is_told_in_words_and_by_level(make_run, tmp_path):
    run, values = measured(make_run, tmp_path / "run", risk={"high": ["attempt"], "order": []})
    sentences = risk_sentences(run)
    at_risk = int((run.predictions.columns["gold"] == "attempt").sum())
    assert sentences[0].startswith(
        f"Posts of high risk are those labelled attempt. {at_risk} of 90 test posts are. "
        f"Found: recall {values['high_risk_recall']:.3f} ["
    )
    assert f"two or more levels too low: {values['severe_miss_rate']:.3f} [" in sentences[1]
    table = risk_level_table(run)
    frame = run.predictions.columns
    for row, label in zip(table.rows, LABELS, strict=True):
        of_label = frame[frame["gold"] == label]
        flagged = int((of_label["prediction"] == "attempt").sum())
        assert row[:5] == (label, "high" if label == "attempt" else "", len(of_label) - flagged, flagged, len(of_label))
        assert row[5].startswith(f"{(of_label['prediction'] != label).mean():.3f} [")
    assert table.notes[0] == "From mild to severe."


def test_several_labels_have_a_row_for_posts_without_any(make_run, tmp_path):
    run, _ = measured(
        make_run, tmp_path / "run", risk={"high": ["ideation", "attempt"], "order": []}, task="multilabel"
    )
    table = risk_level_table(run)
    assert [row[0] for row in table.rows] == [*LABELS, "(none)"]
    assert table.notes[0] == "In the order of the data set; it states no order of severity."
    assert "labelled ideation or attempt." in risk_sentences(run)[0]
    assert "Any of these labels counts as found: recall" in risk_sentences(run)[0]
    assert len(risk_sentences(run)) == 1


def test_without_high_risk_posts_nothing_can_be_said(make_run, tmp_path):
    folder = tmp_path / "run"
    make_run(folder, labels=LABELS, minimal=True)
    path = folder / "data_manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"risk": {"high": ["attempt"], "order": []}}))
    lines = (folder / "results.jsonl").read_text().splitlines()
    record = json.loads(lines[0]) | {"metric": "high_risk_recall", "value": None, "ci_low": None, "ci_high": None}
    (folder / "results.jsonl").write_text("\n".join([*lines, json.dumps(record)]) + "\n")
    assert risk_sentences(read_run(folder)) == (
        "No test post is of high risk (attempt), so nothing can be said about what is missed.",
    )


def test_a_set_that_names_no_risk_has_no_risk_section(make_run, tmp_path):
    run, _ = measured(make_run, tmp_path / "run")
    assert risk_sentences(run) == () and risk_level_table(run) is None
    assert 'id="risk"' not in write_report(tmp_path / "run").read_text()


def test_coverage_error_and_slices(make_run, tmp_path):
    run, values = measured(make_run, tmp_path / "run")
    rows = coverage_table(run).rows
    assert [row[0] for row in rows] == ["100 %", "95 %", "90 %", "80 %", "70 %", "50 %"]
    assert rows[0][1:3] == ("100.0 %", 90) and rows[0][3] == pytest.approx(1 - values["accuracy"])
    assert rows[5][1:3] == ("50.0 %", 45)
    slices = slices_table(run)
    assert [row[0] for row in slices.rows] == ["words 0 to 9", "words 10 to 24", "words 25 to 39"]
    assert sum(row[1] for row in slices.rows) == 90
    assert [column.name for column in slices.columns] == ["part", "posts", "Macro-F1 ↑", "Accuracy ↑"]


def test_calibration_in_words(make_run, tmp_path):
    run, values = measured(make_run, tmp_path / "run", words=False)
    temperature = read_temperature(run).value
    sentence = calibration_sentence(run)
    assert sentence.startswith(f"The expected calibration error (15 bins of equal width) is {values['ece']:.3f} [")
    assert (
        f"the Brier score {values['brier']:.3f}. The temperature fitted on validation is {temperature:.2f}" in sentence
    )
    assert slices_table(run) is None
    for value, at_bound, said in (
        (1.3, False, "1.30 (the model was surer than right there)"),
        (0.8, False, "0.80 (the model was less sure than right there)"),
        (1.0, False, "1.00 (the model was as sure as right there)"),
        (0.05, True, "0.05 (the end of the search: validation has too few mistakes to tell)"),
    ):
        (tmp_path / "run" / "temperature.json").write_text(json.dumps({"value": value, "at_bound": at_bound}))
        assert f"The temperature fitted on validation is {said}; with it the error is" in calibration_sentence(run)
    (tmp_path / "run" / "temperature.json").write_text("[]")
    with pytest.raises(DataError, match=r"temperature.json: is damaged \(TypeError\)"):
        calibration_sentence(run)


def test_what_was_fitted_stands_beside_what_was_saved(make_run, tmp_path):
    run, values = measured(make_run, tmp_path / "run", task="multilabel")
    rows = {(row[0], row[1]): row[2:] for row in fitted_table(run).rows}
    assert rows["Expected calibration error ↓", "temperature"][0].startswith(f"{values['ece']:.3f} [")
    assert rows["Macro-F1 ↑", "thresholds"][0].startswith(f"{values['macro_f1']:.3f} [")
    table = thresholds_table(run)
    assert [row[0] for row in table.rows] == list(LABELS)
    saved = json.loads((tmp_path / "run" / "thresholds.json").read_text())["thresholds"]
    assert [row[1] for row in table.rows] == [item["value"] for item in saved]
    assert all(row[4] >= row[3] for row in table.rows)
    shown = [row[0] for row in results_table(run).rows]
    assert not [name for name in shown if "tuned" in name or "scaled" in name]
    make_run(tmp_path / "plain", labels=LABELS)
    plain = read_run(tmp_path / "plain")
    assert fitted_table(plain) is None and thresholds_table(plain) is None


def test_report_and_card_tell_all_of_it(make_run, tmp_path):
    folder = tmp_path / "run"
    run, _ = measured(make_run, folder, risk={"high": ["attempt"], "order": []})
    page = re.sub(r"\s+", " ", write_report(folder).read_text())
    for part in ("High risk, by gold label", "Answering only the most certain posts", "Parts of the test posts",
                 "After a fit on validation"):  # fmt: skip
        assert part in page
    card = write_model_card(folder).read_text()
    assert "Calibration: The expected calibration error" in card
    assert "High risk: Posts of high risk are those labelled attempt." in card
    assert "| attempt | high |" in card
    assert run.manifest.risk_labels.order == LABELS
