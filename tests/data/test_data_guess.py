"""A data file without a YAML: what is guessed, what is refused, and that nothing ends in a traceback."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support import SENTENCES

from mhclf.config.columns import GivenColumns
from mhclf.config.dataset import DatasetConfig
from mhclf.config.source import is_table_file, table_name
from mhclf.config.structure import from_mapping, to_short_mapping
from mhclf.data.column_profile import profile
from mhclf.data.guess import guess_dataset
from mhclf.data.load import load_table
from mhclf.data.locate import dataset_yaml, find_dataset
from mhclf.data.manifest import data_hash
from mhclf.errors import ConfigError, DataError, MhclfError

POSTS = [f"{text} {number}" for number in range(3) for group in SENTENCES.values() for text in group]
YES_NO = ["yes", "no"] * (len(POSTS) // 2)


def guessed(columns, given=None):
    return guess_dataset(pd.DataFrame(columns), "folder/my posts.csv", given)


def refused(columns, given=None, kind=DataError):
    with pytest.raises(kind) as error:
        guessed(columns, given)
    return str(error.value)


def test_the_usual_names():
    users = [f"u{n % 9}" for n in range(len(POSTS))]
    found = guessed({"id": range(len(POSTS)), "Text": POSTS, "user": users, "Label": YES_NO, "year": "2020"})
    config = found.config
    assert (config.name, config.task, config.labels) == ("my_posts", "multiclass", ("no", "yes"))
    assert (config.columns.text, config.columns.label) == ("Text", "Label")
    assert (config.columns.id, config.columns.group, config.columns.split) == ("id", "user", None)
    assert config.source.files == "my posts.csv" and config.splits.kind == "ratio"
    assert found.reasons == (
        "text: column 'Text' (by its name; 9 words a cell on average)",
        "id: column 'id' (by its name; every row has its own)",
        "group: column 'user' (by its name; 9 values, and the rows of one value stay in one split)",
        "label: column 'Label' (by its name), 2 labels: 'no' 36, 'yes' 36",
        "splits: 20 % of the rows become the test part and 10 % of the rest validation, by a fixed seed",
        "not used: year",
    )


def test_columns_without_a_usual_name_are_told_by_their_contents():
    found = guessed({"what was said": POSTS, "stressed": YES_NO, "n": range(len(POSTS))})
    assert (found.config.columns.text, found.config.columns.label) == ("what was said", "stressed")
    assert "label: column 'stressed' (the only one with a few values that recur), 2 labels: 'no' 36, 'yes' 36" in (
        found.reasons
    )


def test_chinese_posts_are_texts():
    rows = [f"我今天很累不想说话{n}" for n in range(20)]
    assert guessed({"内容": rows, "类别": ["是", "否"] * 10}).config.columns.text == "内容"


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["yes", "no"], ("no", "yes")),
        (["true", "false"], ("false", "true")),
        (["1", "0"], ("0", "1")),
        ([1, 0], ("0", "1")),
        ([1.0, 0.0], ("0", "1")),
        ([True, False], ("False", "True")),
        (["on", "off"], ("off", "on")),
        (["10", "9"], ("9", "10")),
        (["null", "~"], ("null", "~")),
        (["1e3", "0x1F"], ("0x1F", "1e3")),
    ],
)
def test_labels_come_back_from_the_yaml_as_they_are(values, labels, tmp_path):
    rows = [{"text": post, "label": values[n % 2]} for n, post in enumerate(POSTS)]
    (tmp_path / "my.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    located = find_dataset(str(tmp_path / "my.jsonl"))
    assert located.config.label_names == labels
    (tmp_path / "my.yaml").write_text(dataset_yaml(located.config))
    assert find_dataset(str(tmp_path / "my.yaml")).config == located.config
    direct, by_yaml = (load_table(str(tmp_path / name)) for name in ("my.jsonl", "my.yaml"))
    assert data_hash(direct) == data_hash(by_yaml)
    assert sorted(np.bincount(direct.targets)) == [36, 36]


def test_several_0_1_columns_are_several_labels():
    flags = {"sleep": ["0", "1"] * 36, "work": ["1", "0", "0"] * 24, "people": ["0", "0", "1", "1"] * 18}
    config = guessed({"post": POSTS, **flags}).config
    assert (config.task, config.columns.label, config.labels) == ("multilabel", tuple(flags), tuple(flags))


def test_lists_of_labels():
    rows = [["a", "b"], ["b"], [], ["a"]] * 18
    config = guessed({"text": POSTS, "labels": rows}).config
    assert (config.task, config.columns.label, config.labels) == ("multilabel", "labels", ("a", "b"))
    assert config.source.leave_out == ()
    commas = guessed({"text": POSTS, "labels": ["a, b", "b", "a", "b, c"] * 18}).config
    assert (commas.task, commas.labels) == ("multilabel", ("a", "b", "c"))


def test_label_names_win_over_their_numbers():
    numbers = [0, 1] * 36
    assert guessed({"text": POSTS, "label": numbers, "label_name": YES_NO}).config.columns.label == "label_name"


def test_a_split_column():
    splits = (["train"] * 6 + ["dev"] + ["test"]) * 9
    found = guessed({"text": POSTS, "label": YES_NO, "split": splits})
    assert found.config.columns.split == "split" and found.config.splits.kind == "given"
    other = guessed({"text": POSTS, "label": YES_NO, "split": ["a", "b"] * 36})
    assert other.config.columns.split is None
    assert (
        "note: 'split' holds 'a', 'b', so it is not used, and where it names official parts, other parts are drawn. "
        "Rename its values to train, validation, test to keep them"
    ) in other.reasons


@pytest.mark.parametrize(
    "names",
    [("Train", "Test", "VALID"), (" train ", "testing", "Eval"), ("TRAINING", "test", "dev"), ("train", "Test", "val")],
)
def test_split_names_in_any_case(names, tmp_path):
    train, test, validation = names
    splits = ([train] * 6 + [validation] + [test]) * 9
    found = guessed({"text": POSTS, "label": YES_NO, "Split": splits})
    assert found.config.columns.split == "Split" and found.config.splits.kind == "given"
    pd.DataFrame({"text": POSTS, "label": YES_NO, "split": splits}).to_csv(tmp_path / "my.csv", index=False)
    (tmp_path / "my.yaml").write_text(dataset_yaml(find_dataset(str(tmp_path / "my.csv")).config))
    for path in ("my.csv", "my.yaml"):
        table = load_table(str(tmp_path / path))
        assert table.frame["split"].tolist() == (["train"] * 6 + ["validation"] + ["test"]) * 9


@pytest.mark.parametrize(
    ("splits", "fault"),
    [
        (["train", "dev", "eval"], "holds 'eval'"),
        (["dev", "test", "dev"], "names no train part"),
        (["train", "test", ""], "is empty in 24 rows"),
        (["train", "test", "held out for later"], "holds 'held out for later'"),
    ],
)
def test_a_split_column_that_is_not_understood_is_said(splits, fault):
    found = guessed({"text": POSTS, "label": YES_NO, "split": splits * 24})
    assert found.config.columns.split is None and found.config.splits.kind == "ratio"
    assert any(reason.startswith(f"note: 'split' {fault}, so it is not used") for reason in found.reasons)


def test_rows_without_text_or_label_are_left_out_and_said(tmp_path):
    frame = pd.DataFrame({"text": ["", " ", *POSTS[2:]], "label": [*YES_NO[:-1], ""]})
    frame.to_csv(tmp_path / "my.csv", index=False)
    located = find_dataset(str(tmp_path / "my.csv"))
    assert {"left out: 2 rows with no text", "left out: 1 rows with no label"} <= set(located.guessed)
    assert len(load_table(str(tmp_path / "my.csv"))) == len(POSTS) - 3


def test_what_cannot_be_a_label_is_said():
    text = {"text": POSTS}
    assert "the column 'label' holds one value only ('a'); a classifier needs two or more" in (
        refused({**text, "label": ["a"] * 72})
    )
    assert "the column 'label' has another value in each of its 72 rows" in (
        refused({**text, "label": [f"v{n}" for n in range(72)]})
    )
    assert "the column 'label' holds measured numbers (72 different ones), not classes" in (
        refused({**text, "label": [f"{n / 7:.3f}" for n in range(72)]})
    )
    assert "the column 'label' has 60 different values in 72 rows, more than the 50" in (
        refused({**text, "label": [f"v{n % 60}" for n in range(72)]})
    )
    assert "the column 'label' is empty in every row" in refused({**text, "label": [""] * 72})
    assert "holds texts of more than 60 characters" in refused({**text, "label": ["x" * 61, "y"] * 36})
    assert "has 1 row(s)" in refused({"text": ["one post"], "label": ["a"]})


def test_what_is_ambiguous_lists_the_columns_and_the_way_out():
    columns = {"text": POSTS, "mood": YES_NO, "stage": ["one", "two", "three"] * 24}
    assert refused(columns) == (
        "folder/my posts.csv: which column holds the labels? 'mood', 'stage' could. Columns there: text, mood, stage. "
        "Say --columns.label NAME, or describe the file in a YAML of ten lines (datasets_cfg/_template.yaml shows "
        "them) and give that as --data."
    )
    assert guessed(columns, GivenColumns(label=("stage",))).config.labels == ("one", "three", "two")
    two = {"post": POSTS, "comment": POSTS[::-1], "label": YES_NO}
    assert "which column holds the posts? 'post', 'comment' could." in refused(two)
    assert guessed(two, GivenColumns(text="comment")).config.columns.text == "comment"
    assert "which column holds the posts? None" in refused({"a": ["1", "2"] * 36, "b": ["x", "y"] * 36})
    assert "which column holds the labels? None" in refused({"text": POSTS})


def test_a_column_that_recurs_but_is_something_else_by_its_name_is_said():
    columns = {"text": POSTS, "subreddit": YES_NO, "language": ["en"] * 72}
    assert refused(columns) == (
        "folder/my posts.csv: which column holds the labels? None has a usual name. 'subreddit': a few values recur, "
        "but by its name it is something else; if it holds the labels, add --columns.label subreddit. Columns there: "
        "text, subreddit, language. Say --columns.label NAME, or describe the file in a YAML of ten lines "
        "(datasets_cfg/_template.yaml shows them) and give that as --data."
    )
    assert guessed(columns, GivenColumns(label=("subreddit",))).config.labels == ("no", "yes")


def test_given_columns_that_do_not_fit():
    columns = {"text": POSTS, "label": YES_NO, "flag": ["0", "1"] * 36, "age": range(72)}
    assert "columns: text: folder/my posts.csv has no column 'txt' (or has it twice). Did you mean 'text'?" in (
        refused(columns, GivenColumns(text="txt"), ConfigError)
    )
    assert "the column 'label' holds more than 0 and 1" in refused(columns, GivenColumns(label=("flag", "label")))
    assert "the column 'age' holds measured numbers" in refused(columns, GivenColumns(label=("age",)))
    assert "the column 'age' holds no text" in refused(columns, GivenColumns(text="age"))


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json", "parquet", "xlsx", "csv.gz"])
def test_every_reader(ending, tmp_path):
    frame = pd.DataFrame({"text": POSTS, "label": [0, 1] * 36})
    path = tmp_path / f"my.{ending}"
    writers = {
        "csv": lambda: frame.to_csv(path, index=False),
        "csv.gz": lambda: frame.to_csv(path, index=False),
        "tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        "json": lambda: frame.to_json(path, orient="records"),
        "parquet": lambda: frame.to_parquet(path),
        "xlsx": lambda: frame.to_excel(path, index=False),
    }
    writers[ending]()
    table = load_table(str(path))
    assert table.config.name == "my" and table.labels == ("0", "1") and len(table) == 72
    assert {"train", "validation", "test"} == set(table.frame["split"])


def test_a_changed_file_has_another_data_hash(tmp_path):
    path = tmp_path / "my.csv"
    frame = pd.DataFrame({"text": POSTS, "label": YES_NO})
    frame.to_csv(path, index=False)
    first = data_hash(load_table(str(path)))
    assert data_hash(load_table(str(path))) == first
    assert data_hash(load_table(str(path), columns=GivenColumns(text="text", label=("label",)))) == first
    frame.loc[0, "text"] = "another post stands here"
    frame.to_csv(path, index=False)
    assert data_hash(load_table(str(path))) != first


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty. Give a file with a header line and rows."),
        ("text,label\n", "has a header but no rows."),
        ("the dog sat by my chair all day,sad\nnothing helps,sad\nit was fine,glad\n", "the first line looks like"),
        ("text;label\nit was fine;a\nall good;b\n", "Save it with commas as .csv, or with tabs as .tsv."),
        ("text;label\nit was fine, yes;a\nall good, no;b\n", "Save it with commas as .csv, or with tabs as .tsv."),
        ("text;label\nit, was, fine;a\nall good;b\n", "Save it with commas as .csv, or with tabs as .tsv."),
    ],
)
def test_files_that_are_no_table(content, message, tmp_path):
    (tmp_path / "my.csv").write_text(content)
    with pytest.raises(DataError) as error:
        find_dataset(str(tmp_path / "my.csv"))
    assert message in str(error.value) and "dog" not in str(error.value)


def test_posts_in_place_of_names_and_labels_are_not_shown(tmp_path):
    (tmp_path / "my.csv").write_text("I want to die now,a\nno sleep at all again,a\nit was fine,b\n")
    with pytest.raises(ConfigError) as error:
        find_dataset(str(tmp_path / "my.csv"), GivenColumns(text="text"))
    assert str(error.value) == (
        f"columns: text: {tmp_path / 'my.csv'} has no column 'text' (or has it twice). Columns there: a text of 17 "
        "characters, a. Has the file a header line?"
    )
    labels = ["none of these", "low risk"] * 35 + ["I want to die", "low risk"]
    assert (
        "3 labels: a text of 13 characters 1, 'low risk' 36, 'none of these' 35"
        in (guessed({"text": POSTS, "label": labels}).reasons[1])
    )


def test_a_file_that_is_not_there(tmp_path):
    (tmp_path / "posts.csv").write_text("text,label\n")
    with pytest.raises(ConfigError, match=r"there is no file '.*post.csv'. Did you mean 'posts.csv'?"):
        find_dataset(str(tmp_path / "post.csv"))


def test_names_of_files():
    assert is_table_file("a/b.CSV") and is_table_file("b.jsonl.gz") and is_table_file("x.y.parquet")
    assert not is_table_file("demo") and not is_table_file("my.yaml") and not is_table_file("csv")
    assert [table_name(name) for name in ("a/b.csv", "b c.jsonl.gz", "v1.2.tsv")] == ["b", "b_c", "v1.2"]


def test_a_profile_counts_words_of_chinese_signs_and_of_others():
    assert profile("x", ["我很累", "two words"]).words == 2.5
    assert profile("x", ["1", "2.5"]).numeric and not profile("x", ["1", "2.5"]).whole
    assert profile("x", ["nan", "1"]).numeric is False


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(["yes", "no", "a", "b", "0", "1", "1.0", "a,b", "", " ", "true", "a longer text of many words"]),
    st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)
NAMES = st.one_of(
    st.sampled_from(["text", "label", "id", "user", "split", "post", "labels", "label_id", "Label ", "author", ""]),
    st.text(max_size=12),
    st.integers(),
)
COLUMNS = st.dictionaries(
    NAMES, st.one_of(st.sampled_from(["posts", "yes", "binary", "numbers", "splits"]), st.lists(CELLS, max_size=6))
)
KINDS = {
    "posts": POSTS,
    "yes": YES_NO,
    "binary": ["0", "1"] * 36,
    "numbers": [n / 7 for n in range(72)],
    "splits": ["train", "train", "dev", "test"] * 18,
}


@settings(max_examples=150, deadline=None)
@given(COLUMNS, st.integers(0, 40))
def test_any_table_is_guessed_or_refused_in_one_message(columns, rows):
    cells = {
        name: (KINDS[kind] if isinstance(kind, str) else (kind or [None]) * 72)[:rows] for name, kind in columns.items()
    }
    try:
        found = guess_dataset(pd.DataFrame(cells, dtype=object), "my.csv")
    except MhclfError:
        return
    written = dataset_yaml(found.config)
    assert from_mapping(DatasetConfig, to_short_mapping(found.config), "x") == found.config
    assert from_mapping(DatasetConfig, yaml.safe_load(written), "x").columns == found.config.columns
    assert found.reasons


@settings(max_examples=100, deadline=None)
@given(COLUMNS, st.integers(0, 40))
def test_any_json_file_is_loaded_or_refused_in_one_message(tmp_path_factory, columns, rows):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    cells = {
        str(name): (KINDS[kind] if isinstance(kind, str) else (kind or [None]) * 72)[:rows]
        for name, kind in columns.items()
    }
    lines = [json.dumps({name: values[n] for name, values in cells.items()}) for n in range(rows)]
    path.write_text("\n".join(lines))
    try:
        table = load_table(str(path))
    except MhclfError:
        return
    assert (len(table) > 1 and len(table.labels) > 1) or table.config.task == "multilabel"
