"""AUROC and AUPRC against scikit-learn: ties, weights, absent classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mhclf.evaluation import scores
from mhclf.evaluation.ranking import binary_ranking

EXACT = {"abs": 1e-12, "rel": 0}
LABELS = ("none", "mild", "moderate", "severe")


def random_probabilities(n, k, seed, decimals=1):
    rng = np.random.default_rng(seed)
    return np.round(rng.dirichlet(np.ones(k), n), decimals)  # rounding makes ties


@pytest.mark.parametrize("seed", range(4))
def test_ranking_of_two_classes_is_of_the_second(seed):
    gold = np.random.default_rng(seed).integers(0, 2, 50)
    probability = random_probabilities(50, 2, seed)
    ours = scores("multiclass", gold, gold, probability, ["no", "yes"])
    assert ours["auroc"] == pytest.approx(sk.roc_auc_score(gold, probability[:, 1]), **EXACT)
    assert ours["auprc"] == pytest.approx(sk.average_precision_score(gold, probability[:, 1]), **EXACT)


def test_ranking_of_many_classes_is_one_versus_rest_macro():
    gold = np.tile(np.arange(4), 15)
    probability = np.random.default_rng(0).dirichlet(np.ones(4), 60)
    ours = scores("ordinal", gold, gold, probability, LABELS)
    expected = sk.roc_auc_score(gold, probability, multi_class="ovr", average="macro")
    assert ours["auroc"] == pytest.approx(expected, **EXACT)
    one_hot = np.eye(4, dtype=int)[gold]
    assert ours["auprc"] == pytest.approx(sk.average_precision_score(one_hot, probability), **EXACT)


def test_ranking_leaves_out_classes_without_both_sides():
    gold = np.array([0, 1, 1, 0, 1, 0])  # classes 2 and 3 do not occur
    probability = random_probabilities(6, 4, 1, decimals=3)
    ours = scores("multiclass", gold, gold, probability, LABELS)
    expected = np.mean([sk.roc_auc_score(gold == c, probability[:, c]) for c in (0, 1)])
    assert ours["auroc"] == pytest.approx(expected, **EXACT)


def test_ranking_without_any_defined_class_is_nan():
    probability = np.array([[0.2, 0.8], [0.6, 0.4]])
    ours = scores("multiclass", [1, 1], [1, 0], probability, ["no", "yes"])
    assert np.isnan(ours["auroc"])
    assert np.isnan(ours["auprc"])


def test_ranking_multilabel_is_macro():
    rng = np.random.default_rng(3)
    gold, probability = rng.integers(0, 2, (40, 3)), np.round(rng.random((40, 3)), 1)
    ours = scores("multilabel", gold, gold, probability, LABELS[:3])
    assert ours["auroc"] == pytest.approx(sk.roc_auc_score(gold, probability, average="macro"), **EXACT)
    assert ours["auprc"] == pytest.approx(sk.average_precision_score(gold, probability), **EXACT)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.sampled_from([1, 2, 12]))
def test_weighted_ranking_equals_sklearn(seed, n, decimals):
    rng = np.random.default_rng(seed)
    positive, score = rng.integers(0, 2, n), np.round(rng.random(n), decimals)
    weights = rng.integers(0, 3, (3, n))
    auroc, auprc = binary_ranking(positive, score, weights)
    for row, weight in enumerate(weights):
        kept = weight > 0
        if len(np.unique(positive[kept])) < 2:
            assert np.isnan(auroc[row])
            assert np.isnan(auprc[row])
            continue
        given_to = (positive[kept], score[kept])
        assert auroc[row] == pytest.approx(sk.roc_auc_score(*given_to, sample_weight=weight[kept]), **EXACT)
        expected = sk.average_precision_score(*given_to, sample_weight=weight[kept])
        assert auprc[row] == pytest.approx(expected, **EXACT)


def test_ranking_of_two_multilabel_columns_is_the_mean_of_both():
    gold, probability = np.array([[0, 1], [1, 0], [1, 1]]), np.array([[0.1, 0.2], [0.9, 0.6], [0.8, 0.4]])
    ours = scores("multilabel", gold, gold, probability, ["a", "b"])
    assert ours["auroc"] == pytest.approx((1.0 + 0.0) / 2)
