"""The door that holds metrics against people."""

import json
from pathlib import Path

import doors
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def door(*arguments):
    return doors.door("explanation_metrics", *arguments)


def test_missing_data_is_one_message(tmp_path):
    found = door("--data-root", str(tmp_path), "--out", str(tmp_path))
    assert found.returncode == 2
    assert found.stderr.startswith("error: ") and "chatgpt_data.csv: was not found. Give the folder" in found.stderr
    assert "Traceback" not in found.stderr


def test_options_that_go_wrong_are_one_message(tmp_path):
    for arguments, message in (
        (("--judge.mechanism", "dual"), "unrecognized arguments: --judge.mechanism dual"),
        (("--judge", "--judge.mechanism", "duel"), "Got value: duel"),
        (("--judge", "--judge.mechanism", "majority_vote"), "Use --judge.by parse"),
        (("--limit", "5"), "would write over the tables of all rows. Add --out DIR."),
    ):
        found = door(*arguments)
        assert found.returncode == 2 and message in found.stderr and "Traceback" not in found.stderr


def test_the_committed_tables_are_those_of_the_committed_records(tmp_path):
    records = (REPOSITORY / "experiments" / "results" / "explanation_metrics.json").read_bytes()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "explanation_metrics.json").write_bytes(records)
    found = door("--from-records", "--out", str(tmp_path))
    assert found.returncode == 0, found.stderr
    page = (tmp_path / "tables" / "explanation_metrics.md").read_text(encoding="utf-8")
    assert page == (REPOSITORY / "experiments" / "tables" / "explanation_metrics.md").read_text(encoding="utf-8")
    assert {item["n"] for item in json.loads(records)["raters"]} == {43, 121, 285}


@pytest.mark.slow
@pytest.mark.data
def test_real_ratings_with_a_tiny_encoder(encoder_folder, data_root, tmp_path):
    found = door("--data-root", data_root, "--encoder", str(encoder_folder("bert")), "--out", str(tmp_path))
    assert found.returncode == 0, found.stderr
    records = json.loads((tmp_path / "results" / "explanation_metrics.json").read_text(encoding="utf-8"))
    assert records["settings"]["encoder"] == "tiny-bert" and records["parts"]["all"]["rows"] == 285
