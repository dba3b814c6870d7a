"""Splits: sizes, shares, whole groups, the same rows for the same seed."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mhclf.data.splits import assign_splits, strata
from mhclf.errors import DataError


def split_table(make_table, targets, groups=None, **rule):
    table = make_table(
        [f"post {number}" for number in range(len(targets))], targets, groups, **({"kind": "ratio"} | rule)
    )
    return assign_splits(table)


def rows_of(table):
    return {name: np.flatnonzero((table.frame["split"] == name).to_numpy()) for name in ("train", "validation", "test")}


def sizes(table):
    return {name: len(rows) for name, rows in rows_of(table).items()}


def test_sizes_and_class_shares(make_table):
    targets = [0] * 600 + [1] * 300 + [2] * 100
    table = split_table(make_table, targets, test=0.2, validation=0.1, seed=4)
    assert sizes(table) == {"train": 720, "validation": 80, "test": 200}
    counts = {name: np.bincount(table.targets[rows]).tolist() for name, rows in rows_of(table).items()}
    assert counts == {"train": [432, 216, 72], "validation": [48, 24, 8], "test": [120, 60, 20]}


@pytest.mark.parametrize("share", [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("grouped", [True, False])
def test_the_asked_share_is_met_with_and_without_groups(make_table, share, grouped):
    groups = [f"g{number // 2}" for number in range(1200)] if grouped else None
    table = split_table(make_table, [0, 0, 1, 1] * 300, groups, test=share)
    rows = rows_of(table)
    assert len(rows["test"]) == pytest.approx(1200 * share, abs=24)
    assert table.targets[rows["test"]].mean() == pytest.approx(0.5, abs=0.05)


@st.composite
def grouped_posts(draw):
    group_sizes = draw(st.lists(st.integers(1, 12), min_size=3, max_size=25))
    groups = [f"g{index}" for index, size in enumerate(group_sizes) for _ in range(size)]
    classes = draw(st.integers(2, 4))
    targets = draw(st.lists(st.integers(0, classes - 1), min_size=len(groups), max_size=len(groups)))
    return targets, groups


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grouped_posts(), st.sampled_from([0.1, 0.2, 0.34, 0.5]), st.integers(0, 50), st.booleans())
def test_groups_are_never_cut_and_no_part_is_empty(make_table, case, share, seed, stratify):
    targets, groups = case
    table = split_table(make_table, targets, groups, test=share, seed=seed, stratify=stratify)
    assert table.frame.groupby("group")["split"].nunique().max() == 1
    assert min(sizes(table).values()) >= 1


@pytest.mark.parametrize("seed", range(10))
def test_a_huge_group_does_not_swallow_the_test_part(make_table, seed):
    groups = ["huge"] * 300 + [f"g{number}" for number in range(100)]
    table = split_table(make_table, [0, 1] * 200, groups, test=0.2, seed=seed)
    assert 20 <= sizes(table)["test"] <= 160
    assert set(table.frame["group"][table.frame["split"] == "train"]) >= {"huge"}


def test_same_seed_same_rows_other_seed_other_rows(make_table):
    targets = [0, 1, 2, 1] * 50
    for groups in (None, [f"g{number // 3}" for number in range(200)]):
        first, again, other = (split_table(make_table, targets, groups, seed=seed) for seed in (3, 3, 4))
        assert first.frame["split"].tolist() == again.frame["split"].tolist()
        assert first.frame["split"].tolist() != other.frame["split"].tolist()


def test_the_largest_seed_works(make_table):
    assert sizes(split_table(make_table, [0, 1] * 20, seed=2**31 - 1)) == {"train": 28, "validation": 4, "test": 8}


def test_another_share_for_validation_leaves_test_as_it_is(make_table):
    targets = [0, 1] * 100
    tests = [rows_of(split_table(make_table, targets, validation=share))["test"].tolist() for share in (0.1, 0.3)]
    assert tests[0] == tests[1]


def test_validation_comes_from_train_alone(make_table):
    given_splits = ["train"] * 80 + ["test"] * 20
    table = assign_splits(make_table([f"post {n}" for n in range(100)], [0, 1] * 50, splits=given_splits))
    rows = rows_of(table)
    assert rows["test"].tolist() == list(range(80, 100))
    assert len(rows["validation"]) == 8 and rows["validation"].max() < 80
    assert np.bincount(table.targets[rows["validation"]]).tolist() == [4, 4]


def test_given_parts_are_left_alone(make_table):
    names = ["train", "validation", "test", "train"]
    table = assign_splits(make_table(list("abcd"), [0, 1, 0, 1], splits=names, seed=9))
    assert table.frame["split"].tolist() == names


def test_group_by_null_cuts_groups_and_gives_the_plain_stratified_cut(make_table):
    targets, groups = [0, 1] * 100, [f"g{number // 10}" for number in range(200)]
    cut = split_table(make_table, targets, groups, group_by=None)
    assert cut.frame.groupby("group")["split"].nunique().max() > 1
    assert cut.frame["split"].tolist() == split_table(make_table, targets).frame["split"].tolist()


def test_without_stratification(make_table):
    table = split_table(make_table, [0] * 90 + [1] * 10, stratify=False, seed=1)
    assert sizes(table) == {"train": 72, "validation": 8, "test": 20}
    assert np.bincount(table.targets[rows_of(table)["test"]], minlength=2).tolist() != [18, 2]


@pytest.mark.parametrize("targets", [[0, 1, 0], [0, 0, 0], [0, 1, 2], [0, 1, 0, 1], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.34, 0.5, 0.9])
def test_tiny_sets_have_a_row_in_every_part(make_table, targets, share):
    assert min(sizes(split_table(make_table, targets, test=share)).values()) >= 1


def test_a_large_share_of_few_rows(make_table):
    assert sizes(split_table(make_table, [0, 1, 2, 3] * 5, test=0.9))["test"] in {17, 18}


@pytest.mark.parametrize(
    ("targets", "groups", "message"),
    [
        ([0], None, "1 rows in 1 group(s)"),
        ([0, 1], None, "1 rows in 1 group(s)"),
        ([0, 1, 0, 1], ["same"] * 4, "4 rows in 1 group(s)"),
    ],
)
def test_what_cannot_be_split(make_table, targets, groups, message):
    with pytest.raises(DataError) as error:
        split_table(make_table, targets, groups)
    assert str(error.value) == (f"small: {message} cannot be split. Add rows, or give 'splits: {{group_by: null}}'.")


def test_strata_of_several_labels_are_the_rarest_ones():
    targets = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 1, 0]])
    assert strata(targets).tolist() == [1, 1, 3, 0, 3, 2, 2]
    assert strata(np.array([2, 0, 1])).tolist() == [2, 0, 1]


def test_several_labels_keep_their_shares(make_table):
    generator = np.random.default_rng(0)
    targets = (generator.random((500, 3)) < [0.6, 0.3, 0.04]).astype(int)
    table = split_table(make_table, targets.tolist(), test=0.2, seed=2)
    test = table.targets[rows_of(table)["test"]]
    assert len(test) == 100
    assert test[:, 2].sum() == round(targets[:, 2].sum() * 0.2)
    assert np.abs(test.mean(axis=0) - targets.mean(axis=0)).max() < 0.08
