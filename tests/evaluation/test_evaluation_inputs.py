"""Every wrong input is refused with a message that says what, where and what to do."""

import re

import numpy as np
import pytest

from mhclf.errors import DataError, MhclfError
from mhclf.evaluation import (
    bootstrap_interval,
    classification_intervals,
    hierarchical_interval,
    holm,
    mcnemar,
    paired_bootstrap,
    paired_correctness,
    paired_permutation,
    scores,
)
from mhclf.evaluation.resampling import group_codes

AB = ["a", "b"]
LABELS = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("regression", [0], [0], None, AB),
         "unknown task 'regression'. Known: multiclass, ordinal, multilabel"),
        (("multi-class", [0], [0], None, AB), "unknown task 'multi-class'. Did you mean 'multiclass'?"),
        (("multiclass", [0], [0], None, "ab"), "labels must be a list of names, got the text 'ab'"),
        (("multiclass", [0], [0], None, ["a"]), "multiclass needs at least 2 label(s), got 1"),
        (("multilabel", [[0]], [[0]], None, []), "multilabel needs at least 1 label(s), got 0"),
        (("multiclass", [0], [0], None, ["a", "b", "a"]), "labels are listed twice: a"),
        (("multiclass", [], [], None, AB), "gold is empty: there is nothing to score"),
        (("multiclass", [0, 1], [0], None, AB), "gold has 2 rows, prediction 1"),
        (("multiclass", [0, np.nan], [0, 1], None, AB), "gold has NaN in row 1"),
        (("multiclass", ["a"], ["b"], None, AB),
         "gold must hold numbers in a rectangular array, not text or objects"),
        (("multiclass", [0, 2], [0, 1], None, AB),
         "gold must hold an index from 0 to 1 (2 labels); row 1 has 2"),
        (("multiclass", [0, 1], [0, -1], None, AB),
         "prediction must hold an index from 0 to 1 (2 labels); row 1 has -1"),
        (("multiclass", [0, 1], [0, 0.5], None, AB),
         "prediction must hold an index from 0 to 1 (2 labels); row 1 has 0.5"),
        (("multiclass", [[0], [1]], [0, 1], None, AB),
         "gold must have shape (n,) for multiclass, got (2, 1)"),
        (("multilabel", [0, 1], [0, 1], None, AB), "gold must have shape (n, 2) for multilabel, got (2,)"),
        (("multilabel", [[0, 1, 1]], [[0, 1, 1]], None, AB), "gold has 3 columns, but there are 2 labels"),
        (("multilabel", [[0, 2]], [[0, 1]], None, AB), "gold must hold 0 or 1; row 0 has 2"),
        (("multilabel", [[0, 1], [1]], [[0, 1], [1, 1]], None, AB),
         "gold must hold numbers in a rectangular array, not text or objects"),
        (("multiclass", [0], [0], [[2.5, -1.0]], AB),
         "probability must lie in [0, 1]; row 0 has 2.5. "
         "These look like logits: apply softmax (multilabel: sigmoid) first"),
        (("multiclass", [0, 0], [0, 0], [[0.5, 0.5], [1.0, -0.1]], AB),
         "probability must lie in [0, 1]; row 1 has -0.1."),
        (("multiclass", [0], [0], [[np.nan, 1.0]], AB), "probability has NaN in row 0"),
        (("multiclass", [0], [0], [0.5], AB),
         "probability must have shape (1, 2) (rows, labels), got (1,)"),
    ],
)  # fmt: skip
def test_messages_of_scores(arguments, message):
    with pytest.raises(DataError, match="^" + re.escape(message)) as raised:
        scores(*arguments)
    assert isinstance(raised.value, ValueError)
    assert isinstance(raised.value, MhclfError)


def test_gold_may_not_be_unanswered():
    with pytest.raises(DataError, match="gold must hold an index from 0 to 1"):
        scores("multiclass", [-1], [0], None, AB, no_answer=True)


def test_accepts_lists_bools_whole_floats_and_rounded_softmax():
    assert scores("multiclass", [0.0, 1.0], [False, True], [[1.0000001, 0.0], [0, 1]], AB)["accuracy"] == 1.0


def test_groups_are_numbered_by_first_appearance():
    codes, n_groups = group_codes(["u9", "u1", "u9", "u5"], 4)
    assert codes.tolist() == [0, 1, 0, 2]
    assert n_groups == 3
    assert group_codes(None, 3)[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_row_without_group_is_refused(missing):
    with pytest.raises(DataError, match=r"row 1 has no group; give every row one"):
        group_codes(np.array(["a", missing], dtype=object), 2)


def test_groups_of_another_length_are_refused():
    with pytest.raises(DataError, match=r"groups must have shape \(3,\), one per row, got \(2,\)"):
        group_codes([1, 2], 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_interval(lambda w: w[:, 0]), "give groups, or n_rows to resample single rows"),
        (lambda: bootstrap_interval(lambda w: w, n_rows=3, n_resamples=5),
         r"statistic must return shape \(5,\), one per resample, got \(5, 3\)"),
        (lambda: bootstrap_interval(lambda w: w[:, 0], n_rows=3, n_resamples=0),
         "n_resamples must be at least 1, got 0"),
        (lambda: bootstrap_interval(lambda w: w[:, 0], n_rows=3, level=95), "level must lie between 0 and 1"),
        (lambda: classification_intervals("multiclass", [0, 1], [0, 1], None, LABELS, metrics=["auroc"]),
         r"auroc need\(s\) probabilities, but none were given"),
        (lambda: classification_intervals("multiclass", [0, 1], [0, 1], None, LABELS, metrics=["macrof1"]),
         r"unknown metric for multiclass 'macrof1'. Did you mean 'macro_f1'\? Known: accuracy, "),
        (lambda: classification_intervals("multiclass", [0, 1], [0, 1], None, LABELS, metrics="mcc"),
         "metrics must be a list of names, got the text 'mcc'"),
        (lambda: hierarchical_interval("multiclass", [0, 1], [[0, 1], [0]], None, LABELS),
         "predictions must hold numbers in a rectangular array"),
        (lambda: hierarchical_interval("multiclass", [0, 1], [[0], [1]], None, LABELS),
         r"gold has 2 rows, predictions\[0\] 1"),
        (lambda: hierarchical_interval("multiclass", [0], [[0], [1]], [[[1, 0, 0]]], LABELS),
         "predictions hold 2 seeds, probabilities 1"),
    ],
)  # fmt: skip
def test_messages_of_intervals(call, message):
    with pytest.raises(DataError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_bootstrap("accuracy", [0, 1], [[0, 1]], [[0, 1, 2]], labels=LABELS),
         r"gold has 2 rows, predictions_b\[0\] 3"),
        (lambda: paired_bootstrap("accuracy", [0, 1], [[[0, 1]]], [[0, 1]], labels=LABELS),
         r"predictions_a must have shape \(seeds, n\) for multiclass, got \(1, 1, 2\)"),
        (lambda: paired_bootstrap("auroc", [0, 1], [0, 1], [0, 1], labels=LABELS),
         r"auroc need\(s\) probabilities"),
        (lambda: paired_bootstrap("acuracy", [0, 1], [0, 1], [0, 1], labels=LABELS),
         "Did you mean 'accuracy'"),
        (lambda: paired_permutation("accuracy", [0, 1], [[0, 1]], [[0, 1], [1, 1]], labels=LABELS),
         "but A has 1 seeds and B 2; give the same number of seeds or use paired_bootstrap"),
        (lambda: paired_correctness([1, 0], [1, 0, 1]),
         "correct_a has 2 rows, correct_b 3; both must hold the same test posts"),
        (lambda: paired_correctness([1, 2], [1, 0]),
         "correct_a must hold correctness per row: 0, 1 or a share"),
        (lambda: paired_correctness([1, np.nan], [1, 0]), "correct_a has NaN in row 1"),
        (lambda: paired_correctness([], []), r"correct_a must have shape \(seeds, n\) with at least one row"),
        (lambda: paired_correctness([1], [1], test="t"), "unknown test 't'. Known: bootstrap, permutation"),
        (lambda: mcnemar([1, 0], [1]), "mcnemar compares two arrays"),
        (lambda: mcnemar([[1, 0], [1, 1]], [[1, 0], [1, 1]]), "mcnemar compares two arrays"),
        (lambda: mcnemar([0.5], [1]), "mcnemar needs correctness of 0 or 1"),
        (lambda: holm([1.2]), r"p_values must lie in \[0, 1\]"),
        (lambda: holm([[0.1]]), r"p_values must be one list of numbers, got shape \(1, 1\)"),
    ],
)  # fmt: skip
def test_messages_of_paired_tests(call, message):
    with pytest.raises(DataError, match=message):
        call()
