"""Files to raw cells, in every format, whole and broken."""

import gzip
import json

import pandas as pd
import pytest

from mhclf.data.readers import READERS, read_table
from mhclf.errors import DataError

ROWS = [{"text": "I slept, badly", "label": "1"}, {"text": 'she said "go"\nnow', "label": "0"}]


@pytest.fixture
def put(tmp_path):
    def put(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return put


def refused(path, kind="auto"):
    with pytest.raises(DataError) as error:
        read_table(path, kind)
    return str(error.value).replace(str(path), path.name)


def delimited(separator):
    return pd.DataFrame(ROWS).to_csv(index=False, sep=separator)


CONTENT = {
    "rows.csv": delimited(","),
    "rows.tsv": delimited("\t"),
    "rows.json": json.dumps(ROWS),
    "rows.jsonl": "\n".join(json.dumps(row) for row in ROWS) + "\n\n",
}


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_text_formats_plain_and_packed_with_and_without_mark(put, name, packed, mark):
    content = (mark + CONTENT[name]).encode("utf-8")
    path = put(name + ".gz", gzip.compress(content, mtime=0)) if packed else put(name, content)
    assert read_table(path).to_dict("records") == ROWS


def test_parquet(tmp_path):
    pd.DataFrame(ROWS).to_parquet(tmp_path / "rows.parquet")
    assert read_table(tmp_path / "rows.parquet").to_dict("records") == ROWS


def test_parquet_keeps_whole_numbers_beside_an_empty_cell_and_a_saved_index(tmp_path):
    frame = pd.DataFrame({"id": pd.array([12345678901234567, None], dtype="Int64"), "text": ["a", "b"]})
    frame.set_index("text").to_parquet(tmp_path / "rows.parquet")
    assert read_table(tmp_path / "rows.parquet").to_dict("records") == [
        {"id": 12345678901234567, "text": "a"},
        {"id": None, "text": "b"},
    ]


def test_json_keeps_numbers_as_they_are_written(put):
    content = '[{"id": 12345678901234567, "label": 1}, {"id": null, "label": 1.0}]'
    records = read_table(put("rows.json", content)).to_dict("records")
    assert [(row["id"], repr(row["label"])) for row in records] == [(12345678901234567, "1"), (None, "1.0")]


def test_cells_of_a_table_stay_text(put):
    rows = read_table(put("rows.csv", "id,label,note\n007,1.0,NA\n1e5,,null\n")).to_dict("records")
    assert rows == [{"id": "007", "label": "1.0", "note": "NA"}, {"id": "1e5", "label": "", "note": "null"}]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_quotes(put, end):
    content = end.join(["text,label", '"two\r\nlines, ""quoted""",1', "plain,2", ""])
    rows = read_table(put("rows.csv", content)).to_dict("records")
    assert rows == [{"text": 'two\r\nlines, "quoted"', "label": "1"}, {"text": "plain", "label": "2"}]


def test_windows_line_ends_in_jsonl(put):
    assert read_table(put("rows.jsonl", '{"text": "a"}\r\n\r\n{"text": "b"}\r\n'))["text"].tolist() == ["a", "b"]


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_signs_that_only_look_like_line_ends_do_not_cut_a_jsonl_row(put, sign):
    content = json.dumps({"text": f"one{sign}two"}, ensure_ascii=False) + "\n"
    assert read_table(put("rows.jsonl", content))["text"].tolist() == [f"one{sign}two"]


def test_half_an_emoji_becomes_the_replacement_sign(put):
    content = '{"text": "cut \\ud83d", "\\uDE00k": ["\\ud83d", {"a": "\\ud83d\\ude00"}]}\n'
    assert read_table(put("rows.jsonl", content)).to_dict("records") == [
        {"text": "cut \ufffd", "\ufffdk": ["\ufffd", {"a": "😀"}]}
    ]


def test_a_long_text_and_a_null_byte(put):
    text = "x" * 300_000 + "\0y"
    assert read_table(put("rows.csv", f"text\n{text}\n"))["text"].tolist() == [text]


SAVE = (
    "Save the file as UTF-8 (a spreadsheet: 'CSV UTF-8'; or iconv), or give its encoding in a YAML, as in 'source: "
    "{files: {path: my.csv, encoding: cp1252}}' (datasets_cfg/_template.yaml shows the rest)."
)
OTHER_SIGN = (
    "its cells seem to be parted by another sign than its ending says. Save it with commas as .csv, or with tabs as "
    ".tsv."
)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", "", "rows.csv: is empty. Give a file with a header line and rows."),
        ("rows.tsv", " \n\n", "rows.tsv: is empty. Give a file with a header line and rows."),
        ("rows.jsonl", "\n \n", "rows.jsonl: is empty. Give one JSON object a line."),
        ("rows.json", "[]", "rows.json: expected a JSON list of objects, one for each row."),
        ("rows.json", '{"text": "a"}', "rows.json: expected a JSON list of objects, one for each row."),
        ("rows.json", '[{"text": "a"}, 3]', "rows.json: expected a JSON list of objects, one for each row."),
        ("rows.json", "[", "rows.json: not valid JSON: Expecting value."),
        ("rows.json", "", "rows.json: not valid JSON: Expecting value."),
        ("rows.json", "[" * 100_000, "rows.json: not valid JSON: nested too deep."),
        ("rows.jsonl", '{"a": 1}\n\n{"a": \n', "rows.jsonl, line 3: not valid JSON: Expecting value."),
        ("rows.jsonl", '{"a": 1}\n[1]\n', "rows.jsonl, line 2: holds no JSON object. Each line is one {...}."),
        ("rows.jsonl", '{"a": ' + "9" * 5000 + "}\n",
         "rows.jsonl, line 1: not valid JSON: a number has too many digits."),
        ("rows.csv", b"text\nfine\ncaf\xe9\n",
         "rows.csv, line 3: not UTF-8 text. " + SAVE),
        ("rows.csv", b"\xef\xbb\xbft\n\xff\n",
         "rows.csv, line 2: not UTF-8 text. " + SAVE),
        ("rows.csv", "text\nfine\n".encode("utf-16"),
         "rows.csv, line 1: not UTF-8 text. " + SAVE),
        ("rows.csv", "text,label\na,1\nb,2,3\n",
         'rows.csv: row 2 has 3 cells, the header has 2. Put a cell that holds a comma in quotes: "one, two".'),
        ("rows.tsv", 'text\tlabel\n"a\nb"\t1\nb\t2\t3\n',
         'rows.tsv: row 2 has 3 cells, the header has 2. Put a cell that holds a tab in quotes: "one\t two".'),
        ("rows.csv", "text;label\na;1\nb, c, d;2\n", "rows.csv: " + OTHER_SIGN),
        ("rows.csv", "text;label\na, b;1\nb, d;2\n", "rows.csv: " + OTHER_SIGN),
        ("rows.tsv", "text,label\na\tb,1\nb,2\n", "rows.tsv: " + OTHER_SIGN),
        ("rows.csv", '"text,label\na,1\n', "rows.csv: the header opens a quote that is never closed. Close it, and "
         "double the quotes inside a cell."),
        ("rows.csv", 'text,label\n"a,1\n',
         "rows.csv: row 1 opens a quote that is never closed. Close it, and double the quotes inside a cell."),
        ("rows.csv", "text,label\na,b,1\nc,d,2\n", "rows.csv: the rows have more cells than the header. "
         "Name every column, and quote a cell that holds a separator."),
        ("rows.csv.gz", gzip.compress(b"text\n" + b"tired\n" * 9, mtime=0)[:-6],
         "rows.csv.gz: cannot be read (Compressed file ended before the end-of-stream marker was reached). "
         "Check the file and its permissions."),
        ("rows.csv.gz", b"text\na\n",
         "rows.csv.gz: cannot be read (Not a gzipped file (b'te')). Check the file and its permissions."),
        ("rows.xlsx", "x", "rows.xlsx: not a readable Excel workbook. Open it and save it again, or save it as csv."),
        ("rows.xls", "x", "rows.xls: unknown file ending. Known: csv, tsv, json, jsonl, parquet, xlsx; "
         "or say 'source: format'."),
        ("rows", "x", "rows: unknown file ending. Known: csv, tsv, json, jsonl, parquet, xlsx; "
         "or say 'source: format'."),
    ],
)  # fmt: skip
def test_broken_files(put, name, content, message):
    assert refused(put(name, content)) == message


def test_a_damaged_gzip_stream(put):
    packed = bytearray(gzip.compress(b"text\n" + b"so tired today\n" * 30, mtime=0))
    packed[10] |= 0b110  # a kind of block that does not exist
    assert refused(put("rows.csv.gz", bytes(packed))) == (
        "rows.csv.gz: cannot be read (Error -3 while decompressing data: invalid block type). "
        "Check the file and its permissions."
    )


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\0" * 40 + b"PAR1"])
def test_a_damaged_parquet_file(put, content):
    assert refused(put("rows.parquet", content)).startswith("rows.parquet: not a readable parquet file: ")


def test_a_missing_file(tmp_path):
    assert refused(tmp_path / "none.csv") == (
        "none.csv: cannot be read (No such file or directory). Check the file and its permissions."
    )


def test_endings_in_capitals_and_a_stated_format(put):
    assert len(read_table(put("ROWS.CSV.GZ", gzip.compress(CONTENT["rows.csv"].encode())))) == 2
    assert len(read_table(put("rows.txt", CONTENT["rows.tsv"]), "tsv")) == 2
    assert list(READERS) == ["csv", "tsv", "json", "jsonl", "parquet", "xlsx"]
