"""Sets read in pieces into memory-mapped Arrow files: the rows of `load_dataset`."""

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mhclf.data.hub import load_dataset
from mhclf.data.large import load as large
from mhclf.data.large import load_large
from mhclf.data.load import load_table
from mhclf.data.readers import read_table
from mhclf.errors import AuditError, ConfigError, DataError

ROWS = 20
# Identifiers to mask, broken signs to repair, cells with separators, quotes and line breaks.
TEXTS = [
    f"@sam_lee canâ€™t sleep, night {i}" if i % 4 == 0 else f'post "{i}", and\nmore\tof caf\u00e9 number {i}'
    for i in range(ROWS)
]
FRAME = pd.DataFrame(
    {
        "name": [f"{i:03d}" for i in range(ROWS)],
        "text": TEXTS,
        "label": ["calm", "tense"] * (ROWS // 2),
        "user": [f"u{i // 2}" for i in range(ROWS)],
        "part": ["train"] * 12 + ["val"] * 4 + ["test"] * 4,
        "why": ["sleep" if i % 4 == 0 else "" if i % 4 == 1 else f"number {i}" for i in range(ROWS)],
        "note": [f"because @someone_{i}" if i % 3 else "" for i in range(ROWS)],
        "before": [f"asked {i}" if i % 5 else "" for i in range(ROWS)],
        "sure": ["0.5" if i % 2 else "1.0" for i in range(ROWS)],
    }
)
COLUMNS = {"text": "text", "label": "label"}
ALL = COLUMNS | {
    "id": "name", "group": "user", "split": "part", "explanation": "note", "context": "before", "confidence": "sure"
}  # fmt: skip


def content_of(frame, kind):
    if kind == "parquet":
        sink = io.BytesIO()
        frame.to_parquet(sink, row_group_size=7)
        return sink.getvalue()
    if kind == "jsonl":
        return "\n\n".join(json.dumps(row) for row in frame.to_dict("records"))
    return frame.to_csv(index=False, sep="," if kind == "csv" else "\t")


def file_of(frame, ending="csv"):
    kind = ending.removesuffix(".gz")
    content = content_of(frame, kind)
    if ending.endswith(".gz"):
        content = gzip.compress(content.encode("utf-8"))
    return {f"rows.{ending}": content}


def posts(count, **columns):
    return pd.DataFrame(
        {"text": [f"post number {i}" for i in range(count)], "label": ["calm", "tense"] * (count // 2)} | columns
    )


@pytest.fixture
def load(tmp_path):
    def load(path, **settings):
        return load_large(str(path), **({"rows_at_once": 3, "cache": tmp_path / "cache"} | settings))

    return load


def rows_of(data):
    return {split: part.to_list() for split, part in data.items()}


def same_refusal(load, path, kind=DataError):
    """The message of both roads."""
    with pytest.raises(kind) as plain:
        load_dataset(str(path))
    with pytest.raises(kind) as pieces:
        load(path)
    assert str(pieces.value) == str(plain.value)
    return str(pieces.value)


ENDINGS = ["csv", "tsv", "jsonl", "parquet", "csv.gz", "tsv.gz", "jsonl.gz"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("mask", [True, False])
def test_the_same_rows_as_the_plain_road(write_set, load, ending, mask):
    path = write_set(file_of(FRAME, ending), columns=ALL, splits={}, rationale={"column": "why"})
    plain, pieces = load_dataset(str(path), mask=mask), load(path, mask=mask)
    assert rows_of(pieces) == rows_of(plain)
    assert {split: part.features for split, part in pieces.items()} == {
        split: part.features for split, part in plain.items()
    }
    assert [len(part) for part in pieces.values()] == [12, 4, 4]
    first = pieces["train"][0]
    assert first["text"] == ("@user can\u2019t sleep, night 0" if mask else "@sam_lee can\u2019t sleep, night 0")
    assert first["rationale"] == ([[12, 17]] if mask else [[15, 20]])
    assert (first["context"], first["confidence"]) == ("", 1.0)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", ["ratio", "folds"])
@pytest.mark.parametrize("columns", [COLUMNS, ALL])
def test_drawn_splits_hold_the_same_rows_and_whole_groups(write_set, load, ending, kind, columns):
    frame = pd.concat([FRAME.assign(text=[f"{text} {turn}" for text in TEXTS]) for turn in "abcde"])
    frame = frame.assign(name=range(len(frame)), user=[f"u{i // 4}" for i in range(len(frame))])
    path = write_set(file_of(frame, ending), columns=columns, splits={"kind": kind, "validation": 0.3})
    pieces = load(path)
    found = sorted((row for part in rows_of(pieces).values() for row in part), key=lambda row: row["id"].zfill(6))
    table = load_table(str(path))
    assert [row["id"] for row in found] == sorted(table.frame["id"], key=lambda name: name.zfill(6))
    assert [row["text"] for row in found] == table.texts
    assert [row["label"] for row in found] == table.targets.tolist()
    assert [row["group"] for row in found] == table.frame["group"].tolist()
    groups = [set(part["group"]) for part in pieces.values()]
    assert len(groups) == 3 and len(set.union(*groups)) == sum(map(len, groups))


def test_the_size_of_a_piece_and_other_rows_move_no_row(write_set, load, tmp_path):
    path = write_set(file_of(posts(200)), splits={"kind": "ratio"})
    first = load(path)
    assert rows_of(load(path, rows_at_once=1000, cache=tmp_path / "other")) == rows_of(first)
    write_set(file_of(posts(400)), splits={"kind": "ratio"})
    later = load(path)
    for split, part in first.items():
        assert [row for row in later[split].to_list() if int(row["id"]) < 200] == part.to_list()


def test_shares_are_met_on_average_and_folds_share_the_rows(write_set, load):
    file = file_of(posts(4000))
    data = load(write_set(file, splits={"kind": "ratio", "test": 0.25, "validation": 0.2}), rows_at_once=1000)
    assert {split: round(len(part) / 4000, 1) for split, part in data.items()} == {
        "train": 0.6, "validation": 0.2, "test": 0.2
    }  # fmt: skip
    other = load(write_set(file, splits={"kind": "ratio", "test": 0.25, "seed": 1}), rows_at_once=1000)
    shared = len(set(data["test"]["id"]) & set(other["test"]["id"]))
    assert 0.15 < shared / len(data["test"]) < 0.35
    tests = [
        load(write_set(file, splits={"kind": "folds", "folds": 4, "fold": fold}), rows_at_once=1000)["test"]["id"]
        for fold in range(4)
    ]
    assert sorted(name for part in tests for name in part) == [f"{i:06d}" for i in range(4000)]
    assert all(800 < len(part) < 1200 for part in tests)


def test_groups_are_cut_only_on_request(write_set, load):
    file = file_of(posts(60, user=["one"] * 60))
    whole = {"columns": COLUMNS | {"group": "user"}, "splits": {"kind": "ratio"}}
    with pytest.raises(DataError, match="60 rows are too few to draw parts by the hash of their group; one is empty"):
        load(write_set(file, **whole))
    data = load(write_set(file, **whole | {"splits": {"kind": "ratio", "group_by": None}}))
    assert set(data) == {"train", "validation", "test"}


def test_a_file_a_split_and_a_validation_part_out_of_train(write_set, load):
    files = {
        "a.csv": content_of(posts(60), "csv"),
        "b.jsonl": content_of(posts(20, text=[f"other {i}" for i in range(20)], note="x"), "jsonl"),
    }
    columns = COLUMNS | {"explanation": "note"}
    path = write_set(files, columns=columns, splits={}, source={"files": {"train": "a.csv", "test": "b.jsonl"}})
    data, table = load(path), load_table(str(path))
    assert data["test"].to_list() == load_dataset(str(path))["test"].to_list()
    both = [*data["train"].to_list(), *data["validation"].to_list()]
    assert sorted(row["id"] for row in both) == table.frame["id"].tolist()[:60]
    assert 0 < len(data["validation"]) < 20 and set(data["train"]["explanation"]) == {""}


def test_a_column_that_few_rows_have(write_set, load):
    rows = [{"text": f"post {i}", "label": "calm", "part": PART[i]} for i in range(9)]
    rows[7]["note"], rows[8]["label"] = "seen", "tense"
    path = write_set(
        {"r.jsonl": "\n".join(map(json.dumps, rows))},
        columns=COLUMNS | {"split": "part", "explanation": "note"},
        splits={},
    )
    assert rows_of(load(path)) == rows_of(load_dataset(str(path)))
    del rows[4]["label"]
    path = write_set({"r.jsonl": "\n".join(map(json.dumps, rows))}, columns=COLUMNS | {"split": "part"}, splits={})
    assert "r.jsonl, row 5, column 'label': the label is empty" in same_refusal(load, path)


PART = ["train"] * 3 + ["validation"] * 3 + ["test"] * 3


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_rows_that_are_left_out(write_set, load, ending):
    frame = FRAME.assign(text=["" if i in (4, 13) else text for i, text in enumerate(TEXTS)])
    source = {
        "files": f"rows.{ending}",
        # Leaves no row of some pieces.
        "where": {"user": ["u0", "u1", "u2", "u6", "u7", "u9"]},
        "leave_out": ["empty_text"],
    }
    path = write_set(file_of(frame, ending), columns=COLUMNS | {"split": "part"}, splits={}, source=source)
    assert rows_of(load(path)) == rows_of(load_dataset(str(path)))
    path = write_set(file_of(frame, ending), splits={}, columns=ALL, source=source | {"where": {"user": "nobody"}})
    with pytest.raises(DataError, match="'source: where' and 'source: leave_out' leave no row of 20"):
        load(path)


def test_several_labels_questions_and_posts_as_groups(write_set, load):
    frame = posts(12, part=["train", "train", "val", "val", "test", "test"] * 2, sad=[0, 1] * 6, ill=[1, 0] * 6)
    settings = {"columns": {"text": "text", "label": ["sad", "ill"], "split": "part"}, "splits": {}}
    path = write_set(file_of(frame), task="multilabel", **settings)
    assert rows_of(load(path)) == rows_of(load_dataset(str(path)))
    file = {"path": "rows.csv", "questions": {"sad": "Is it sad?", "ill": "Is it ill?"}}
    columns = {"text": ["text", "question"], "label": "answer", "split": "part", "group": "post_id"}
    asked = {"source": {"files": [file]}, "labels": ["no", "yes"], "columns": columns, "splits": {}}
    path = write_set(file_of(frame), **asked)
    assert rows_of(load(path)) == rows_of(load_dataset(str(path)))
    path = write_set(file_of(frame.assign(ill=[1] * 7 + [5] * 5)), **asked)
    assert "rows.csv, row 8, column 'ill': '5' is neither 0 nor 1" in same_refusal(load, path)


# What is wrong, in row 8 of 20 or for the whole file.


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("label", "joy", "row 8, column 'label': unknown label 'joy'"),
        ("text", " ", "row 8, column 'text': is empty"),
        ("part", "holdout", "row 8, column 'part': 'holdout' is no split"),
        ("sure", "2", "row 8, column 'sure': '2' is no share"),
        ("name", "", "row 8, column 'name': the id is empty"),
        ("name", "006", "row 8, column 'name': the id stands already in"),
        ("name", "000", "row 8, column 'name': the id stands already in"),
    ],
)
def test_a_wrong_cell_in_piece_3_is_named_by_its_row_of_the_file(
    write_set, load, tmp_path, ending, column, cell, message
):
    frame = FRAME.copy()
    frame.loc[7, column] = cell
    path = write_set(file_of(frame, ending), columns=ALL, splits={})
    assert f"rows.{ending}, {message}" in same_refusal(load, path)
    assert not list((tmp_path / "cache").glob("*[!k]"))


def test_rows_are_counted_by_file_and_ids_over_all_files(write_set, load):
    files = {"a.csv": content_of(FRAME[:10], "csv"), "b.csv": content_of(FRAME[9:], "csv")}
    path = write_set(files, columns=ALL, splits={}, source={"files": list(files)})
    message = same_refusal(load, path)
    assert (
        "b.csv, row 1, column 'name': the id stands already in" in message and "a.csv, row 10 (1 such ids)" in message
    )


@pytest.mark.parametrize("cut", [3, 40, -20])
def test_a_broken_gz(write_set, load, cut):
    numbers = np.random.default_rng(0).integers(10**12, size=ROWS)
    noise = posts(ROWS, text=[f"post {i} {number}" for i, number in enumerate(numbers)])
    packed = file_of(noise, "csv.gz")["rows.csv.gz"]
    assert "cannot be read" in same_refusal(load, write_set({"rows.csv.gz": packed[:cut]}))
    with pytest.raises(DataError, match=r"rows.csv.gz: cannot be read \(CRC check failed"):
        load(write_set({"rows.csv.gz": packed[:-8] + bytes(8)}))


def test_a_broken_gz_after_many_pieces(write_set, load):
    frame = posts(40_000, text=[f"post {i}" for i in range(40_000)])
    packed = file_of(frame, "jsonl.gz")["rows.jsonl.gz"]
    path = write_set({"rows.jsonl.gz": packed[: len(packed) // 2]})
    assert "end-of-stream" in same_refusal(load, path)
    path = write_set({"rows.csv.gz": file_of(frame, "csv.gz")["rows.csv.gz"][:-4]})
    assert "end-of-stream" in same_refusal(lambda path: load(path, rows_at_once=9000), path)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "ascii", "cp1252"])
def test_a_wrong_encoding_in_the_middle(write_set, load, kind, encoding):
    content = content_of(posts(60_000), kind).replace("number 50000", "number caf\u0081")
    raw = (b"\xef\xbb\xbf" if encoding == "utf-8-sig" else b"") + content.encode("latin-1")
    assert len(raw) > 1 << 20
    path = write_set({f"rows.{kind}": raw}, source={"files": [{"path": f"rows.{kind}", "encoding": encoding}]})
    found = same_refusal(lambda path: load(path, rows_at_once=20_000), path)
    assert f"rows.{kind}, line {50_002 if kind == 'csv' else 100_001}: not " in found


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("text,label\n" + "caf\u00e9,calm\r\n\u201cb\u201d,tense\n" * 9, "utf-16"),
        ("text,label\n" + "caf\u00e9,calm\n\u201cb\u201d,tense\n" * 9, "cp1252"),
        ("\ufefftext,label\n" + "caf\u00e9,calm\n\u201cb\u201d,tense\n" * 9, "utf-8"),
    ],
)
def test_encodings(write_set, load, content, encoding):
    path = write_set(
        {"r.csv": content.encode(encoding)}, source={"files": [{"path": "r.csv", "encoding": encoding}]},
        splits={"kind": "ratio", "test": 0.4, "validation": 0.4, "group_by": None},
    )  # fmt: skip
    frame = pd.concat(
        [pd.DataFrame(piece) for piece in large.read_pieces(large._files(large.find_dataset(str(path)), None)[0], 4)]
    )
    pd.testing.assert_frame_equal(frame, read_table(path.parent / "r.csv", encoding=encoding))


def test_mixed_encoding_in_pieces(write_set):
    raw = b"text,label\n" + "caf\u00e9,calm\n".encode() + b"it\x92s,tense\n" * 60_000 + b"cut \xe2\x80"
    path = write_set({"r.csv": raw}, source={"files": [{"path": "r.csv", "encoding": "mixed"}]})
    frame = pd.concat(large.read_pieces(large._files(large.find_dataset(str(path)), None)[0], 7000))
    pd.testing.assert_frame_equal(frame, read_table(path.parent / "r.csv", encoding="mixed"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.csv", ""),
        ("r.csv", " \n\n  "),
        ("r.csv", "text,label\n"),
        ("r.csv", "text,label\n" + "a,calm\n" * 6 + "b,calm,c\n" + "a,calm\n" * 6),
        ("r.csv", "text,label\n" + "a,calm\n" * 7 + 'b,"calm\n' + "a,calm\n" * 6),
        ("r.csv", "text,label\n" + "a,calm,b\n" * 7),
        ("r.csv", "text,mark\n" + "a,calm\n" * 7),
        ("r.jsonl", ""),
        ("r.jsonl", "\n \n"),
        ("r.jsonl", '{"text": "a", "label": "calm"}\n' * 7 + '{"text": "a", "la'),
        ("r.jsonl", '{"text": "a", "label": "calm"}\n' * 7 + '\n{"text": "a\n'),
        ("r.jsonl", '{"text": "a", "label": "calm"}\n' * 7 + "7\n"),
        ("r.parquet", content_of(FRAME[:0], "parquet")),
        ("r.what", "text"),
    ],
)
def test_files_that_do_not_parse(write_set, load, name, content):
    same_refusal(load, write_set({name: content}))


@pytest.mark.parametrize("end", [-20, 300])
def test_a_parquet_file_without_its_end(write_set, load, end):
    with pytest.raises(DataError, match=r"r.parquet: not a readable parquet file: Parquet magic bytes not found"):
        load(write_set({"r.parquet": content_of(FRAME, "parquet")[:end]}))


# Leaks.


def test_exact_duplicates_across_splits_and_pieces_are_dropped(write_set, load):
    texts = [f"post {i}" for i in range(ROWS)]
    # A train row like a validation row, one like a test row, a validation row like a test row, two train rows alike.
    texts[1], texts[4], texts[13], texts[6] = texts[14].upper(), f"{texts[17]}!", texts[18], texts[7]
    path = write_set(file_of(FRAME.assign(text=texts)), columns=COLUMNS | {"split": "part"}, splits={})
    data = load(path)
    assert rows_of(data) == rows_of(load_dataset(str(path)))
    assert [len(part) for part in data.values()] == [10, 3, 4]


def test_the_context_counts_as_text_of_a_duplicate(write_set, load):
    frame = FRAME.assign(text="the same", before=[f"turn {i % 16}" for i in range(ROWS)])
    path = write_set(file_of(frame), columns=COLUMNS | {"split": "part", "context": "before"}, splits={})
    data = load(path)
    assert rows_of(data) == rows_of(load_dataset(str(path))) and len(data["train"]) == 8


def test_the_audit_stops_here_too(write_set, load):
    cut = file_of(FRAME.assign(user=["a", "b"] + [f"{i}" for i in range(16)] + ["a", "b"]))
    columns = COLUMNS | {"split": "part", "group": "user"}
    assert "2 groups lie in more than one split" in same_refusal(
        load, write_set(cut, columns=columns, splits={}), AuditError
    )
    path = write_set(cut, columns=columns, splits={"group_by": None})
    assert rows_of(load(path)) == rows_of(load_dataset(str(path)))
    only_test = write_set(file_of(FRAME.assign(part="test")), columns=columns, splits={})
    assert "a test part only" in same_refusal(load, only_test, AuditError)
    texts = [f"post {i % 12}" for i in range(12)] + [f"post {i}" for i in range(8)]
    part = ["train"] * 8 + ["test"] * 4 + ["val"] * 8
    repeated = write_set(file_of(FRAME.assign(text=texts, part=part)), columns=COLUMNS | {"split": "part"}, splits={})
    assert "The train part is empty" in same_refusal(load, repeated, AuditError)
    no_train = write_set(file_of(FRAME.assign(part=["val"] * 10 + ["test"] * 10)), columns=columns, splits={})
    assert "no row belongs to train" in same_refusal(load, no_train)
    assert "no row belongs to train" in same_refusal(load, write_set(file_of(FRAME), splits={}))


# The cache.


def test_the_second_call_reads_no_file(write_set, load, monkeypatch, tmp_path):
    path = write_set(file_of(FRAME), columns=ALL, splits={})
    first = rows_of(load(path))

    def read(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(large, "read_pieces", read)
    assert rows_of(load(path)) == first
    for change in ({"mask": False}, {"cache": tmp_path / "elsewhere"}):
        with pytest.raises(AssertionError, match="read again"):
            load(path, **change)
    write_set(file_of(FRAME), columns=ALL, splits={}, repair=False)
    with pytest.raises(AssertionError, match="read again"):
        load(path)


def test_a_changed_file_is_read_again(write_set, load):
    path = write_set(file_of(FRAME), columns=ALL, splits={})
    load(path)
    data = path.parent / "rows.csv"
    data.write_text(data.read_text("utf-8").replace("number 1,", "number 0,"), encoding="utf-8")
    os.utime(data, ns=(1, 1))
    assert rows_of(load(path)) == rows_of(load_dataset(str(path)))


def test_a_stop_between_pieces_leaves_nothing(write_set, load, monkeypatch, tmp_path):
    path = write_set(file_of(FRAME), columns=ALL, splits={})
    build, calls = large.build_table, []

    def stop(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return build(*arguments)

    monkeypatch.setattr(large, "build_table", stop)
    with pytest.raises(KeyboardInterrupt):
        load(path)
    assert [found.suffix for found in (tmp_path / "cache").iterdir()] in ([], [".lock"])
    assert rows_of(load(path)) == rows_of(load_dataset(str(path)))


def test_what_a_killed_run_left_is_not_taken_for_the_cache(write_set, load, tmp_path):
    path = write_set(file_of(FRAME), columns=ALL, splits={})
    code = (
        "import os, sys\nfrom mhclf.data.large import load as large\nbuild, calls = large.build_table, []\n"
        "def kill(*arguments):\n    calls.append(1)\n    return os._exit(9) if len(calls) == 3 else build(*arguments)\n"
        "large.build_table = kill\nfrom pathlib import Path\n"
        "large.load_large(sys.argv[1], rows_at_once=3, cache=Path(sys.argv[2]))\n"
    )
    assert subprocess.run([sys.executable, "-c", code, path, tmp_path / "cache"]).returncode == 9
    left = [found for found in (tmp_path / "cache").iterdir() if found.suffix != ".lock"]
    assert [found.suffix for found in left] == [".part"]
    assert rows_of(load(path)) == rows_of(load_dataset(str(path)))
    assert [found for found in (tmp_path / "cache").iterdir() if found.suffix != ".lock"] == [left[0].with_suffix("")]
    assert sorted(found.name for found in left[0].with_suffix("").iterdir()) == [
        "test.arrow", "train.arrow", "validation.arrow"
    ]  # fmt: skip


def test_a_damaged_cache_and_one_that_cannot_be_written(write_set, load, tmp_path):
    path = write_set(file_of(FRAME), columns=ALL, splits={})
    load(path)
    train = next((tmp_path / "cache").glob("*/train.arrow"))
    train.unlink()
    train.write_bytes(b"no arrow")
    with pytest.raises(DataError, match=r"cannot be read\. Delete the folder; it is made anew"):
        load(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\)|cannot be written \(File exists\)"):
        load(path, cache=tmp_path / "file")


def test_the_cache_lies_where_the_others_do(write_set, monkeypatch, tmp_path):
    monkeypatch.setenv("MHCLF_CACHE", str(tmp_path / "ours"))
    data = load_large(str(write_set(file_of(FRAME), columns=ALL, splits={})))
    assert Path(data["train"].cache_files[0]["filename"]).parents[1] == tmp_path / "ours" / "large"


# What needs all rows at once.


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"source": {"hub": {"repository": "a/b"}}}, "a hub"),
        ({"source": {"files": "rows.csv", "added_to_train": ["rows.csv"]}}, "'added_to_train'"),
        ({"columns": COLUMNS | {"group_file": "groups.txt"}}, "'group_file'"),
        ({"columns": COLUMNS | {"split_file": "splits.txt"}}, "'split_file'"),
        ({"columns": COLUMNS | {"context": {"turns": 2, "conversation": "user"}}}, "a context of earlier turns"),
        ({"source": {"files": "rows.csv", "format": "imhi"}}, "imhi"),
        ({"source": {"files": [{"path": "rows.csv", "format": "eraser", "documents": "d.jsonl"}]}}, "eraser"),
        ({"source": {"files": "rows.csv", "format": "json"}}, "json"),
        ({"source": {"files": ["rows.csv", "rows.xlsx"]}}, "xlsx"),
    ],
)
def test_what_is_refused(write_set, load, settings, what):
    path = write_set(file_of(FRAME) | {"rows.xlsx": b""}, **settings)
    with pytest.raises(ConfigError, match=f": {what} cannot be read in pieces. Use load_table"):
        load(path)


def test_a_piece_has_rows(write_set, load):
    with pytest.raises(ConfigError, match="rows_at_once: is 0, expected 1 or more"):
        load(write_set(file_of(FRAME)), rows_at_once=0)


# Memory.

_MEASURE = """
import resource, sys, time
from pathlib import Path
from mhclf.data.hub import load_dataset
from mhclf.data.large import load_large
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.time()
if sys.argv[1] == "large":
    data = load_large(sys.argv[2], cache=Path(sys.argv[3]))
else:
    data = load_dataset(sys.argv[2])
assert sum(map(len, data.values())) == 200_000
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(before // 1024, peak // 1024, round(time.time() - start))
"""
# A process that is started takes over the peak of the one that starts it; so a small one starts it.
_LAUNCH = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, *sys.argv[1:]]).returncode)"


def measured(*arguments):
    run = [sys.executable, "-c", _LAUNCH, "-c", _MEASURE, *map(str, arguments)]
    return [int(number) for number in subprocess.run(run, check=True, capture_output=True, text=True).stdout.split()]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(write_set, tmp_path):
    words = np.array(["I", "you", "sleep", "worry", "walk", "talk", "rest", "never", "often", "always", "tired"])
    draws = np.random.default_rng(0).integers(len(words), size=(200_000, 95))
    lines = [f"{' '.join(words[draw])} {i},{('calm', 'tense')[i % 2]},u{i // 3}\n" for i, draw in enumerate(draws)]
    path = write_set({"rows.csv": "text,label,user\n" + "".join(lines)}, columns=COLUMNS | {"group": "user"})
    size = (tmp_path / "rows.csv").stat().st_size >> 20
    before, large_peak, seconds = measured("large", path, tmp_path / "cache")
    _, plain_peak, plain_seconds = measured("plain", path)
    _, again, again_seconds = measured("large", path, tmp_path / "cache")
    print(f"{size} MiB: libraries {before}; pieces {large_peak} MiB, {seconds} s; again {again} MiB, {again_seconds} s")
    print(f"plain {plain_peak} MiB, {plain_seconds} s")
    bound = before + 150
    assert large_peak < bound < plain_peak and again < before + 40
