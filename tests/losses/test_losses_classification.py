"""Classification losses against torch, scikit-learn and brute force."""

import math

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from mhclf.config.loss import LossConfig
from mhclf.errors import ConfigError
from mhclf.losses.class_weights import class_weights, positive_label_weights
from mhclf.losses.classification import LOSSES, Targets
from mhclf.models.aggregation import Aggregated
from mhclf.models.network import NetworkOutput

LOGITS = torch.randn(7, 3, generator=torch.Generator().manual_seed(0)) * 2
CLASSES = torch.tensor([0, 1, 2, 0, 0, 2, 0])
COUNTS = torch.tensor([40, 10, 2])
SETS = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 1, 0]])


def per_post(
    logits=LOGITS,
    labels=CLASSES,
    task="multiclass",
    reservation=None,
    confidence=None,
    progress=1.0,
    counts=COUNTS,
    **config,
):
    settings = LossConfig(**config)
    loss = LOSSES.get(settings.name)(task, settings, counts, int(counts.sum()))
    output = NetworkOutput(logits, Aggregated(logits), None, reservation)
    return loss(output, Targets(labels, confidence), labels, progress)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_cross_entropy_equals_torch(smoothing):
    expected = functional.cross_entropy(LOGITS, CLASSES, reduction="none", label_smoothing=smoothing)
    assert torch.allclose(per_post(label_smoothing=smoothing), expected, atol=1e-6)


def test_ordinal_likelihood_is_that_of_log_probabilities():
    log_probabilities = LOGITS.log_softmax(dim=1)
    expected = functional.nll_loss(log_probabilities, CLASSES, reduction="none")
    assert torch.allclose(per_post(log_probabilities, task="ordinal"), expected, atol=1e-6)


def test_balanced_weights_equal_scikit_learn():
    posts = np.repeat([0, 1, 2], COUNTS)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=posts)
    weights = class_weights(LossConfig(class_weights="balanced"), COUNTS)
    assert weights.tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    weighted = functional.cross_entropy(LOGITS, CLASSES, weight=weights, reduction="none")
    assert torch.allclose(per_post(class_weights="balanced"), weighted, atol=1e-5)


def test_effective_numbers_follow_the_paper():
    beta = 0.9
    weights = class_weights(LossConfig(class_weights="effective_number", effective_beta=beta), COUNTS)
    raw = np.array([(1 - beta) / (1 - beta**n) for n in COUNTS.tolist()])
    expected = raw * 52 / (raw * COUNTS.numpy()).sum()
    assert weights.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert float((weights * COUNTS).sum() / 52) == pytest.approx(1.0)
    plain = class_weights(LossConfig(class_weights="effective_number", effective_beta=0.0), COUNTS)
    assert plain.tolist() == pytest.approx([1, 1, 1])


def test_a_class_that_train_lacks_weighs_nothing():
    counts = torch.tensor([30, 0, 10])
    for kind in ("balanced", "effective_number"):
        weights = class_weights(LossConfig(class_weights=kind), counts)
        assert weights[1] == 0 and torch.isfinite(weights).all()
    assert class_weights(LossConfig(), counts) is None


def test_binary_cross_entropy_equals_torch():
    expected = functional.binary_cross_entropy_with_logits(LOGITS, SETS.float(), reduction="none").mean(dim=1)
    assert torch.allclose(per_post(labels=SETS, task="multilabel"), expected, atol=1e-6)
    weights = positive_label_weights(LossConfig(class_weights="balanced"), COUNTS, 52)
    assert weights.tolist() == pytest.approx([12 / 40, 42 / 10, 50 / 2])
    weighted = functional.binary_cross_entropy_with_logits(
        LOGITS, SETS.float(), reduction="none", pos_weight=weights
    ).mean(dim=1)
    assert torch.allclose(per_post(labels=SETS, task="multilabel", class_weights="balanced"), weighted, atol=1e-5)
    assert positive_label_weights(LossConfig(class_weights="balanced"), torch.tensor([52, 0]), 52).tolist() == [1, 1]


def test_focal_loss_follows_the_formula():
    assert torch.allclose(per_post(name="focal", focal_gamma=0.0), per_post(), atol=1e-6)
    p = LOGITS.softmax(dim=1).gather(1, CLASSES[:, None])[:, 0]
    assert torch.allclose(per_post(name="focal", focal_gamma=2.0), -((1 - p) ** 2) * p.log(), atol=1e-6)
    q = torch.where(SETS == 1, LOGITS.sigmoid(), 1 - LOGITS.sigmoid())
    expected = (-((1 - q) ** 2) * q.log()).mean(dim=1)
    assert torch.allclose(per_post(labels=SETS, task="multilabel", name="focal"), expected, atol=1e-6)


@pytest.mark.parametrize("payoff", [1.5, 2.2, 3.0])
def test_gamblers_loss_equals_brute_force(payoff):
    reservation = torch.linspace(-3, 3, 7)
    losses = per_post(name="gamblers", payoff=payoff, reservation=reservation)
    for row in range(7):
        entries = [math.exp(value) for value in [*LOGITS[row].tolist(), float(reservation[row])]]
        p = [value / sum(entries) for value in entries]
        assert float(losses[row]) == pytest.approx(-math.log(p[CLASSES[row]] + p[3] / payoff), rel=1e-5)


def test_gamblers_loss_learns_from_a_post_that_is_wrong_beyond_doubt():
    logits = torch.tensor([[-40.0, 40.0]], requires_grad=True)
    reservation = torch.tensor([-40.0], requires_grad=True)
    zero = torch.tensor([0])
    value = per_post(logits, zero, reservation=reservation, name="gamblers", payoff=2.0, counts=torch.tensor([5, 5]))
    value.sum().backward()
    # p(gold) = r = e^-80: -log(e^-80 + e^-80 / 2).
    assert float(value.detach()) == pytest.approx(80 - math.log(1.5), rel=1e-6)
    assert logits.grad[0].tolist() == pytest.approx([-2 / 3, 1.0], abs=1e-5)
    assert float(reservation.grad) == pytest.approx(-1 / 3, abs=1e-5)


def test_a_class_that_train_lacks_weighs_nothing_in_the_gamblers_loss():
    logits = torch.zeros(1, 3, requires_grad=True)
    settings = {"name": "gamblers", "class_weights": "balanced", "counts": torch.tensor([5, 5, 0])}
    value = per_post(logits, torch.tensor([2]), reservation=torch.zeros(1), **settings)
    value.sum().backward()
    assert float(value.detach()) == 0.0
    assert logits.grad.tolist() == [[0.0, 0.0, 0.0]]


def test_gamblers_loss_starts_with_cross_entropy_and_checks_its_payoff():
    reservation = torch.zeros(7, requires_grad=True)
    losses = per_post(name="gamblers", reservation=reservation, start_share=0.5, progress=0.4)
    assert torch.allclose(losses, per_post(), atol=1e-6)
    losses.sum().backward()
    assert reservation.grad.abs().sum() == 0
    with pytest.raises(ConfigError) as error:
        per_post(name="gamblers", payoff=4.0, reservation=reservation)
    assert str(error.value) == "loss: payoff: is 4, expected above 1 and at most 3 (labels)."
    with pytest.raises(ConfigError) as error:
        per_post(labels=SETS, task="multilabel", name="gamblers")
    assert str(error.value) == "loss: 'gamblers' is no loss of a multilabel task; it fits multiclass, ordinal."


def test_the_balanced_accuracy_surrogate_equals_brute_force():
    p = LOGITS.softmax(dim=1)
    by_class = [p[k == CLASSES, k].mean() for k in range(3)]
    expected = per_post().mean() + 0.7 * (1 - sum(by_class) / 3)
    assert float(per_post(name="balanced_accuracy", balanced_weight=0.7).mean()) == pytest.approx(float(expected))
    one_class = torch.zeros(7, dtype=torch.int64)
    surrogate = per_post(labels=one_class, name="balanced_accuracy") - per_post(labels=one_class)
    assert float(surrogate.mean()) == pytest.approx(1 - float(p[:, 0].mean()))


def test_soft_labels_come_from_the_annotators():
    confidence = torch.tensor([1.0, 0.6, 0.5, math.nan, 1.0, 0.8, 0.7])
    losses = per_post(soft_labels=True, confidence=confidence)
    logs = LOGITS.log_softmax(dim=1)
    share = [0.2, 0.6, 0.2]
    assert float(losses[1]) == pytest.approx(-sum(q * float(v) for q, v in zip(share, logs[1], strict=True)))
    assert torch.allclose(losses[[0, 3, 4]], per_post()[[0, 3, 4]], atol=1e-6), "unknown confidence is certain"
    with pytest.raises(ConfigError) as error:
        per_post(labels=SETS, task="multilabel", soft_labels=True)
    assert str(error.value) == "loss: soft_labels: needs one label a post; leave it off for a multilabel task."


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("size", [1.0, 1e3])
def test_gradients_stay_finite(name, size):
    logits = (torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]]) * size).requires_grad_()
    reservation = torch.tensor([size, -size], requires_grad=True)
    losses = per_post(logits, torch.tensor([0, 2]), name=name, reservation=reservation, class_weights="balanced")
    losses.mean().backward()
    assert torch.isfinite(losses).all() and torch.isfinite(logits.grad).all()
