"""Files to one frame of raw cells: joining, renaming, `where`, `leave_out`, context, split names, a hub folder."""

import json

import datasets
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mhclf.config.columns import TurnsConfig
from mhclf.config.source import FileConfig, SourceConfig
from mhclf.config.structure import from_mapping
from mhclf.data import locate
from mhclf.data.load import load_table
from mhclf.data.locate import find_dataset
from mhclf.data.rows import CONTEXT, SPLIT, read_added_rows, read_rows
from mhclf.errors import ConfigError, DataError

COLUMNS = {"text": "text", "label": "label"}


def jsonl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def posts(*texts, label="calm", **cells):
    return jsonl(*({"text": text, "label": label} | cells for text in texts))


@pytest.fixture
def rows(write_set):
    """Return a function that writes a set and reads its rows; paths in names are cut to the file's name."""

    def rows(files, **settings):
        path = write_set(files, **settings)
        raw = read_rows(find_dataset(str(path)), None)
        return raw.frame, [name.replace(f"{path.parent}/", "") for name in raw.names], raw.left_out

    return rows


def test_several_files_a_split_keep_their_order_and_names(rows):
    files = {
        "b.jsonl": posts("the bus was late", "tea at four"),
        "a.csv": "label,text\ntense,no seat left\n",
        "t.tsv": "text\tlabel\nrain again\tcalm\n",
    }
    frame, names, _ = rows(files, source={"files": {"train": ["b.jsonl", "a.csv"], "test": "t.tsv"}}, splits={})
    assert frame["text"].tolist() == ["the bus was late", "tea at four", "no seat left", "rain again"]
    assert frame["label"].tolist() == ["calm", "calm", "tense", "calm"]
    assert frame[SPLIT].tolist() == ["train", "train", "train", "test"]
    assert names == ["b.jsonl, row 1", "b.jsonl, row 2", "a.csv, row 1", "t.tsv, row 1"]


def test_a_list_of_files_without_splits_is_joined(rows):
    files = {"one.jsonl": posts("tea at four"), "two.jsonl": posts("no seat left", "rain again")}
    frame, names, left_out = rows(files, source={"files": ["one.jsonl", "two.jsonl"]})
    assert frame["text"].tolist() == ["tea at four", "no seat left", "rain again"] and SPLIT not in frame
    assert names == ["one.jsonl, row 1", "two.jsonl, row 1", "two.jsonl, row 2"] and left_out == {}


def test_a_missing_file_of_several_is_named(refused):
    message = refused(
        {"one.jsonl": posts("tea")}, source={"files": {"train": ["one.jsonl", "gone.jsonl"]}}, splits={}, access="Ask."
    )
    assert message.startswith("set.yaml: the file 'gone.jsonl' was not found (looked at gone.jsonl, ")
    assert message.endswith("Give its folder with --data-root DIR or the environment variable MHCLF_DATA. "
                            "How to get it: Ask.")  # fmt: skip


def test_rename_format_and_encoding_belong_to_one_file(rows):
    files = {
        "plain.txt": "body\tclass\nso tired\ttense\n",
        "old.csv": "text,label\ncaf\u00e9 at noon,calm\n".encode("latin-1"),
        "new.csv": "text,label\n\u6211\u5f88\u7d2f,calm\n",
    }
    entries = [
        {"path": "plain.txt", "format": "tsv", "rename": {"body": "text", "class": "label"}},
        {"path": "old.csv", "encoding": "latin-1"},
        "new.csv",
    ]
    frame, _, _ = rows(files, source={"files": entries})
    assert frame[["text", "label"]].to_dict("records") == [
        {"text": "so tired", "label": "tense"},
        {"text": "caf\u00e9 at noon", "label": "calm"},
        {"text": "\u6211\u5f88\u7d2f", "label": "calm"},
    ]


def test_the_format_of_the_source_is_for_files_that_state_none(rows):
    files = {"a.txt": "text\tlabel\none\tcalm\n", "b.txt": "text,label\ntwo,calm\n"}
    frame, _, _ = rows(files, source={"format": "tsv", "files": ["a.txt", {"path": "b.txt", "format": "csv"}]})
    assert frame["text"].tolist() == ["one", "two"]


def test_a_column_that_every_file_needs_and_one_lacks(refused):
    files = {"one.csv": "text,label\ntea,calm\n", "two.csv": "text,lable\ntea,calm\n"}
    assert refused(files, source={"files": ["one.csv", "two.csv"]}) == (
        "two.csv: no column 'label', which set.yaml names as label. Did you mean 'lable'? Columns there: text, lable."
    )
    entry = {"path": "two.csv", "rename": {"lable": "labels"}}
    assert refused(files, source={"files": ["one.csv", entry]}) == (
        "two.csv: no column 'label', which set.yaml names as label. Did you mean 'labels'? Columns there: text, labels."
    )


SETTINGS = [
    ({"source": {"files": "one.csv", "where": {"round": "2"}}}, "round", "source: where"),
    ({"columns": COLUMNS | {"confidence": "share"}}, "share", "confidence"),
    ({"columns": COLUMNS | {"text_instead": "title"}}, "title", "text_instead"),
    ({"columns": COLUMNS | {"context": "before"}}, "before", "context"),
    ({"columns": COLUMNS | {"context": {"turns": 1, "conversation": "talk"}}}, "talk", "context: conversation"),
    ({"columns": COLUMNS | {"context": {"turns": 1, "conversation": "text", "speaker": "who"}}},
     "who", "context: speaker"),
    ({"columns": {"text": ["text", "body"], "label": "label"}}, "body", "text"),
    ({"rationale": {"column": {"calm": "why"}}}, "why", "rationale"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "column", "key"), SETTINGS)
def test_columns_that_no_file_has(refused, settings, column, key):
    assert refused({"one.csv": "text,label\ntea,calm\nrain,tense\n"}, **settings) == (
        f"one.csv: no column '{column}', which set.yaml names as {key}. Columns there: text, label."
    )


@pytest.mark.parametrize(
    ("columns", "rationale", "read"),
    [
        ({"explanation": "why"}, None, lambda table: table.frame["explanation"].tolist()),
        ({}, {"column": "why"}, lambda table: [item.parts for item in table.rationales]),
        ({"context": "why"}, None, lambda table: table.frame["context"].tolist()),
    ],
)
def test_a_column_that_only_some_files_have(write_set, columns, rationale, read):
    files = {"one.jsonl": posts("so tired", "tea"), "two.jsonl": posts("rain again", why="rain")}
    path = write_set(
        files, source={"files": ["one.jsonl", "two.jsonl"]}, columns=COLUMNS | columns, rationale=rationale
    )
    assert read(load_table(str(path))) == ([0, 0, 1] if rationale else ["", "", "rain"])


def test_spans_and_shares_that_only_some_files_have(write_set):
    files = {"one.jsonl": posts("so tired", "tea"), "two.jsonl": posts("rain again", why=[[0, 4]], share=0.5)}
    path = write_set(
        files,
        source={"files": ["one.jsonl", "two.jsonl"]},
        columns=COLUMNS | {"confidence": "share"},
        rationale={"column": "why", "kind": "char_spans"},
    )
    table = load_table(str(path))
    assert [item.spans for item in table.rationales] == [(), (), ((0, 4),)]
    assert table.frame["confidence"].isna().tolist() == [True, True, False] and table.frame["confidence"][2] == 0.5


ROUNDS = jsonl(
    *(
        {"text": f"post {number}", "label": "calm", "round": cell, "ok": ok}
        for number, (cell, ok) in enumerate([("1", "y"), (" 2 ", "y"), ("3", "y"), ("2", "n"), ("", "y")])
    )
)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"round": "2"}, [1, 3]),
        ({"round": 2}, [1, 3]),
        ({"round": ["1", "3"]}, [0, 2]),
        ({"round": ["1", "2"], "ok": "y"}, [0, 1]),
        ({"round": ""}, [4]),
        ({}, [0, 1, 2, 3, 4]),
    ],
)
def test_where(rows, where, expected):
    frame, names, left_out = rows({"r.jsonl": ROUNDS}, source={"files": "r.jsonl", "where": where})
    assert frame["text"].tolist() == [f"post {number}" for number in expected]
    assert names == [f"r.jsonl, row {number + 1}" for number in expected] and left_out == {}
    assert frame.index.tolist() == list(range(len(expected)))


@pytest.mark.parametrize("where", [{"round": "9"}, {"round": []}, {"round": "3", "ok": "n"}])
def test_where_that_leaves_nothing(refused, where):
    assert refused({"r.jsonl": ROUNDS}, source={"files": "r.jsonl", "where": where}) == (
        "set.yaml: 'source: where' leaves no row of 5."
    )


def test_a_wrong_cell_is_named_by_its_row_in_the_file_not_among_the_rows_kept(refused):
    content = jsonl(
        {"text": "tea", "label": "calm", "round": "1"},
        {"text": "", "label": "calm", "round": "1"},
        {"text": "rain", "label": "calm", "round": "2"},
        {"text": "bus", "label": "klam", "round": "2"},
    )
    assert refused({"r.jsonl": content}, source={"files": "r.jsonl", "where": {"round": "2"}}) == (
        "r.jsonl, row 4, column 'label': unknown label 'klam'. Did you mean 'calm'? The YAML lists calm, tense."
    )


FAULTY = {
    "one.jsonl": jsonl(
        {"text": "['so tired']", "label": "calm"},
        {"text": "", "label": "calm"},
        {"text": "['cut in the mid", "label": "calm"},
        {"text": "['tea', 'at four']", "label": ""},
        {"text": None, "label": None},
    ),
    "two.jsonl": jsonl({"text": "[3]", "label": "tense"}, {"text": "['rain']", "label": "tense"}, {"text": "['bus']"}),
}
FAULTS = {
    "empty_text": ["one.jsonl, row 2", "one.jsonl, row 5"],
    "damaged_text": ["one.jsonl, row 3", "two.jsonl, row 1"],
    "empty_label": ["one.jsonl, row 4", "two.jsonl, row 3"],
}


def test_rows_with_known_faults_are_left_out_counted_and_listed(write_set):
    path = write_set(
        FAULTY,
        source={"files": ["one.jsonl", "two.jsonl"], "leave_out": list(FAULTS)},
        columns=COLUMNS | {"text_kind": "python_list"},
        splits={"kind": "ratio", "test": 0.5},
    )
    with pytest.raises(DataError, match="2 rows in 2 group|1 rows in 1 group"):
        load_table(str(path))  # two rows are too few for three parts, but they are read:
    table = load_table(str(path), sidecars=False)
    assert table.texts == ["so tired", "rain"] and table.targets.tolist() == [0, 1]
    assert {
        fault: [name.replace(f"{path.parent}/", "") for name in names] for fault, names in table.left_out.items()
    } == FAULTS
    assert {key: value for key, value in table.counts.items() if "left_out" in key} == {
        "rows_left_out_empty_text": 2,
        "rows_left_out_damaged_text": 2,
        "rows_left_out_empty_label": 2,
    }
    assert table.counts["rows"] == 2


@pytest.mark.parametrize(
    ("leave_out", "message"),
    [
        (["damaged_text", "empty_label"],
         "one.jsonl, row 2, column 'text': is empty. Remove the row or fill in the post."),
        (["empty_text", "empty_label"],
         "one.jsonl, row 3, column 'text': does not parse as a Python list of texts. Mend the cell, or name "
         "'damaged_text' under 'source: leave_out' to train without such rows."),
        (["empty_text", "damaged_text"],
         "one.jsonl, row 4, column 'label': the label is empty. Fill it in or remove the row."),
    ],
)  # fmt: skip
def test_a_fault_that_is_not_named_still_stops(refused, leave_out, message):
    source = {"files": ["one.jsonl", "two.jsonl"], "leave_out": leave_out}
    assert refused(FAULTY, source=source, columns=COLUMNS | {"text_kind": "python_list"}) == message


def test_every_row_faulty(refused):
    content = jsonl({"text": "", "label": "calm"}, {"text": "tea", "label": None})
    source = {"files": "r.jsonl", "leave_out": ["empty_text", "empty_label"]}
    assert refused({"r.jsonl": content}, source=source) == (
        "set.yaml: every row has a fault that 'source: leave_out' names; none is left."
    )


def test_a_text_that_is_a_number_is_never_left_out(refused):
    content = jsonl({"text": 3, "label": "calm"}, {"text": "tea", "label": "calm"})
    source = {"files": "r.jsonl", "leave_out": ["empty_text", "empty_label", "damaged_text"]}
    assert refused({"r.jsonl": content}, source=source) == (
        "r.jsonl, row 1, column 'text': is no text. Remove the row or fill in the post."
    )


def test_an_unknown_fault(refused):
    source = {"files": "r.jsonl", "leave_out": ["empty"]}
    assert refused({"r.jsonl": posts("tea")}, ConfigError, source=source) == (
        "set.yaml: source: leave_out[0]: 'empty' is not one of empty_text, empty_label, damaged_text. "
        "Did you mean 'empty_text'?"
    )


def test_context_from_a_column_is_repaired_and_masked_like_the_post(write_set):
    content = jsonl(
        {"text": "fine", "label": "calm", "before": "it\u201a\u00c4\u00f4s what @kim_9 asked"},
        {"text": "tea", "label": "calm", "before": None},
        {"text": "rain", "label": "tense", "before": "  Why?\n"},
    )
    path = write_set({"r.jsonl": content}, columns=COLUMNS | {"context": "before"})
    table = load_table(str(path))
    assert table.contexts == ["it\u2019s what @user asked", "", "Why?"]
    assert table.texts_in_context == ["it\u2019s what @user asked\nfine", "tea", "Why?\nrain"]
    plain = load_table(str(write_set({"r.jsonl": content}, columns=COLUMNS | {"context": "before"}, repair=False)),
                       mask=False)  # fmt: skip
    assert plain.contexts == ["it\u201a\u00c4\u00f4s what @kim_9 asked", "", "Why?"]
    without = load_table(str(write_set({"r.jsonl": content})))
    assert without.contexts is None and without.texts_in_context == without.texts == ["fine", "tea", "rain"]


TALK = [
    ("k1", "nurse", "How was the night?"),
    ("k1", "guest", "Bad."),
    ("k2", "nurse", "Did you eat?"),
    ("k1", "guest", "I lay awake."),
    ("k2", "guest", "Soup."),
    ("k1", "nurse", "Since when?"),
    ("k1", "guest", "Monday."),
]
TURNS = {"turns": 2, "conversation": "talk"}


def talk():
    return jsonl(*({"talk": k, "who": who, "text": text, "label": "calm"} for k, who, text in TALK))


def test_earlier_turns_stand_in_order_and_stay_in_their_conversation(rows):
    frame, _, _ = rows({"r.jsonl": talk()}, columns=COLUMNS | {"context": TURNS})
    assert frame[CONTEXT].tolist() == [
        "",
        "How was the night?",
        "",
        "How was the night?\nBad.",
        "Did you eat?",
        "Bad.\nI lay awake.",
        "I lay awake.\nSince when?",
    ]


def test_the_speaker_stands_before_each_turn(rows):
    frame, _, _ = rows({"r.jsonl": talk()}, columns=COLUMNS | {"context": TURNS | {"turns": 1, "speaker": "who"}})
    assert frame[CONTEXT].tolist() == [
        "",
        "nurse: How was the night?",
        "",
        "guest: Bad.",
        "nurse: Did you eat?",
        "guest: I lay awake.",
        "nurse: Since when?",
    ]


def test_turns_are_counted_before_where_and_leave_out_take_rows_away(rows):
    content = talk() + jsonl(
        {"talk": "k2", "who": "guest", "text": "And tea.", "label": ""},
        {"talk": "k2", "who": "guest", "text": "No bread.", "label": "calm"},
    )
    frame, names, left_out = rows(
        {"r.jsonl": content},
        source={"files": "r.jsonl", "where": {"who": "guest"}, "leave_out": ["empty_label"]},
        columns=COLUMNS | {"context": TURNS},
    )
    assert frame["text"].tolist() == ["Bad.", "I lay awake.", "Soup.", "Monday.", "No bread."]
    assert frame[CONTEXT].tolist() == [
        "How was the night?",
        "How was the night?\nBad.",
        "Did you eat?",
        "I lay awake.\nSince when?",
        "Soup.\nAnd tea.",
    ]
    assert names == [f"r.jsonl, row {number}" for number in (2, 4, 5, 7, 9)]
    assert [len(names) for names in left_out.values()] == [1]


def test_turns_go_over_the_border_of_two_files_of_one_conversation(rows):
    files = {"a.jsonl": posts("One.", "Two.", talk=7), "b.jsonl": posts("Three.", talk=7)}
    frame, _, _ = rows(files, source={"files": ["a.jsonl", "b.jsonl"]}, columns=COLUMNS | {"context": TURNS})
    assert frame[CONTEXT].tolist() == ["", "One.", "One.\nTwo."]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("abc"), st.text("xyz ", min_size=1)), min_size=1), st.integers(1, 4))
def test_turns_are_the_last_ones_of_the_same_conversation(rows, said, turns):
    content = jsonl(*({"talk": k, "text": text, "label": "calm"} for k, text in said))
    frame, _, _ = rows({"r.jsonl": content}, columns=COLUMNS | {"context": {"turns": turns, "conversation": "talk"}})
    for row, (k, _) in enumerate(said):
        earlier = [text for other, text in said[:row] if other == k and text.strip()]
        assert frame[CONTEXT][row] == "\n".join(earlier[-turns:])


def test_less_than_one_turn():
    with pytest.raises(ConfigError) as error:
        TurnsConfig(turns=0, conversation="talk")
    assert str(error.value) == "columns: context: turns: is 0, expected 1 or more."


def test_split_names_of_files_and_columns(rows, refused):
    files = {"r.csv": "text,label,part\none,calm,train\ntwo,calm,dev\nthree,calm,valid\nfour,calm,test\n"}
    frame, _, _ = rows(files, columns=COLUMNS | {"split": "part"}, splits={})
    assert frame[SPLIT].tolist() == ["train", "validation", "validation", "test"]
    # The split that a file is listed under goes before the column.
    frame, _, _ = rows(files, source={"files": {"val": "r.csv"}}, columns=COLUMNS | {"split": "part"}, splits={})
    assert frame[SPLIT].tolist() == ["validation"] * 4
    wrong = {"r.csv": "text,label,part\none,calm,train\ntwo,calm,\n"}
    assert refused(wrong, columns=COLUMNS | {"split": "part"}, splits={}) == (
        "r.csv, row 2, column 'part': '' is no split. Known: train, validation, test."
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"files": []}, "source: files: is empty. Give one file, or a line 'split: file' for each split."),
        ({"files": {"train": []}}, "source: files: train: lists no file."),
        ({}, "source: nothing given. Give one of 'files', 'url' with 'sha256', or 'hub'."),
        ({"files": "a.csv", "hub": {"repository": "owner/name"}},
         "source: files and hub given. Give one of 'files', 'url' with 'sha256', or 'hub'."),
        ({"url": "https://example.org/a.csv"},
         "source: give 'url' and 'sha256' together; the hash proves that the file is the one meant."),
        ({"files": [{"path": "a.csv", "sha256": "0" * 64}]},
         "source: give 'url' and 'sha256' together; the hash proves that the file is the one meant."),
        ({"added_to_train": [{"url": "https://example.org/a.csv", "sha256": "A" * 64}], "files": "a.csv"},
         f"source: sha256: '{'A' * 20}...' is not 64 digits of 0-9 and a-f."),
        ({"files": ["b.json", {"path": "a.json", "format": "eraser"}]},
         "source: 'format: eraser' needs 'documents', the jsonl file with the texts."),
    ],
)  # fmt: skip
def test_a_source_that_says_too_little_or_too_much(source, message):
    with pytest.raises(ConfigError) as error:
        from_mapping(SourceConfig, source, "x")
    assert str(error.value) == message


def test_a_file_without_path_and_address():
    with pytest.raises(ConfigError) as error:
        FileConfig(format="csv")
    assert str(error.value) == "source: a file needs 'path' or 'url'."


def test_files_by_split_fills_in_what_a_bare_name_leaves_out():
    source = from_mapping(SourceConfig, {"files": {"train": ["a.csv", {"path": "b.csv"}], "test": "c.csv"}}, "x")
    found = source.files_by_split()
    assert [(split, [file.name for file in files]) for split, files in found] == [
        ("train", ["a.csv", "b.csv"]),
        ("test", ["c.csv"]),
    ]
    address = from_mapping(SourceConfig, {"url": "https://example.org/a", "sha256": "0" * 64, "format": "csv"}, "x")
    ((split, (file,)),) = address.files_by_split()
    assert (split, file.name, file.format) == ("", "https://example.org/a", "csv")
    hub = from_mapping(SourceConfig, {"hub": {"repository": "owner/name"}}, "x")
    assert hub.files_by_split() == [] and hub.hub.splits == {name: name for name in ("train", "validation", "test")}


def test_added_files_are_read_by_the_same_rules(write_set):
    files = {
        "r.jsonl": posts("tea", "rain", part="a"),
        "x.jsonl": posts("bus", part="a") + posts("sun", part="b") + posts("", part="a"),
    }
    path = write_set(files, source={"files": "r.jsonl", "added_to_train": [{"path": "x.jsonl"}],
                                    "where": {"part": "a"}, "leave_out": ["empty_text"]})  # fmt: skip
    raw = read_added_rows(find_dataset(str(path)), None)
    assert raw.frame["text"].tolist() == ["bus"] and SPLIT not in raw.frame
    assert [name.rpartition("/")[2] for name in raw.names] == ["x.jsonl, row 1"]
    assert [name.rpartition("/")[2] for name in raw.left_out["empty_text"]] == ["x.jsonl, row 3"]


@pytest.fixture
def hub_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    folder = tmp_path / "hub"
    folder.mkdir()
    train = {"text": ["tea", "rain", "", "bus"], "label": ["calm", "tense", "calm", "calm"], "kind": [1, 1, 1, 2]}
    pd.DataFrame(train).to_parquet(folder / "train.parquet")
    pd.DataFrame({"text": ["sun"], "label": ["tense"], "kind": [1]}).to_parquet(folder / "test.parquet")
    return str(folder)


def test_a_hub_source_goes_through_the_same_rules(write_set, hub_folder):
    source = {
        "hub": {"repository": hub_folder, "splits": {"train": "train", "dev": "train[:1]", "test": "test"}},
        "where": {"kind": 1},
        "leave_out": ["empty_text"],
    }
    path = write_set({"unused.txt": "x"}, source=source, splits={})
    table = load_table(str(path))
    assert table.texts == ["tea", "rain", "tea", "sun"] and table.gold_names() == ["calm", "tense", "calm", "tense"]
    assert table.frame["split"].tolist() == ["train", "train", "validation", "test"]
    assert table.left_out == {"empty_text": ("hub, train, row 3",)}


def test_a_hub_split_without_a_column(refused, hub_folder):
    source = {"hub": {"repository": hub_folder, "splits": {"train": "train", "test": "test"}}}
    assert refused({"unused.txt": "x"}, source=source, columns={"text": "txt", "label": "label"}) == (
        "hub, train: no column 'txt', which set.yaml names as text. Did you mean 'text'? "
        "Columns there: text, label, kind."
    )


def test_files_are_replaced_as_a_whole_by_a_set_that_extends_another(write_set):
    files = {"a.jsonl": posts("tea"), "b.jsonl": posts("rain"), "c.jsonl": posts("bus")}
    base = write_set(files, source={"files": {"train": "a.jsonl", "test": "b.jsonl"}, "leave_out": ["empty_text"]})
    over = base.parent / "over.yaml"
    over.write_text("extends: set.yaml\nname: over\nsource:\n  files: {test: c.jsonl}\n  where: {label: calm}\n")
    source = find_dataset(str(over)).config.source
    assert source.files == {"test": "c.jsonl"}
    assert (source.leave_out, source.where) == (("empty_text",), {"label": "calm"})
    assert read_rows(find_dataset(str(over)), None).frame[["text", SPLIT]].values.tolist() == [["bus", "test"]]


def test_an_address_is_asked_only_where_no_file_lies(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(locate, "fetch_file", lambda url, sha256: asked.append((url, sha256)) or tmp_path / "kept.csv")
    file = FileConfig(path="sub/r.csv", url="https://example.org/r.csv", sha256="0" * 64)
    yaml_path, root = tmp_path / "cfg" / "set.yaml", tmp_path / "root"
    assert locate.find_file(file, yaml_path, str(root)) == tmp_path / "kept.csv"
    assert asked == [("https://example.org/r.csv", "0" * 64)]
    for folder in (root, yaml_path.parent):
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "r.csv").write_text("text\n")
        assert locate.find_file(file, yaml_path, str(root)) == folder / "sub" / "r.csv"
    assert len(asked) == 1
    bare = FileConfig(url="https://example.org/r.csv", sha256="0" * 64)
    assert locate.find_file(bare, yaml_path, str(root)) == tmp_path / "kept.csv" and len(asked) == 2


def test_the_message_of_a_missing_file_says_how_to_get_it(tmp_path):
    yaml_path = tmp_path / "set.yaml"
    with pytest.raises(DataError) as error:
        locate.find_file(FileConfig(path="r.csv"), yaml_path, str(tmp_path / "root"), "Ask the owners.")
    assert str(error.value) == (
        f"{yaml_path}: the file 'r.csv' was not found (looked at {tmp_path / 'r.csv'}, {tmp_path / 'root' / 'r.csv'}). "
        "Give its folder with --data-root DIR or the environment variable MHCLF_DATA. How to get it: Ask the owners."
    )
