"""Metrics of ordered labels against scikit-learn, scipy and the formula by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from mhclf.evaluation import classification_intervals, metric_names, paired_bootstrap, scores
from mhclf.evaluation.counts import count_metrics, label_counts
from mhclf.evaluation.ordinal import ORDINAL_METRICS

LABELS = ["none", "mild", "moderate", "severe"]


@st.composite
def levels(draw, least=2, lowest=0):
    k = draw(st.integers(2, 5))
    n = draw(st.integers(least, 30))
    gold = draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))
    prediction = draw(st.lists(st.integers(lowest, k - 1), min_size=n, max_size=n))
    return k, np.array(gold), np.array(prediction)


def expected(gold, prediction, k):
    constant = len(set(gold.tolist())) < 2 or len(set(prediction.tolist())) < 2
    kappa = 0.0 if constant else sk.cohen_kappa_score(gold, prediction, weights="quadratic", labels=range(k))
    tau = 0.0 if constant else stats.kendalltau(gold, prediction, variant="b").statistic
    off = np.abs(gold - prediction)
    return {"qwk": kappa, "kendall_tau_b": tau, "off_by_one": (off <= 1).mean(), "mae": off.mean()}


@settings(max_examples=150, deadline=None)
@given(levels())
def test_equals_scikit_learn_and_scipy(case):
    k, gold, prediction = case
    found = scores("ordinal", gold, prediction, None, [str(level) for level in range(k)])
    assert {name: found[name] for name in ORDINAL_METRICS} == pytest.approx(expected(gold, prediction, k), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(levels(), st.integers(0, 1000))
def test_weights_are_repetitions(case, seed):
    k, gold, prediction = case
    weights = np.random.default_rng(seed).integers(1, 4, size=(3, len(gold)))
    found = count_metrics("ordinal", label_counts("ordinal", gold, prediction, k, weights), [str(c) for c in range(k)])
    for row, weight in enumerate(weights):
        repeated = expected(np.repeat(gold, weight), np.repeat(prediction, weight), k)
        assert {name: found[name][row] for name in ORDINAL_METRICS} == pytest.approx(repeated, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(levels(lowest=-1))
def test_no_answer_is_the_farthest_level(case):
    k, gold, prediction = case
    farthest = np.where(gold >= k - 1 - gold, 0, k - 1)
    filled = np.where(prediction == -1, farthest, prediction)
    found = scores("ordinal", gold, prediction, None, [str(c) for c in range(k)], no_answer=True)
    assert {name: found[name] for name in ORDINAL_METRICS} == pytest.approx(expected(gold, filled, k), abs=1e-12)


def test_names_and_their_order():
    assert metric_names("ordinal", LABELS)[8:12] == ("qwk", "kendall_tau_b", "off_by_one", "mae")
    assert not set(ORDINAL_METRICS) & set(metric_names("multiclass", LABELS))


def test_intervals_and_paired_tests_know_them():
    generator = np.random.default_rng(0)
    gold = generator.integers(0, 4, 200)
    near = np.clip(gold + generator.integers(-1, 2, 200), 0, 3)
    far = generator.integers(0, 4, 200)
    low, high = classification_intervals("ordinal", gold, near, None, LABELS)["qwk"]
    assert low < sk.cohen_kappa_score(gold, near, weights="quadratic") < high
    found = paired_bootstrap("mae", gold, near, far, labels=LABELS)
    assert found.difference == pytest.approx(np.abs(gold - near).mean() - np.abs(gold - far).mean())
    assert found.p_value < 0.01
