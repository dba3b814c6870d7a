"""What is trained: adapters, frozen layers, and the order of layers that rates go by."""

import copy

import pytest
import torch
from support import FAMILIES

from mhclf.config.model import LoraConfig
from mhclf.errors import ConfigError
from mhclf.models.adapters import add_lora, merge_lora
from mhclf.models.encoder import encoder_blocks, freeze, load_encoder
from mhclf.models.weights import resolve_encoder

BATCH = {"input_ids": torch.tensor([[2, 7, 9, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.int64)}


@pytest.fixture
def encoder(encoder_folder):
    return load_encoder(resolve_encoder(str(encoder_folder("bert"))))


def states(encoder):
    with torch.no_grad():
        return encoder.eval()(**BATCH).last_hidden_state


def test_only_adapters_learn_and_merging_keeps_the_outputs(encoder):
    before = states(encoder)
    adapted = add_lora(encoder, LoraConfig(rank=4, dropout=0.0))
    learnt = [name for name, parameter in adapted.named_parameters() if parameter.requires_grad]
    assert learnt and all("lora_" in name for name in learnt)
    assert torch.allclose(states(adapted), before, atol=1e-6), "adapters start without an effect"
    torch.manual_seed(0)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    with_adapters = states(adapted)
    assert not torch.allclose(with_adapters, before, atol=1e-2)
    merged = merge_lora(adapted)
    assert torch.allclose(states(merged), with_adapters, atol=1e-5)
    assert not [name for name, _ in merged.named_parameters() if "lora" in name]


def test_targets_that_no_layer_has_are_named(encoder):
    with pytest.raises(ConfigError) as error:
        add_lora(encoder, LoraConfig(rank=4, targets=("q_proj",)))
    assert str(error.value) == (
        "lora: targets: no layer's name ends in q_proj. Linear layers here: dense, key, query, value."
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_go_from_the_embeddings_to_the_last_layer(encoder_folder, family):
    encoder = load_encoder(resolve_encoder(str(encoder_folder(family))))
    blocks = encoder_blocks(encoder)
    names = {id(parameter): name for name, parameter in encoder.named_parameters()}
    assert len(blocks) == 3
    assert sorted(names) == sorted(id(parameter) for block in blocks for parameter in block)
    assert any("emb" in names[id(parameter)] for parameter in blocks[0])
    for depth, number in ((1, ".0."), (2, ".1.")):
        assert any(number in names[id(parameter)] for parameter in blocks[depth])
    assert not any(".1." in names[id(parameter)] for parameter in blocks[1])


def test_freezing(encoder):
    freeze(encoder, 1)
    frozen = [all(not parameter.requires_grad for parameter in block) for block in encoder_blocks(encoder)]
    assert frozen == [True, True, False]
    whole = copy.deepcopy(encoder)
    freeze(whole, -1)
    assert not any(parameter.requires_grad for parameter in whole.parameters())
    with pytest.raises(ConfigError) as error:
        freeze(encoder, 3)
    assert str(error.value) == "model: frozen_layers: is 3, but the encoder has 2 layers."
