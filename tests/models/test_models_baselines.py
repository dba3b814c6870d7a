"""BiLSTM and convolution: padding has no say, the outputs are those of torch's own layers."""

import pytest
import torch
from torch.nn import functional
from transformers import AutoConfig, AutoModel

from mhclf.models.baselines import build_baseline
from mhclf.models.encoder import hidden_states, load_encoder
from mhclf.models.weights import resolve_encoder


@pytest.fixture
def baseline(encoder_folder):
    encoder = load_encoder(resolve_encoder(str(encoder_folder("bert"))))

    def build(kind):
        torch.manual_seed(0)
        model = build_baseline(kind, encoder).eval()
        assert torch.equal(model.embeddings.weight, encoder.get_input_embeddings().weight)
        return model

    return build


@pytest.mark.parametrize("kind", ["bilstm", "cnn"])
@pytest.mark.parametrize("left", [False, True])
def test_padding_has_no_say(baseline, kind, left):
    model = baseline(kind)
    ids, mask = torch.tensor([[5, 6, 7, 8, 9]]), torch.ones(1, 5, dtype=torch.int64)
    alone = model(ids, mask).last_hidden_state
    sides = (4, 0) if left else (0, 4)
    padded = model(functional.pad(ids, sides, value=3), functional.pad(mask, sides)).last_hidden_state
    where = slice(4, 9) if left else slice(0, 5)
    assert torch.allclose(padded[:, where], alone, atol=1e-6)


def test_the_lstm_is_torch_s_own(baseline):
    model = baseline("bilstm")
    ids = torch.tensor([[5, 6, 7, 8]])
    expected, _ = model.layer.lstm(model.embeddings(ids))
    assert torch.allclose(model(ids, torch.ones_like(ids)).last_hidden_state, expected, atol=1e-6)


def test_each_filter_sees_its_window(baseline):
    model = baseline("cnn")
    ids = torch.tensor([[5, 6, 7, 8, 9, 4]])
    states = model(ids, torch.ones_like(ids)).last_hidden_state
    vectors, first = model.embeddings(ids)[0], model.layer.filters[0]
    window = torch.relu((first.weight * vectors[1:4].T).sum(dim=(1, 2)) + first.bias)
    assert states.shape == (1, 6, 300)
    assert torch.allclose(states[0, 2, : len(window)], window, atol=1e-5)


@pytest.mark.parametrize("kind", ["bilstm", "cnn"])
def test_a_saved_baseline_is_rebuilt_from_its_configuration(baseline, kind, tmp_path):
    model = baseline(kind)
    ids = torch.tensor([[5, 6, 7, 8]])
    model.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).eval()
    assert torch.equal(again(ids, torch.ones_like(ids)).last_hidden_state, model(ids, torch.ones_like(ids))[0])
    fields = model.config.to_dict()
    rebuilt = AutoModel.from_config(AutoConfig.for_model(fields.pop("model_type"), **fields))
    assert {name: value.shape for name, value in rebuilt.state_dict().items()} == {
        name: value.shape for name, value in model.state_dict().items()
    }
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    states, attention = hidden_states(model, batch, every_layer=False)
    assert len(states) == 1 and attention is None
