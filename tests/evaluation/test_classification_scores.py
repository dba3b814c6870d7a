"""The scores against scikit-learn, and every branch that a definition leaves open."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mhclf.errors import DataError
from mhclf.evaluation import (
    HIGHER_IS_BETTER,
    NO_ANSWER,
    confusion_matrix,
    higher_is_better,
    metric_names,
    scores,
    support,
)
from mhclf.evaluation.counts import count_metrics, label_counts
from mhclf.evaluation.ordinal import ORDINAL_METRICS

EXACT = {"abs": 1e-12, "rel": 0}
LABELS = ("none", "mild", "moderate", "severe")


@st.composite
def multiclass_case(draw, low=0):
    k = draw(st.integers(2, 5))
    n = draw(st.integers(1, 30))
    gold = draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))
    prediction = draw(st.lists(st.integers(low, k - 1), min_size=n, max_size=n))
    return k, np.array(gold), np.array(prediction)


@st.composite
def multilabel_case(draw):
    k, n = draw(st.integers(2, 4)), draw(st.integers(1, 25))
    bits = st.lists(st.integers(0, 1), min_size=n * k, max_size=n * k)
    return k, np.array(draw(bits)).reshape(n, k), np.array(draw(bits)).reshape(n, k)


def sklearn_multiclass(gold, prediction, k, weight=None):
    common = {"labels": range(k), "zero_division": 0, "sample_weight": weight}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "accuracy": sk.accuracy_score(gold, prediction, sample_weight=weight),
            "balanced_accuracy": sk.balanced_accuracy_score(gold, prediction, sample_weight=weight),
            "macro_f1": sk.f1_score(gold, prediction, average="macro", **common),
            "weighted_f1": sk.f1_score(gold, prediction, average="weighted", **common),
            "micro_f1": sk.f1_score(gold, prediction, average="micro", **common),
            "macro_precision": sk.precision_score(gold, prediction, average="macro", **common),
            "macro_recall": sk.recall_score(gold, prediction, average="macro", **common),
            "mcc": sk.matthews_corrcoef(gold, prediction, sample_weight=weight),
        }
        per_class = sk.precision_recall_fscore_support(gold, prediction, **common)
    for name, values in zip(("precision", "recall", "f1"), per_class, strict=False):
        expected.update({f"{name}/{c}": values[c] for c in range(k)})
    if k == 2:
        expected["positive_f1"] = expected["f1/1"]
    return expected


def sklearn_multilabel(gold, prediction, k):
    expected = {
        "subset_accuracy": sk.accuracy_score(gold, prediction),
        "hamming_accuracy": 1 - sk.hamming_loss(gold, prediction),
    }
    for average in ("macro", "weighted", "micro", "samples"):
        expected[f"{average}_f1"] = sk.f1_score(gold, prediction, average=average, zero_division=0)
    per_label = sk.precision_recall_fscore_support(gold, prediction, zero_division=0, average=None)
    for name, values in zip(("precision", "recall", "f1"), per_label, strict=False):
        expected.update({f"{name}/{c}": values[c] for c in range(k)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a single class in gold and prediction
        for c in range(k):
            expected[f"mcc/{c}"] = sk.matthews_corrcoef(gold[:, c], prediction[:, c])
    expected["mcc"] = np.mean([expected[f"mcc/{c}"] for c in range(k)])
    return expected


@pytest.mark.parametrize("task", ["multiclass", "ordinal"])
@settings(max_examples=50, deadline=None)
@given(multiclass_case())
def test_multiclass_equals_sklearn(task, case):
    k, gold, prediction = case
    ours = scores(task, gold, prediction, None, [str(c) for c in range(k)])
    ours = {name: value for name, value in ours.items() if name not in ORDINAL_METRICS}
    assert ours == pytest.approx(sklearn_multiclass(gold, prediction, k), **EXACT)


@settings(max_examples=50, deadline=None)
@given(multilabel_case())
def test_multilabel_equals_sklearn(case):
    k, gold, prediction = case
    ours = scores("multilabel", gold, prediction, None, [str(c) for c in range(k)])
    assert ours == pytest.approx(sklearn_multilabel(gold, prediction, k), **EXACT)


@settings(max_examples=40, deadline=None)
@given(multiclass_case(low=NO_ANSWER))
def test_no_answer_is_wrong_for_every_label(case):
    k, gold, prediction = case
    ours = scores("multiclass", gold, prediction, None, [str(c) for c in range(k)], no_answer=True)
    expected = sklearn_multiclass(gold, prediction, k)
    assert ours == pytest.approx(expected, **EXACT)


@settings(max_examples=40, deadline=None)
@given(multiclass_case(), st.integers(0, 1000))
def test_weighted_counts_equal_sklearn_sample_weight(case, seed):
    k, gold, prediction = case
    weights = np.random.default_rng(seed).integers(0, 4, size=(2, len(gold)))
    weights[:, 0] += 1
    ours = count_metrics(
        "multiclass", label_counts("multiclass", gold, prediction, k, weights), [str(c) for c in range(k)]
    )
    for row, weight in enumerate(weights):
        kept = weight > 0
        expected = sklearn_multiclass(gold[kept], prediction[kept], k, weight[kept])
        assert {name: v[row] for name, v in ours.items()} == pytest.approx(expected, **EXACT)


def test_absent_label_counts_zero_in_macro_but_not_in_balanced_accuracy():
    ours = scores("multiclass", [0, 1], [0, 1], None, ["a", "b", "c", "d"])
    assert ours["macro_f1"] == 0.5
    assert ours["macro_recall"] == 0.5
    assert ours["f1/d"] == ours["precision/d"] == ours["recall/d"] == 0.0
    assert ours["balanced_accuracy"] == 1.0


@pytest.mark.parametrize(("gold", "prediction"), [([0, 0, 0], [0, 1, 2]), ([0, 1, 2], [1, 1, 1]), ([1], [1])])
def test_mcc_with_a_constant_side_is_zero(gold, prediction):
    assert scores("multiclass", gold, prediction, None, ["a", "b", "c"])["mcc"] == 0.0


def test_perfect_mcc_is_one_and_opposite_is_minus_one():
    assert scores("multiclass", [0, 1, 1], [0, 1, 1], None, ["a", "b"])["mcc"] == 1.0
    assert scores("multiclass", [0, 1], [1, 0], None, ["a", "b"])["mcc"] == -1.0


def test_multilabel_without_any_label_is_zero_except_the_accuracies():
    nothing = np.zeros((3, 2), dtype=int)
    ours = scores("multilabel", nothing, nothing, None, ["a", "b"])
    assert ours["subset_accuracy"] == ours["hamming_accuracy"] == 1.0
    assert {ours[name] for name in ours if name not in ("subset_accuracy", "hamming_accuracy")} == {0.0}


def test_multilabel_with_one_label():
    ours = scores("multilabel", [[1], [0], [1]], [[1], [1], [0]], None, ["a"])
    assert ours["f1/a"] == ours["macro_f1"] == 0.5
    assert ours["mcc"] == ours["mcc/a"] == pytest.approx(-0.5)


def test_unanswered_rows_part_micro_f1_from_accuracy():
    ours = scores("multiclass", [0, 1, 1, 0], [0, 1, -1, -1], None, ["a", "b"], no_answer=True)
    assert ours["accuracy"] == 0.5
    assert ours["micro_f1"] == pytest.approx(2 * 2 / (4 + 2))


def test_weighted_f1_of_majority_guess_follows_the_closed_form():
    share = 0.7
    gold = np.array([0] * 7 + [1] * 3)
    ours = scores("multiclass", gold, np.zeros(10, dtype=int), None, ["a", "b"])
    assert ours["weighted_f1"] == pytest.approx(2 * share**2 / (1 + share))


def test_names_order_and_probability():
    assert metric_names("multiclass", ["a", "b"])[:11] == (
        "accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "micro_f1", "macro_precision",
        "macro_recall", "mcc", "positive_f1", "auroc", "auprc",
    )  # fmt: skip
    assert "auroc" not in metric_names("multilabel", ["a"], with_probability=False)
    assert "positive_f1" not in metric_names("ordinal", LABELS)
    assert "accuracy" not in metric_names("multilabel", ["a", "b"])
    values = scores("multilabel", [[1, 0]], [[1, 0]], [[0.5, 0.5]], ["a", "b"])
    assert tuple(values) == metric_names("multilabel", ["a", "b"])
    assert all(type(v) is float for v in values.values())


def test_higher_is_better():
    for task in ("multiclass", "ordinal", "multilabel"):
        falling = {name for name in metric_names(task, ["a/b", "c"]) if not higher_is_better(name)}
        assert falling - {"mae"} == {"ece", "ece_equal_mass", "brier", "nll", "aurc", "e_aurc"}
    assert not higher_is_better("mae")
    assert not higher_is_better("ece_temperature_scaled")
    assert higher_is_better("macro_f1_tuned_thresholds")
    with pytest.raises(DataError, match=r"unknown metric 'macro_f2'. Did you mean 'macro_f1'\? Known: accuracy"):
        higher_is_better("macro_f2")
    with pytest.raises(TypeError):
        HIGHER_IS_BETTER["loss"] = False  # type: ignore[index]


def test_support_and_confusion_matrix_keep_the_fixed_labels():
    assert support("ordinal", [0, 2, 2], LABELS) == {"none": 1, "mild": 0, "moderate": 2, "severe": 0}
    assert support("multilabel", [[1, 0], [1, 1]], ["a", "b"]) == {"a": 2, "b": 1}
    gold, prediction = [0, 2, 2, 1], [0, 1, 2, 1]
    expected = sk.confusion_matrix(gold, prediction, labels=range(4))
    np.testing.assert_array_equal(confusion_matrix(gold, prediction, LABELS), expected)


def test_what_papers_report_is_all_there():
    both = {"macro_f1", "weighted_f1", "micro_f1", "mcc", "auroc", "auprc", "f1/a", "precision/a", "recall/a"}
    one = both | {"accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "positive_f1"}
    assert one <= set(metric_names("multiclass", ["a", "b"]))
    assert one | {"qwk", "mae", "kendall_tau_b", "off_by_one"} <= set(metric_names("ordinal", ["a", "b"]))
    assert both | {"subset_accuracy", "mcc/a"} <= set(metric_names("multilabel", ["a", "b"]))


def test_a_label_that_never_occurs_leaves_every_number_defined_but_the_ranking_of_nothing():
    probability = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1]])
    found = scores("multiclass", [0, 0], [0, 0], probability, ["a", "b", "c"])
    undefined = {name for name, value in found.items() if np.isnan(value)}
    assert undefined == {"auroc", "auprc"}
    assert (found["f1/b"], found["balanced_accuracy"], found["macro_f1"]) == (0.0, 1.0, pytest.approx(1 / 3))
