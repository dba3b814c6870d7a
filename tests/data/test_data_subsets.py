"""Few posts of each class, and shares of train that lie inside one another."""

from itertools import pairwise

import numpy as np
import pytest

from mhclf.config.run import SubsetConfig
from mhclf.data.subsets import limit_rows, shuffle_labels, take_subset
from mhclf.errors import ConfigError, DataError


@pytest.fixture
def table(make_table):
    targets = [0] * 60 + [1] * 30 + [2] * 10 + [0, 1, 2] * 5
    splits = ["train"] * 100 + ["validation"] * 5 + ["test"] * 10
    return make_table([f"post {n}" for n in range(115)], targets, splits=splits)


def trained(table):
    return set(table.part("train").frame["id"])


def test_labels_are_shuffled_among_train_rows(table):
    shuffled = shuffle_labels(table, 5)
    train = (table.frame["split"] == "train").to_numpy()
    assert np.array_equal(shuffled.targets[~train], table.targets[~train])
    assert not np.array_equal(shuffled.targets[train], table.targets[train])
    assert np.array_equal(np.bincount(shuffled.targets[train]), np.bincount(table.targets[train]))
    assert np.array_equal(shuffle_labels(table, 5).targets, shuffled.targets)


@pytest.mark.parametrize("wanted", [1, 4, 10])
def test_a_few_of_each_class(table, wanted):
    few = take_subset(table, SubsetConfig(per_class=wanted))
    assert np.bincount(few.part("train").targets).tolist() == [wanted] * 3
    assert len(few.part("validation")) == 5 and len(few.part("test")) == 10


def test_classes_smaller_than_wanted_are_whole(table):
    assert np.bincount(take_subset(table, SubsetConfig(per_class=25)).part("train").targets).tolist() == [25, 25, 10]


def test_smaller_subsets_lie_inside_larger_ones(table):
    shares = [trained(take_subset(table, SubsetConfig(share=share))) for share in (0.05, 0.1, 0.35, 0.5, 1.0)]
    assert [len(share) for share in shares] == [6, 10, 36, 50, 100]
    assert all(small < large for small, large in pairwise(shares))
    few = [trained(take_subset(table, SubsetConfig(per_class=wanted))) for wanted in (1, 3, 9)]
    assert all(small < large for small, large in pairwise(few))


def test_the_seed_chooses_the_posts(table):
    drawn = [trained(take_subset(table, SubsetConfig(share=0.2, seed=seed))) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_several_labels_a_post(make_table):
    targets = [[1, 0], [1, 1], [0, 1], [1, 0], [0, 0], [1, 0]] * 5
    table = make_table([f"post {n}" for n in range(30)], targets, splits="train")
    few = take_subset(table, SubsetConfig(per_class=3)).targets
    assert (few.sum(axis=0) >= 3).all() and len(few) <= 6


def test_a_class_without_train_posts(make_table):
    table = make_table(["a", "b", "c"], [0, 1, 2], splits=["train", "train", "test"])
    with pytest.raises(DataError) as error:
        take_subset(table, SubsetConfig(per_class=1))
    assert str(error.value) == "small: train has no post of c; a few of each class cannot be drawn."


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"per_class": 1, "share": 0.5}, "subset: give 'per_class' or 'share', not both."),
     ({"per_class": 0}, "subset: per_class: is 0, expected 1 or more."),
     ({"share": 0.0}, "subset: share: is 0.0, expected above 0 and at most 1."),
     ({"share": 1.5}, "subset: share: is 1.5, expected above 0 and at most 1.")],
)  # fmt: skip
def test_what_is_refused(settings, message):
    with pytest.raises(ConfigError) as error:
        SubsetConfig(**settings)
    assert str(error.value) == message


def test_a_limit_draws_the_same_test_rows_whatever_train_has_lost(table):
    """Systems that leave out different train rows are compared on the same test rows."""
    fewer = table.select(list(range(7, 100)) + list(range(102, 115)))
    whole, cut = limit_rows(table, 4), limit_rows(fewer, 4)
    assert whole.part("test").frame["id"].tolist() == cut.part("test").frame["id"].tolist()
    assert trained(whole) != trained(cut)
    assert [len(whole.part(split)) for split in ("train", "validation", "test")] == [4, 4, 4]
