"""Leaks, cut groups, conflicts: dropped, stopped or kept, and always said."""

import time

import pytest

from mhclf.data.audit import Finding, audit, findings_as_json, findings_of, survey
from mhclf.data.spans import text_key
from mhclf.errors import AuditError

TEXTS = ["So tired", "A long walk", "so TIRED!", "Bad night", "bad  night", "Tea time", "A long walk"]
SPLITS = ["train", "train", "validation", "train", "test", "test", "train"]


@pytest.fixture
def leaking(make_table):
    return make_table(TEXTS, [0, 1, 0, 1, 1, 0, 1], splits=SPLITS)


def messages(done):
    return [
        f"1 train rows have the text of a validation row: {done}",
        f"1 train rows have the text of a test row: {done}",
    ]


def test_duplicates_across_splits_are_dropped_from_train(leaking):
    table, findings = audit(leaking)
    assert table.texts == ["A long walk", "so TIRED!", "bad  night", "Tea time", "A long walk"]
    assert table.frame["split"].tolist() == ["train", "validation", "test", "test", "train"]
    assert table.targets.tolist() == [1, 0, 1, 0, 1]
    assert [finding.message for finding in findings] == messages("dropped from train.")
    assert [(f.check, f.severity, f.count) for f in findings] == [("exact_duplicate", "warning", 1)] * 2


def test_duplicates_are_kept_on_request(leaking):
    table, findings = audit(leaking, "keep")
    assert table is leaking
    assert [finding.message for finding in findings] == messages("kept on request.")


def test_duplicates_stop_on_request(leaking):
    with pytest.raises(AuditError) as error:
        audit(leaking, "stop")
    stopped = [message + " Use --audit.on_leak drop to remove them." for message in messages("not accepted.")]
    assert str(error.value) == f"small: the audit stopped the run. {' '.join(stopped)}"
    assert error.value.exit_code == 3


def test_a_validation_row_with_the_text_of_a_test_row_is_dropped(make_table):
    table, findings = audit(
        make_table(["a b", "c", "d", "A-B"], [0, 1, 0, 1], splits=["validation", "validation", "train", "test"])
    )
    assert table.texts == ["c", "d", "A-B"]
    assert [finding.message for finding in findings] == [
        "1 validation rows have the text of a test row: dropped from validation.",
    ]


def test_repeated_posts_within_a_part_are_no_leak(make_table):
    names = ["train", "train", "validation", "test"]
    table, findings = audit(make_table(["a", "a", "b", "c"], [0, 0, 1, 1], splits=names))
    assert len(table) == 4 and findings == []


def test_a_cut_group_stops(make_table):
    names = ["train", "validation", "test", "train"]
    table = make_table(list("abcd"), [0, 1, 0, 1], ["g", "g", "h", "h"], names)
    with pytest.raises(AuditError) as error:
        audit(table)
    assert str(error.value) == (
        "small: the audit stopped the run. 2 groups lie in more than one split. "
        "Split by group, or say 'splits: {group_by: null}'."
    )
    assert error.value.exit_code == 3


def test_a_group_that_is_cut_knowingly_is_a_warning(make_table):
    names = ["train", "validation", "test", "train"]
    table, findings = audit(make_table(list("abcd"), [0, 1, 0, 1], ["g", "g", "h", "i"], names, group_by=None))
    assert len(table) == 4
    assert findings == [
        Finding("cut_group", "warning", 1, "1 groups lie in more than one split, as 'splits: group_by: null' asks.")
    ]


def test_a_dropped_row_no_longer_cuts_its_group(make_table):
    table, findings = audit(
        make_table(["same", "Same.", "other", "more"], [0, 0, 1, 1], ["g", "g", "h", "i"],
                   ["train", "test", "train", "validation"])
    )  # fmt: skip
    assert table.texts == ["Same.", "other", "more"]
    assert [finding.check for finding in findings] == ["exact_duplicate"]


def test_label_conflicts_are_counted_by_text(make_table):
    texts = ["x", "X!", "y", "y", "z", "z", "z"]
    table = make_table(texts, [0, 1, 0, 0, 0, 1, 2], splits=["train"] * 6 + ["validation"])
    assert Finding("label_conflict", "warning", 2, "2 posts stand more than once with other labels.") in findings_of(
        survey(table)
    )
    multilabel = make_table(["x", "x", "w"], [[0, 1], [1, 1], [0, 0]], splits=["train", "train", "validation"])
    assert survey(multilabel).label_conflicts == 1


@pytest.mark.parametrize(("splits", "part"), [(["train", "test"], "validation"), (["validation", "test"], "train")])
def test_an_empty_part_stops(make_table, splits, part):
    with pytest.raises(AuditError) as error:
        audit(make_table(["a", "b"], [0, 1], splits=splits))
    assert str(error.value) == f"small: the audit stopped the run. The {part} part is empty; change 'splits'."


def test_train_emptied_by_the_drop_stops(make_table):
    with pytest.raises(AuditError, match=r"The train part is empty; change 'splits'\.$"):
        audit(make_table(["a", "A", "b"], [0, 0, 1], splits=["train", "test", "validation"]))


def test_a_missing_test_part_is_fine(make_table):
    assert audit(make_table(["a", "b"], [0, 1], splits=["train", "validation"]))[1] == []


def test_text_keys():
    assert text_key("So tired, again!") == text_key("so_tired again")
    assert text_key("so tired") != text_key("so tire")
    assert text_key("😀") != text_key("😢")
    assert text_key("我很累。") == text_key("我很累") != text_key("我很")


def test_many_rows_take_little_time(make_table):
    texts = [f"post {number // 2}" for number in range(50_000)] + [f"own {number}" for number in range(10_000)]
    table = make_table(texts, [0, 1] * 30_000, splits=["train", "test"] * 25_000 + ["train", "validation"] * 5_000)
    started = time.perf_counter()
    kept, findings = audit(table)
    assert time.perf_counter() - started < 5
    assert (len(kept), [finding.count for finding in findings]) == (35_000, [25_000])


def test_findings_are_plain_in_json():
    assert findings_as_json([Finding("a", "note", 3, "m")]) == [
        {"check": "a", "severity": "note", "count": 3, "message": "m"}
    ]
