"""Likelihood of texts against token-by-token brute force, on tiny random causal and seq2seq models."""

import math

import numpy as np
import pytest
import torch
from support import SENTENCES
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from mhclf.errors import ConfigError, DataError
from mhclf.generation.likelihood import likelihood_scores, log_likelihood
from mhclf.models.encoder import load_tokenizer
from mhclf.models.weights import resolve_encoder

POSTS = [SENTENCES["people"][0], SENTENCES["body"][1] + " " + SENTENCES["body"][2], SENTENCES["work"][2], "so"]
TEXTS = ["tired", SENTENCES["body"][4], SENTENCES["work"][2], "my knee hurts"]


@pytest.fixture(scope="module")
def tokenizer(encoder_folder):
    found = load_tokenizer(resolve_encoder(str(encoder_folder("bert"))))
    found.bos_token = "[CLS]"
    return found


def build(kind, size, positions=128):
    torch.manual_seed(1)
    if kind == "llama":
        config = LlamaConfig(
            vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=positions, pad_token_id=0,
        )  # fmt: skip
        return LlamaForCausalLM(config).eval()
    if kind == "bart":
        config = BartConfig(
            vocab_size=size, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=positions,
            pad_token_id=0, bos_token_id=2, eos_token_id=3, decoder_start_token_id=3, forced_eos_token_id=3,
        )  # fmt: skip
        return BartForConditionalGeneration(config).eval()
    config = T5Config(
        vocab_size=size, d_model=32, d_kv=16, d_ff=48, num_layers=1, num_heads=2, decoder_start_token_id=0,
        pad_token_id=0,
    )  # fmt: skip
    return T5ForConditionalGeneration(config).eval()


def brute_force(condition, target, model, tokenizer):
    """One forward pass for each target token, one pair at a time."""
    plain = {"add_special_tokens": False}
    wanted = tokenizer(target, **plain)["input_ids"]
    total = 0.0
    for position, token in enumerate(wanted):
        if model.config.is_encoder_decoder:
            inputs = tokenizer(condition)["input_ids"]
            so_far = [model.config.decoder_start_token_id, *wanted[:position]]
            options = {"input_ids": torch.tensor([inputs]), "decoder_input_ids": torch.tensor([so_far])}
        else:
            before = tokenizer(condition, **plain)["input_ids"] + tokenizer("\n\n", **plain)["input_ids"]
            options = {"input_ids": torch.tensor([[tokenizer.bos_token_id, *before, *wanted[:position]]])}
        with torch.no_grad():
            logits = model(**options).logits[0, -1]
        total += float(logits.double().log_softmax(dim=-1)[token])
    return total / len(wanted)


@pytest.mark.parametrize("kind", ["llama", "bart", "t5"])
def test_equals_brute_force_and_padding_changes_nothing(kind, tokenizer):
    model = build(kind, len(tokenizer))
    expected = [brute_force(post, text, model, tokenizer) for post, text in zip(POSTS, TEXTS, strict=True)]
    for batch_size in (1, 3, 4):
        found = log_likelihood(POSTS, TEXTS, model, tokenizer, batch_size)
        assert found.values == pytest.approx(expected, abs=1e-5), batch_size
        assert found.cut == 0
    assert found.tokens.tolist() == [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in TEXTS]
    assert len(set(np.round(expected, 4))) == 4


def test_directions(tokenizer):
    model = build("llama", len(tokenizer))
    forward = likelihood_scores(TEXTS, POSTS, "source->text", model, tokenizer, "tiny")
    precision = likelihood_scores(TEXTS, POSTS, "reference->text", model, tokenizer, "tiny")
    recall = likelihood_scores(TEXTS, POSTS, "text->reference", model, tokenizer, "tiny")
    assert forward.values.tolist() == precision.values.tolist()
    assert recall.values.tolist() == log_likelihood(TEXTS, POSTS, model, tokenizer).values.tolist()
    assert (recall.checkpoint, recall.direction) == ("tiny", "text->reference")
    with pytest.raises(ConfigError) as error:
        likelihood_scores(TEXTS, POSTS, "back", model, tokenizer, "tiny")
    assert str(error.value) == ("direction: 'back' is unknown. Known: source->text, reference->text, text->reference.")


@pytest.mark.parametrize("kind", ["llama", "bart"])
def test_a_long_condition_is_cut_at_its_end_and_counted(kind, tokenizer):
    model = build(kind, len(tokenizer), positions=40)
    long = " ".join(SENTENCES["body"])
    found = log_likelihood([long, POSTS[0]], [TEXTS[3], TEXTS[3]], model, tokenizer)
    assert found.cut == 1 and np.isfinite(found.values).all()
    alone = log_likelihood([long], [TEXTS[3]], model, tokenizer)
    assert found.values[0] == pytest.approx(alone.values[0], abs=1e-5)
    with pytest.raises(DataError, match="targets: row 1 has [0-9]+ tokens, the model reads 40. Cut the text"):
        log_likelihood(["a", "b"], ["a", long], model, tokenizer)


def test_empty_texts(tokenizer):
    model = build("llama", len(tokenizer))
    found = log_likelihood(["", POSTS[0]], [TEXTS[1], ""], model, tokenizer)
    assert math.isfinite(found.values[0]) and math.isnan(found.values[1]) and found.tokens[1] == 0
    with pytest.raises(DataError, match="targets is empty"):
        log_likelihood([], [], model, tokenizer)
    with pytest.raises(DataError, match="conditions has 1 texts, targets 2; give one for each"):
        log_likelihood(["a"], ["b", "c"], model, tokenizer)
