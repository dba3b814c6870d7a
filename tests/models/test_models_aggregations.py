"""Every aggregation and parametric pooling against its formula."""

import pytest
import torch
from torch.nn import functional

from mhclf.errors import ConfigError
from mhclf.models.aggregation import AGGREGATIONS, AggregationOptions
from mhclf.models.heads import ReservationHead, reservation_share
from mhclf.models.pooling import POOLINGS, ChunkPooling, mean_pooling


def build(name, layers=4, hidden=6, **options):
    torch.manual_seed(0)
    return AGGREGATIONS.get(name)(layers, hidden, AggregationOptions(**options)).eval()


def stirred(module):
    """Return the module with random parameters, so that nothing starts at zero."""
    torch.manual_seed(1)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


SUMMARIES = torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(2))


def test_the_mean_of_the_last_layers():
    assert torch.equal(build("mean_last", last_layers=3)(SUMMARIES).representation, SUMMARIES[:, 1:].mean(dim=1))
    with pytest.raises(ConfigError) as error:
        build("mean_last", last_layers=5)
    assert str(error.value) == "model: last_layers: is 5, but the encoder gives 4, embeddings included."


def test_the_scalar_mix_follows_the_formula():
    module = build("scalar_mix")
    assert torch.allclose(module(SUMMARIES).representation, SUMMARIES.mean(dim=1), atol=1e-6)
    stirred(module)
    weights = module.layer_scores.softmax(dim=0)
    expected = module.scale * torch.einsum("l,blh->bh", weights, SUMMARIES)
    result = module(SUMMARIES)
    assert torch.allclose(result.representation, expected, atol=1e-6)
    assert torch.allclose(result.weights, weights.expand(5, 4))
    norms = weights * SUMMARIES.norm(dim=-1)
    assert torch.allclose(result.contributions, norms / norms.sum(dim=1, keepdim=True), atol=1e-6)
    assert result.gate is None


def test_layer_attention_is_the_mixture_without_the_residual():
    module = stirred(build("layer_attention"))
    normed = functional.layer_norm(SUMMARIES, (6,))
    scores = torch.tanh(normed @ module.attention.hidden.weight.T) @ module.attention.score.weight[0]
    weights = (scores + module.attention.bias).softmax(dim=1)
    mixed = module.value((weights.unsqueeze(-1) * normed).sum(dim=1))
    expected = functional.layer_norm(mixed, (6,), module.norm.weight, module.norm.bias)
    result = module(SUMMARIES)
    assert torch.allclose(result.weights, weights, atol=1e-6)
    assert torch.allclose(result.representation, expected, atol=1e-5)


def test_the_gate_by_post_starts_shared_and_follows_the_last_layer():
    shared, by_post = build("layer_attentive_residual"), build("layer_attentive_residual_gated")
    assert torch.allclose(by_post(SUMMARIES).gate, torch.full((5,), 0.1), atol=1e-6)
    assert torch.allclose(by_post(SUMMARIES).representation, shared(SUMMARIES).representation, atol=1e-5)
    stirred(by_post)
    last = functional.layer_norm(SUMMARIES[:, -1], (6,))
    expected = torch.sigmoid(last @ by_post.gate.score.weight[0] + by_post.gate.score.bias)
    gates = by_post(SUMMARIES).gate
    assert torch.allclose(gates, expected, atol=1e-6)
    assert len(gates.unique()) == 5
    with pytest.raises(ConfigError) as error:
        build("layer_attentive_residual_gated", initial_gate=1.0)
    assert str(error.value) == "model: initial_gate: is 1.0, expected between 0 and 1 for a gate by post."


@pytest.mark.parametrize("name", list(AGGREGATIONS))
def test_every_aggregation_gives_shares_and_gradients(name):
    module = stirred(build(name))
    summaries = SUMMARIES.clone().requires_grad_()
    result = module(summaries)
    result.representation.sum().backward()
    assert result.representation.shape == (5, 6)
    assert torch.isfinite(summaries.grad).all()
    for shares in (result.weights, result.contributions):
        assert shares is None or torch.allclose(shares.sum(dim=1), torch.ones(5), atol=1e-5)
    assert (result.weights is None) == (result.contributions is None)
    assert module.train()(SUMMARIES).contributions is None


def test_attention_pooling_starts_as_the_mean_and_follows_the_formula():
    states = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(3))
    mask = torch.tensor([[1, 1, 0], [0, 1, 1]])
    pool = POOLINGS.get("attention")(6)
    assert torch.allclose(pool(states, mask), mean_pooling(states, mask), atol=1e-6)
    stirred(pool)
    normed = functional.layer_norm(states, (6,))
    scores = (torch.tanh(pool.hidden(normed)) @ pool.score.weight[0]).exp() * mask
    weights = scores / scores.sum(dim=1, keepdim=True)
    assert torch.allclose(pool.weights(states, mask), weights, atol=1e-6)
    assert torch.allclose(pool(states, mask), (weights.unsqueeze(-1) * states).sum(dim=1), atol=1e-6)
    changed = torch.where(mask.unsqueeze(-1) == 0, 99.0, states)
    assert torch.allclose(pool(changed, mask), pool(states, mask))


def test_chunk_pooling_starts_as_the_mean_leaves_single_chunks_alone_and_follows_the_formula():
    summaries = torch.randn(5, 3, 6, generator=torch.Generator().manual_seed(4))
    posts = torch.tensor([0, 0, 1, 2, 2])
    pool = ChunkPooling(6)
    start = pool(summaries, posts)
    assert torch.allclose(start[0], summaries[:2].mean(dim=0), atol=1e-6)
    stirred(pool)
    result = pool(summaries, posts)
    assert result.shape == (3, 3, 6)
    assert torch.allclose(result[1], summaries[2], atol=1e-6)
    own = summaries[3:]
    weights = pool.score(torch.tanh(pool.hidden(functional.layer_norm(own[:, -1], (6,))))).squeeze(-1).softmax(dim=0)
    assert torch.allclose(result[2], torch.einsum("c,clh->lh", weights, own), atol=1e-5)


def test_the_reservation_is_one_more_softmax_entry_and_leaves_the_labels_alone():
    head = ReservationHead(6, 0.0)
    reservation = head(SUMMARIES[:, 0])
    logits = torch.randn(5, 3)
    whole = torch.cat([logits, reservation.unsqueeze(-1)], dim=1).softmax(dim=1)
    share = reservation_share(logits, reservation)
    assert torch.allclose(share, whole[:, -1])
    assert torch.allclose(whole[:, :3] / (1 - share).unsqueeze(-1), logits.softmax(dim=1), atol=1e-6)
