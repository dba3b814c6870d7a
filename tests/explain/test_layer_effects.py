"""Layers: dropping equals zeroing a weight and renormalising by hand, probes equal scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from support import small_run
from torch.nn import functional

from explain.layer_drop import drop_layers, without_layer
from explain.layers import LayerWeights, layer_summaries, layer_weights, seed_agreement
from explain.probes import probe_layers, probe_run
from mhclf.config.loss import ContrastiveConfig
from mhclf.config.model import ModelConfig
from mhclf.data.load import load_table
from mhclf.errors import DataError, RunError
from mhclf.training.predict import predict_network

WITHOUT_CONTRAST = {"contrastive": ContrastiveConfig(weight=0)}


@pytest.fixture(scope="module")
def trained(encoder_folder, tiny_dataset, tmp_path_factory):
    return small_run(tiny_dataset, encoder_folder("bert"), tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def posts(tiny_dataset):
    return load_table(str(tiny_dataset)).part("test")


def test_weights_equal_those_of_prediction(trained, posts):
    found = layer_weights(trained, posts.texts)
    network, tokenizer = trained.parts()
    expected = predict_network(network, tokenizer, posts.texts, 64, trained.config.batch)
    np.testing.assert_allclose(found.weights, expected.layer_weights, atol=1e-6)
    np.testing.assert_allclose(found.contributions, expected.contributions, atol=1e-6)
    assert found.names == ("embeddings", "layer 1", "layer 2")
    by_class = found.by_class(posts.targets, posts.labels)
    own = posts.targets == 1
    np.testing.assert_allclose(by_class["work"][0], found.weights[own].mean(axis=0))
    np.testing.assert_allclose(by_class["work"][1], found.contributions[own].mean(axis=0))
    frame = found.frame(posts.frame["group"], n_resamples=50)
    assert frame.query("kind == 'weight'")["mean"].sum() == pytest.approx(1)
    assert (frame["low"] <= frame["mean"] + 1e-12).all() and (frame["n"] == len(posts)).all()


def test_classes_without_a_post_and_other_lengths():
    found = LayerWeights(("a", "b"), np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([[0.2, 0.8], [0.4, 0.6]]))
    assert set(found.by_class([0, 0], ["x", "y"])) == {"x"}
    two = found.by_class([[1, 0], [1, 1]], ["x", "y"])
    np.testing.assert_allclose(two["x"][0], [0.7, 0.3])
    np.testing.assert_allclose(two["y"][0], [0.9, 0.1])
    with pytest.raises(DataError, match="has 1 rows, but weights are of 2 posts"):
        found.by_class([0], ["x"])
    weights, contributions = seed_agreement([found, found])
    assert weights.mean_tau == contributions.mean_tau == pytest.approx(1)
    assert weights.n_seeds == 2


def test_a_dropped_layer_has_weight_zero_and_the_others_are_renormalised(trained, posts):
    network = trained.parts()[0]
    summaries = torch.from_numpy(layer_summaries(trained, posts.texts))
    aggregation = network.aggregation
    before = aggregation.attention.bias.detach().clone()
    with torch.no_grad():
        whole = aggregation(summaries)
        for layer in range(3):
            found = without_layer(aggregation, layer)(summaries)
            kept = whole.weights.clone()
            kept[:, layer] = 0
            kept = kept / kept.sum(dim=1, keepdim=True)
            torch.testing.assert_close(found.weights, kept, atol=1e-6, rtol=1e-5)
            normed = functional.layer_norm(summaries, summaries.shape[-1:])
            mixed = aggregation.value((kept.unsqueeze(-1) * normed).sum(dim=1))
            expected = aggregation.norm(summaries[:, -1] + aggregation.gate.value * mixed)
            torch.testing.assert_close(found.representation, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(aggregation.attention.bias, before)


def test_the_effect_of_dropping_is_scored_beside_the_whole(trained, posts):
    network, tokenizer = trained.parts()
    found = drop_layers(trained, posts.texts, posts.targets, posts.frame["group"], n_resamples=100)
    assert [item.name for item in found] == ["", "embeddings", "layer 1", "layer 2"]
    expected = predict_network(network, tokenizer, posts.texts, 64, trained.config.batch).decisions
    assert found[0].values["accuracy"] == pytest.approx(accuracy_score(posts.targets, expected))
    assert found[0].values["macro_f1"] == pytest.approx(f1_score(posts.targets, expected, average="macro"))
    assert found[0].difference == {} and found[0].logit_change.mean == 0
    for item in found[1:]:
        assert item.logit_change.mean > 0
        assert item.difference["accuracy"].difference == pytest.approx(
            item.values["accuracy"] - found[0].values["accuracy"]
        )
        assert item.low["macro_f1"] <= item.values["macro_f1"] <= item.high["macro_f1"]


def test_scalar_mix_can_be_dropped_and_a_plain_run_cannot(encoder_folder, tiny_dataset, tmp_path, posts):
    mix = small_run(
        tiny_dataset, encoder_folder("bert"), tmp_path, model=ModelConfig(aggregation="scalar_mix"), **WITHOUT_CONTRAST
    )
    summaries = torch.from_numpy(layer_summaries(mix, posts.texts[:3]))
    aggregation = mix.parts()[0].aggregation
    with torch.no_grad():
        found = without_layer(aggregation, 1)(summaries)
        scores = aggregation.layer_scores[[0, 2]].softmax(dim=0)
        expected = aggregation.scale * (scores[0] * summaries[:, 0] + scores[1] * summaries[:, 2])
    torch.testing.assert_close(found.representation, expected, atol=1e-6, rtol=1e-5)
    plain = small_run(
        tiny_dataset, encoder_folder("bert"), tmp_path, model=ModelConfig(aggregation="last"), **WITHOUT_CONTRAST
    )
    with pytest.raises(RunError, match="its aggregation 'last' learns no layer weights"):
        drop_layers(plain, posts.texts, posts.targets)
    with pytest.raises(RunError, match="has no learnt layer weights"):
        without_layer(plain.parts()[0].aggregation, 0)
    # Summaries and probes need no learnt weights.
    assert layer_summaries(plain, posts.texts).shape == (len(posts), 3, 32)


def test_summaries_equal_the_networks_own(trained, posts):
    network, tokenizer = trained.parts()
    found = layer_summaries(trained, posts.texts, tokens_at_once=40)
    with torch.no_grad():
        encoded = dict(tokenizer(posts.texts[0], return_tensors="pt"))
        expected = network.summarise(encoded)[0]
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_probes_equal_scikit_learn(trained, posts, tiny_dataset):
    train = load_table(str(tiny_dataset)).part("train")
    found = probe_run(trained, train.texts, train.targets, posts.texts, posts.targets, n_resamples=50)
    x, held = layer_summaries(trained, train.texts)[:, 1], layer_summaries(trained, posts.texts)[:, 1]
    mean, sd = x.mean(axis=0), x.std(axis=0)
    model = LogisticRegression(max_iter=2000).fit((x - mean) / sd, train.targets)
    predicted = model.predict((held - mean) / sd)
    assert found[1].name == "layer 1" and found[1].n == len(posts)
    assert found[1].values["accuracy"] == pytest.approx(accuracy_score(posts.targets, predicted))
    assert found[1].values["macro_f1"] == pytest.approx(f1_score(posts.targets, predicted, average="macro"))


def test_probes_of_several_labels_and_their_refusals():
    generator = np.random.default_rng(0)
    gold = generator.integers(0, 2, size=(80, 2))
    told = np.concatenate([gold + generator.normal(scale=0.1, size=gold.shape), np.zeros((80, 1))], axis=1)
    noise = generator.normal(size=told.shape)
    layers = np.stack([noise, told], axis=1)
    found = probe_layers(
        "multilabel", ["a", "b"], ["low", "high"], layers[:40], gold[:40], layers[40:], gold[40:], n_resamples=20
    )
    assert found[1].values == {"subset_accuracy": 1.0, "macro_f1": 1.0}
    assert found[0].values["subset_accuracy"] < 0.6
    with pytest.raises(DataError, match=r"expected \(posts, 3, hidden\)"):
        probe_layers("multiclass", ["a", "b"], ["x", "y", "z"], layers, gold, layers, gold)
