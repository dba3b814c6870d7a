"""Reading rows that cannot all be read: each is there, the broken ones with a reason."""

import csv
import gzip
import io
import json

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mhclf.data.large import lenient
from mhclf.data.large.lenient import RowColumns, choose_columns, column_names, kind_of, read_leniently
from mhclf.data.readers import read_table
from mhclf.errors import ConfigError, DataError

TEXT = RowColumns("text", "id")


def rows_of(path, columns=TEXT, encoding="utf-8"):
    return list(read_leniently(path, columns, encoding))


def test_csv_with_every_kind_of_broken_row(tmp_path):
    path = tmp_path / "posts.csv"
    path.write_bytes(
        b"\xef\xbb\xbfid,text,n\r\n"
        b'a,"two\r\nlines, one ""cell""",1\r\n'
        b"\r\n"
        b"b,caf\xe9,2\r\n"
        b"c,   ,3\r\n"
        b"d,too,many,cells\r\n"
        b"e,too few\r\n"
        b"a,nul \x00 inside,5\r\n"
        b"f,caf\xc3\xa9,\xff\r\n"
        b'g,5" screen,7\r\n'
        b'h,"never closed,8\r\n'
        b"i,last,9"
    )
    rows = rows_of(path)
    assert [(row.number, row.identifier, row.text, row.problem, row.line) for row in rows] == [
        (1, "a", 'two\r\nlines, one "cell"', "", 2),
        (2, "b", "", "bytes that do not decode", 5),
        (3, "c", "", "the text is empty", 6),
        (4, "", "", "has 4 cells, the header has 3", 7),
        (5, "", "", "has 2 cells, the header has 3", 8),
        (6, "a", "nul \x00 inside", "", 9),
        # A broken byte in a column that nobody asked for does no harm.
        (7, "f", "café", "", 10),
        (8, "g", '5" screen', "", 11),
        (9, "", "", "opens a quote that is never closed", 12),
        (10, "i", "last", "", 13),
    ]
    assert csv.field_size_limit() == 131_072
    assert rows[-1].share == 1.0
    kept = rows_of(path, RowColumns("text", None, None, ("n",)))
    assert [row.kept for row in kept[:2]] == [("1",), (None,)]
    assert [row.identifier for row in kept] == [str(n) for n in range(1, 11)]


def test_jsonl_with_every_kind_of_broken_row(tmp_path):
    path = tmp_path / "posts.jsonl"
    path.write_bytes(
        b'{"id": 1, "text": "line\\u2028separator \xe2\x80\xa8 raw"}\r\n'
        b"\n"
        b'{"id": 2, "text": "half \\ud83d an emoji"}\n'
        b'{"id": 3, "text": \n'
        b"[1, 2]\n"
        b'{"id": 5, "text": null}\n'
        b'{"id": 6, "text": 12}\n'
        b'{"id": 7, "post": "elsewhere"}\n'
        b'{"id": 8, "text": "\xff"}\n'
        b'{"id": 9.0, "text": "last"}'
    )
    assert [(row.number, row.identifier, row.text, row.problem, row.line) for row in rows_of(path)] == [
        (1, "1", "line\u2028separator \u2028 raw", "", 1),
        (2, "2", "half \ufffd an emoji", "", 3),
        (3, "", "", "not valid JSON: Expecting value", 4),
        (4, "", "", "holds no JSON object. Each line is one {...}", 5),
        (5, "5", "", "the text is empty", 6),
        (6, "6", "", "the text is a number, a list or the like", 7),
        (7, "", "", "has no such key as the text column", 8),
        (8, "", "", "bytes that do not decode", 9),
        (9, "9", "last", "", 10),
    ]


def test_parquet_with_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "posts.parquet"
    texts = pyarrow.array([b"good", b"bad \xff", None, b" ", b"caf\xc3\xa9"]).view(pyarrow.string())
    ids = pyarrow.array([1.0, 2.0, 3.0, None, 5.0])
    table = pyarrow.table({"id": ids, "text": texts.dictionary_encode(), "large": texts.cast(pyarrow.large_binary())})
    pyarrow.parquet.write_table(table, path)
    assert column_names(path) == ("id", "text", "large")
    assert [(row.identifier, row.text, row.problem, row.line) for row in rows_of(path)] == [
        ("1", "good", "", None),
        ("2", "", "bytes that do not decode", None),
        ("3", "", "the text is empty", None),
        ("", "", "the text is empty", None),
        ("5", "café", "", None),
    ]


def test_what_is_too_long_is_one_row_and_reading_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(lenient, "LONGEST", 100)
    path = tmp_path / "posts.csv"
    path.write_text("text\n" + "x" * 250 + "\nfine\n" + '"open\n' + "y" * 60 + "\n" + "z" * 60 + "\nend\n")
    problems = [(row.text[:3], row.problem, row.line) for row in rows_of(path, RowColumns("text"))]
    assert problems == [
        ("", "is longer than 100 characters", 2),
        ("fin", "", 3),
        ("", "opens a quote that is never closed", 4),
        ("yyy", "", 5),
        ("zzz", "", 6),
        ("end", "", 7),
    ]
    path = tmp_path / "posts.jsonl"
    path.write_text(json.dumps({"text": "x" * 250}) + '\n{"text": "fine"}\n')
    problems = [(row.text, row.problem) for row in rows_of(path, RowColumns("text"))]
    assert problems == [("", "is longer than 100 characters"), ("fine", "")]


def test_a_post_of_a_million_characters_is_read(tmp_path):
    path = tmp_path / "posts.csv.gz"
    path.write_bytes(gzip.compress(b"id,text\n1," + b"word " * 200_000 + b"\n"))
    (row,) = rows_of(path)
    assert len(row.text) == 1_000_000 and row.problem == ""


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8), tabs=st.booleans())
def test_well_formed_tables_are_read_as_training_reads_them(tmp_path_factory, rows, tabs):
    path = tmp_path_factory.mktemp("tables") / ("posts.tsv" if tabs else "posts.csv")
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter="\t" if tabs else ",", lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "text"), *rows])
    path.write_text(stream.getvalue(), encoding="utf-8", newline="")
    found = rows_of(path)
    assert [row.text for row in found] == [text if text.strip() else "" for _, text in rows]
    assert [row.identifier for row in found] == [identifier.strip() for identifier, _ in rows]
    if "\0" not in stream.getvalue():
        frame = read_table(path)
        assert [row.text for row in found] == [text if text.strip() else "" for text in frame["text"]]


@settings(max_examples=80, deadline=None)
@given(content=st.binary(max_size=200))
# No blank line, but a byte that does not decode.
@example(content=b"\x85")
def test_any_bytes_give_rows_or_one_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "posts.csv"
    path.write_bytes(b"id,text\n" + content)
    rows = rows_of(path)
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert all(bool(row.problem) == (row.text == "") for row in rows)
    jsonl = path.with_suffix(".jsonl")
    jsonl.write_bytes(content)
    lines = [line for line in content.split(b"\n") if line.strip(b" \t\r\x0b\x0c\x1c\x1d\x1e\x1f")]
    assert len(rows_of(jsonl)) <= len(lines)


@pytest.mark.parametrize(
    ("known", "expected"), [(("id", "Post", "body"), "Post"), (("whatever",), "whatever"), (("BODY", "x"), "BODY")]
)
def test_the_text_column_is_guessed(tmp_path, known, expected):
    assert choose_columns(tmp_path, known).text == expected


@pytest.mark.parametrize("name", ["I want to die now", "help me", "x" * 31, "", "我今天很累不想"])
def test_a_post_in_place_of_the_only_name_is_refused_and_not_quoted(tmp_path, name):
    with pytest.raises(ConfigError) as error:
        choose_columns(tmp_path / "x.csv", (name,))
    assert str(error.value) == (
        f"{tmp_path / 'x.csv'}: the name of its only column looks like a post, not like a name. Put a header line on "
        "top, such as text, or give that name as --text-column."
    )
    assert choose_columns(tmp_path / "x.csv", (name,), name).text == name


def test_posts_in_place_of_names_are_not_listed(tmp_path):
    with pytest.raises(DataError) as error:
        choose_columns(tmp_path / "x.csv", ("I want to die now", "a"), "I want to die")
    assert str(error.value).endswith("no column 'I want to die'. Columns there: a text of 17 characters, a.")


def test_wrong_columns_and_endings_are_told(tmp_path):
    with pytest.raises(DataError) as error:
        choose_columns(tmp_path / "x.csv", ("a", "b"))
    message = "which column holds the posts? Say --text-column. Columns there: a, b."
    assert str(error.value) == f"{tmp_path / 'x.csv'}: {message}"
    with pytest.raises(DataError, match="x.csv: no column 'txt'. Did you mean 'text'\\? Columns there: text, b."):
        choose_columns(tmp_path / "x.csv", ("text", "b"), "txt")
    for name in ("x.xlsx", "x", "x.parquet.gz", ".gz"):
        with pytest.raises(ConfigError, match="unknown file ending. Known: csv, tsv, jsonl, parquet;"):
            kind_of(tmp_path / name)
    (tmp_path / "twice.csv").write_text("text,text\n1,2\n")
    with pytest.raises(DataError, match="two columns are called 'text'. Rename one."):
        column_names(tmp_path / "twice.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="has no readable header line \\(is empty\\)."):
        column_names(tmp_path / "empty.csv")
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(DataError, match="has no readable line. Give one JSON object a line."):
        column_names(tmp_path / "empty.jsonl")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"text\n" + b"a\n" * 9999)[:-20])
    with pytest.raises(DataError, match="cut.csv.gz: cannot be read"):
        rows_of(tmp_path / "cut.csv.gz", RowColumns("text"))
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="x.parquet: not a readable parquet file"):
        column_names(tmp_path / "x.parquet")


def test_other_encodings(tmp_path):
    path = tmp_path / "posts.csv"
    path.write_bytes("id,text\n1,café\n".encode("cp1252"))
    assert rows_of(path)[0].problem == "bytes that do not decode"
    assert rows_of(path, encoding="cp1252")[0].text == rows_of(path, encoding="mixed")[0].text == "café"
    path.write_bytes("id,text\n1,café\n".encode("utf-16"))
    assert rows_of(path, encoding="utf-16")[0].text == "café"
    with pytest.raises(ConfigError, match="'utf8x' is no encoding that Python knows"):
        rows_of(path, encoding="utf8x")
