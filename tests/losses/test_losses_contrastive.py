"""The contrastive loss against pytorch-metric-learning, a brute force, and the hard batches."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import SupConLoss
from torch.nn import functional

from mhclf.config.run import ContrastiveConfig
from mhclf.losses.contrastive import RAMPS, positive_weights, supervised_contrastive
from mhclf.losses.objective import Objective
from mhclf.models.aggregation import Aggregated
from mhclf.models.network import NetworkOutput


def unit(count, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(count, size, generator=generator), dim=-1)


def brute_force(features, targets, temperature):
    """Loop over anchors; targets are label sets."""
    losses = []
    for i, own in enumerate(targets):
        others = [a for a in range(len(targets)) if a != i]
        denominator = sum(math.exp(float(features[i] @ features[a]) / temperature) for a in others)
        weights = {p: len(own & targets[p]) / len(own | targets[p]) if own | targets[p] else 0.0 for p in others}
        total = sum(weights.values())
        if total:
            terms = [
                weights[p] * math.log(math.exp(float(features[i] @ features[p]) / temperature) / denominator)
                for p in others
            ]
            losses.append(-sum(terms) / total)
    return sum(losses) / len(losses) if losses else 0.0


@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("labels", [[0, 1, 0, 1, 2, 2, 0, 1], [0, 1, 1, 3], [0, 0, 1, 2, 3, 4, 5]])
def test_equals_pytorch_metric_learning(labels, temperature):
    # The peer normalises inside: the gradients are compared before normalisation.
    features, targets = (3 * unit(len(labels))).requires_grad_(), torch.tensor(labels)
    ours = supervised_contrastive(functional.normalize(features, dim=-1), targets, temperature)
    theirs = SupConLoss(temperature=temperature)(features, targets)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)
    (our_gradient,) = torch.autograd.grad(ours, features, retain_graph=True)
    (their_gradient,) = torch.autograd.grad(theirs, features)
    assert torch.allclose(our_gradient, their_gradient, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.frozensets(st.integers(0, 3), max_size=4), min_size=2, max_size=9), st.integers(0, 99))
def test_multilabel_equals_brute_force(label_sets, seed):
    features = unit(len(label_sets), seed=seed)
    targets = torch.tensor([[int(label in own) for label in range(4)] for own in label_sets])
    expected = brute_force(features.double(), label_sets, 0.2)
    assert float(supervised_contrastive(features, targets, 0.2)) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_one_hot_labels_equal_class_numbers():
    features, targets = unit(10), torch.tensor([0, 1, 2, 0, 1, 2, 0, 0, 1, 2])
    one_hot = functional.one_hot(targets)
    assert torch.equal(positive_weights(targets), positive_weights(one_hot))
    assert float(supervised_contrastive(features, targets, 0.1)) == float(
        supervised_contrastive(features, one_hot, 0.1)
    )


@pytest.mark.parametrize(
    "targets",
    [
        torch.tensor([0]),
        torch.tensor([0, 1, 2]),
        torch.tensor([1, 1, 1, 1]),
        torch.tensor([0, 0, 1]),
        torch.zeros(3, 4, dtype=torch.int64),
    ],
    ids=["one post", "singletons", "one class", "one singleton", "no labels"],
)
def test_hard_batches_give_finite_gradients(targets):
    features = unit(len(targets)).requires_grad_()
    loss = supervised_contrastive(features, targets, 0.05)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(features.grad).all()


def test_singletons_cost_nothing():
    features = unit(3).requires_grad_()
    loss = supervised_contrastive(features, torch.tensor([0, 1, 2]), 0.1)
    loss.backward()
    assert float(loss) == 0
    assert features.grad.abs().sum() == 0


def test_ramps():
    assert {name: [RAMPS.get(name)(x) for x in (0.0, 0.5, 1.0, 1.5)] for name in RAMPS} == {
        "constant": [1, 1, 1, 1],
        "linear": [0, 0.5, 1, 1],
        "cosine": [0, pytest.approx(0.5), 1, 1],
        "step": [0, 0, 1, 1],
    }


def output(projection):
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
    return NetworkOutput(logits, Aggregated(torch.zeros(3, 4)), projection)


def test_objective_adds_the_weighted_part():
    targets = torch.tensor([0, 1, 0])
    objective = Objective("multiclass", ContrastiveConfig(weight=0.4, temperature=0.1, ramp="linear", ramp_share=0.5))
    parts = objective(output(unit(3)), targets, training_progress=0.25)
    assert parts.contrastive_weight == pytest.approx(0.2)
    assert float(parts.classification) == pytest.approx(
        float(functional.cross_entropy(output(None).logits, targets)), rel=1e-6
    )
    assert float(parts.total) == pytest.approx(float(parts.classification) + 0.2 * float(parts.contrastive), rel=1e-6)


def test_objective_without_projection_is_the_classification_loss():
    parts = Objective("multilabel", ContrastiveConfig())(output(None), torch.tensor([[1, 0], [0, 1], [1, 1]]), 1.0)
    assert parts.contrastive is None
    assert parts.contrastive_weight == 0
    assert parts.total is parts.classification
