"""Risk and coverage against a loop over thresholds; the area against its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.errors import DataError
from mhclf.evaluation import (
    aurc,
    classification_intervals,
    coverage_scores,
    excess_aurc,
    risk_coverage,
    scores,
)
from mhclf.evaluation.selective import selective_metrics

cases = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(cases)
def test_every_threshold_by_hand(pairs):
    confidence, correct = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    curve = risk_coverage(confidence, 1 - correct)
    thresholds = sorted(set(confidence.tolist()), reverse=True)
    assert curve.threshold.tolist() == thresholds
    for place, threshold in enumerate(thresholds):
        kept = confidence >= threshold
        assert curve.coverage[place] == pytest.approx(kept.mean())
        assert curve.risk[place] == pytest.approx(1 - correct[kept].mean())
    widths = np.diff([0.0, *curve.coverage])
    assert aurc(confidence, correct) == pytest.approx(float(widths @ curve.risk), abs=1e-12)
    best = np.mean([max(0, k - correct.sum()) / k for k in range(1, len(correct) + 1)])
    assert excess_aurc(confidence, correct) == pytest.approx(aurc(confidence, correct) - best, abs=1e-9)
    assert excess_aurc(confidence, correct) >= 0


@settings(max_examples=100, deadline=None)
@given(cases, st.integers(0, 1000))
def test_weights_are_repetitions(pairs, seed):
    confidence, correct = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    weights = np.random.default_rng(seed).integers(0, 3, size=(3, len(correct)))
    weights[:, 0] += 1
    found = selective_metrics(confidence, correct, weights)
    for row, weight in enumerate(weights):
        repeated = np.repeat(confidence, weight), np.repeat(correct, weight)
        assert found["aurc"][row] == pytest.approx(aurc(*repeated), abs=1e-9)
        assert found["e_aurc"][row] == pytest.approx(excess_aurc(*repeated), abs=1e-9)


def test_without_ties_the_area_is_the_mean_risk_over_answered_posts():
    rng = np.random.default_rng(0)
    confidence, correct = rng.permutation(50) / 50.0, rng.integers(0, 2, 50)
    wrong = (1 - correct)[np.argsort(-confidence)]
    assert aurc(confidence, correct) == pytest.approx(np.mean(np.cumsum(wrong) / np.arange(1, 51)))


def test_one_score_for_all_gives_the_error_and_a_perfect_score_no_excess():
    correct = np.array([1, 0, 1, 0, 0])
    assert aurc(np.zeros(5), correct) == pytest.approx(0.6)
    assert excess_aurc(correct.astype(float) + np.arange(5) / 10, correct) == pytest.approx(0.0, abs=1e-12)
    assert excess_aurc([0.1, 0.2], [1, 1]) == 0.0


def test_scores_rank_by_the_greatest_probability():
    probability = np.array([[0.9, 0.1], [0.4, 0.6], [0.45, 0.55]])
    ours = scores("multiclass", [0, 0, 1], [0, 1, 1], probability, ["a", "b"])
    assert ours["aurc"] == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    several = scores("multilabel", [[1, 0], [1, 1]], [[1, 0], [1, 0]], [[0.9, 0.4], [0.99, 0.05]], ["a", "b"])
    assert several["aurc"] == pytest.approx((1 + 1 / 2) / 2)  # the second post is surer in its least certain label


def test_the_table_scores_what_is_answered():
    rng = np.random.default_rng(1)
    gold, prediction = rng.integers(0, 3, (2, 200))
    confidence = np.round(rng.random(200), 1)
    groups = np.arange(200) // 2
    labels = ["a", "b", "c"]
    table = coverage_scores("multiclass", gold, prediction, confidence, labels, groups, n_resamples=200)
    assert [row.wanted for row in table] == [1.0, 0.95, 0.9, 0.8, 0.7, 0.5]
    assert table[0].n == 200 and table[0].reached == 1.0
    for row in table:
        kept = confidence >= row.threshold
        assert row.reached == pytest.approx(kept.mean()) and row.reached >= row.wanted
        # No higher threshold reaches the coverage that was asked for.
        assert (confidence > row.threshold).mean() < row.wanted
        expected = scores("multiclass", gold[kept], prediction[kept], None, labels)
        ends = classification_intervals(
            "multiclass", gold[kept], prediction[kept], None, labels, groups[kept], ["macro_f1"], n_resamples=200
        )
        assert row.values["macro_f1"] == (expected["macro_f1"], *ends["macro_f1"])
        assert row.values["accuracy"][0] == expected["accuracy"]


def test_the_table_of_several_labels_counts_posts_right_in_full():
    gold, prediction = np.array([[1, 0], [1, 1]]), np.array([[1, 0], [1, 0]])
    (row,) = coverage_scores("multilabel", gold, prediction, [0.9, 0.1], ["a", "b"], coverages=[0.5])
    assert (row.n, row.values["subset_accuracy"][0]) == (1, 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: risk_coverage([], []), "confidence and loss must be two lists of the same posts, got (0,) and (0,)"),
        (lambda: risk_coverage([1, 2], [0]),
         "confidence and loss must be two lists of the same posts, got (2,) and (1,)"),
        (lambda: risk_coverage([1.0], [-0.5]), "loss must not be negative; row 0 has -0.5"),
        (lambda: risk_coverage([float("nan")], [0]), "confidence has NaN in row 0"),
        (lambda: coverage_scores("multiclass", [0], [0], [1], ["a", "b"], coverages=[0.0]),
         "coverages must lie above 0 and not above 1, got 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(call, message):
    with pytest.raises(DataError) as error:
        call()
    assert str(error.value) == message
