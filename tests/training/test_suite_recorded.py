"""Cells that the committed records answer for: which, from which file, under which name, and which not."""

from dataclasses import replace

import pytest
from support import LINEAR

from mhclf.config.suite import PlannedCell, TargetConfig
from mhclf.results.suite import SuiteRecords, merge_suite_records, read_suite_records, write_suite_records
from mhclf.training.located import locate
from mhclf.training.recorded import keep_recorded
from mhclf.training.suite_records import gather


@pytest.fixture
def recorded(tiny_config, carry_out, tmp_path):
    """Two seeds of the linear baseline, their records in a file, and the same settings without run folders."""
    cells = [PlannedCell(tiny_config(**LINEAR, seed=seed), "tfidf_lr") for seed in (1, 2)]
    file = write_suite_records(tmp_path / "results" / "first.jsonl", gather(carry_out(cells)))
    elsewhere = [replace(cell, config=replace(cell.config, out=str(tmp_path / "new"))) for cell in cells]
    return file, elsewhere


def states(cells):
    return [cell.state for cell in cells]


def test_recorded_cells_need_not_run(recorded):
    file, cells = recorded
    marked, kept = keep_recorded(locate(cells), [file])
    assert states(marked) == ["recorded", "recorded"]
    assert kept == read_suite_records(file)
    assert merge_suite_records(kept, SuiteRecords((), (), ())) == kept


def test_another_suite_gives_them_under_another_name(recorded, tmp_path):
    file, cells = recorded
    other = write_suite_records(tmp_path / "results" / "other.jsonl", SuiteRecords((), (), ()))
    marked, kept = keep_recorded(locate([replace(cell, method="words only") for cell in cells]), [other, file])
    assert states(marked) == ["recorded", "recorded"]
    assert {run.method for run in kept.runs} | {item.method for item in kept.summaries} == {"words only"}
    assert [run.values for run in kept.runs] == [run.values for run in read_suite_records(file).runs]


def test_other_seeds_settings_and_failed_runs_are_not_taken(recorded, tmp_path):
    file, cells = recorded
    nothing = SuiteRecords((), (), ())
    third = replace(cells[0], config=replace(cells[0].config, seed=3))
    for asked in ([*cells, third], cells[:1], [replace(cell, config=replace(cell.config, limit=9)) for cell in cells]):
        marked, kept = keep_recorded(locate(asked), [file])
        assert states(marked) == ["missing"] * len(asked)
        assert kept == nothing

    records = read_suite_records(file)
    failed = replace(records, runs=(records.runs[0], replace(records.runs[1], error="RunError")))
    marked, kept = keep_recorded(locate(cells), [write_suite_records(tmp_path / "failed.jsonl", failed)])
    assert states(marked) == ["missing", "missing"]
    assert kept == nothing


def test_cells_with_targets_run(recorded):
    file, cells = recorded
    asked = [replace(cell, targets=(TargetConfig(cell.config.data),)) for cell in cells]
    assert states(keep_recorded(locate(asked), [file])[0]) == ["missing", "missing"]


def test_complete_runs_are_measured_anew(recorded, carry_out):
    file, cells = recorded
    carry_out(cells[:1])
    # One seed is here, the other is not: their summary comes from the records.
    assert states(keep_recorded(locate(cells), [file])[0]) == ["recorded", "recorded"]
    carry_out(cells)
    assert states(keep_recorded(locate(cells), [file])[0]) == ["complete", "complete"]


def test_records_of_other_kinds_are_left_out(recorded, tmp_path):
    file, cells = recorded
    speed = tmp_path / "results" / "speed.jsonl"
    speed.write_text('{"kind": "speed", "work": "x"}\n')
    assert states(keep_recorded(locate(cells), [speed, file])[0]) == ["recorded", "recorded"]
