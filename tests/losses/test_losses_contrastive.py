"""The contrastive loss against pytorch-metric-learning, a brute force, and the hard batches."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import SupConLoss
from torch.nn import functional

from mhclf.config.loss import ContrastiveConfig, LossConfig
from mhclf.losses.classification import Targets
from mhclf.losses.contrastive import RAMPS, FeatureQueue, positive_weights, supervised_contrastive
from mhclf.losses.objective import Objective, TrainFacts
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
    assert torch.equal(positive_weights(targets, targets), positive_weights(one_hot, one_hot))
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
    facts = TrainFacts("multiclass", torch.tensor([2, 1]), 3)
    contrastive = ContrastiveConfig(weight=0.4, temperature=0.1, ramp="linear", ramp_share=0.5)
    parts = Objective(facts, LossConfig(), contrastive)(output(unit(3)), Targets(targets), training_progress=0.25)
    assert parts.contrastive_weight == pytest.approx(0.2)
    assert float(parts.classification) == pytest.approx(
        float(functional.cross_entropy(output(None).logits, targets)), rel=1e-6
    )
    assert float(parts.total) == pytest.approx(float(parts.classification) + 0.2 * float(parts.contrastive), rel=1e-6)


def test_objective_without_projection_is_the_classification_loss():
    objective = Objective(TrainFacts("multilabel", torch.tensor([2, 2]), 3), LossConfig(), ContrastiveConfig())
    parts = objective(output(None), Targets(torch.tensor([[1, 0], [0, 1], [1, 1]])), 1.0)
    assert parts.contrastive is None
    assert parts.contrastive_weight == 0
    assert parts.total is parts.classification


def test_nearer_levels_are_more_positive_and_two_levels_are_the_plain_loss():
    levels = torch.tensor([0, 1, 2, 3])
    assert positive_weights(levels, levels[:2], levels=4).tolist() == [
        pytest.approx(row) for row in ([1, 2 / 3], [2 / 3, 1], [1 / 3, 2 / 3], [0, 1 / 3])
    ]
    features, binary = unit(8), torch.tensor([0, 1, 1, 0, 1, 0, 0, 1])
    plain = supervised_contrastive(features, binary, 0.1)
    assert float(supervised_contrastive(features, binary, 0.1, levels=2)) == pytest.approx(float(plain), rel=1e-6)
    targets = torch.tensor([0, 1, 2, 2, 0])
    similarities = features[:5] @ features[:5].T / 0.3
    losses = []
    for i in range(5):
        others = [a for a in range(5) if a != i]
        weights = [1 - abs(int(targets[i] - targets[p])) / 2 for p in others]
        logs = [float(similarities[i, p] - torch.logsumexp(similarities[i, others], 0)) for p in others]
        losses.append(-sum(w * v for w, v in zip(weights, logs, strict=True)) / sum(weights))
    ours = supervised_contrastive(features[:5], targets, 0.3, levels=3)
    assert float(ours) == pytest.approx(sum(losses) / 5, rel=1e-5)


def test_a_queue_adds_candidates_but_no_anchors():
    features, targets = unit(9), torch.tensor([0, 1, 2, 0, 1, 1, 2, 0, 2])
    ours = supervised_contrastive(features[:4], targets[:4], 0.2, earlier=(features[4:], targets[4:]))
    losses = []
    for i in range(4):
        others = [a for a in range(9) if a != i]
        logs = features @ features[i] / 0.2
        positives = [p for p in others if targets[p] == targets[i]]
        losses.append(-float((logs[positives] - torch.logsumexp(logs[others], 0)).mean()))
    assert float(ours) == pytest.approx(sum(losses) / 4, rel=1e-5)


def test_a_queue_keeps_the_newest_posts():
    queue = FeatureQueue(5, 2)
    assert queue.content() is None
    queue.add(torch.tensor([[1.0, 1.0], [2.0, 2.0]]), torch.tensor([1, 2]))
    queue.add(torch.tensor([[3.0, 3.0], [4.0, 4.0]]), torch.tensor([3, 4]))
    assert queue.content()[1].tolist() == [3, 4, 1, 2]
    queue.add(torch.tensor([[5.0, 5.0], [6.0, 6.0]], requires_grad=True), torch.tensor([5, 6]))
    projections, targets = queue.content()
    assert (targets.tolist(), projections[:, 0].tolist()) == ([5, 6, 3, 4, 1], [5, 6, 3, 4, 1])
    assert not projections.requires_grad
    again = FeatureQueue(5, 2)
    again.load_state_dict(queue.state_dict())
    assert again.content()[1].tolist() == [5, 6, 3, 4, 1]


@pytest.mark.parametrize("columns", [0, 3])
def test_the_objective_fills_its_queue(columns):
    counts = torch.tensor([2, 1, 1])
    facts = TrainFacts("multilabel" if columns else "multiclass", counts, 3)
    objective = Objective(facts, LossConfig(), ContrastiveConfig(projection_size=8, queue=4))
    classes = torch.tensor([0, 1, 0])
    targets = Targets(functional.one_hot(classes, 3) if columns else classes)
    logits = torch.zeros(3, 3)
    first, second = (
        objective(NetworkOutput(logits, Aggregated(logits), unit(3)), targets, 1.0).contrastive for _ in range(2)
    )
    alone = supervised_contrastive(unit(3), targets.labels, 0.1)
    assert float(first) == pytest.approx(float(alone))
    assert float(second) != pytest.approx(float(alone))
    assert int(objective.queue.filled) == 4


def test_mixed_precision_does_not_reach_the_loss():
    generator = torch.Generator().manual_seed(3)
    vectors = torch.nn.functional.normalize(torch.randn(24, 64, generator=generator), dim=-1)
    labels = (torch.rand(24, 5, generator=generator) < 0.4).long()
    found = []
    for enabled in (False, True):
        leaf = vectors.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = supervised_contrastive(leaf, labels, 0.05)
        loss.backward()
        found.append((loss.detach(), leaf.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
