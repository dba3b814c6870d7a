"""Cells to texts, shares, targets and evidence: several text columns, stand-ins, lists, answers, several raw values."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.config.columns import ColumnsConfig, RationaleConfig
from mhclf.config.dataset import DatasetConfig, LabelName
from mhclf.config.source import SourceConfig
from mhclf.config.structure import from_mapping
from mhclf.data.cells import (
    as_list,
    nearest_column,
    plain_cell,
    post_hash,
    quoted_cell,
    read_confidence,
    read_targets,
    read_texts,
    row_faults,
    short_cell,
    shown_columns,
)
from mhclf.data.load import load_table
from mhclf.errors import ConfigError, DataError


def names(count):
    return [f"r.csv, row {number}" for number in range(1, count + 1)]


def texts_of(frame, **columns):
    frame = pd.DataFrame(frame, dtype=object)
    return read_texts(frame, ColumnsConfig(**({"text": "text", "label": "label"} | columns)), names(len(frame)))


def faults_of(frame, **columns):
    frame = pd.DataFrame(frame, dtype=object)
    return row_faults(frame, ColumnsConfig(**({"text": "text", "label": "label"} | columns)))


def test_several_text_columns_are_joined_a_line_each():
    frame = {
        "title": ["No sleep", "", None, "Tea", float("nan")],
        "body": ["It is four again.", "Only a body.", "Body", "", "b"],
        "note": ["x", None, "y\nz", "", "c"],
    }
    assert texts_of(frame, text=("title", "body", "note")) == [
        "No sleep\nIt is four again.\nx",
        "Only a body.",
        "Body\ny\nz",
        "Tea",
        "b\nc",
    ]
    assert texts_of(frame, text=("note", "title", "body"))[0] == "x\nNo sleep\nIt is four again."


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (("", None), "is empty. Remove the row or fill in the post."),
        ((" ", "\t\n"), "is empty. Remove the row or fill in the post."),
        (("fine", 3), "is no text. Remove the row or fill in the post."),
        ((["a"], "fine"), "is no text. Remove the row or fill in the post."),
    ],
)
def test_wrong_cells_of_several_text_columns(cells, message):
    frame = {"title": ["fine", cells[0]], "body": ["fine", cells[1]]}
    with pytest.raises(DataError) as error:
        texts_of(frame, text=("title", "body"))
    assert str(error.value) == f"r.csv, row 2, column 'title', 'body': {message}"


def test_no_text_column():
    with pytest.raises(ConfigError) as error:
        ColumnsConfig(text=(), label="label")
    assert str(error.value) == "columns: text: lists no column."


def test_spans_count_in_one_column(write_set):
    settings = {"columns": {"text": ["title", "body"], "label": "label"}, "source": {"files": "r.csv"}}
    files = {"r.csv": "title,body,label,why\ntea,at four,calm,tea\nrain,again,tense,\nbus,late,calm,at\n"}
    assert load_table(str(write_set(files, **settings, rationale={"column": "why"}))).rationales[0].spans == ((0, 3),)
    path = write_set(files, **settings, rationale={"column": "why", "kind": "char_spans"})
    with pytest.raises(ConfigError) as error:
        load_table(str(path))
    assert str(error.value) == (
        f"{path}: rationale: spans count characters of one text column; 'columns: text' joins several."
    )


INSTEAD = {"text_instead": "title", "text_empty": ("[removed]", "emptypost")}


@pytest.mark.parametrize("cell", ["", " \n", None, float("nan"), "[removed]", " emptypost "])
def test_the_stand_in_is_taken_where_there_is_no_text(cell):
    assert texts_of({"text": [cell, "here"], "title": ["Tea", "Rain"]}, **INSTEAD) == ["Tea", "here"]
    assert faults_of({"text": [cell], "title": ["Tea"], "label": ["x"]}, **INSTEAD) == [""]
    assert faults_of({"text": [cell], "title": [" "], "label": ["x"]}, **INSTEAD) == ["empty_text"]


@pytest.mark.parametrize("cell", ["[Removed]", "it was [removed]", "emptyposts"])
def test_a_text_that_only_looks_like_none_stays(cell):
    assert texts_of({"text": [cell], "title": ["Tea"]}, **INSTEAD) == [cell]


def test_a_stand_in_that_is_no_text():
    with pytest.raises(DataError) as error:
        texts_of({"text": ["here", ""], "title": ["", 4]}, **INSTEAD)
    assert str(error.value) == "r.csv, row 2, column 'text': is no text. Remove the row or fill in the post."


def test_words_for_nothing_need_a_stand_in():
    with pytest.raises(ConfigError) as error:
        ColumnsConfig(text="text", label="label", text_empty=("[removed]",))
    assert str(error.value) == "columns: 'text_empty' needs 'text_instead', the column to take then."


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=6))
def test_a_list_as_python_prints_it_comes_back(items):
    kept = [item for item in items if item.strip()]
    cell = repr(items)
    frame = {"text": [cell], "label": ["x"]}
    assert faults_of(frame, text_kind="python_list") == ["" if kept else "empty_text"]
    if kept:
        assert texts_of(frame, text_kind="python_list") == ["\n\n".join(kept)]


DAMAGED = [
    "['cut off in the mid",
    "['a', 3]",
    "['a', None]",
    "['a', nan]",
    "('a', 'b')",
    "'a'",
    "plain words",
    "{'a': 'b'}",
    "[['a']]",
    "['a'] + ['b']",
    "__import__('os').getcwd()",
    "[" * 5000,
    "9" * 6000,
    "['a\0']",
    "  ['a']\n['b']",
]


@pytest.mark.parametrize("cell", DAMAGED)
def test_a_damaged_list(cell):
    with pytest.raises(DataError) as error:
        texts_of({"text": ["['fine']", cell]}, text_kind="python_list")
    assert str(error.value) == (
        "r.csv, row 2, column 'text': does not parse as a Python list of texts. Mend the cell, or name "
        "'damaged_text' under 'source: leave_out' to train without such rows."
    )
    assert faults_of({"text": [cell], "label": ["x"]}, text_kind="python_list") == ["damaged_text"]


@pytest.mark.parametrize("cell", ["[]", "['']", "[' ', '\\n']", ""])
def test_an_empty_list_is_an_empty_text(cell):
    assert faults_of({"text": [cell], "label": ["x"]}, text_kind="python_list") == ["empty_text"]


def test_a_list_is_not_read_where_texts_are_plain():
    assert texts_of({"text": ["['a', 'b']"]}) == ["['a', 'b']"]


def test_faults_of_rows():
    frame = {
        "text": ["tea", "", 3, "rain", "bus", "sun", "", "wind", "snow"],
        "label": ["x", "x", "x", None, " ", float("nan"), None, 0, []],
    }
    assert faults_of(frame) == [
        "", "empty_text", "no_text", "empty_label", "empty_label", "empty_label", "empty_text", "", ""
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["0", "1", "0.75"], [0.0, 1.0, 0.75]),
        ([0, 1, 0.6], [0.0, 1.0, 0.6]),
        (["", " ", None], [np.nan] * 3),
        (["nan", float("nan"), "1e-1"], [np.nan, np.nan, 0.1]),
    ],
)
def test_confidence(cells, expected):
    frame = pd.DataFrame({"share": pd.Series(cells, dtype=object)})
    np.testing.assert_array_equal(read_confidence(frame, "share", names(3)), expected)


@pytest.mark.parametrize("cell", ["1.01", -0.1, "80 %", "inf", "-inf", ["0.5"], "half", 2])
def test_confidence_that_is_no_share(cell):
    with pytest.raises(DataError) as error:
        read_confidence(pd.DataFrame({"share": pd.Series([0.5, cell], dtype=object)}), "share", names(2))
    assert str(error.value) == f"r.csv, row 2, column 'share': '{cell}' is no share from 0 to 1. Mend the cell."


def test_confidence_reaches_the_table(write_set):
    files = {"r.csv": "text,label,share\ntea,calm,0.5\nrain,tense,\nbus,calm,1\n"}
    table = load_table(str(write_set(files, columns={"text": "text", "label": "label", "confidence": "share"})))
    np.testing.assert_array_equal(table.frame["confidence"], [0.5, np.nan, 1.0])
    assert load_table(str(write_set(files))).frame["confidence"].isna().all()


def config(labels, task="multiclass", **columns):
    return DatasetConfig(
        name="small",
        task=task,
        labels=tuple(labels),
        source=SourceConfig(files="r.csv"),
        columns=ColumnsConfig(**({"text": "text", "label": "label"} | columns)),
    )


SEVERAL = [LabelName(("mild", "severe", "2"), "low"), LabelName("none", "fine")]


def test_several_raw_values_of_one_label():
    frame = pd.DataFrame({"label": pd.Series(["severe", " none ", "mild", 2, 2.0, "2"], dtype=object)})
    assert read_targets(config(SEVERAL), frame, names(6)).tolist() == [0, 1, 0, 0, 0, 0]


def test_an_unknown_value_names_all_that_are_known():
    with pytest.raises(DataError) as error:
        read_targets(config(SEVERAL), pd.DataFrame({"label": ["low"]}), names(1))
    assert str(error.value) == (
        "r.csv, row 1, column 'label': unknown label 'low'. The YAML lists mild, severe, 2, none."
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([{"raw": ["1", "2"], "name": "a"}, {"raw": "2", "name": "b"}], "the raw value '2' stands twice."),
        ([{"raw": ["1", "1"], "name": "a"}, {"raw": "2", "name": "b"}], "the raw value '1' stands twice."),
        ([{"raw": ["1", "2"], "name": "a"}, {"raw": "3", "name": "a"}], "the name 'a' stands twice."),
    ],
)
def test_labels_that_stand_twice(labels, message):
    mapping = {"name": "x", "task": "multiclass", "labels": labels, "source": {"files": "r.csv"},
               "columns": {"text": "text", "label": "label"}}  # fmt: skip
    with pytest.raises(ConfigError) as error:
        from_mapping(DatasetConfig, mapping, "x")
    assert str(error.value) == f"labels: {message} Each label is listed once."


ANSWERS = [LabelName(("yes", "certainly"), "present"), LabelName("no", "absent")]


def test_labels_out_of_answers():
    answers = ["Yes, the poster is stressed.", "No.", "I would say CERTAINLY so", "Yes: certainly", "no\nno"]
    frame = pd.DataFrame({"label": answers})
    found = read_targets(config(ANSWERS, label_kind="answer"), frame.drop(index=3), names(4))
    assert found.tolist() == [0, 1, 0, 1]
    with pytest.raises(DataError) as error:
        # Two raw values of one label are two: the rule is about words, not about what they mean.
        read_targets(config(ANSWERS, label_kind="answer"), frame, names(5))
    assert str(error.value) == (
        "r.csv, row 4, column 'label': the answer of 14 characters names none or several of the labels "
        "yes, certainly, no. Mend the row or the YAML's labels."
    )


@pytest.mark.parametrize("answer", ["maybe", "yes and no", "", "note: eyes"])
def test_an_answer_without_just_one_label_shows_no_text_of_it(answer):
    with pytest.raises(DataError) as error:
        read_targets(config(ANSWERS, label_kind="answer"), pd.DataFrame({"label": ["yes", answer]}), names(2))
    assert str(error.value).startswith(f"r.csv, row 2, column 'label': the answer of {len(answer)} characters ")


def test_small_helpers():
    assert [plain_cell(cell) for cell in (None, float("nan"), 7.0, 7.5, " a ", 0, np.float32(3))] == [
        "", "", "7", "7.5", "a", "0", "3"
    ]  # fmt: skip
    assert as_list("a, ,b,") == ["a", "b"] and as_list(np.array([1, 2])) == [1, 2] and as_list(("x",)) == ["x"]
    assert as_list(None) == [] and as_list(4) == [4]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("x" * 24, "x" * 24),
        ("x" * 25, "xxxxxxxxxxxx... (25 characters)"),
        ("stresed", "stresed"),
        ("very stressed", "very stressed"),
        ("kill me now", "a text of 11 characters"),
        ("  I\nwant to", "a text of 11 characters"),
        ("\u6211\u4eca\u5929\u5f88\u7d2f\u4e0d\u60f3", "a text of 7 characters"),
        ("\u81ea\u6740\u672a\u9042", "\u81ea\u6740\u672a\u9042"),
        (7, "7"),
    ],
)
def test_of_a_cell_of_several_words_only_its_length_is_shown(cell, shown):
    assert short_cell(cell) == shown
    assert quoted_cell(cell) == (shown if shown.startswith("a text") else f"'{shown}'")


def test_a_slip_in_a_known_label_of_several_words_is_shown():
    assert quoted_cell("none of thes", ("none of these", "low")) == "'none of thes'"
    assert quoted_cell("none of my friends", ("none of these", "low")) == "a text of 18 characters"
    labels = [LabelName("none of these", "none"), LabelName("low", "low")]
    frame = pd.DataFrame({"label": ["low", "I want to die now"]})
    with pytest.raises(DataError) as error:
        read_targets(config(labels), frame, names(2))
    assert str(error.value) == (
        "r.csv, row 2, column 'label': a text of 17 characters is no label. The YAML lists none of these, low."
    )


def test_of_columns_only_names_are_shown_and_meant():
    assert shown_columns(["text", "I want to die now", "b"], 2) == "text, a text of 17 characters, ..."
    assert nearest_column("text", ["I want text to die", "txt"]) == " Did you mean 'txt'?"
    assert nearest_column("i want to die", ["I want to die now"]) == ""


def test_a_post_hash_shows_nothing_and_forgives_signs_and_case():
    found = post_hash("It\u2019s 3 pm,\nOK?")
    assert found == post_hash("its 3 PM ok") != post_hash("its 4 pm ok")
    assert len(found) == 16 and set(found) <= set("0123456789abcdef")


# Evidence with a column for each label.

EVIDENCE = {"column": {"calm": "for_calm", "tense": "for_tense"}}


def load_evidence(write_set, rows, mask=True, **rule):
    content = "".join(json.dumps(row) + "\n" for row in rows)
    table = load_table(str(write_set({"r.jsonl": content}, rationale=EVIDENCE | rule)), mask=mask)
    cut = [
        {label: [text[a:b] for a, b in spans] for label, spans in item.by_label}
        for text, item in zip(table.texts, table.rationales, strict=True)
    ]
    joined = [[text[a:b] for a, b in i.spans] for text, i in zip(table.texts, table.rationales, strict=True)]
    return table, cut, joined


@pytest.mark.parametrize("mask", [True, False])
def test_evidence_by_label(write_set, mask):
    rows = [
        {"text": "@sam_lee made tea but I cannot sleep", "label": "calm", "for_calm": "made tea",
         "for_tense": "cannot sleep, sleep"},
        {"text": "tea and rain", "label": "tense", "for_tense": "rain; thunder"},
        {"text": "nothing here", "label": "tense", "for_calm": None, "for_tense": ""},
        {"text": "tea, tea", "label": "calm", "for_calm": "tea", "for_tense": "tea"},
    ]  # fmt: skip
    table, cut, joined = load_evidence(write_set, rows, mask)
    assert cut == [
        {"calm": ["made tea"], "tense": ["cannot sleep"]},
        {"tense": ["rain"]},
        {},
        {"calm": ["tea"], "tense": ["tea"]},
    ]
    assert joined == [["made tea", "cannot sleep"], ["rain"], [], ["tea"]]
    assert [(item.parts, item.located) for item in table.rationales] == [(3, 3), (2, 1), (0, 0), (2, 2)]
    assert table.counts | {"rationales": 3, "rationales_located_fully": 2, "rationales_located_partly": 1,
                           "rationales_not_located": 0} == table.counts  # fmt: skip


def test_spans_by_label_are_merged_for_the_row_only(write_set):
    rows = [{"text": "abcdef", "label": "calm", "for_calm": [[0, 3]], "for_tense": "[[2, 5]]"}]
    rows += [{"text": f"post {number}", "label": "tense"} for number in range(3)]
    table, cut, joined = load_evidence(write_set, rows, kind="char_spans")
    assert cut[0] == {"calm": ["abc"], "tense": ["cde"]} and joined[0] == ["abcde"]
    assert table.rationales[1].by_label == () and table.rationales[1].parts == 0


def test_a_wrong_span_names_the_column_of_its_label(write_set):
    rows = [{"text": "abc", "label": "calm", "for_calm": [[0, 3]], "for_tense": [[2, 5]]}]
    with pytest.raises(DataError) as error:
        load_evidence(write_set, rows, kind="char_spans")
    assert str(error.value).endswith(
        "r.jsonl, row 1, column 'for_tense': the span [2, 5] lies outside the 3 characters of the text."
    )


def test_evidence_for_a_label_that_is_none(write_set):
    path = write_set({"r.csv": "text,label\ntea,calm\n"}, rationale={"column": {"clam": "why"}})
    with pytest.raises(ConfigError) as error:
        load_table(str(path))
    assert str(error.value) == f"{path}: rationale: column: 'clam' is none of the labels calm, tense."
    assert RationaleConfig("why").columns == ((None, "why"),)
    assert RationaleConfig({"a": "x", "b": "y"}).columns == (("a", "x"), ("b", "y"))


def test_evidence_cut_in_the_middle_of_a_broken_sign(write_set):
    broken = "I can\u00e2\u20ac\u2122t sleep and it\u00e2\u20ac\u2122s four"
    rows = [
        # The phrase ends within the three signs that stand for one apostrophe.
        {"text": broken, "label": "calm", "for_calm": "sleep and it\u00e2\u20ac", "for_tense": ""},
        {"text": broken, "label": "calm", "for_calm": "and it\u00e2\u20ac\u2122s"},
        {"text": broken, "label": "calm", "for_calm": "sleep; and nothing like it\u00e2"},
        {"text": "plain words", "label": "tense", "for_calm": "words\u00e2\u20ac"},
    ]
    table, cut, _ = load_evidence(write_set, rows)
    assert table.texts[0] == "I can\u2019t sleep and it\u2019s four"
    assert [item["calm"] for item in cut] == [["sleep and it\u2019"], ["and it\u2019s"], ["sleep"], []]
    assert [(item.parts, item.located) for item in table.rationales] == [(1, 1), (1, 1), (2, 1), (1, 0)]
