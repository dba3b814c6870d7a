"""Faults of the reading side that a review found, one test each."""

import contextlib
import json
import zipfile

import openpyxl
import pandas as pd
import pytest
import yaml
from support import build_encoder_folder
from tokenizers import processors
from transformers import AutoTokenizer

from mhclf.config.columns import ColumnsConfig
from mhclf.config.dataset import DatasetConfig, LabelName
from mhclf.config.source import SourceConfig
from mhclf.config.structure import from_mapping
from mhclf.data.cells import read_targets, read_texts, row_faults
from mhclf.data.grouping import group_like
from mhclf.data.load import load_table
from mhclf.data.readers import read_table
from mhclf.data.tokens import encode_posts
from mhclf.errors import ConfigError, DataError, MhclfError

C = {"text": "text", "label": "label"}


def jl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def load(tmp_path):
    def load(files, **settings):
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        base = {
            "name": "small",
            "task": "multiclass",
            "labels": ["calm", "tense"],
            "columns": C,
            "source": {"files": next(iter(files))},
            "splits": {"kind": "ratio"},
        }
        (tmp_path / "set.yaml").write_text(yaml.safe_dump(base | settings))
        return load_table(str(tmp_path / "set.yaml"))

    return load


BASE = jl(*({"text": f"post {n}", "label": ["calm", "tense"][n % 2], "c": "k"} for n in range(8)))


@pytest.mark.parametrize("context", ["c", {"turns": 1, "conversation": "c"}])
def test_added_rows_in_a_set_with_context(load, context):
    table = load(
        {"r.jsonl": BASE, "a.jsonl": jl({"text": "new", "label": "calm", "c": "z"})},
        source={"files": "r.jsonl", "added_to_train": ["a.jsonl"]},
        columns=C | {"context": context},
    )
    assert len(table) == 9


def test_multilabel_with_several_raw_values():
    labels = (LabelName(("mild", "severe"), "low"), LabelName("none", "fine"))
    config = DatasetConfig("x", "multilabel", labels, SourceConfig(files="r.csv"), ColumnsConfig("text", "label"))
    frame = pd.DataFrame({"label": [["mild", "severe"], "none, mild", None]})
    assert read_targets(config, frame, ["a", "b", "c"]).tolist() == [[1, 0], [1, 1], [0, 0]]


def test_a_list_that_python_cannot_build_is_damaged():
    frame = pd.DataFrame({"text": ["{[1]: 2}"], "label": ["x"]})
    assert row_faults(frame, ColumnsConfig("text", "label", text_kind="python_list")) == ["damaged_text"]


def test_white_space_is_an_empty_list():
    frame = pd.DataFrame({"text": [" "], "label": ["x"]})
    assert row_faults(frame, ColumnsConfig("text", "label", text_kind="python_list")) == ["empty_text"]


def test_half_an_emoji_in_a_python_list():
    frame = pd.DataFrame({"text": ["['cut \\ud83d']"], "label": ["x"]})
    (text,) = read_texts(frame, ColumnsConfig("text", "label", text_kind="python_list"), ["r"])
    text.encode("utf-8")


def test_the_stand_in_once_for_several_columns():
    frame = pd.DataFrame({"a": [""], "b": [None], "title": ["tea"]})
    assert read_texts(frame, ColumnsConfig(("a", "b"), "label", text_instead="title"), ["r"]) == ["tea"]


def test_rename_onto_a_column_that_is_there(load):
    with pytest.raises(MhclfError):
        load(
            {"r.csv": "text,body,label\na,b,calm\nc,d,calm\ne,f,tense\n"},
            source={"files": {"path": "r.csv", "rename": {"body": "text"}}},
        )


def test_where_on_numbers_beside_an_empty_cell(load):
    rows = jl(*({"text": f"p {n}", "label": "calm", "k": 1.0} for n in range(6)))
    assert len(load({"r.jsonl": rows}, source={"files": "r.jsonl", "where": {"k": "1"}})) == 6


@pytest.mark.parametrize("encoding", ["hex", "rot13", "undefined", "a\0b"])
def test_encodings_that_are_none_for_text(load, encoding):
    with pytest.raises(ConfigError):
        load({"r.csv": "text,label\na,calm\n"}, source={"files": {"path": "r.csv", "encoding": encoding}})


def test_a_missing_turn_speaker_or_conversation_is_not_called_none(load):
    rows = jl(*({"text": None if n == 2 else f"p {n}", "label": "calm", "c": "k", "who": None} for n in range(6)))
    columns = C | {"context": {"turns": 2, "conversation": "c", "speaker": "who"}}
    table = load({"r.jsonl": rows}, source={"files": "r.jsonl", "leave_out": ["empty_text"]}, columns=columns)
    assert not any("None" in context for context in table.contexts)


def test_rows_without_a_conversation_are_not_joined(load):
    rows = jl(*({"text": f"p {n}", "label": "calm", "c": None} for n in range(6)))
    assert load({"r.jsonl": rows}, columns=C | {"context": {"turns": 1, "conversation": "c"}}).contexts == [""] * 6


def test_a_null_post_of_imhi_is_empty(load):
    rows = jl(*({"post": None if n < 2 else f"p {n}", "question": "q?", "response": "calm"} for n in range(6)))
    with pytest.raises(DataError, match="is empty"):
        load(
            {"r.jsonl": rows},
            source={"files": {"path": "r.jsonl", "format": "imhi"}},
            columns={"text": "post", "label": "answer", "label_kind": "answer"},
        )


def test_a_null_answer_of_imhi_is_not_the_label_none(load):
    rows = jl(*({"post": f"p {n}", "question": "q?", "response": None} for n in range(6)))
    with pytest.raises(DataError):
        load(
            {"r.jsonl": rows},
            labels=["none", "tense"],
            source={"files": {"path": "r.jsonl", "format": "imhi"}},
            columns={"text": "post", "label": "answer", "label_kind": "answer"},
        )


QUESTIONS = {"path": "r.csv", "questions": {"a": "A?", "b": "B?"}}


def test_row_numbers_of_questions_are_those_of_the_file(load):
    with pytest.raises(DataError, match="r.csv, row 2"):
        load(
            {"r.csv": "text,a,b\nx,1,0\n,0,1\nz,1,1\n"},
            labels=["yes", "no"],
            columns={"text": "text", "label": "answer"},
            source={"files": QUESTIONS},
        )


@pytest.mark.parametrize("rows", ["\U0001f600,t,1,0\n\U0001f622,u,0,0\n", "[removed],one,1,0\n[removed],two,0,1\n"])
def test_different_posts_have_different_hashes(load, rows):
    table = load(
        {"r.csv": "text,t,a,b\n" + rows + "z,k,0,0\ny,l,1,1\n"},
        labels=["yes", "no"],
        columns={
            "text": "text",
            "label": "answer",
            "group": "post_id",
            "text_instead": "t",
            "text_empty": ["[removed]"],
        },
        source={"files": QUESTIONS},
    )
    assert table.frame["group"].nunique() == 4


def test_texts_without_letters_are_grouped_by_what_they_are():
    assert group_like(["\U0001f600", "\U0001f622", "!!"], [], []) == [0, 1, 2]


@pytest.mark.parametrize(("task", "label"), [("multilabel", ["a", "b"]), ("multilabel", "a")])
def test_answers_are_for_one_column_of_single_labels(task, label):
    mapping = {
        "name": "x",
        "task": task,
        "labels": ["a", "b"],
        "source": {"files": "r.csv"},
        "columns": {"text": "text", "label": label, "label_kind": "answer"},
    }
    with pytest.raises(ConfigError):
        from_mapping(DatasetConfig, mapping, "x")


def test_a_mistyped_key_of_one_file_is_named():
    with pytest.raises(ConfigError, match="unknown key 'enconding'"):
        from_mapping(SourceConfig, {"files": {"path": "a.csv", "enconding": "latin-1"}}, "x")


def test_the_fault_of_one_file_is_named():
    for files in ({"path": "a.csv", "sha256": "0" * 64}, {"train": {"path": "a.csv", "sha256": "0" * 64}}):
        with pytest.raises(ConfigError, match="give 'url' and 'sha256' together"):
            from_mapping(SourceConfig, {"files": files}, "x")


def test_a_wrong_number_of_turns_is_named():
    with pytest.raises(ConfigError, match="turns: is 0, expected 1 or more"):
        from_mapping(ColumnsConfig, C | {"context": {"turns": 0, "conversation": "c"}}, "x")


def test_eraser_at_the_source_without_documents(load):
    with pytest.raises(ConfigError, match="needs 'documents'"):
        load(
            {"r.jsonl": jl({"annotation_id": "a", "classification": "calm", "evidences": []})},
            source={"format": "eraser", "files": "r.jsonl"},
        )


def test_small_classes_fold(load):
    rows = "text,label\n" + "".join(f"p{n},{'calm' if n % 2 else 'tense'}\n" for n in range(8))
    assert len(load({"r.csv": rows}, splits={"kind": "folds"}).part("test")) in (1, 2)


def test_added_files_need_no_split_column(load):
    files = {
        "r.csv": "text,label,part\na,calm,train\nb,tense,train\nc,calm,test\nd,calm,train\n",
        "a.csv": "text,label\nq,calm\n",
    }
    assert (
        len(
            load(
                files, columns=C | {"split": "part"}, splits={}, source={"files": "r.csv", "added_to_train": ["a.csv"]}
            )
        )
        == 5
    )


@pytest.mark.parametrize("column", ["explanation", "confidence"])
def test_added_files_need_no_extra_column(load, column):
    files = {"r.csv": "text,label,x\na,calm,1\nb,tense,1\nc,calm,1\nd,calm,1\n", "a.csv": "text,label\nq,calm\n"}
    assert len(load(files, columns=C | {column: "x"}, source={"files": "r.csv", "added_to_train": ["a.csv"]})) == 5


def test_a_split_file_that_leaves_out_every_row(load):
    with pytest.raises(DataError):
        load({"r.jsonl": BASE, "s.txt": "-\n" * 8}, columns=C | {"split_file": "s.txt"}, splits={})


def test_empty_label_of_several_columns_is_left_out(load):
    table = load(
        {"r.csv": "text,a,b\nx,1,\ny,0,1\nz,1,1\nw,0,0\n"},
        task="multilabel",
        columns={"text": "text", "label": ["a", "b"]},
        source={"files": "r.csv", "leave_out": ["empty_label"]},
    )
    assert len(table) == 3


def test_an_added_id_does_not_clash(load):
    files = {
        "r.csv": "id,text,label\n1,a,calm\n2,b,tense\n3,c,calm\nadded-1,d,calm\n",
        "a.csv": "id,text,label\n1,q,calm\n",
    }
    table = load(files, columns=C | {"id": "id"}, source={"files": "r.csv", "added_to_train": ["a.csv"]})
    assert table.frame["id"].is_unique


def test_damaged_workbooks(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["text"])
    for n in range(50):
        book.active.append([f"post {n}"])
    path = tmp_path / "r.xlsx"
    book.save(path)
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content[: len(content) // 2] if name.endswith("sheet1.xml") else content)
    with pytest.raises(DataError, match="not a readable Excel workbook"):
        read_table(path)


def test_damaged_streams_of_a_workbook(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["text"])
    for n in range(50):
        book.active.append([f"post {n}"])
    path = tmp_path / "r.xlsx"
    book.save(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        damaged = bytearray(whole)
        damaged[place : place + 6] = b"\xff\x00\xff\x00\xff\x00"[: len(whole) - place]
        path.write_bytes(damaged)
        with contextlib.suppress(DataError):
            read_table(path)


@pytest.mark.parametrize(("context", "room"), [("homdhc\U0001f600", 2), ("uh\U0001f600oe" * 4, 4)])
@pytest.mark.parametrize("family", ["roberta", "modernbert"])
def test_the_post_is_whole_where_the_cut_meets_an_emoji(tmp_path, family, context, room):
    tokenizer = AutoTokenizer.from_pretrained(build_encoder_folder(tmp_path, family))
    text = "my knee hurts when the stairs are wet"
    body = tokenizer(text, add_special_tokens=False)["input_ids"]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(n, tokenizer.convert_tokens_to_ids(n)) for n in ("[CLS]", "[SEP]")],
    )
    (ids,) = encode_posts(tokenizer, [text], len(body) + 3 + room, [context])["input_ids"]
    assert list(ids[-len(body) - 1 : -1]) == body


def test_a_file_without_a_header_shows_no_post(load):
    post = "I have not slept since the long night at the harbour and nobody has called me back about it"
    with pytest.raises(DataError) as error:
        load({"r.csv": f"{post},calm\nb,tense\n"})
    assert "harbour" not in str(error.value) and str(error.value).endswith("Has the file a header line?")


def test_semicolons_are_named(load):
    with pytest.raises(DataError, match="parted by another sign"):
        load({"r.csv": "text;label\na;calm\n"})


def test_a_fold_of_a_set_without_folds(load, tmp_path):
    load({"r.jsonl": BASE})
    with pytest.raises(ConfigError) as error:
        load_table(str(tmp_path / "set.yaml"), fold=1)
    assert str(error.value) == "small: fold: is for 'splits: {kind: folds}', but the set has 'ratio'."


def test_masked_and_unmasked_copies_are_grouped_alike(load):
    rows = [
        [{"text": f"mail {who} about {n}", "label": ["calm", "tense"][n % 2]} for n in range(6)]
        for who in ("kim@b.org", "[email]")
    ]
    groups = [load({"r.jsonl": jl(*part)}, columns=C | {"group": "post_id"}).frame["group"].tolist() for part in rows]
    assert groups[0] == groups[1] and len(set(groups[0])) == 6


def test_conversations_of_different_splits_are_different(load):
    rows = [
        jl(*({"text": f"{part} {n}", "label": ["calm", "tense"][n % 2], "talk": 1} for n in range(4)))
        for part in ("train", "test")
    ]
    table = load(
        {"a.jsonl": rows[0], "b.jsonl": rows[1]},
        splits={},
        source={"files": {"train": "a.jsonl", "test": "b.jsonl"}},
        columns=C | {"context": {"turns": 9, "conversation": "talk"}},
    )
    assert table.part("test").contexts == ["", "test 0", "test 0\ntest 1", "test 0\ntest 1\ntest 2"]


def test_left_out_rows_are_named_without_folders(load):
    table = load(
        {"r.jsonl": BASE + jl({"text": "", "label": "calm"})}, source={"files": "r.jsonl", "leave_out": ["empty_text"]}
    )
    assert dict(table.left_out) == {"empty_text": ("r.jsonl, row 9",)}
