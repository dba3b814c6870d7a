"""The data set as `datasets.DatasetDict`."""

import json
import math

import pytest
from datasets import List, Value

import mhclf
from mhclf.data.hub import load_dataset
from mhclf.errors import AuditError

PARTS = ["train", "train", "validation", "test", "train"]
TEXTS = ["@sam_lee and I slept", "I worry a lot", "we walked", "no rest", "NO REST!"]


def rows(**columns):
    base = {"text": TEXTS, "label": ["calm", "tense", "calm", "tense", "tense"], "part": PARTS}
    cells = base | columns
    return "\n".join(json.dumps({name: values[row] for name, values in cells.items()}) for row in range(5))


COLUMNS = {"text": "text", "label": "label", "split": "part"}


def test_parts_columns_and_the_dropped_leak(write_set):
    path = str(write_set({"rows.jsonl": rows()}, columns=COLUMNS, splits={}))
    data = load_dataset(path)
    assert {name: len(part) for name, part in data.items()} == {"train": 2, "validation": 1, "test": 1}
    assert data["train"][0] == {
        "id": "000000", "text": "@user and I slept", "group": "000000", "label": 0, "label_names": "calm"
    }  # fmt: skip
    assert data["test"]["label"][:] == [1]
    assert load_dataset(path, mask=False)["train"]["text"][0] == "@sam_lee and I slept"


def test_rationales_and_explanations_have_one_type_in_every_part(write_set):
    content = rows(why=["slept", "worry", None, None, "REST"], note=["a", None, None, "d", "e"])
    data = load_dataset(
        str(
            write_set(
                {"rows.jsonl": content},
                columns=COLUMNS | {"explanation": "note"},
                splits={},
                rationale={"column": "why"},
            )
        )
    )
    assert data["train"]["rationale"][:] == [[[12, 17]], [[2, 7]]]
    assert data["test"]["rationale"][:] == [[]] and data["train"]["explanation"][:] == ["a", ""]
    assert {str(part.features["rationale"]) for part in data.values()} == {str(List(List(Value("int64"))))}


def test_several_labels(write_set):
    content = rows(label=[["calm"], [], [], ["calm", "tense"], ["tense"]])
    data = load_dataset(str(write_set({"rows.jsonl": content}, columns=COLUMNS, splits={}, task="multilabel")))
    assert data["train"]["label"][:] == [[1, 0], [0, 0]]
    assert data["train"]["label_names"][:] == [["calm"], []]
    assert data["validation"].features == data["test"].features
    assert data["test"].features["label_names"] == List(Value("string"))


def test_a_missing_part_is_left_out(write_set):
    content = rows(part=["train", "train", "val", "val", "train"])
    assert set(load_dataset(str(write_set({"rows.jsonl": content}, columns=COLUMNS, splits={})))) == {
        "train", "validation"
    }  # fmt: skip


def test_the_audit_stops_here_too(write_set):
    content = rows(user=["a", "b", "c", "a", "e"])
    with pytest.raises(AuditError, match="1 groups lie in more than one split"):
        load_dataset(str(write_set({"rows.jsonl": content}, columns=COLUMNS | {"group": "user"}, splits={})))


def test_context_and_confidence(write_set):
    content = rows(asked=["how?", "", None, "why?", "x"], sure=[1, 0.5, None, 0, 1])
    columns = COLUMNS | {"context": "asked", "confidence": "sure"}
    data = load_dataset(str(write_set({"rows.jsonl": content}, columns=columns, splits={})))
    assert data["train"]["context"][:] == ["how?", "", "x"] and data["train"]["confidence"][:] == [1.0, 0.5, 1.0]
    assert data["validation"]["context"][:] == [""] and math.isnan(data["validation"]["confidence"][0])


def test_large_sets_come_from_files(write_set, monkeypatch, tmp_path):
    monkeypatch.setenv("MHCLF_CACHE", str(tmp_path / "cache"))
    content = rows(why=["slept", "worry", None, None, "REST"], note=["a", None, None, "d", "e"])
    columns = COLUMNS | {"explanation": "note"}
    path = str(write_set({"rows.jsonl": content}, columns=columns, splits={}, rationale={"column": "why"}))
    for mask in (True, False):
        plain, large = load_dataset(path, mask=mask), load_dataset(path, mask=mask, large=True)
        assert {split: part.to_list() for split, part in large.items()} == {
            split: part.to_list() for split, part in plain.items()
        }
        assert all(part.cache_files for part in large.values()) and not any(part.cache_files for part in plain.values())


def test_it_is_reached_from_the_library():
    assert mhclf.load_dataset is load_dataset
