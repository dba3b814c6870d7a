"""The manifest: counts, hashes that move with the data, and not a word of a post."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mhclf.data.audit import Finding
from mhclf.data.manifest import build_manifest, content_hash, data_hash

TEXTS = ["Lavender helps", "Umbrella weather", "Quiet kitchen", "Distant thunder"]


@pytest.fixture
def table(make_table):
    return make_table(TEXTS, [0, 1, 1, 0], ["g", "g", "h", "i"], ["train", "train", "validation", "test"])


def changed(table, column, row, value):
    values = table.frame[column].tolist()
    values[row] = value
    return replace(table, frame=table.frame.assign(**{column: values}))


def test_content(table):
    manifest = build_manifest(table, [Finding("x", "warning", 2, "2 rows.")], "sound")
    kept = ("name", "title", "task", "language", "labels", "rows", "groups", "class_counts", "findings", "protocol")
    assert {key: manifest[key] for key in kept} == {
        "name": "small", "title": "small", "task": "multiclass", "language": "en", "labels": ["a", "b"],
        "rows": {"train": 2, "validation": 1, "test": 1},
        "groups": {"train": 1, "validation": 1, "test": 1},
        "class_counts": {"train": {"a": 1, "b": 1}, "validation": {"a": 0, "b": 1}, "test": {"a": 1, "b": 0}},
        "findings": [{"check": "x", "severity": "warning", "count": 2, "message": "2 rows."}],
        "protocol": "sound",
    }  # fmt: skip
    assert (manifest["headline_metric"], manifest["metrics"]) == ("macro_f1", ["macro_f1"])
    assert manifest["hashes"]["data"] == data_hash(table)
    assert json.loads(json.dumps(manifest)) == manifest


def test_counts_of_several_labels_and_a_missing_part(make_table):
    table = make_table(["x", "y"], [[1, 1], [0, 1]], splits=["train", "validation"])
    manifest = build_manifest(table, [], "sound")
    assert manifest["class_counts"] == {"train": {"a": 1, "b": 1}, "validation": {"a": 0, "b": 1}}
    assert manifest["rows"] == {"train": 1, "validation": 1}


def test_no_word_of_a_post_is_inside(table):
    text = json.dumps(build_manifest(table, [], "sound")).lower()
    assert [word for post in TEXTS for word in post.lower().split() if word in text] == []


@pytest.mark.parametrize(
    ("column", "value", "moved"),
    [
        ("id", "z", {"ids", "data"}),
        ("text", "Lavender helped", {"texts", "data"}),
        ("group", "z", {"data"}),
        ("split", "validation", {"splits", "data"}),
    ],
)
def test_hashes_move_with_what_they_stand_for(table, column, value, moved):
    before = build_manifest(table, [], "sound")["hashes"]
    after = build_manifest(changed(table, column, 0, value), [], "sound")["hashes"]
    assert {name for name in before if before[name] != after[name]} == moved


def test_hashes_move_with_a_label_and_with_the_order(table):
    before = build_manifest(table, [], "sound")["hashes"]
    after = build_manifest(replace(table, targets=np.array([1, 1, 1, 0])), [], "sound")["hashes"]
    assert {name for name in before if before[name] != after[name]} == {"labels", "data"}
    assert data_hash(table.select([1, 0, 2, 3])) != data_hash(table)


def test_the_hash_of_the_same_rows_is_the_same(table):
    assert data_hash(table) == data_hash(table.select([0, 1, 2, 3]))
    assert content_hash(["a", "b"]) == "14bdec8c77f9feebc3b047fa42657bac4babc6d05439548a956ee1a9edf35eab"
    assert content_hash(["a", "b"]) != content_hash(["ab"])
    assert content_hash([{"x": 1, "y": "é"}]) == content_hash([{"y": "é", "x": 1}])
