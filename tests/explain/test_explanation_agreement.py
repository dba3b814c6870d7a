"""Agreement of explanations: against scipy and counting by hand."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from explain.agreement import agreement, agreement_matrix, chance_overlap, rank_correlation, top_overlap
from explain.attribution import Attribution
from mhclf.errors import ConfigError, DataError


def made(text, scores, seen=()):
    spans, at = [], 0
    for word in text.split():
        at = text.index(word, at)
        spans.append((at, at + len(word)))
        at += len(word)
    return Attribution(text, tuple(spans), tuple(scores), "body", 0.5, "made", seen=seen)


def test_rank_correlations_by_hand():
    # Pairs of (1, 2, 3) and (1, -3, 2): + - - signed ; (1, 2, 3) and (1, 3, 2): + + - absolute.
    found = rank_correlation([1, 2, 3], [1, -3, 2])
    assert found.kendall == pytest.approx((2 - 1) / 3)
    assert found.kendall_absolute == pytest.approx((2 - 1) / 3)
    assert found.spearman == pytest.approx(1 - 6 * (1 + 1 + 0) / (3 * 8))
    turned = rank_correlation([1, 2, 3, 4], [-1, -2, -3, -4])
    assert turned.kendall == pytest.approx(-1) and turned.kendall_absolute == pytest.approx(1)
    assert np.isnan(rank_correlation([1, 1], [1, 2]).kendall)
    assert np.isnan(rank_correlation([1], [2]).spearman)
    with pytest.raises(DataError, match=r"got shapes \(2,\) and \(3,\)"):
        rank_correlation([1, 2], [1, 2, 3])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=9))
def test_rank_correlations_equal_scipy_and_are_symmetric(pairs):
    a, b = np.array(pairs, dtype=float).T
    found, turned = rank_correlation(a, b), rank_correlation(b, a)
    if np.ptp(a) and np.ptp(b):
        assert found.kendall == pytest.approx(kendalltau(a, b).statistic)
        assert found.spearman == pytest.approx(spearmanr(a, b).statistic)
        assert found.kendall == pytest.approx(turned.kendall)
        assert rank_correlation(a, a).kendall == pytest.approx(1)
    assert top_overlap(a, b, 3) == top_overlap(b, a, 3)
    assert top_overlap(a, a, 3) == 1


def test_overlap_of_the_top_words():
    assert top_overlap([5, 4, 3, 2, 1], [5, 1, 4, 2, 3], 2) == 0.5
    assert top_overlap([5, 4, 3, 2, 1], [1, 2, 3, 4, 5], 2) == 0
    assert top_overlap([1, 2], [2, 1], 5) == 1
    assert np.isnan(top_overlap([], [], 5))
    every_order = [top_overlap([1, 2, 3, 4, 5], order, 2) for order in permutations(range(5))]
    assert np.mean(every_order) == pytest.approx(chance_overlap(5, 2)) == pytest.approx(0.4)


def test_agreement_over_posts_leaves_out_what_is_not_read():
    # A sign that the tokenizer drops may stand anywhere.
    a = [made("one two three four", [4, 0, 3, 2], (True, False, True, True)), made("five six", [1, 2])]
    b = [made("one two three four", [2, 0, 3, 4], (True, False, True, True)), made("five six", [1, 2])]
    found = agreement(a, b, top=1, groups=["x", "y"])
    assert found.kendall.mean == pytest.approx((-1 + 1) / 2)
    assert (found.kendall.low, found.kendall.high) == (-1, 1)
    assert found.overlap.mean == pytest.approx((0 + 1) / 2)
    assert found.chance == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert (found.n, found.top) == (2, 1)


def test_a_matrix_of_methods():
    named = {
        "a": [made("one two three", [1, 2, 3])],
        "b": [made("one two three", [1, 3, 2])],
        "c": [made("one two three", [3, 2, 1])],
    }
    found = agreement_matrix(named, top=1, n_resamples=10)
    expected = np.array([[1, 1 / 3, -1], [1 / 3, 1, -1 / 3], [-1, -1 / 3, 1]])
    np.testing.assert_allclose(found.values(), expected)
    np.testing.assert_allclose(found.values("overlap"), np.eye(3))
    assert len(found.frame()) == 3 * 5
    assert list(found.pairs) == [("a", "b"), ("a", "c"), ("b", "c")]


def test_refusals():
    one, other = made("one two", [1, 2]), made("one too", [1, 2])
    with pytest.raises(DataError, match="explanations number 0 are of two posts"):
        agreement([one], [other])
    with pytest.raises(DataError, match="1 and 2 explanations. Give those of the same posts"):
        agreement([one], [one, one])
    with pytest.raises(DataError, match="there is no post"):
        agreement([], [])
    with pytest.raises(ConfigError, match="top: is 0, expected 1 word or more"):
        agreement([one], [one], top=0)
