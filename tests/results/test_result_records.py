"""Result records: strict, atomic, safe against a kill."""

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.errors import DataError, MhclfWarning
from mhclf.results.records import FIELDS, ResultRecord, append_records, read_records, write_records

Maker = Callable[..., ResultRecord]


def test_a_record_is_one_line_with_the_fields_in_order(make_record: Maker) -> None:
    line = make_record(dataset="a\nb", value=None).to_json()
    assert "\n" not in line
    assert list(json.loads(line)) == list(FIELDS)
    assert FIELDS == (
        "run", "dataset", "split", "slice", "method", "encoder", "seed", "metric", "value", "ci_low",
        "ci_high", "n", "higher_is_better", "protocol", "data_hash",
    )  # fmt: skip


def test_nan_becomes_null_and_numpy_numbers_become_plain(make_record: Maker) -> None:
    found = make_record(value=np.float32(0.5), ci_low=math.nan, n=np.int64(7), higher_is_better=np.bool_(False))
    assert '"value": 0.5, "ci_low": null' in found.to_json()
    assert type(found.value) is float
    assert type(found.n) is int
    assert found.higher_is_better is False


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": math.inf}, "'value' is infinite"),
        ({"value": "0.5"}, "'value' must be a number or null, not '0.5'"),
        ({"value": True}, "'value' must be a number or null"),
        ({"seed": 1.5}, "'seed' must be a whole number, not 1.5"),
        ({"n": -1}, "'n' is -1"),
        ({"higher_is_better": 1}, "'higher_is_better' must be true or false, not 1"),
        ({"metric": None}, "'metric' must be text, not None"),
        ({"ci_low": 0.9, "ci_high": 0.1}, "reversed interval (0.9 to 0.1)"),
    ],
)
def test_wrong_values_are_refused(make_record: Maker, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError) as error:
        make_record(**changes)
    assert message in str(error.value)


def test_write_and_read_are_inverse(tmp_path: Path, make_record: Maker, hostile: tuple[str, ...]) -> None:
    records = tuple(make_record(dataset=name, metric=f"f1/{name}") for name in hostile)
    path = write_records(tmp_path / "deep" / "results.jsonl", records)
    assert read_records(path) == records
    assert [item.name for item in path.parent.iterdir()] == ["results.jsonl"]


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])), value=st.none() | st.floats(allow_infinity=False))
def test_any_text_and_number_survive(
    tmp_path_factory: pytest.TempPathFactory, make_record: Maker, text: str, value: float | None
) -> None:
    record = make_record(dataset=text, value=value, ci_low=None, ci_high=None)
    path = write_records(tmp_path_factory.getbasetemp() / "any.jsonl", [record])
    assert read_records(path) == (record,)


@pytest.mark.parametrize("kept", [1, 40, -2])
def test_a_cut_last_line_is_left_out(tmp_path: Path, make_record: Maker, kept: int) -> None:
    first, second = make_record(), make_record(metric="accuracy", dataset="Trübsal")
    path = tmp_path / "results.jsonl"
    path.write_bytes((first.to_json() + "\n").encode() + second.to_json().encode()[:kept])
    with pytest.warns(MhclfWarning, match="line 2: the last line was cut off and is left out"):
        assert read_records(path) == (first,)
    with pytest.warns(MhclfWarning):
        append_records(path, [second])
    assert read_records(path) == (first, second)


def test_a_last_line_without_its_end_is_kept_when_complete(tmp_path: Path, make_record: Maker) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(make_record().to_json(), encoding="utf-8")
    assert read_records(path) == (make_record(),)


def test_a_broken_line_in_the_middle_names_file_and_line(tmp_path: Path, make_record: Maker) -> None:
    path = tmp_path / "results.jsonl"
    line = make_record().to_json()
    path.write_text(f"{line}\n{line[:30]}\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_records(path)
    assert str(error.value).startswith(f"{path}, line 2: no valid JSON (")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entry: entry | {"extra": 1}, "unknown keys: 'extra'"),
        (lambda entry: {k: v for k, v in entry.items() if k != "seed"}, "missing keys: 'seed'"),
        (lambda entry: {"valu": 1} | {k: v for k, v in entry.items() if k != "value"},
         "unknown keys: 'valu'; missing keys: 'value'"),
        (lambda entry: entry | {"n": "many"}, "'n' must be a whole number, not 'many'"),
        (lambda entry: [entry], "expected a JSON object"),
    ],
)  # fmt: skip
def test_reading_is_strict(
    tmp_path: Path, make_record: Maker, change: Callable[[object], object], message: str
) -> None:
    entry = dataclasses.asdict(make_record())
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(entry) + "\n" + json.dumps(change(entry)) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_records(path)
    assert f"{path}, line 2: " in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize(("old", "new"), [("0.7124", "NaN"), ('"n": 60', '"n": 60, "n": 61')])
def test_nan_and_repeated_keys_in_a_file_are_errors_even_in_the_last_line(
    tmp_path: Path, make_record: Maker, old: str, new: str
) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(make_record().to_json().replace(old, new), encoding="utf-8")
    with pytest.raises(DataError, match=r"line 1: (NaN is not JSON|a key stands twice)"):
        read_records(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_records(tmp_path / "none.jsonl")


def test_appending_replaces_the_same_number_in_its_place(tmp_path: Path, make_record: Maker) -> None:
    path = tmp_path / "results.jsonl"
    append_records(path, [make_record(), make_record(metric="mcc")])
    append_records(path, [make_record(value=0.7, n=61), make_record(split="validation")])
    found = read_records(path)
    assert [(item.metric, item.split, item.value, item.n) for item in found] == [
        ("macro_f1", "test", 0.7, 61), ("mcc", "test", 0.7124, 60), ("macro_f1", "validation", 0.7124, 60),
    ]  # fmt: skip


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, make_record: Maker) -> None:
    path = write_records(tmp_path / "results.jsonl", [make_record()])

    def failing() -> "list[ResultRecord]":
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        append_records(path, (record for record in failing()))
    assert read_records(path) == (make_record(),)
