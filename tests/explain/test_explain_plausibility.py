"""Plausibility against hand-computed examples, scikit-learn and brute force."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from explain.plausibility import (
    METRICS,
    Cuts,
    expected_hits,
    f1_above,
    f1_at,
    fit_cuts,
    iou_f1,
    plausibility,
    runs,
    top_mask,
)
from mhclf.data.spans import marked_words
from mhclf.errors import DataError

CUTS = Cuts(0.4, 0.5)


def test_a_post_by_hand():
    scores = [0.9, 0.1, 0.8, -0.5, 0.3]
    gold = [True, False, False, False, True]
    found = plausibility(scores, gold, CUTS)
    # In order of score: marked, not, marked, not, not.
    assert found["auprc"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["auroc"] == pytest.approx(5 / 6)
    assert found["f1_own_length"] == pytest.approx(0.5)
    assert found["f1_share"] == pytest.approx(0.5), "two of five words"
    assert found["f1_threshold"] == pytest.approx(0.5), "from .45: two words, one of them marked"
    assert found["precision_at_5"] == pytest.approx(2 / 5)
    assert found["pointing_game"] == 1
    # Chosen: words 0 and 2; marked: words 0 and 4. Runs [0], [2] against [0], [4].
    assert found["iou_f1"] == pytest.approx(0.5)
    assert tuple(found) == METRICS


def test_intersection_over_union_by_hand():
    gold = np.array([0, 1, 1, 1, 0, 0, 1, 0], dtype=bool)
    chosen = np.array([0, 0, 1, 1, 1, 0, 0, 1], dtype=bool)
    assert runs(gold) == [(1, 4), (6, 7)] and runs(chosen) == [(2, 5), (7, 8)]
    # First runs share 2 of 4 words: a hit; the second share none.
    assert iou_f1(chosen, gold) == pytest.approx(0.5)
    assert iou_f1(gold, gold) == 1
    assert iou_f1(np.zeros(8, dtype=bool), gold) == 0


def test_negative_scores_count_as_nothing_or_by_their_size():
    gold = [True, False, False]
    assert plausibility([-0.9, 0.2, 0.1], gold, CUTS)["pointing_game"] == 0
    assert plausibility([-0.9, 0.2, 0.1], gold, CUTS, absolute=True)["pointing_game"] == 1
    nothing = plausibility([-1, -2, -3], gold, CUTS)
    assert nothing["f1_threshold"] == 0 and nothing["pointing_game"] == pytest.approx(1 / 3)
    assert nothing["auroc"] == 0.5


def test_no_mark_and_all_marks():
    with pytest.raises(DataError) as error:
        plausibility([1, 2], [False, False], CUTS)
    assert str(error.value) == "gold marks no word: leave the post out"
    with pytest.raises(DataError) as error:
        plausibility([1, 2], [True], CUTS)
    assert str(error.value) == "scores and gold must have one shape (words,), got (2,) and (1,)"
    every = plausibility([1, 2], [True, True], CUTS)
    assert np.isnan(every["auroc"]) and every["auprc"] == 1


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6), st.integers(1, 6))
def test_ties_count_as_the_mean_over_all_orders(words, k):
    scores = np.array([score for score, _ in words], dtype=float)
    gold = np.array([mark for _, mark in words])
    hits = []
    for order in permutations(range(len(words))):
        ranked = sorted(order, key=lambda place: -scores[place])
        hits.append(gold[ranked[:k]].sum())
    assert expected_hits(scores, gold, k) == pytest.approx(np.mean(hits))
    if gold.any():
        chosen = min(k, len(words))
        assert f1_at(scores, gold, k) == pytest.approx(2 * np.mean(hits) / (chosen + gold.sum()))


@settings(max_examples=150, deadline=None)
@example([(0.0, True)] * 6 + [(1.0, True), (0.5, True), (0.75, True)])
@given(st.lists(st.tuples(st.floats(-1, 1), st.booleans()), min_size=2, max_size=30))
def test_areas_equal_scikit_learn_and_all_values_lie_between_0_and_1(words):
    scores = np.array([score for score, _ in words])
    gold = np.array([mark for _, mark in words])
    if not gold.any():
        return
    found = plausibility(scores, gold, CUTS)
    positive = np.maximum(scores, 0)
    assert found["auprc"] == pytest.approx(average_precision_score(gold, positive))
    if not gold.all():
        assert found["auroc"] == pytest.approx(roc_auc_score(gold, positive))
    assert all(0 <= value <= 1 for value in found.values() if not np.isnan(value))
    assert top_mask(scores, 3).sum() == min(3, len(scores))


def test_cuts_are_fitted_on_validation():
    scores = [np.array([1.0, 0.8, 0.1, 0.05]), np.array([0.5, 0.1, 0.02, 0.35])]
    golds = [np.array([True, True, False, False]), np.array([True, False, False, True])]
    cuts = fit_cuts(scores, golds)
    assert cuts.share == 0.5
    # From .25 of the largest on, exactly the marked words are chosen; .25 is the lowest such cut.
    assert cuts.threshold == pytest.approx(0.25)
    assert f1_above(scores[0], golds[0], cuts.threshold) == 1
    assert fit_cuts([], []) == Cuts(0.25, 0.5)


def test_a_word_is_marked_where_half_of_it_is():
    words = [(0, 4), (5, 9), (10, 14)]
    assert marked_words(words, [(2, 6), (10, 11)]).tolist() == [True, False, False]
    assert marked_words(words, [(0, 14)]).all()
    assert not marked_words(words, []).any()
