"""Bytes to text in many encodings, packed files, and Excel workbooks."""

import datetime
import gzip
import sys
import zipfile

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.data.load import load_table
from mhclf.data.readers import read_table
from mhclf.data.readers.text import codecs_name, read_text
from mhclf.errors import ConfigError, DataError


@pytest.fixture
def put(tmp_path):
    def put(name, content):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return put


def refused(path, encoding="utf-8", kind=DataError):
    with pytest.raises(kind) as error:
        read_table(path, encoding=encoding)
    return str(error.value).replace(str(path), path.name)


def not_text(place, kind):
    return (
        f"{place}: not {kind} text. Save the file as UTF-8 (a spreadsheet: 'CSV UTF-8'; or iconv), or give its "
        "encoding in a YAML, as in 'source: {files: {path: my.csv, encoding: cp1252}}' (datasets_cfg/_template.yaml "
        "shows the rest)."
    )


TEXT = "text,label\ncaf\u00e9 at noon,1\n\u00fcber all,0\n"
ROWS = [{"text": "caf\u00e9 at noon", "label": "1"}, {"text": "\u00fcber all", "label": "0"}]
ENCODINGS = ["utf-8", "UTF8", "latin-1", "ISO-8859-1", "cp1252", "windows-1252", "utf-16", "utf-32", "mac_roman",
             "utf-8-sig", "cp437"]  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_by_name(put, encoding, packed):
    content = TEXT.encode(encoding)
    path = put("r.csv.gz", gzip.compress(content)) if packed else put("r.csv", content)
    assert read_table(path, encoding=encoding).to_dict("records") == ROWS


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.tsv", "text\tlabel\ncaf\u00e9\t1\n"),
        ("r.json", '[{"text": "caf\u00e9", "label": "1"}]'),
        ("r.jsonl", '{"text": "caf\u00e9", "label": "1"}\n'),
    ],
)
def test_every_text_format_has_an_encoding(put, encoding, name, content):
    found = read_table(put(name, content.encode(encoding)), encoding=encoding).to_dict("records")
    assert found == [{"text": "caf\u00e9", "label": "1"}]


def test_windows_quotes_are_quotes_only_in_their_own_encoding(put):
    path = put("r.txt", b"it\x92s \x93fine\x94 for 5 \x80")
    assert read_text(path, "cp1252") == "it\u2019s \u201cfine\u201d for 5 \u20ac"
    assert read_text(path, "latin-1") == "it\x92s \x93fine\x94 for 5 \x80"


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf_16_with_and_without_its_mark(put, order):
    mark = "\ufeff".encode(order)
    assert read_text(put("r.txt", mark + TEXT.encode(order)), "utf-16") == TEXT
    assert read_text(put("r.txt", TEXT.encode(order)), order) == TEXT
    rows = read_table(put("r.csv", mark + TEXT.encode(order)), encoding=order).to_dict("records")
    assert rows == ROWS


@pytest.mark.parametrize("name", ["utf8", "UTF-8", "utf_8", "U8"])
def test_a_byte_order_mark_is_stripped_under_all_names_of_utf_8(put, name):
    assert read_text(put("r.txt", b"\xef\xbb\xbftext"), name) == "text"
    assert codecs_name(name) == "utf-8"


@pytest.mark.parametrize(
    ("content", "encoding", "line", "kind"),
    [
        (b"text\nfine\ncaf\xe9\n", "utf-8", 3, "UTF-8"),
        (b"text\nfine\ncaf\xe9\n", "ascii", 3, "ascii"),
        (b"text\n\x81\n", "cp1252", 2, "cp1252"),
        ("text\n".encode("utf-16") + b"x", "utf-16", 2, "utf-16"),
    ],
)
def test_text_of_another_encoding(put, content, encoding, line, kind):
    assert refused(put("r.csv", content), encoding) == not_text(f"r.csv, line {line}", kind)


@pytest.mark.parametrize("encoding", ["utf-9", "", "Mixed", "mixed ", "windows", "..", "\u00e9"])
def test_an_unknown_encoding(put, encoding):
    assert refused(put("r.csv", b"text\na\n"), encoding, ConfigError) == (
        f"source: encoding: '{encoding}' is no encoding that Python knows, such as utf-8."
    )


MIXED = [
    (b"plain", "plain"),
    ("caf\u00e9 \U0001f600 \u6211".encode(), "caf\u00e9 \U0001f600 \u6211"),
    (b"it\x92s", "it\u2019s"),
    ("caf\u00e9 it".encode() + b"\x92s \xe9t\xe9", "caf\u00e9 it\u2019s \u00e9t\u00e9"),
    (b"\xef\xbb\xbfa\x93b\x94", "a\u201cb\u201d"),
    # Windows-1252 has no sign for 81, 8D, 8F, 90, 9D.
    (b"a\x81b\x8d\x9d", "a\x81b\x8d\x9d"),
    # A sign of three bytes that was cut after two.
    (b"cut \xe2\x80", "cut \u00e2\u20ac"),
    (b"cut \xe2\x80, on", "cut \u00e2\u20ac, on"),
    (b"\xed\xa0\xbd", "\u00ed\u00a0\u00bd"),
    (b"\xff\xfe", "\u00ff\u00fe"),
    (b"", ""),
]


@pytest.mark.parametrize(("content", "expected"), MIXED)
def test_single_bytes_of_windows_among_utf_8(put, content, expected):
    assert read_text(put("r.txt", content), "mixed") == expected
    assert read_text(put("r.txt.gz", gzip.compress(content)), "mixed") == expected


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_mixed_reads_any_bytes_and_utf_8_as_it_is(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("mixed") / "r.txt"
    path.write_bytes(content)
    found = read_text(path, "mixed")
    try:
        assert found == content.decode("utf-8-sig")
    except UnicodeDecodeError:
        assert len(found) <= len(content)
    ascii_only = bytes(byte for byte in content if byte < 128).decode()
    assert "".join(sign for sign in found if ord(sign) < 128) == ascii_only


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), max_size=5), max_size=4))
def test_single_bytes_between_words_of_utf_8_are_all_read(tmp_path_factory, words):
    path = tmp_path_factory.mktemp("mixed") / "r.txt"
    path.write_bytes(b" \x92 ".join(word.encode() for word in words))
    expected = " \u2019 ".join(words)
    assert read_text(path, "mixed") == expected.removeprefix("\ufeff")


def test_the_encoding_of_a_file_reaches_the_table(write_set):
    content = b"text,label\n" + "caf\u00e9".encode() + b" isn\x92t open,calm\nrain,tense\nbus,calm\n"
    files = {"r.csv": content}
    table = load_table(str(write_set(files, source={"files": {"path": "r.csv", "encoding": "mixed"}})))
    assert table.texts == ["caf\u00e9 isn\u2019t open", "rain", "bus"]
    path = write_set(files)
    with pytest.raises(DataError) as error:
        load_table(str(path))
    assert str(error.value) == not_text(f"{path.parent}/r.csv, line 2", "UTF-8")


# Excel.


@pytest.fixture
def workbook(tmp_path):
    def workbook(*rows, sheets=(), name="r.xlsx"):
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        for title in sheets:
            book.create_sheet(title).append(["other", "sheet"])
        book.save(tmp_path / name)
        return tmp_path / name

    return workbook


def test_every_cell_of_a_workbook_is_text(workbook):
    path = workbook(
        ["text", "label", "note"],
        ["I slept, badly", 1, 0.5],
        ['she said "go"\nnow', 2.0, None],
        ["NA", "007", True],
        ["caf\u00e9 \U0001f600", -3, "null"],
        [None, None, datetime.date(2020, 1, 2)],
    )
    assert read_table(path).to_dict("records") == [
        {"text": "I slept, badly", "label": "1", "note": "0.5"},
        {"text": 'she said "go"\nnow', "label": "2", "note": ""},
        {"text": "NA", "label": "007", "note": "True"},
        {"text": "caf\u00e9 \U0001f600", "label": "-3", "note": "null"},
        {"text": "", "label": "", "note": "2020-01-02 00:00:00"},
    ]


def test_an_empty_row_in_between_keeps_the_row_numbers(workbook):
    path = workbook(["text"], ["a"], [None], ["b"])
    assert read_table(path)["text"].tolist() == ["a", "", "b"]


def test_only_the_first_sheet_is_read(workbook):
    assert read_table(workbook(["text"], ["tea"], sheets=["second"])).to_dict("records") == [{"text": "tea"}]


def test_numbers_as_header_are_names(workbook):
    assert [str(column) for column in read_table(workbook(["text", 2], ["tea", "x"])).columns] == ["text", "2"]


def test_a_workbook_as_a_set(write_set, workbook):
    path = workbook(["text", "label"], ["tea", 0], ["rain", 1], ["bus", 1], ["sun", 0])
    labels = [{"raw": "0", "name": "calm"}, {"raw": "1", "name": "tense"}]
    table = load_table(str(write_set({"x.xlsx": path.read_bytes()}, labels=labels)))
    assert table.texts == ["tea", "rain", "bus", "sun"] and table.targets.tolist() == [0, 1, 1, 0]


def test_an_empty_cell_of_a_workbook_is_an_empty_text(write_set, workbook):
    content = workbook(["text", "label"], ["tea", "calm"], [None, "calm"]).read_bytes()
    path = write_set({"x.xlsx": content})
    with pytest.raises(DataError) as error:
        load_table(str(path))
    assert str(error.value) == (
        f"{path.parent}/x.xlsx, row 2, column 'text': is empty. Remove the row or fill in the post."
    )


@pytest.mark.parametrize("rows", [[], [["text", "label"]]])
def test_a_workbook_without_rows(write_set, workbook, rows):
    path = write_set({"x.xlsx": workbook(*rows).read_bytes()})
    with pytest.raises(DataError) as error:
        load_table(str(path))
    assert str(error.value) == f"{path.parent}/x.xlsx: has a header but no rows."


BROKEN = "r.xlsx: not a readable Excel workbook. Open it and save it again, or save it as csv."


@pytest.mark.parametrize("content", [b"", b"text,label\ntea,1\n", b"PK\x03\x04", b"\xd0\xcf\x11\xe0" + b"\0" * 600])
def test_a_file_that_is_no_workbook(put, content):
    assert refused(put("r.xlsx", content)) == BROKEN


def test_a_workbook_cut_in_half_and_one_that_lacks_a_part(workbook):
    path = workbook(["text"], *([f"post {number}"] for number in range(50)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert refused(path) == BROKEN
    path.write_bytes(whole)
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    for missing in ("xl/worksheets/sheet1.xml", "xl/workbook.xml", "[Content_Types].xml"):
        with zipfile.ZipFile(path, "w") as new:
            for name, content in parts.items():
                if name != missing:
                    new.writestr(name, content)
        assert refused(path) == BROKEN


def test_a_missing_workbook(tmp_path):
    assert refused(tmp_path / "r.xlsx") == BROKEN


def test_without_openpyxl(workbook, monkeypatch):
    path = workbook(["text"], ["tea"])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert refused(path) == (
        "r.xlsx: Excel files need openpyxl 3.1.5 or newer. Install it (pip install -U openpyxl) or save as csv."
    )


def test_a_workbook_and_a_csv_of_the_same_rows_are_alike(workbook, tmp_path):
    rows = [["tea, at four", "1", ""], ["NA", "0.5", "x"]]
    path = workbook(["text", "label", "note"], *rows)
    pd.DataFrame(rows, columns=["text", "label", "note"]).to_csv(tmp_path / "r.csv", index=False)
    assert read_table(path).to_dict("records") == read_table(tmp_path / "r.csv").to_dict("records")
