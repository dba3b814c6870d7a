"""Measures of several systems' explanations: records and tables."""

from pathlib import Path

import pytest

from mhclf.errors import DataError
from mhclf.results.explained import COMMON, FIRST_SENTENCE, GENERATED, Measure, difference_name
from mhclf.results.generated import (
    SystemMeasures,
    measures_tables,
    merge_system_measures,
    read_system_measures,
    write_measures_tables,
    write_system_measures,
)
from mhclf.results.tables import Strong


def system(name: str, value: float, *notes: str) -> SystemMeasures:
    less = difference_name(GENERATED, FIRST_SENTENCE)
    measures = (
        Measure(GENERATED, "rougeL", value, value - 0.1, value + 0.1, 40),
        Measure(GENERATED, "words", 12.0, 11.0, 13.0, 40),
        Measure(GENERATED, "flag_diagnosis", 0.0, 0.0, 0.0, 40),
        Measure(GENERATED, "bleu", 3.0, 2.0, 4.0, 40),
        Measure(FIRST_SENTENCE, "rougeL", 0.2, 0.15, 0.25, 38),
        Measure(less, "rougeL", value - 0.2, value - 0.3, value - 0.1, 38),
    )
    return SystemMeasures("demo", name, ("References: silver.", *notes), measures)


RECORDS = [system("tuned", 0.45, "Read by a tree."), system("asked", 0.25)]


def test_records_come_back(tmp_path: Path) -> None:
    file = write_system_measures(tmp_path / "explained" / "small.jsonl", RECORDS)
    assert read_system_measures(file) == RECORDS
    assert write_system_measures(tmp_path / "again.jsonl", read_system_measures(file)).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("line", ["{", "[]", '{"dataset": "demo"}', '{"dataset": "a", "system": "b", "x": 1}'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    file = write_system_measures(tmp_path / "small.jsonl", RECORDS)
    file.write_text(file.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"small\.jsonl, line 3: is no record\. Run the comparison again\."):
        read_system_measures(file)
    with pytest.raises(DataError, match="cannot be read"):
        read_system_measures(tmp_path / "none.jsonl")


def test_newer_records_take_the_place_of_earlier_ones() -> None:
    newer = [system("asked", 0.35)]
    assert merge_system_measures(RECORDS, newer) == [RECORDS[0], newer[0]]


def test_values_stand_beside_their_baselines_and_differences_apart() -> None:
    values, differences = measures_tables(RECORDS, ["asked", "tuned", "never run"])
    assert [column.heading for column in values.columns] == [
        "system", "explanation", "rougeL ↑", "words", "flag_diagnosis ↓", "n",
    ]  # fmt: skip
    assert [row[:3] for row in values.rows] == [
        ("asked", GENERATED, "0.250 [0.150, 0.350]"),
        ("asked", FIRST_SENTENCE, "0.200 [0.150, 0.250]"),
        ("tuned", GENERATED, "0.450 [0.350, 0.550]"),
        ("tuned", FIRST_SENTENCE, "0.200 [0.150, 0.250]"),
    ]
    # A note about all systems stands once; that of one names it.
    assert values.notes == ("References: silver.", "tuned: Read by a tree.")
    assert [row[1] for row in differences.rows] == [FIRST_SENTENCE, FIRST_SENTENCE]
    assert [(cell, isinstance(cell, Strong)) for _, _, cell, _ in differences.rows] == [
        ("0.050 [-0.050, 0.150]", False),
        ("0.250 [0.150, 0.350]", True),
    ]
    assert [row[-1] for row in differences.rows] == ["38", "38"]
    assert COMMON not in {row[1] for row in values.rows}


def test_files_are_the_same_whatever_order_the_records_have(tmp_path: Path) -> None:
    written = write_measures_tables(tmp_path / "a", "small", "Small", ["tuned", "asked"], RECORDS[::-1], "make it")
    again = write_measures_tables(tmp_path / "b", "small", "Small", ["tuned", "asked"], RECORDS, "make it")
    assert [path.name for path in written] == [f"small_explanations.{kind}" for kind in ("md", "tex", "csv")]
    assert written[0].read_text(encoding="utf-8").endswith("with `make it --from-records`.\n")
    for one, other in zip(written, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
