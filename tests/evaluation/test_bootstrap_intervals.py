"""Bootstrap intervals against index-based brute force, the normal approximation and themselves."""

import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mhclf.evaluation import bootstrap_interval, classification_intervals, hierarchical_interval, scores
from mhclf.evaluation import resampling as resampling_module
from mhclf.evaluation.probability import PROBABILITY_METRICS
from mhclf.evaluation.resampling import draw_group_weights, without_bias

LABELS = ["a", "b", "c"]


def case(n=60, k=3, n_groups=15, seed=0):
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, k, n)
    probability = rng.dirichlet(np.ones(k), n)
    probability[np.arange(n), gold] += 0.4
    probability /= probability.sum(axis=1, keepdims=True)
    groups = np.array([f"user{g}" for g in rng.integers(0, n_groups, n)])
    return gold, probability.argmax(axis=1), probability, groups


def drawn_rows(groups, n_resamples, seed):
    """The same draws as the library, as row indices."""
    names = list(dict.fromkeys(groups))
    members = [np.flatnonzero(groups == name) for name in names]
    drawn = np.random.default_rng(seed).integers(0, len(names), size=(n_resamples, len(names)))
    return [np.concatenate([members[g] for g in row]) for row in drawn]


def percentiles(values):
    defined = np.asarray(values)[~np.isnan(values)]
    return tuple(np.quantile(defined, [0.025, 0.975]))


def test_group_bootstrap_equals_index_based_brute_force():
    gold, prediction, probability, groups = case()
    ours = classification_intervals(
        "multiclass", gold, prediction, probability, LABELS, groups,
        n_resamples=60, ranking_resamples=25, seed=5,
    )  # fmt: skip
    brute = [
        scores("multiclass", gold[rows], prediction[rows], probability[rows], LABELS)
        for rows in drawn_rows(groups, 60, 5)
    ]
    assert tuple(ours) == tuple(brute[0])
    values = scores("multiclass", gold, prediction, probability, LABELS)
    for name, bounds in ours.items():
        draws = np.array([one[name] for one in brute[: 25 if name in PROBABILITY_METRICS else 60]])
        if name == "ece":
            draws = without_bias(draws, values[name])
        if name != "ece_equal_mass":  # its bins stay those of the full set
            assert bounds == pytest.approx(percentiles(draws), abs=1e-12)


def test_multilabel_bootstrap_equals_index_based_brute_force():
    rng = np.random.default_rng(2)
    gold, probability = rng.integers(0, 2, (50, 3)), rng.random((50, 3))
    prediction, groups = (probability > 0.4).astype(int), rng.integers(0, 12, 50)
    ours = classification_intervals(
        "multilabel", gold, prediction, probability, LABELS, groups, n_resamples=40, ranking_resamples=40
    )
    brute = [
        scores("multilabel", gold[rows], prediction[rows], probability[rows], LABELS)
        for rows in drawn_rows(groups, 40, 0)
    ]
    for name, bounds in ours.items():
        if not name.startswith("ece"):
            assert bounds == pytest.approx(percentiles([one[name] for one in brute]), abs=1e-12)


def test_the_interval_of_a_calibration_error_holds_its_value():
    gold, prediction, probability, groups = case()
    ours = classification_intervals("multiclass", gold, prediction, probability, LABELS, groups)
    values = scores("multiclass", gold, prediction, probability, LABELS)
    for name in ("ece", "ece_equal_mass"):
        assert 0 <= ours[name][0] < values[name] < ours[name][1]
    np.testing.assert_allclose(without_bias(np.array([0.2, 0.4, 0.6]), 0.1), [0.0, 0.1, 0.3])
    # No calibration error is above 1, however far a few rows of a tiny set lie apart.
    np.testing.assert_allclose(without_bias(np.array([0.1, 0.3, 0.5]), 0.9), [0.7, 0.9, 1.0])


def test_general_statistic_agrees_with_the_fast_path():
    gold, prediction, _, groups = case()
    right = (gold == prediction).astype(float)
    general = bootstrap_interval(lambda w: w @ right / w.sum(axis=1), groups, n_resamples=200, seed=3)
    fast = classification_intervals(
        "multiclass", gold, prediction, None, LABELS, groups, ["accuracy"], n_resamples=200, seed=3
    )
    assert general == pytest.approx(fast["accuracy"], abs=1e-12)


def test_chunks_do_not_change_the_draws(monkeypatch):
    gold, prediction, probability, groups = case()
    arguments = ("multiclass", gold, prediction, probability, LABELS, groups)
    whole = classification_intervals(*arguments, n_resamples=50, ranking_resamples=20)
    monkeypatch.setattr(resampling_module, "CELLS", 7 * 60)
    again = classification_intervals(*arguments, n_resamples=50, ranking_resamples=20)
    assert {name: pytest.approx(bounds, abs=1e-12) for name, bounds in whole.items()} == again


def test_same_seed_same_interval_and_names_of_groups_do_not_matter():
    gold, prediction, _, groups = case()
    renamed = np.array([f"{name[::-1]}!" for name in groups])
    first = classification_intervals("multiclass", gold, prediction, None, LABELS, groups, n_resamples=100)
    again = classification_intervals("multiclass", gold, prediction, None, LABELS, renamed, n_resamples=100)
    other = classification_intervals("multiclass", gold, prediction, None, LABELS, groups, n_resamples=100, seed=1)
    assert first == again
    assert first != other


def test_interval_of_a_share_is_close_to_the_normal_approximation():
    right = (np.random.default_rng(1).random(400) < 0.7).astype(int)
    low, high = classification_intervals(
        "multiclass",
        np.ones(400, int),
        right,
        None,
        ["wrong", "right"],
        metrics=["accuracy"],
        n_resamples=2000,
    )["accuracy"]
    share = right.mean()
    half = 1.96 * np.sqrt(share * (1 - share) / 400)
    assert (low, high) == pytest.approx((share - half, share + half), abs=0.008)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng, covered = np.random.default_rng(4), 0
    for trial in range(200):
        x = (rng.random(100) < 0.7).astype(float)
        low, high = bootstrap_interval(lambda w, x=x: w @ x / w.sum(axis=1), n_rows=100, n_resamples=300, seed=trial)
        covered += low <= 0.7 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_copies_within_a_group_widen_nothing_but_rows_taken_alone_narrow():
    gold, prediction, _, _ = case(n=80)
    four_times = [np.repeat(x, 4) for x in (gold, prediction, np.arange(80))]
    arguments = {"metrics": ["accuracy"], "n_resamples": 400}
    single = classification_intervals("multiclass", gold, prediction, None, LABELS, **arguments)
    grouped = classification_intervals("multiclass", *four_times[:2], None, LABELS, four_times[2], **arguments)
    loose = classification_intervals("multiclass", *four_times[:2], None, LABELS, **arguments)
    assert grouped["accuracy"] == pytest.approx(single["accuracy"], abs=1e-12)
    width = {name: x["accuracy"][1] - x["accuracy"][0] for name, x in (("g", grouped), ("l", loose))}
    assert width["l"] == pytest.approx(width["g"] / 2, rel=0.2)


def test_fewer_than_two_groups_and_undefined_metrics_are_nan():
    one_group = classification_intervals("multiclass", [0, 1], [0, 0], None, LABELS, ["u", "u"])
    assert np.isnan(list(one_group.values())).all()
    assert np.isnan(bootstrap_interval(lambda w: w[:, 0] * 1.0, ["u", "u"])).all()
    no_positive = classification_intervals(
        "multiclass", [0, 0, 0], [0, 0, 0], np.full((3, 2), 0.5), ["a", "b"], metrics=["auroc"]
    )
    assert np.isnan(no_positive["auroc"]).all()


def test_undefined_resamples_are_left_out():
    gold, probability = [0, 0, 0, 1], [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8]]
    low, high = classification_intervals(
        "multiclass", gold, gold, probability, ["a", "b"], metrics=["auroc"], ranking_resamples=100
    )["auroc"]
    assert (low, high) == (1.0, 1.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 20), st.integers(0, 99))
def test_weights_are_draws_with_replacement(n_groups, n_resamples, seed):
    weights = np.concatenate(list(draw_group_weights(n_groups, n_resamples, seed)))
    assert weights.shape == (n_resamples, n_groups)
    assert (weights.sum(axis=1) == n_groups).all()
    assert weights.min() >= 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.integers(2, 30), st.integers(2, 5))
@example(28, 2, 2)
def test_intervals_are_ordered_and_inside_the_range(seed, n, k):
    rng = np.random.default_rng(seed)
    gold, prediction = rng.integers(0, k, (2, n))
    intervals = classification_intervals(
        "multiclass", gold, prediction, rng.dirichlet(np.ones(k), n), [str(c) for c in range(k)],
        rng.integers(0, 4, n), n_resamples=30, seed=seed,
    )  # fmt: skip
    for name, (low, high) in intervals.items():
        if not np.isnan(low) and name not in ("brier", "nll"):
            assert (-1 if name == "mcc" else 0) <= low <= high <= 1 + 1e-12


def test_hierarchical_interval_equals_brute_force():
    gold, _, _, groups = case()
    runs = [case(seed=s) for s in (1, 2, 3)]
    rng = np.random.default_rng(9)
    predictions = np.stack([np.where(rng.random(60) < 0.7, gold, run[1]) for run in runs])
    probabilities = np.stack([run[2] for run in runs])
    ours = hierarchical_interval(
        "multiclass", gold, predictions, probabilities, LABELS, groups, ["macro_f1", "auroc"],
        n_resamples=50, ranking_resamples=30, seed=7,
    )  # fmt: skip
    share = np.random.default_rng([7, 1]).multinomial(3, [1 / 3] * 3, size=50) / 3
    rows = drawn_rows(groups, 50, 7)
    for name, used in (("macro_f1", 50), ("auroc", 30)):
        point, sampled = [], []
        for s in range(3):
            point.append(scores("multiclass", gold, predictions[s], probabilities[s], LABELS)[name])
        for share_of, drawn in zip(share[:used], rows[:used], strict=True):
            values = [
                scores("multiclass", gold[drawn], p[drawn], q[drawn], LABELS)[name]
                for p, q in zip(predictions, probabilities, strict=True)
            ]
            sampled.append(share_of @ values)
        assert ours[name].mean == pytest.approx(np.mean(point), abs=1e-12)
        assert ours[name].sd == pytest.approx(np.std(point, ddof=1), abs=1e-12)
        assert (ours[name].low, ours[name].high) == pytest.approx(percentiles(sampled), abs=1e-12)
        assert ours[name].n_seeds == 3


def test_one_seed_has_no_sd_and_the_plain_interval():
    gold, prediction, probability, groups = case()
    ours = hierarchical_interval("multiclass", gold, prediction, probability, LABELS, groups, n_resamples=80)
    plain = classification_intervals("multiclass", gold, prediction, probability, LABELS, groups, n_resamples=80)
    assert {name: (one.low, one.high) for name, one in ours.items()} == plain
    assert all(np.isnan(one.sd) for one in ours.values())


def test_seeds_that_disagree_widen_the_interval():
    gold = np.zeros(200, dtype=int)
    alike = np.zeros((4, 200), dtype=int)
    alike[:, ::4] = 1
    apart = np.stack([np.where(np.arange(200) < cut, 1, 0) for cut in (0, 30, 70, 100)])
    widths = []
    for predictions in (alike, apart):
        one = hierarchical_interval("multiclass", gold, predictions, None, LABELS, metrics=["accuracy"])
        assert one["accuracy"].mean == pytest.approx(0.75)
        widths.append(one["accuracy"].high - one["accuracy"].low)
    assert widths[1] > 1.5 * widths[0]


def test_single_group_of_several_seeds_keeps_mean_and_sd():
    one = hierarchical_interval("multiclass", [0, 1], [[0, 1], [0, 0]], None, LABELS, ["u", "u"], ["accuracy"])
    assert one["accuracy"].mean == 0.75
    assert one["accuracy"].sd == pytest.approx(np.sqrt(0.125))
    assert np.isnan(one["accuracy"].low)


def test_ten_thousand_rows_take_about_a_second():
    gold, prediction, _, _ = case(n=10_000, k=6)
    started = time.perf_counter()
    classification_intervals("multiclass", gold, prediction, None, [str(c) for c in range(6)])
    assert time.perf_counter() - started < 5  # about 0.2 s on a free core
