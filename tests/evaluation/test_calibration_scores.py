"""Calibration against torchmetrics, scikit-learn and brute force; temperature scaling against a grid."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn import metrics as sk
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from mhclf.errors import DataError
from mhclf.evaluation import (
    brier_score,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    scale_by_temperature,
    scores,
)
from mhclf.evaluation.temperature import HIGHEST_TEMPERATURE, LOWEST_TEMPERATURE

LABELS = ("a", "b", "c")


def multiclass_case(seed, n=200, k=3, sharp=2.0):
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, k, n)
    logits = rng.normal(0, 1, (n, k)) + 1.2 * np.eye(k)[gold]
    return gold, softmax(sharp * logits, axis=1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bins", [5, 15])
def test_equal_width_equals_torchmetrics(seed, bins):
    gold, probability = multiclass_case(seed)
    # torchmetrics works in float32 with bins that are closed below as ours.
    theirs = multiclass_calibration_error(torch.tensor(probability), torch.tensor(gold), 3, n_bins=bins, norm="l1")
    right = probability.argmax(axis=1) == gold
    ours = expected_calibration_error(probability.max(axis=1), right, bins=bins)
    assert ours == pytest.approx(float(theirs), abs=1e-6)
    if bins == 15:
        assert scores("multiclass", gold, gold, probability, LABELS)["ece"] == pytest.approx(ours, abs=1e-12)


def test_multilabel_pools_all_decisions():
    rng = np.random.default_rng(4)
    probability = rng.random((80, 3))
    gold = (rng.random((80, 3)) < probability**2).astype(int)
    ours = scores("multilabel", gold, gold, probability, LABELS)
    pooled = expected_calibration_error(probability.ravel(), gold.ravel())
    assert ours["ece"] == pytest.approx(pooled, abs=1e-12)
    # Against the stated probability of an event, not the certainty of the decision.
    place = np.minimum((probability.ravel() * 15).astype(int), 14)
    gaps = [abs((probability.ravel() - gold.ravel())[place == b].sum()) for b in range(15)]
    assert pooled == pytest.approx(sum(gaps) / gold.size, abs=1e-12)
    equal_mass = expected_calibration_error(probability.ravel(), gold.ravel(), binning="equal_mass")
    assert ours["ece_equal_mass"] == pytest.approx(equal_mass, abs=1e-12)


def test_binary_events_equal_torchmetrics():
    rng = np.random.default_rng(0)
    stated, came = rng.random(300), rng.integers(0, 2, 300)
    # torchmetrics turns the event round where it is improbable unless all lie above one half.
    stated = 0.5 + stated / 2
    theirs = binary_calibration_error(torch.tensor(stated), torch.tensor(came), n_bins=10, norm="l1")
    assert expected_calibration_error(stated, came, bins=10) == pytest.approx(float(theirs), abs=1e-6)


def test_equal_mass_by_hand():
    stated = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
    came = np.array([0, 0, 1, 0, 1, 1, 0, 1])
    halves = [(stated[:4] - came[:4]).sum(), (stated[4:] - came[4:]).sum()]
    assert expected_calibration_error(stated, came, bins=2, binning="equal_mass") == pytest.approx(
        (abs(halves[0]) + abs(halves[1])) / 8
    )


def test_equal_probabilities_stay_in_one_bin_and_empty_bins_count_nothing():
    came = np.array([1, 0, 0, 0])
    for binning in ("equal_width", "equal_mass"):
        assert expected_calibration_error(np.full(4, 0.75), came, binning=binning) == pytest.approx(0.5)
    assert expected_calibration_error([1.0, 0.0], [1, 0]) == 0.0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(2, 4))
def test_brier_and_likelihood_equal_scikit_learn(seed, n, k):
    gold, probability = multiclass_case(seed, n, k)
    labels = tuple("abcd"[:k])
    one_hot = np.eye(k)[gold]
    assert brier_score("multiclass", gold, probability, labels) == pytest.approx(
        float(((probability - one_hot) ** 2).sum(axis=1).mean()), abs=1e-12
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = sk.log_loss(gold, probability, labels=range(k))
    assert negative_log_likelihood("multiclass", gold, probability, labels) == pytest.approx(expected, abs=1e-9)
    if k == 2:
        binary = brier_score("multiclass", gold, probability, labels, form="binary")
        assert binary == pytest.approx(sk.brier_score_loss(gold, probability[:, 1], pos_label=1), abs=1e-12)
        assert brier_score("multiclass", gold, probability, labels) == pytest.approx(2 * binary, abs=1e-12)


def test_multilabel_brier_and_likelihood_are_means_over_labels():
    rng = np.random.default_rng(1)
    gold, probability = rng.integers(0, 2, (60, 3)), rng.random((60, 3))
    brier = np.mean([sk.brier_score_loss(gold[:, c], probability[:, c]) for c in range(3)])
    nll = np.mean([sk.log_loss(gold[:, c], probability[:, c]) for c in range(3)])
    found = scores("multilabel", gold, gold, probability, LABELS)
    assert found["brier"] == pytest.approx(brier, abs=1e-12)
    assert found["nll"] == pytest.approx(nll, abs=1e-9)
    assert brier_score("multilabel", gold, probability, LABELS) == pytest.approx(brier, abs=1e-12)


def test_a_saved_zero_is_a_large_loss_not_an_infinite_one():
    assert negative_log_likelihood("multiclass", [0], [[0.0, 1.0]], ("a", "b")) == pytest.approx(-math.log(1e-12))


@pytest.mark.parametrize("sharp", [0.4, 1.0, 3.0])
def test_temperature_is_the_best_of_a_fine_grid(sharp):
    gold, probability = multiclass_case(7, sharp=sharp)
    fitted = fit_temperature("multiclass", gold, probability, LABELS)
    grid = np.exp(np.linspace(math.log(LOWEST_TEMPERATURE), math.log(HIGHEST_TEMPERATURE), 4001))
    # As log_loss, which takes seconds for so many.
    losses = [-np.log(softmax(np.log(probability) / t, axis=1)[np.arange(len(gold)), gold]).mean() for t in grid]
    assert losses[2000] == pytest.approx(sk.log_loss(gold, softmax(np.log(probability) / grid[2000], axis=1)))
    assert fitted.value == pytest.approx(grid[int(np.argmin(losses))], rel=2e-3)
    assert fitted.nll_after <= min(losses) + 1e-9
    assert fitted.nll_before == pytest.approx(sk.log_loss(gold, probability))
    assert (fitted.n, fitted.at_bound) == (200, False)


def test_temperature_of_several_labels_scales_the_logits():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 1, (400, 3))
    gold = (rng.random((400, 3)) < expit(logits)).astype(int)
    fitted = fit_temperature("multilabel", gold, expit(2.5 * logits), LABELS)
    assert fitted.value == pytest.approx(2.5, rel=0.2)  # the labels were drawn at temperature 1
    np.testing.assert_allclose(scale_by_temperature("multilabel", expit(2.5 * logits), 2.5), expit(logits), atol=1e-9)


def test_scaling_keeps_the_order_and_one_is_no_change():
    _, probability = multiclass_case(1)
    np.testing.assert_allclose(scale_by_temperature("multiclass", probability, 1.0), probability, atol=1e-12)
    scaled = scale_by_temperature("multiclass", probability, 3.0)
    np.testing.assert_array_equal(scaled.argsort(axis=1), probability.argsort(axis=1))
    np.testing.assert_allclose(scaled.sum(axis=1), 1.0)


def test_where_temperature_changes_nothing_it_is_one():
    fitted = fit_temperature("multiclass", [0, 1, 0], np.full((3, 2), 0.5), ("a", "b"))
    assert (fitted.value, fitted.nll_before, fitted.at_bound) == (1.0, fitted.nll_after, False)


def test_without_an_error_the_search_ends_at_its_bound_and_says_so():
    fitted = fit_temperature("multiclass", [0, 1], [[0.6, 0.4], [0.3, 0.7]], ("a", "b"))
    assert fitted.at_bound
    assert fitted.value == pytest.approx(LOWEST_TEMPERATURE, rel=2e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expected_calibration_error([0.5], [2]),
         "outcome must hold an index from 0 to 1 (2 labels); row 0 has 2"),
        (lambda: expected_calibration_error([1.5], [1]), "probability must lie in [0, 1]; row 0 has 1.5. "
         "These look like logits: apply softmax (multilabel: sigmoid) first"),
        (lambda: expected_calibration_error([0.5], [1], binning="width"),
         "unknown binning 'width'. Did you mean 'equal_width'? Known: equal_width, equal_mass"),
        (lambda: expected_calibration_error([0.5], [1], bins=0), "bins must be 1 or more, got 0"),
        (lambda: brier_score("multiclass", [0], [[1, 0, 0]], LABELS, form="binary"),
         "the binary form of the Brier score is for two labels, here are 3; use 'sum'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(call, message):
    with pytest.raises(DataError) as error:
        call()
    assert str(error.value) == message
