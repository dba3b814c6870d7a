"""Confusable pairs and flips, by hand."""

import numpy as np
import pytest

from mhclf.errors import DataError
from mhclf.evaluation.confusable import ClassPair, class_pairs, pair_agreement
from mhclf.evaluation.flips import prediction_flips


def test_a_pair_by_hand():
    points = [[0, 0], [0, 2], [10, 0], [10, 4], [5, 5]]
    pairs = class_pairs(points, [0, 0, 1, 1, 2], [0, 1, 0, 1, 2], ["a", "b", "c"])
    assert [(pair.first, pair.second, pair.n) for pair in pairs] == [("a", "b", 4), ("a", "c", 3), ("b", "c", 3)]
    # Centroids (0, 1) and (10, 2); spreads 1 and 2.
    assert pairs[0].margin == pytest.approx(np.sqrt(101) / 1.5)
    assert pairs[0].confusion == pytest.approx(0.5)
    assert pairs[1].margin is None, "one post has no spread"
    assert pairs[1].confusion == 0


def test_absent_classes_are_named():
    (pair,) = class_pairs([[0.0], [0.0]], [0, 0], [0, 0], ["a", "b"])
    assert (pair.margin, pair.confusion, pair.n) == (None, 0.0, 2)
    pairs = class_pairs([[0.0], [1.0]], [0, 0], [0, 0], ["a", "b", "c"])
    assert [(pair.second, pair.confusion) for pair in pairs if pair.first == "b"] == [("c", None)]
    with pytest.raises(DataError) as error:
        class_pairs([[0.0]], [0, 0], [0, 0], ["a", "b"])
    assert str(error.value) == "representations must have shape (n, size) with n = 2, got (1, 1)"


def test_a_margin_does_not_depend_on_the_scale():
    generator = np.random.default_rng(0)
    points, gold = generator.normal(size=(30, 4)), np.repeat([0, 1, 2], 10)
    one, other = (class_pairs(points * factor, gold, gold, ["a", "b", "c"]) for factor in (1, 50))
    assert [pair.margin for pair in one] == pytest.approx([pair.margin for pair in other])


def test_the_agreement_of_margin_and_confusion_by_hand():
    def pairs(*values):
        return [ClassPair("a", "b", margin, confusion, 5) for margin, confusion in values]

    # Of three comparisons two run against each other, one along.
    assert pair_agreement(pairs((1.0, 0.3), (2.0, 0.1), (3.0, 0.2))) == pytest.approx(-1 / 3)
    assert pair_agreement(pairs((1.0, 0.3), (2.0, 0.2), (3.0, 0.1), (None, 0.9), (9.0, None))) == pytest.approx(-1)
    assert np.isnan(pair_agreement(pairs((1.0, 0.3), (2.0, 0.1))))
    assert np.isnan(pair_agreement(pairs((1.0, 0.0), (2.0, 0.0), (3.0, 0.0))))


def test_flips_by_hand():
    gold = np.array([0, 0, 1, 1, 1, 0])
    before, after = np.array([0, 0, 1, 1, 0, 1]), np.array([0, 1, 1, 0, 1, 1])
    found = prediction_flips("multiclass", gold, before, after, ["a", "b"], np.arange(6), "accuracy")
    assert (found.before, found.after) == (pytest.approx(4 / 6), pytest.approx(3 / 6))
    assert found.difference == pytest.approx(-1 / 6)
    assert found.ci_low <= found.difference <= found.ci_high
    assert (found.flipped, found.lost, found.gained) == (
        pytest.approx(3 / 6),
        pytest.approx(2 / 6),
        pytest.approx(1 / 6),
    )
    assert found.flipped_low <= 0.5 <= found.flipped_high
    same = prediction_flips("multiclass", gold, before, before, ["a", "b"], np.arange(6), "accuracy")
    assert (same.flipped, same.difference, same.p_value) == (0, 0, 1)
    sets = np.eye(2, dtype=int)[gold]
    changed = sets.copy()
    changed[0] = [1, 1]
    several = prediction_flips("multilabel", sets, sets, changed, ["a", "b"], np.arange(6), "subset_accuracy")
    assert (several.flipped, several.lost) == (pytest.approx(1 / 6), pytest.approx(1 / 6))
