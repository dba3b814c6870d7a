"""Suites: the grid, what is skipped and recorded, text-free records, a table that depends on nothing else."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support import LINEAR, SENTENCES

from mhclf.config.suite import GridConfig, SuiteConfig
from mhclf.config.training import TrainerConfig
from mhclf.evaluation import hierarchical_interval, paired_correctness
from mhclf.results.suite import SuiteRecords, merge_suite_records, read_suite_records, write_suite_records
from mhclf.results.suite_table import suite_markdown
from mhclf.training.run import RunOutcome
from mhclf.training.saved import read_predictions
from mhclf.training.suite_records import gather, readable


@pytest.fixture
def cells(tiny_config, tiny_multilabel):
    short = {"trainer": TrainerConfig(epochs=2, accelerator="cpu", precision="fp32")}
    return [
        tiny_config(**settings, seed=seed, **data)
        for seed in (1, 2)
        for data in ({}, {"data": str(tiny_multilabel)})
        for settings in (short | {"method": "finetune"}, short, LINEAR)
    ]


SUITE = SuiteConfig(
    "tiny",
    (GridConfig(("tiny", "tiny_multilabel"), ("tfidf_lr", "finetune", "lara_supcon"), (1, 2), ("tiny-bert",)),),
)


def test_a_suite_from_cells_to_table(cells, carry_out, tmp_path):
    done = carry_out(cells)
    assert [cell.outcome.was_complete for cell in done] == [False] * 12
    records = gather(done)
    assert len(records.runs) == 12
    path = write_suite_records(tmp_path / "tiny.jsonl", records)
    text = path.read_text()
    assert not [s for group in SENTENCES.values() for s in group if s in text]
    assert not [row for row in ("body-0-0", "people-3") if f'"{row}' in text], "ids are salted"
    back = read_suite_records(path)
    table = suite_markdown(SUITE, back, "make it")
    shuffled = SuiteRecords(back.rows[::-1], back.runs[::-1], back.summaries[::-1])
    assert suite_markdown(SUITE, shuffled, "make it") == table
    assert suite_markdown(SUITE, records, "make it") == table

    # Pairs of classes are those of the run folders; sets with several labels a post have none.
    for cell in done:
        (record,) = (run for run in records.runs if run.run == cell.outcome.folder.name)
        file = cell.outcome.folder / "class_pairs.json"
        kept = json.loads(file.read_text()) if file.is_file() else []
        assert bool(record.pairs) == (cell.planned.config.method != "tfidf_lr" and record.dataset == "tiny")
        assert [pair["margin"] for pair in record.pairs] == [pytest.approx(pair["margin"], abs=1e-6) for pair in kept]
        assert {pair["first"] for pair in record.pairs} <= {"body", "work", "people"}

    # Values are of all test rows, not of a part of them.
    whole = {run.run: run.values for run in records.runs}
    for outcome in (cell.outcome for cell in done if cell.planned.config.data.endswith("tiny.yaml")):
        test = read_predictions(outcome.folder).part("test")
        assert whole[outcome.folder.name]["accuracy"] == pytest.approx((test.gold == test.prediction).mean())
        assert {"ece", "aurc", "nll_temperature_scaled"} <= set(whole[outcome.folder.name])

    # The same numbers from the run folders by another road.
    ours = [
        c.outcome
        for c in done
        if c.planned.config.method == "lara_supcon" and c.planned.config.data.endswith("tiny.yaml")
    ]
    base = [
        c.outcome for c in done if c.planned.config.method == "finetune" and c.planned.config.data.endswith("tiny.yaml")
    ]
    tests = [read_predictions(outcome.folder).part("test") for outcome in (*ours, *base)]
    right = np.array([test.gold == test.prediction for test in tests])
    compared = paired_correctness(right[:2], right[2:], tests[0].groups, n_resamples=2000, test="permutation")
    assert f"{compared.difference:.3f} [{compared.ci_low:.3f}, {compared.ci_high:.3f}]" in table
    expected = hierarchical_interval(
        "multiclass",
        tests[0].gold,
        [test.prediction for test in tests[:2]],
        [test.probability for test in tests[:2]],
        tests[0].labels,
        tests[0].groups,
    )["macro_f1"]
    assert f"{expected.mean:.3f} [{expected.low:.3f}, {expected.high:.3f}] ± {expected.sd:.3f}" in table
    assert "| tiny | lara_supcon (tiny-bert) |" in table.replace("\\_", "_")

    again = carry_out(cells)
    assert [cell.outcome.was_complete for cell in again] == [True] * 12
    assert write_suite_records(tmp_path / "again.jsonl", gather(again)).read_bytes() == path.read_bytes()


def test_a_failing_cell_is_recorded_and_the_rest_goes_on(tiny_config, carry_out, tmp_path):
    cells = [tiny_config(**LINEAR, data="no-such-set"), tiny_config(**LINEAR)]
    done = carry_out(cells)
    assert done[0].outcome is None
    assert isinstance(done[1].outcome, RunOutcome)
    runs = gather(done).runs
    assert done[0].failure.message.startswith("data: no data set is called 'no-such-set'.")
    assert runs[0].error == "ConfigError"
    assert str(tmp_path) not in json.dumps([run.error for run in runs])


def test_a_machine_with_fewer_runs_takes_no_numbers_away(tiny_config, carry_out, tmp_path):
    cells = [tiny_config(**LINEAR, seed=seed) for seed in (1, 2)]
    done = carry_out(cells)
    both, one = gather(done), gather(done[:1])
    nothing = SuiteRecords((), (), ())
    assert merge_suite_records(both, one) == both
    assert merge_suite_records(both, nothing) == both
    assert merge_suite_records(one, both) == both
    assert merge_suite_records(nothing, one) == one
    # Two newer seeds against another one: the records with more seeds stand.
    other = replace(one, runs=tuple(replace(run, seed=9) for run in one.runs))
    assert merge_suite_records(other, both) == both
    assert merge_suite_records(both, other) == both
    assert merge_suite_records(one, other) == one


def test_encoders_have_rows_of_their_own(tiny_config, carry_out, encoder_folder):
    short = {"trainer": TrainerConfig(epochs=1, accelerator="cpu", precision="fp32"), "method": "finetune"}
    folders = [str(encoder_folder("bert")), str(encoder_folder("electra"))]
    done = carry_out([tiny_config(**short, encoder=folder) for folder in folders])
    suite = SuiteConfig("two", (GridConfig((done[0].planned.config.data,), ("finetune",), (1,), tuple(folders)),))
    records = gather(done)
    table = suite_markdown(suite, records, "make it")
    for summary in records.summaries:
        if summary.metric == "accuracy":
            assert f"| finetune | {summary.encoder} | 1 |" in table
            assert f"{summary.mean:.3f} [{summary.ci_low:.3f}" in table


def test_data_sets_that_were_not_run_are_named():
    assert "Not run yet: tiny, tiny_multilabel." in suite_markdown(SUITE, SuiteRecords((), (), ()), "make it")


def test_a_damaged_run_folder_fails_alone(tiny_config, carry_out):
    done = carry_out([tiny_config(**LINEAR, seed=seed) for seed in (1, 2, 3)])
    assert readable(done) == done
    (done[1].outcome.folder / "predictions.parquet").write_bytes(b"PAR1")
    first, second, third = readable(done)
    assert (first, third) == (done[0], done[2])
    assert second.outcome is None and second.failure.kind == "RunError"
    found = gather([first, second, third])
    assert [(run.seed, run.error) for run in found.runs] == [(1, ""), (2, "RunError"), (3, "")]


def test_runs_on_other_test_posts_are_refused(tiny_config, carry_out):
    done = carry_out([tiny_config(**LINEAR, seed=1), tiny_config(**LINEAR, seed=2, limit=6)])
    first, second = readable(done)
    assert first == done[0]
    posts = len(read_predictions(done[0].outcome.folder).part("test").ids)
    assert second.failure.message == (
        f"{done[1].outcome.folder}: its 6 test posts are not the {posts} of the first run on 'tiny', or in another "
        "order. Leave settings that cut the data (split_seed, fold, limit, columns) to the grids."
    )


def test_a_changed_checkout_is_told(tiny_config, carry_out):
    (done,) = carry_out([tiny_config(**LINEAR, seed=1)])
    file = done.outcome.folder / "environment.json"
    content = json.loads(file.read_text())
    for modified, told in ((True, "0123456789abcdef+"), (False, "0123456789abcdef")):
        file.write_text(json.dumps(content | {"git": {"commit": "0123456789abcdef", "modified": modified}}))
        assert gather([done]).runs[0].commit == told
