"""`splits: {kind: folds}`, sets with a test part only, and rows that take no part in the cut."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mhclf.config.dataset import SplitsConfig
from mhclf.config.structure import from_mapping
from mhclf.data.load import load_table
from mhclf.data.splits import ADDED, assign_splits
from mhclf.errors import ConfigError, DataError

PARTS = ("train", "validation", "test")


def cut(make_table, targets, groups=None, splits="", **rule):
    texts = [f"post {number}" for number in range(len(targets))]
    return assign_splits(make_table(texts, targets, groups, splits, **({"kind": "folds"} | rule)))


def rows_of(table, part="test"):
    return np.flatnonzero((table.frame["split"] == part).to_numpy())


def all_folds(make_table, targets, groups=None, folds=5, **rule):
    return [cut(make_table, targets, groups, folds=folds, fold=fold, **rule) for fold in range(folds)]


@pytest.mark.parametrize("folds", [2, 3, 5, 10])
@pytest.mark.parametrize("grouped", [True, False])
def test_every_row_is_in_the_test_part_of_one_fold(make_table, folds, grouped):
    groups = [f"g{number // 3}" for number in range(120)] if grouped else None
    tables = all_folds(make_table, [0, 0, 1] * 40, groups, folds, seed=2)
    tested = np.concatenate([rows_of(table) for table in tables])
    assert sorted(tested) == list(range(120))
    # Whole groups of three, each fold as near as they allow.
    assert all(abs(len(rows_of(table)) - 120 // folds) <= (3 if grouped else 0) for table in tables)
    for table in tables:
        assert len(rows_of(table, "validation")) == pytest.approx((120 - 120 // folds) * 0.1, abs=4)


@st.composite
def grouped_posts(draw):
    sizes = draw(st.lists(st.integers(1, 4), min_size=12, max_size=25))
    groups = [f"g{index}" for index, size in enumerate(sizes) for _ in range(size)]
    targets = draw(st.lists(st.integers(0, 1), min_size=len(groups), max_size=len(groups)))
    return targets, groups


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grouped_posts(), st.integers(2, 3), st.integers(0, 30), st.booleans())
def test_groups_stay_whole_and_folds_do_not_overlap(make_table, case, folds, seed, stratify):
    targets, groups = case
    tables = all_folds(make_table, targets, groups, folds, seed=seed, stratify=stratify)
    tested = np.concatenate([rows_of(table) for table in tables])
    assert sorted(tested) == list(range(len(targets)))
    for table in tables:
        assert table.frame.groupby("group")["split"].nunique().max() == 1
        assert all(len(rows_of(table, part)) for part in PARTS)


def test_same_seed_same_folds_other_seed_other_folds(make_table):
    targets = [0, 1, 2, 1] * 30
    first, again, other = (cut(make_table, targets, fold=1, seed=seed) for seed in (3, 3, 4))
    assert first.frame["split"].tolist() == again.frame["split"].tolist() != other.frame["split"].tolist()


def test_folds_and_their_validation_keep_class_shares(make_table):
    targets = [0] * 150 + [1] * 100 + [2] * 50
    for table in all_folds(make_table, targets, seed=1):
        assert np.bincount(table.targets[rows_of(table)]).tolist() == [30, 20, 10]
        assert np.bincount(table.targets[rows_of(table, "validation")]).tolist() == [12, 8, 4]
        assert np.bincount(table.targets[rows_of(table, "train")]).tolist() == [108, 72, 36]


def test_without_stratification_shares_are_left_to_chance(make_table):
    targets = [0] * 90 + [1] * 10
    counts = [np.bincount(table.targets[rows_of(table)], minlength=2)[1]
              for table in all_folds(make_table, targets, seed=1, stratify=False)]  # fmt: skip
    assert sum(counts) == 10 and counts != [2] * 5
    assert [np.bincount(table.targets[rows_of(table)])[1] for table in all_folds(make_table, targets, seed=1)] == [
        2
    ] * 5


def test_groups_may_be_cut_knowingly(make_table):
    groups = ["same"] * 50 + ["other"] * 50
    tables = all_folds(make_table, [0, 1] * 50, groups, group_by=None)
    assert sorted(np.concatenate([rows_of(table) for table in tables])) == list(range(100))
    assert tables[0].frame.groupby("group")["split"].nunique().tolist() == [3, 3]


def test_several_labels_keep_the_share_of_the_rarest(make_table):
    generator = np.random.default_rng(0)
    targets = (generator.random((400, 3)) < [0.6, 0.3, 0.0]).astype(int)
    targets[:20, 2] = 1
    tables = all_folds(make_table, targets.tolist(), seed=2)
    assert [int(table.targets[rows_of(table)][:, 2].sum()) for table in tables] == [4] * 5
    assert [len(rows_of(table)) for table in tables] == [80] * 5
    for table in tables:
        share = table.targets[rows_of(table)].mean(axis=0)
        assert np.abs(share - targets.mean(axis=0)).max() < 0.08


def test_the_smallest_set_that_folds(make_table):
    tables = all_folds(make_table, [0, 1] * 3, folds=3)
    assert [len(rows_of(table)) for table in tables] == [2, 2, 2]
    assert all(len(rows_of(table, part)) for table in tables for part in PARTS)


@pytest.mark.parametrize(
    ("targets", "groups", "folds", "message"),
    [
        ([0, 1] * 4, ["a", "b"] * 4, 3, "2 group(s) cannot make 3 folds. Lower 'splits: folds'."),
        ([0, 1, 0], None, 5, "3 group(s) cannot make 5 folds. Lower 'splits: folds'."),
        ([0, 1] * 4, ["a"] * 8, 2, "1 group(s) cannot make 2 folds. Lower 'splits: folds'."),
        # One fold is the test part, and the other one is a single group, which cannot make train and validation.
        ([0, 1] * 4, ["a", "b"] * 4, 2, "4 rows in 1 group(s) cannot be split. Add rows, or give "
         "'splits: {group_by: null}'."),
    ],
)  # fmt: skip
def test_too_few_groups(make_table, targets, groups, folds, message):
    with pytest.raises(DataError) as error:
        cut(make_table, targets, groups, folds=folds)
    assert str(error.value) == f"small: {message}"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"folds": 1}, "fold 0 of 1"),
        ({"folds": 5, "fold": 5}, "fold 5 of 5"),
        ({"folds": 5, "fold": -1}, "fold -1 of 5"),
    ],
)
def test_a_fold_that_is_not_there(rule, message):
    with pytest.raises(ConfigError) as error:
        from_mapping(SplitsConfig, {"kind": "folds"} | rule, "x")
    assert str(error.value) == f"splits: {message}: needs 2 folds or more, and a fold from 0 to folds - 1."


def test_the_fold_of_a_run_replaces_the_one_of_the_yaml(write_set):
    rows = "text,label\n" + "".join(f"post {number},{'calm' if number % 2 else 'tense'}\n" for number in range(40))
    path = str(write_set({"r.csv": rows}, splits={"kind": "folds", "folds": 4, "fold": 1, "seed": 7}))
    splits = {fold: load_table(path, fold=fold).frame["split"].tolist() for fold in (None, 0, 1, 2, 3)}
    assert splits[None] == splits[1] and len({tuple(names) for names in splits.values()}) == 4
    tested = [row for fold in range(4) for row, name in enumerate(splits[fold]) if name == "test"]
    assert sorted(tested) == list(range(40))
    assert load_table(path, fold=3).config.splits.fold == 3
    assert load_table(path, split_seed=8).frame["split"].tolist() != splits[1]
    with pytest.raises(ConfigError, match=r"fold 4 of 4"):
        load_table(path, fold=4)


# Sets with a test part only.


def test_a_test_part_alone_stays_one(make_table, write_set):
    table = cut(make_table, [0, 1, 0], splits="test", kind="given")
    assert table.frame["split"].tolist() == ["test"] * 3
    path = write_set({"t.csv": "text,label\ntea,calm\nrain,tense\n"}, source={"files": {"test": "t.csv"}}, splits={})
    table = load_table(str(path))
    assert table.frame["split"].tolist() == ["test", "test"]
    assert len(table.part("train")) == len(table.part("validation")) == 0 and len(table.part("test")) == 2


@pytest.mark.parametrize(
    "splits", [["validation", "test"], ["validation"] * 2, ["", "test"], ["", ""]], ids=["both", "val", "half", "none"]
)
def test_parts_without_train_that_are_more_than_a_test(make_table, splits):
    with pytest.raises(DataError) as error:
        cut(make_table, [0, 1], splits=splits, kind="given")
    assert str(error.value) == (
        "small: no row belongs to train. Name the split of each file or a split column, or say 'splits: {kind: ratio}'."
    )


# Rows that are only trained on.


def with_added(make_table, count, added, splits="", **rule):
    table = make_table([f"post {number}" for number in range(count + added)], [0, 1] * ((count + added) // 2), **rule)
    names = np.array([splits] * count + [ADDED] * added, dtype=object)
    return assign_splits(table.with_splits(names)), assign_splits(
        table.select(range(count)).with_splits(np.array([splits] * count, dtype=object))
    )


@pytest.mark.parametrize("rule", [{"kind": "ratio", "test": 0.3}, {"kind": "folds", "fold": 4}, {"kind": "folds"}])
@pytest.mark.parametrize("added", [2, 200])
def test_added_rows_take_no_part_in_the_cut(make_table, rule, added):
    table, alone = with_added(make_table, 60, added, **rule)
    assert table.frame["split"][:60].tolist() == alone.frame["split"].tolist()
    assert table.frame["split"][60:].tolist() == ["train"] * added


def test_added_rows_do_not_make_a_test_set_a_training_set_by_mistake(make_table):
    table, alone = with_added(make_table, 4, 2, splits="test", kind="given")
    assert table.frame["split"].tolist() == ["test"] * 4 + ["train"] * 2
    assert alone.frame["split"].tolist() == ["test"] * 4


def test_added_rows_are_not_enough_to_fold(make_table):
    with pytest.raises(DataError) as error:
        with_added(make_table, 4, 40, kind="folds")
    assert str(error.value) == "small: 4 group(s) cannot make 5 folds. Lower 'splits: folds'."


def test_the_table_given_is_not_changed(make_table):
    table = make_table([f"post {number}" for number in range(20)], [0, 1] * 10, kind="folds")
    again = replace(table, frame=table.frame.copy())
    first = assign_splits(table)
    assert table.frame["split"].tolist() == [""] * 20
    assert first.frame["split"].tolist() == assign_splits(again).frame["split"].tolist()
