"""Slices: every row in the part it belongs to, and the scores of a part as if it were the whole."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.errors import DataError
from mhclf.evaluation import classification_intervals, scores
from mhclf.evaluation.slices import LEAST_ROWS, Slice, category_slices, numeric_slices, slice_scores

LABELS = ["a", "b"]


def test_tertiles_of_different_numbers_have_the_same_size():
    slices = numeric_slices("words", np.arange(1, 31))
    assert [part.name for part in slices] == ["words 1 to 10", "words 11 to 20", "words 21 to 30"]
    assert [int(part.rows.sum()) for part in slices] == [10, 10, 10]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 8), st.none()), min_size=1, max_size=40))
def test_parts_are_disjoint_ordered_and_never_cut_equal_numbers(cells):
    numbers = np.array([np.nan if cell is None else cell for cell in cells])
    slices = numeric_slices("words", numbers)
    together = sum((part.rows.astype(int) for part in slices), np.zeros(len(numbers), dtype=int))
    assert (together == ~np.isnan(numbers)).all()
    tops = [numbers[part.rows] for part in slices]
    assert all(low.max() < high.min() for low, high in pairwise(tops))
    assert len(slices) <= 3


def test_few_different_numbers_are_slices_of_their_own():
    slices = numeric_slices("confidence", [0.6, 1.0, 0.6, np.nan])
    assert [(part.name, part.rows.tolist()) for part in slices] == [
        ("confidence 0.6", [True, False, True, False]), ("confidence 1", [False, True, False, False]),
    ]  # fmt: skip
    assert numeric_slices("confidence", [np.nan, np.nan]) == ()


def test_categories_by_value_without_the_missing():
    slices = category_slices("source", ["reddit", None, "twitter", "reddit", float("nan")])
    assert [(part.name, int(part.rows.sum())) for part in slices] == [("source reddit", 2), ("source twitter", 1)]


def test_scores_of_a_slice_are_those_of_its_rows_and_small_ones_are_not_scored():
    rng = np.random.default_rng(0)
    gold, prediction = rng.integers(0, 2, (2, 100))
    groups = np.arange(100) // 2
    rows = np.arange(100) < 60
    tiny = np.arange(100) < LEAST_ROWS - 1
    parts = [Slice("first", rows), Slice("few", tiny)]
    found = slice_scores("multiclass", gold, prediction, LABELS, parts, ["macro_f1", "accuracy"], groups)
    expected = scores("multiclass", gold[:60], prediction[:60], None, LABELS)
    ends = classification_intervals(
        "multiclass", gold[:60], prediction[:60], None, LABELS, groups[:60], ["macro_f1", "accuracy"]
    )
    assert found[0].values == {name: (expected[name], *ends[name]) for name in ("macro_f1", "accuracy")}
    assert (found[1].name, found[1].n, found[1].values) == ("few", LEAST_ROWS - 1, None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: numeric_slices("words", ["a"]), "slices by words: expected numbers"),
        (lambda: numeric_slices("words", [[1]]), "slices by words: expected one list of numbers, got shape (1, 1)"),
        (lambda: numeric_slices("words", [1], 1), "slices by words: parts must be 2 or more, got 1"),
        (lambda: category_slices("id", [str(n) for n in range(31)]),
         "slices by id: 31 different values; a category has at most 30"),
        (lambda: slice_scores("multiclass", [0], [0], LABELS, [Slice("x", np.ones(2, dtype=bool))], ["accuracy"]),
         "the slice 'x' has shape (2,), expected (1,)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(call, message):
    with pytest.raises(DataError) as error:
        call()
    assert str(error.value) == message
