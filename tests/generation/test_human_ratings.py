"""Reading rated explanations: what is right comes in, what is wrong is named with file, row and column."""

import csv

import numpy as np
import pytest

from mhclf.data.spans import text_key
from mhclf.errors import DataError
from mhclf.generation.human_ratings import (
    DIMENSIONS,
    EXPLANATION_COLUMNS,
    FOLDER,
    SILVER,
    read_rated_explanations,
    read_rated_file,
    read_silver_references,
)

HEADER = ["text", "label", "gpt-3.5-turbo", *DIMENSIONS]
ROWS = [
    ["a post\nof two lines", "1", 'Yes. It says "two".', "[3, 3, 2]", "[2, 3, 2]", "[1, 0, 3]", "[2, 2, 2]"],
    ["another, post", "0", "No.", "[0, 1, 2]", "[3, 3, 3]", "[2, 2, 2]", "[1, 1, 0]"],
]


def write(path, rows, header=None, mark=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(mark)
        csv.writer(file).writerows([header or HEADER, *rows])
    return path


def test_a_file_comes_in_whole(tmp_path):
    found = read_rated_file(write(tmp_path / "a.csv", ROWS, mark="\ufeff"), "chatgpt", "gpt-3.5-turbo")
    assert found.posts == ("a post\nof two lines", "another, post")
    assert found.explanations == ('Yes. It says "two".', "No.")
    assert found.ratings["fluency"].tolist() == [[3, 3, 2], [0, 1, 2]]
    assert found.ratings["overall"].tolist() == [[2, 2, 2], [1, 1, 0]]
    assert found.post_keys == (text_key("A post of two lines!"), text_key("another post"))


@pytest.mark.parametrize(
    ("column", "cell", "wanted"),
    [
        ("fluency", "[3, 3]", "3 whole numbers from 0 to 3, such as [3, 2, 3]"),
        ("overall", "[3, 4, 3]", "3 whole numbers from 0 to 3, such as [3, 2, 3]"),
        ("overall", "[3, 2.5, 3]", "3 whole numbers from 0 to 3, such as [3, 2, 3]"),
        ("overall", "[3, true, 3]", "3 whole numbers from 0 to 3, such as [3, 2, 3]"),
        ("reliability", "", "3 whole numbers from 0 to 3, such as [3, 2, 3]"),
        ("completeness", "3, 3, 3", "3 whole numbers from 0 to 3, such as [3, 2, 3]"),
    ],
)
def test_a_wrong_rating_is_named(tmp_path, column, cell, wanted):
    rows = [list(row) for row in ROWS]
    rows[1][HEADER.index(column)] = cell
    path = write(tmp_path / "a.csv", rows)
    with pytest.raises(DataError) as error:
        read_rated_file(path, "chatgpt", "gpt-3.5-turbo")
    assert str(error.value) == (
        f"{path}, row 2, column '{column}': holds no list of {wanted}. Mend the cell, or remove the row."
    )


def test_other_faults_are_named(tmp_path):
    def refused(path, column="gpt-3.5-turbo"):
        with pytest.raises(DataError) as error:
            read_rated_file(path, "chatgpt", column)
        return str(error.value).removeprefix(str(path))

    assert refused(tmp_path / "none.csv").startswith(
        ": was not found. Give the folder of the data sets with --data-root"
    )
    one = [["post", "1", "text", "[1]", "[1]", "[1]", "[1]"]]
    assert refused(write(tmp_path / "b.csv", one)).startswith(
        ", row 1, column 'fluency': holds no list of two or more whole numbers"
    )
    assert refused(write(tmp_path / "c.csv", ROWS), "response") == (
        ": the column(s) response are missing. Take the file as published."
    )
    assert refused(write(tmp_path / "d.csv", [])) == ": has no rows. Take the file as published."
    empty = [["post", "1", " ", *ROWS[0][3:]]]
    assert refused(write(tmp_path / "e.csv", empty)) == (
        ", row 1, column 'gpt-3.5-turbo': is empty. Take the file as published."
    )


def test_all_files_and_references_of_a_data_root(tmp_path, monkeypatch):
    for file, column in EXPLANATION_COLUMNS.values():
        write(tmp_path / FOLDER / file, ROWS, ["text", "label", column, *DIMENSIONS])
    monkeypatch.setenv("MHCLF_DATA", str(tmp_path))
    assert [item.name for item in read_rated_explanations()] == ["chatgpt", "chatgpt_false", "gpt3"]
    with pytest.raises(DataError, match="DR.csv.gz: was not found"):
        read_silver_references(str(tmp_path))


@pytest.mark.data
def test_the_published_files(data_root):
    files = {item.name: item for item in read_rated_explanations(data_root)}
    assert {name: len(item.posts) for name, item in files.items()} == {"chatgpt": 121, "chatgpt_false": 43, "gpt3": 121}
    assert all(item.ratings[name].shape[1] == 3 for item in files.values() for name in DIMENSIONS)
    keys = {name: set(item.post_keys) for name, item in files.items()}
    assert len(keys["chatgpt"] & keys["gpt3"]) == 90 and not keys["chatgpt"] & keys["chatgpt_false"]
    silver = read_silver_references(data_root)
    assert {name: len(found & set(silver)) for name, found in keys.items()} == {
        "chatgpt": 121, "chatgpt_false": 27, "gpt3": 90,
    }  # fmt: skip
    assert np.mean(files["chatgpt"].ratings["overall"]) == pytest.approx(2.576, abs=1e-3)
    assert SILVER.startswith("imhi/")
