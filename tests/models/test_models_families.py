"""Every encoder family trains, saves and loads with identical logits."""

import pytest
import torch
from support import FAMILIES
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import mhclf.hf  # noqa: F401
from mhclf.config.training import BatchConfig
from mhclf.data.tokens import TokenisedPosts
from mhclf.hf import to_hugging_face
from mhclf.models.encoder import layer_names, load_encoder, load_tokenizer
from mhclf.models.network import ClassifierNetwork, NetworkConfig
from mhclf.models.weights import resolve_encoder
from mhclf.training.predict import predict_network

TEXTS = ["my knee hurts when the stairs are wet", "nobody called", "the exam is on monday and nothing stays in, again"]


def build(folder, task="multiclass", aggregation="layer_attentive_residual"):
    source = resolve_encoder(str(folder))
    torch.manual_seed(1)
    config = NetworkConfig(task, ("body", "work", "people"), aggregation, "mean", 0.1, 8)
    return ClassifierNetwork(load_encoder(source), config), load_tokenizer(source)


def batch_of(tokenizer, texts=TEXTS):
    posts = TokenisedPosts(tokenizer, texts, torch.tensor([0, 1, 2][: len(texts)]).numpy(), 32)
    return posts.collate(range(len(texts)))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_gets_a_gradient(encoder_folder, family):
    network, tokenizer = build(encoder_folder(family))
    network.train()
    output = network(batch_of(tokenizer).inputs)
    (output.logits.square().sum() + output.projection.sum() + output.aggregated.weights.square().sum()).backward()
    unused = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    # XLNet's mask embedding serves its pretraining, its segment parts need token types, which this tokenizer lacks.
    idle = {"mask_emb", "r_s_bias", "seg_embed"} if family == "xlnet" else set()
    assert {name.rsplit(".", 1)[-1] for name in unused} == idle


@pytest.mark.parametrize("family", FAMILIES)
def test_saved_model_gives_identical_logits(encoder_folder, family, tmp_path):
    network, tokenizer = build(encoder_folder(family))
    network.eval()
    inputs = batch_of(tokenizer).inputs
    with torch.no_grad():
        expected = network(inputs).logits
    to_hugging_face(network, 32).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    with torch.no_grad():
        found = loaded(**inputs).logits
    assert torch.equal(found, expected)
    assert loaded.config.id2label == {0: "body", 1: "work", 2: "people"}
    assert AutoTokenizer.from_pretrained(tmp_path)(TEXTS[0])["input_ids"] == tokenizer(TEXTS[0])["input_ids"]


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_does_not_change_a_post(encoder_folder, family):
    network, tokenizer = build(encoder_folder(family))
    alone = predict_network(network, tokenizer, TEXTS[1:2], 32, BatchConfig())
    together = predict_network(network, tokenizer, TEXTS, 32, BatchConfig())
    torch.testing.assert_close(torch.tensor(together.logits[1:2]), torch.tensor(alone.logits), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_are_named_and_counted(encoder_folder, family):
    network, tokenizer = build(encoder_folder(family))
    output = network.eval()(batch_of(tokenizer).inputs)
    assert layer_names(network.encoder) == ["embeddings", "layer 1", "layer 2"]
    assert output.aggregated.weights.shape == (3, 3)


def test_pipeline_gives_label_names(encoder_folder, tmp_path):
    from transformers import pipeline

    network, tokenizer = build(encoder_folder("bert"))
    to_hugging_face(network, 32).save_pretrained(tmp_path)
    tokenizer.model_max_length = 32
    tokenizer.save_pretrained(tmp_path)
    classify = pipeline("text-classification", model=str(tmp_path))
    found = classify(TEXTS, top_k=None)
    ours = predict_network(network, tokenizer, TEXTS, 32, BatchConfig()).probabilities
    for row, answer in zip(ours, found, strict=True):
        scores = {item["label"]: item["score"] for item in answer}
        assert [scores[name] for name in ("body", "work", "people")] == pytest.approx(row.tolist(), abs=1e-6)
