"""Thresholds against a search over every cut, and every branch that a definition leaves open."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mhclf.errors import DataError
from mhclf.evaluation.thresholds import decide_by_thresholds, fit_threshold, fit_thresholds

cases = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 10)), min_size=2, max_size=30)


def every_cut(gold, probability):
    """All decisions that a threshold among the rows, or .5, can give, but those that predict all or none."""
    values = np.unique(probability)
    return [*((values[1:] + values[:-1]) / 2), 0.5]


@settings(max_examples=200, deadline=None)
@given(cases)
def test_no_cut_has_a_greater_f1(pairs):
    gold, tenths = (np.array(side) for side in zip(*pairs, strict=True))
    probability = tenths / 10
    fitted = fit_threshold(gold, probability, "x")
    if fitted.how != "fitted":
        assert gold.min() == gold.max() and fitted.value == 0.5 and math.isnan(fitted.objective)
        return
    by_cut = {t: sk.f1_score(gold, probability >= t, zero_division=0) for t in every_cut(gold, probability)}
    best = max(by_cut.values())
    assert fitted.objective == pytest.approx(best, abs=1e-12)
    assert by_cut[fitted.value] == pytest.approx(best, abs=1e-12)
    assert fitted.at_default == pytest.approx(by_cut[0.5], abs=1e-12)
    nearest = min(abs(t - 0.5) for t, value in by_cut.items() if value == pytest.approx(best, abs=1e-12))
    assert abs(fitted.value - 0.5) == pytest.approx(nearest, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(cases, st.sampled_from([0.25, 1.0, 5.0]))
def test_no_cut_has_a_lower_cost(pairs, ratio):
    gold, tenths = (np.array(side) for side in zip(*pairs, strict=True))
    probability = tenths / 10
    fitted = fit_threshold(gold, probability, "x", "cost", ratio)
    costs = []
    for cut in every_cut(gold, probability):
        given = probability >= cut
        costs.append((ratio * (gold & ~given).sum() + (given & (gold == 0)).sum()) / len(gold))
    if fitted.how == "fitted":
        assert fitted.objective == pytest.approx(min(costs), abs=1e-12)


def test_labels_without_positives_or_negatives_stay_at_one_half():
    gold = np.array([[0, 1, 1], [0, 1, 0], [0, 1, 0]])
    probability = np.array([[0.2, 0.3, 0.4], [0.1, 0.9, 0.3], [0.2, 0.4, 0.1]])
    found = fit_thresholds("multilabel", gold, probability, ["never", "always", "some"])
    assert [(item.how, item.value, item.positives) for item in found] == [
        ("no positives", 0.5, 0), ("no negatives", 0.5, 3), ("fitted", pytest.approx(0.35), 1),
    ]  # fmt: skip


def test_of_equally_good_cuts_the_nearest_to_one_half_is_taken():
    assert fit_threshold([0, 1], [0.1, 0.7], "x").value == 0.5
    assert fit_threshold([0, 1], [0.1, 0.3], "x").value == pytest.approx(0.2)


def test_the_positive_one_of_two_labels():
    (found,) = fit_thresholds("multiclass", [0, 1, 1], [[0.9, 0.1], [0.7, 0.3], [0.6, 0.4]], ["no", "yes"])
    assert (found.label, found.value, found.at_default) == ("yes", pytest.approx(0.2), 0.0)
    decided = decide_by_thresholds("multiclass", [[0.9, 0.1], [0.8, 0.2]], [found.value])
    assert decided.tolist() == [0, 1]


def test_decisions_of_several_labels():
    assert decide_by_thresholds("multilabel", [[0.5, 0.5], [0.2, 0.9]], [0.5, 0.6]).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_thresholds("multiclass", [0], [[1, 0, 0]], ["a", "b", "c"]),
         "thresholds are for several labels a post, or for two labels; here is multiclass of 3"),
        (lambda: fit_threshold([0, 1], [0.1, 0.2], "x", "f2"), "unknown objective 'f2'. Known: f1, cost"),
        (lambda: fit_threshold([0, 1], [0.1, 0.2], "x", "cost", 0), "cost_ratio must be above 0, got 0"),
        (lambda: fit_threshold([0, 1], [0.1, 2], "x"), "probability of 'x' must lie in [0, 1]; row 1 has 2. "
         "These look like logits: apply softmax (multilabel: sigmoid) first"),
        (lambda: decide_by_thresholds("multilabel", [[0.1, 0.2]], [0.5]),
         "1 threshold(s) do not fit probabilities of shape (1, 2) for multilabel"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(call, message):
    with pytest.raises(DataError) as error:
        call()
    assert str(error.value) == message
