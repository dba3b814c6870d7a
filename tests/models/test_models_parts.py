"""Aggregation, pooling, heads: shapes, hand-computed values, the start of training."""

import math

import pytest
import torch
from torch.nn import functional

from mhclf.errors import ConfigError
from mhclf.losses.classification import likelihood
from mhclf.models.aggregation import AGGREGATIONS, AggregationOptions
from mhclf.models.heads import HEADS
from mhclf.models.pooling import POOLINGS, cls_pooling, max_pooling, mean_pooling


def build(name, layers, hidden, gate=0.1, last_layers=2):
    return AGGREGATIONS.get(name)(layers, hidden, AggregationOptions(last_layers, gate)).eval()


def test_mean_pooling_ignores_padding_on_either_side():
    states = torch.tensor([[[1.0], [3.0], [100.0]], [[100.0], [2.0], [6.0]]])
    mask = torch.tensor([[1, 1, 0], [0, 1, 1]])
    assert mean_pooling(states, mask).tolist() == [[2.0], [4.0]]
    assert cls_pooling(states, mask).tolist() == [[1.0], [2.0]]


def test_max_pooling_ignores_padding_and_keeps_negative_values():
    states = torch.tensor([[[-1.0, 5.0], [-3.0, 2.0], [100.0, 100.0]], [[100.0, 0.0], [2.0, -4.0], [6.0, -8.0]]])
    mask = torch.tensor([[1, 1, 0], [0, 1, 1]])
    assert max_pooling(states, mask).tolist() == [[-1.0, 5.0], [6.0, -4.0]]
    assert torch.isfinite(max_pooling(states.bfloat16(), mask)).all()


def test_last_layer_returns_the_last_summary():
    summaries = torch.randn(2, 3, 4)
    result = build("last", 3, 4)(summaries)
    assert torch.equal(result.representation, summaries[:, -1])
    assert result.weights is None


def test_weights_start_uniform_and_mix_normalised_summaries():
    torch.manual_seed(0)
    module = build("layer_attentive_residual", 3, 8, 0.5)
    summaries = torch.randn(4, 3, 8) * torch.tensor([1.0, 10.0, 100.0]).view(1, 3, 1)
    result = module(summaries)
    assert torch.allclose(result.weights, torch.full((4, 3), 1 / 3))
    normed = functional.layer_norm(summaries, (8,))
    expected = functional.layer_norm(summaries[:, -1] + 0.5 * normed.mean(dim=1), (8,))
    assert torch.allclose(result.representation, expected, atol=1e-5)


def test_weights_follow_the_formula():
    torch.manual_seed(1)
    module = build("layer_attentive_residual", 2, 4)
    torch.nn.init.normal_(module.attention.score.weight)
    torch.nn.init.normal_(module.attention.bias)
    summaries = torch.randn(1, 2, 4)
    scores = []
    for layer in range(2):
        normed = functional.layer_norm(summaries[0, layer], (4,))
        hidden = torch.tanh(module.attention.hidden.weight @ normed)
        scores.append((module.attention.score.weight[0] @ hidden + module.attention.bias[layer]).item())
    total = sum(math.exp(score) for score in scores)
    assert module(summaries).weights[0].tolist() == pytest.approx([math.exp(s) / total for s in scores], abs=1e-6)


def test_contributions_share_the_norm_and_the_residual_counts_to_the_last_layer():
    module = build("layer_attentive_residual", 2, 2, 1.0)
    summaries = torch.tensor([[[1.0, -1.0], [3.0, -3.0]]])
    # Both summaries normalise to (1, -1); each is weighted by one half, and the last adds its residual (3, -3).
    result = module(summaries)
    assert result.contributions[0].tolist() == pytest.approx([0.5 / 4.0, 3.5 / 4.0], abs=1e-4)


def test_a_closed_gate_leaves_the_last_layer_alone():
    module = build("layer_attentive_residual", 3, 4, 0.0)
    summaries = torch.randn(2, 3, 4)
    result = module(summaries)
    assert torch.allclose(result.representation, functional.layer_norm(summaries[:, -1], (4,)), atol=1e-6)
    assert result.contributions.tolist() == [[0, 0, 1], [0, 0, 1]]


def test_heads_decide():
    logits = torch.tensor([[2.0, 1.0, -3.0]])
    multiclass, multilabel = HEADS.get("multiclass"), HEADS.get("multilabel")
    assert float(multiclass.probabilities(logits).sum()) == pytest.approx(1.0)
    assert multiclass.decide(multiclass.probabilities(logits)).tolist() == [0]
    assert multilabel.decide(multilabel.probabilities(logits)).tolist() == [[1, 1, 0]]


def test_unknown_parts_name_what_exists():
    with pytest.raises(ConfigError) as error:
        AGGREGATIONS.get("lats")
    assert str(error.value) == (
        "Unknown aggregation 'lats'. Did you mean 'last'? Known: last, layer_attention, layer_attentive_residual, "
        "layer_attentive_residual_gated, mean_last, scalar_mix."
    )
    assert list(POOLINGS) == ["attention", "cls", "max", "mean"]


@pytest.mark.parametrize("labels", [2, 3, 5])
def test_the_ordinal_head_follows_the_formula(labels):
    torch.manual_seed(0)
    head = HEADS.get("ordinal")(6, labels, 0.0).eval()
    states = torch.randn(7, 6)
    score = head.linear(states)
    below = torch.cat([torch.sigmoid(head.thresholds() - score), torch.ones(7, 1)], dim=1)
    expected = below.diff(dim=1, prepend=torch.zeros(7, 1))
    logits = head(states)
    assert torch.allclose(logits.exp(), expected, atol=1e-6)
    assert torch.allclose(logits.exp().sum(dim=1), torch.ones(7), atol=1e-6)
    assert torch.allclose(head.probabilities(logits), expected, atol=1e-6)
    assert torch.equal(head.decide(expected), expected.argmax(dim=1))


def test_the_ordinal_head_starts_with_equal_shares_and_keeps_its_order():
    head = HEADS.get("ordinal")(4, 5, 0.0)
    shares = head(torch.zeros(1, 4)).exp()
    assert torch.allclose(shares, torch.full((1, 5), 0.2), atol=1e-6)
    with torch.no_grad():
        head.steps.fill_(-30.0)
    assert (head.thresholds().diff() >= 0).all()


def test_the_ordinal_head_starts_at_given_shares():
    head = HEADS.get("ordinal")(4, 4, 0.0)
    head.start_at(torch.tensor([0.7, 0.2, 0.1, 0.0]))
    torch.nn.init.zeros_(head.linear.weight)
    probabilities = head(torch.randn(1, 4)).softmax(1)[0]
    # A label without a share gets one of 1 in 1,000.
    assert torch.allclose(probabilities, torch.tensor([0.7, 0.2, 0.1, 0.001]) / 1.001, atol=1e-5)


@pytest.mark.parametrize("size", [0.0, 1e2, 1e4])
def test_the_ordinal_likelihood_stays_finite(size):
    head = HEADS.get("ordinal")(3, 4, 0.0)
    states = torch.full((4, 3), size, requires_grad=True)
    loss = likelihood("ordinal", head(states), torch.arange(4))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(states.grad).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in head.parameters())
    assert float(loss) == pytest.approx(-float(head(states).diagonal().mean()), rel=1e-6)
