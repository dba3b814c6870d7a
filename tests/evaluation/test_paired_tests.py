"""Paired tests against brute force with the same draws, and how often they reject null data."""

import numpy as np
import pytest

from mhclf.errors import DataError
from mhclf.evaluation import (
    mcnemar,
    paired_bootstrap,
    paired_correctness,
    paired_permutation,
    scores,
)

LABELS = ["a", "b", "c"]


def noisy(gold, share_right, n_seeds, rng, k=3):
    return np.stack(
        [np.where(rng.random(len(gold)) < share_right, gold, rng.integers(0, k, len(gold))) for _ in range(n_seeds)]
    )


def case(n=60, s_a=2, s_b=3, seed=0, better=0.8, worse=0.5):
    rng = np.random.default_rng(seed)
    gold, groups = rng.integers(0, 3, n), rng.integers(0, 20, n)
    return gold, noisy(gold, better, s_a, rng), noisy(gold, worse, s_b, rng), groups


def mean_metric(metric, gold, predictions, rows=slice(None)):
    return [scores("multiclass", gold[rows], one[rows], None, LABELS)[metric] for one in predictions]


def members_of(groups):
    return [np.flatnonzero(groups == name) for name in dict.fromkeys(groups.tolist())]


@pytest.mark.parametrize("metric", ["macro_f1", "mcc", "recall/b"])
def test_paired_bootstrap_equals_brute_force(metric):
    gold, a, b, groups = case()
    ours = paired_bootstrap(metric, gold, a, b, groups, n_resamples=40, seed=3, labels=LABELS)
    members = members_of(groups)
    drawn = np.random.default_rng(3).integers(0, len(members), size=(40, len(members)))
    rng = np.random.default_rng([3, 1])
    share_a = rng.multinomial(2, [1 / 2] * 2, size=40) / 2
    share_b = rng.multinomial(3, [1 / 3] * 3, size=40) / 3
    sampled = []
    for r in range(40):
        rows = np.concatenate([members[g] for g in drawn[r]])
        sampled.append(
            share_a[r] @ mean_metric(metric, gold, a, rows) - share_b[r] @ mean_metric(metric, gold, b, rows)
        )
    expected = np.mean(mean_metric(metric, gold, a)) - np.mean(mean_metric(metric, gold, b))
    assert ours.difference == pytest.approx(expected, abs=1e-12)
    assert (ours.ci_low, ours.ci_high) == pytest.approx(tuple(np.quantile(sampled, [0.025, 0.975])), abs=1e-12)
    extreme = min(np.sum(np.array(sampled) <= 0), np.sum(np.array(sampled) >= 0))
    assert ours.p_value == min(1, 2 * (extreme + 1) / 41)
    assert (ours.n, ours.n_groups, ours.test) == (60, len(members), "paired bootstrap")


def test_paired_permutation_equals_brute_force():
    gold, a, b, groups = case(s_a=2, s_b=2, better=0.6)
    ours = paired_permutation("macro_f1", gold, a, b, groups, n_resamples=60, seed=4, labels=LABELS)
    members = members_of(groups)
    swaps = np.random.default_rng([4, 2]).integers(0, 2, size=(60, len(members)))
    observed = np.mean(mean_metric("macro_f1", gold, a)) - np.mean(mean_metric("macro_f1", gold, b))
    extreme = 0
    for row in swaps:
        rows = np.concatenate([members[g] for g in np.flatnonzero(row)])
        with_a, with_b = a.copy(), b.copy()
        with_a[:, rows], with_b[:, rows] = b[:, rows], a[:, rows]
        d = np.mean(mean_metric("macro_f1", gold, with_a)) - np.mean(mean_metric("macro_f1", gold, with_b))
        extreme += abs(d) >= abs(observed) - 1e-12
    assert ours.p_value == (extreme + 1) / 61
    assert ours.test == "paired permutation"
    bootstrap = paired_bootstrap("macro_f1", gold, a, b, groups, n_resamples=60, seed=4, labels=LABELS)
    assert (ours.ci_low, ours.ci_high) == (bootstrap.ci_low, bootstrap.ci_high)


def test_multilabel_predictions():
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 2, (80, 3))
    a = np.stack([np.where(rng.random((80, 3)) < 0.9, gold, 1 - gold) for _ in range(2)])
    b = np.where(rng.random((80, 3)) < 0.6, gold, 1 - gold)
    ours = paired_bootstrap("samples_f1", gold, a, b, labels=LABELS)
    expected = np.mean(
        [scores("multilabel", gold, one, None, LABELS)["samples_f1"] for one in a]
    ) - scores("multilabel", gold, b, None, LABELS)["samples_f1"]  # fmt: skip
    assert ours.difference == pytest.approx(expected, abs=1e-12)
    assert ours.ci_low > 0
    assert ours.p_value == pytest.approx(2 / 1001)
    swapped = paired_permutation("subset_accuracy", gold, a[0], b, labels=LABELS)
    assert swapped.p_value == pytest.approx(1 / 1001)


def test_correctness_alone_gives_the_same_as_accuracy():
    gold, a, b, groups = case()
    full = paired_bootstrap("accuracy", gold, a, b, groups, n_resamples=200, labels=LABELS)
    alone = paired_correctness(a == gold, b == gold, groups, n_resamples=200)
    assert alone.difference == pytest.approx(full.difference, abs=1e-12)
    assert (alone.ci_low, alone.ci_high) == pytest.approx((full.ci_low, full.ci_high), abs=1e-12)
    assert alone.p_value == full.p_value
    b = b[:2]
    full = paired_permutation("accuracy", gold, a, b, groups, n_resamples=200, labels=LABELS)
    alone = paired_correctness(a == gold, b == gold, groups, n_resamples=200, test="permutation")
    assert alone.p_value == full.p_value
    assert alone.test == full.test == "paired permutation"


def test_permutation_of_single_rows_approaches_the_exact_mcnemar():
    rng = np.random.default_rng(5)
    a, b = rng.random(150) < 0.75, rng.random(150) < 0.65
    exact = mcnemar(a, b)
    swapped = paired_correctness(a, b, n_resamples=4000, test="permutation")
    assert swapped.difference == pytest.approx(exact.difference)
    assert swapped.p_value == pytest.approx(exact.p_value, abs=0.03)


def test_swapping_the_methods_mirrors_the_comparison():
    gold, a, b, groups = case(s_a=1, s_b=1)
    there = paired_bootstrap("macro_f1", gold, a, b, groups, labels=LABELS)
    back = paired_bootstrap("macro_f1", gold, b, a, groups, labels=LABELS)
    assert back.difference == pytest.approx(-there.difference)
    assert (back.ci_low, back.ci_high) == pytest.approx((-there.ci_high, -there.ci_low), abs=1e-12)
    assert back.p_value == there.p_value


def test_identical_predictions_have_p_one():
    gold, a, _, groups = case(s_a=1)
    for test in (paired_bootstrap, paired_permutation):
        same = test("macro_f1", gold, a, a, groups, n_resamples=100, labels=LABELS)
        assert (same.difference, same.ci_low, same.ci_high, same.p_value) == (0, 0, 0, 1)


def test_one_group_has_no_bootstrap_p_value():
    gold, a, b, _ = case()
    one = paired_bootstrap("accuracy", gold, a, b, np.zeros(60), n_resamples=50, labels=LABELS)
    assert np.isnan([one.ci_low, one.ci_high, one.p_value]).all()
    assert one.n_groups == 1
    assert paired_correctness(a == gold, b == gold, np.zeros(60), test="permutation").p_value == 1.0


def test_seed_decides():
    gold, a, b, groups = case()
    first = paired_bootstrap("mcc", gold, a, b, groups, labels=LABELS, n_resamples=100)
    assert first == paired_bootstrap("mcc", gold, a, b, groups, labels=LABELS, n_resamples=100)
    assert first != paired_bootstrap("mcc", gold, a, b, groups, labels=LABELS, n_resamples=100, seed=1)


def test_unanswered_rows_may_be_compared():
    gold = np.array([0, 1, 2, 1])
    with pytest.raises(DataError, match=r"predictions_b\[0\] must hold an index from 0 to 2"):
        paired_bootstrap("accuracy", gold, gold, [0, 1, 2, -1], labels=LABELS)
    ours = paired_bootstrap("accuracy", gold, gold, [0, 1, 2, -1], labels=LABELS, no_answer=True)
    assert ours.difference == 0.25


def rejections(one_p_value, n_trials):
    rng = np.random.default_rng(11)
    return np.mean([one_p_value(rng, trial) <= 0.05 for trial in range(n_trials)])


def test_permutation_of_correctness_rejects_about_five_percent_of_null_data():
    def one(rng, trial):
        difficulty = np.repeat(rng.random(25), 4)  # four posts of a user share their difficulty
        a, b = rng.random((2, 100)) < difficulty
        return paired_correctness(
            a, b, np.repeat(np.arange(25), 4), n_resamples=199, seed=trial, test="permutation"
        ).p_value

    assert 0.02 <= rejections(one, 400) <= 0.08


def test_permutation_of_macro_f1_rejects_about_five_percent_of_null_data():
    def one(rng, trial):
        gold = rng.integers(0, 3, 60)
        a, b = noisy(gold, 0.6, 2, rng), noisy(gold, 0.6, 2, rng)
        return paired_permutation("macro_f1", gold, a, b, n_resamples=199, seed=trial, labels=LABELS).p_value

    assert 0.015 <= rejections(one, 300) <= 0.09


def test_a_clear_difference_is_found():
    gold, a, b, groups = case(n=200, s_a=3, s_b=3)
    for test in (paired_bootstrap, paired_permutation):
        found = test("macro_f1", gold, a, b, groups, labels=LABELS)
        assert found.p_value < 0.01
        assert found.ci_low < found.difference < found.ci_high


def test_means_of_any_numbers_are_compared_like_correctness():
    from mhclf.evaluation import paired_means

    generator = np.random.default_rng(0)
    a, b, groups = generator.random((2, 50)), generator.random((1, 50)), np.arange(50) // 2
    one = paired_correctness(a, b, groups, test="permutation")
    assert paired_means(a, b, groups, test="permutation") == one
    wide = paired_means(10 * a - 3, 10 * b - 3, groups, test="permutation")
    assert wide.difference == pytest.approx(10 * one.difference)
    assert (wide.ci_low, wide.ci_high) == pytest.approx((10 * one.ci_low, 10 * one.ci_high))
    assert wide.p_value == pytest.approx(one.p_value)
