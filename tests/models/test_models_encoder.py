"""Rows that are read in several passes give what one pass gives."""

import pytest
import torch
from support import FAMILIES
from transformers import AutoModel

from mhclf.models import encoder as module
from mhclf.models.baselines import BaselineConfig
from mhclf.models.encoder import hidden_states, load_encoder, passes_of
from mhclf.models.network import ClassifierNetwork, NetworkConfig
from mhclf.models.weights import resolve_encoder


@pytest.fixture
def encoder(encoder_folder):
    """Return an encoder without dropout, ready to train."""

    def build(family="bert", attention="sdpa"):
        built = load_encoder(resolve_encoder(str(encoder_folder(family))), attention)
        for part in built.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
            if hasattr(part, "attention_dropout") and isinstance(part.attention_dropout, float):
                part.attention_dropout = 0.0
        return built.train()

    return build


def batch_of(rows, tokens):
    generator = torch.Generator().manual_seed(0)
    mask = torch.ones(rows, tokens, dtype=torch.int64)
    mask[1, tokens // 2 :] = 0
    return {"input_ids": torch.randint(5, 40, (rows, tokens), generator=generator) * mask, "attention_mask": mask}


@pytest.mark.parametrize("family", FAMILIES)
def test_several_passes_give_the_states_and_gradients_of_one(encoder, family, monkeypatch):
    model, batch = encoder(family), batch_of(5, 8)
    found = []
    for block in (2**22, 1):
        monkeypatch.setattr(module, "_BLOCK", block)
        model.zero_grad()
        states, attention = hidden_states(model, batch, every_layer=True)
        sum(state[batch["attention_mask"] == 1].square().mean() for state in states).backward()
        gradients = [item.grad.clone() for item in model.parameters() if item.grad is not None]
        found.append((states, gradients))
        assert attention is None
    (states, gradients), (other_states, other_gradients) = found
    assert len(states) == len(other_states) == 3 and len(gradients) == len(other_gradients) > 10
    for one, other in zip([*states, *gradients], [*other_states, *other_gradients], strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_attention_of_several_passes_is_put_together(encoder, monkeypatch):
    model, batch = encoder(attention="eager"), batch_of(5, 8)
    expected = hidden_states(model, batch, every_layer=False, attention=True)[1]
    monkeypatch.setattr(module, "_BLOCK", 1)
    found = hidden_states(model, batch, every_layer=False, attention=True)[1]
    assert found.shape[0] == 5 and torch.allclose(found, expected, atol=1e-6)


def test_a_pass_is_as_large_as_the_block_allows(encoder, monkeypatch):
    model, read = encoder(), []
    model.register_forward_pre_hook(lambda _, inputs, named: read.append(len(named["input_ids"])), with_kwargs=True)
    width = model.config.intermediate_size
    monkeypatch.setattr(module, "_BLOCK", 2 * 8 * width)
    hidden_states(model, batch_of(5, 8), every_layer=False)
    assert read == [2, 2, 1]
    read.clear()
    hidden_states(model, batch_of(5, 8), every_layer=False, split=False)
    hidden_states(model.eval(), batch_of(5, 8), every_layer=False)
    assert read == [5, 5]


def test_long_rows_count_by_their_attention(encoder):
    model = encoder()
    model.config.intermediate_size, model.config.num_attention_heads = 1536, 12
    found = {tokens: passes_of(model, torch.ones(32, tokens)) for tokens in (24, 85, 104, 128, 184, 256, 512)}
    assert found == {24: 1, 85: 1, 104: 2, 128: 2, 184: 4, 256: 7, 512: 32}
    assert passes_of(model, torch.ones(32, 512, device="meta")) == 1


@pytest.mark.parametrize("kind", ["bilstm", "cnn"])
def test_a_network_without_attention_reads_in_one_pass(kind):
    model = AutoModel.from_config(BaselineConfig(kind, vocab_size=50, embedding_size=8)).train()
    assert passes_of(model, torch.ones(32, 512)) == 1


def test_a_network_is_told_not_to_split(encoder, monkeypatch):
    model, read = encoder(), []
    model.register_forward_pre_hook(lambda _, inputs, named: read.append(len(named["input_ids"])), with_kwargs=True)
    network = ClassifierNetwork(model, NetworkConfig("multiclass", ("a", "b"))).train()
    monkeypatch.setattr(module, "_BLOCK", 1)
    network(batch_of(3, 8))
    assert read == [1, 1, 1]
    network.split_batches = False
    network(batch_of(3, 8))
    assert read[3:] == [3]
