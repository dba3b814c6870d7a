"""Attributions: word scores sum to token scores, occlusion and gradients against independent computations."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explain import attribute, integrated
from explain.attribution import Attribution
from explain.integrated import clenshaw_curtis, integrate
from explain.model import ExplainedModel, Target
from explain.reading import ReadPost, read_posts
from mhclf.config.loss import ContrastiveConfig
from mhclf.config.model import ModelConfig
from mhclf.config.run import RunConfig
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.data.spans import align, words
from mhclf.errors import ConfigError
from mhclf.training.run import run
from mhclf.training.saved import load_run

POSTS = ["my knee hurts when the stairs are wet", "nobody saved me a seat at lunch, again!"]


@pytest.fixture(scope="module", params=["bert", "roberta", "xlnet"])
def trained(request, encoder_folder, tiny_dataset, tmp_path_factory):
    outcome = run(
        RunConfig(
            data=str(tiny_dataset),
            encoder=str(encoder_folder(request.param)),
            out=str(tmp_path_factory.mktemp("runs")),
            report=False,
            optim=OptimConfig(lr=1e-3, head_lr=1e-2),
            batch=BatchConfig(size=8),
            trainer=TrainerConfig(epochs=2, accelerator="cpu", precision="fp32"),
        )
    )
    return load_run(outcome.folder)


def test_integrated_gradients_are_complete(trained):
    network, tokenizer = trained.parts()
    for text, found in zip(POSTS, attribute(trained, POSTS), strict=True):
        assert found.method == "integrated_gradients"
        assert found.target == trained.predict([text])[0]
        assert found.converged == (found.completeness_gap <= 0.02)
        encoded = tokenizer(text, return_tensors="pt")
        ids = encoded.pop("input_ids")
        special = torch.isin(ids, torch.tensor([tokenizer.cls_token_id, tokenizer.sep_token_id]))
        baseline = torch.where(special, ids, torch.full_like(ids, tokenizer.pad_token_id))
        label = trained.labels.index(found.target)
        embed = network.encoder.get_input_embeddings()
        with torch.no_grad():
            change = [network({**encoded, "inputs_embeds": embed(v)}).logits[0, label] for v in (ids, baseline)]
            whole = network({"input_ids": ids, **encoded}).logits[0, label]
        assert float(change[0]) == pytest.approx(float(whole), abs=1e-6)
        assert sum(found.scores) == pytest.approx(float(change[0] - change[1]), rel=0.05, abs=1e-3)


def test_converged_integrated_gradients_equal_captums_raw_call(trained):
    from captum.attr import LayerIntegratedGradients

    network, tokenizer = trained.parts()
    if network.encoder.config.model_type == "xlnet":
        pytest.skip("XLNet calls its embedding layer with tokens first, which captum's layer method takes for posts")
    text = POSTS[0]
    read = read_posts(trained, [text])
    (found,) = integrate(ExplainedModel(trained), read, [Target(trained.labels.index("work"))], tolerance=1e-5)
    encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True, return_special_tokens_mask=True)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    special = encoded.pop("special_tokens_mask").bool()
    ids = encoded["input_ids"]
    baseline = torch.where(special, ids, torch.full_like(ids, tokenizer.pad_token_id))

    def forward(input_ids):
        rest = {name: value.expand(len(input_ids), -1) for name, value in encoded.items() if name != "input_ids"}
        return network({"input_ids": input_ids, **rest}).logits[:, 1]

    raw = LayerIntegratedGradients(forward, network.encoder.get_input_embeddings())
    values = raw.attribute(ids, baselines=baseline, n_steps=128).sum(dim=-1)[0]
    expected = [
        sum(float(v) for v, (left, right) in zip(values, offsets, strict=True) if left < end and start < right)
        for start, end in read[0].words
    ]
    assert found.scores == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("intervals", [2, 16, 32, 64, 128, 256])
def test_the_rule_of_integrated_gradients_is_exact_for_polynomials_and_nested(intervals):
    points, weights = clenshaw_curtis(intervals)
    assert (len(points), points[0], points[-1]) == (intervals + 1, 1, 0)
    assert weights.min() > 0
    for degree in {0, 1, 2, intervals // 2, intervals, intervals + 1}:
        assert weights @ points**degree == pytest.approx(1 / (degree + 1), abs=1e-14)
    assert clenshaw_curtis(2 * intervals)[0][::2] == pytest.approx(points, abs=1e-15)


def test_the_rule_of_integrated_gradients_knows_simpsons():
    assert clenshaw_curtis(2)[1] == pytest.approx([1 / 6, 4 / 6, 1 / 6], abs=1e-15)


@pytest.fixture(scope="module")
def bent(trained):
    """The same with larger weights: the path is bent, and some posts need more points than others."""
    network = deepcopy(trained.network)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(20 if weight.dim() > 1 else 1)
    return replace(trained, network=network)


def test_doubled_points_stand_where_they_belong(bent, monkeypatch):
    read = read_posts(bent, POSTS)
    targets = [Target(0), Target(1, 2)]
    doubled = integrate(ExplainedModel(bent), read, targets, tolerance=0)
    monkeypatch.setattr(integrated, "INTERVALS", (256,))
    whole = integrate(ExplainedModel(bent), read, targets, tolerance=0)
    for one, other in zip(doubled, whole, strict=True):
        assert one.settings["steps"] == other.settings["steps"] == 257
        assert one.scores == pytest.approx(other.scores, rel=1e-4, abs=1e-5)


def test_posts_are_integrated_some_at_a_time(trained, monkeypatch):
    whole = attribute(trained, [*POSTS, "again"])
    monkeypatch.setattr(integrated, "_POSTS_AT_ONCE", 2)
    calls = []
    monkeypatch.setattr(integrated, "integrate", lambda *given: calls.append(len(given[1])) or integrate(*given))
    some = attribute(trained, [*POSTS, "again"])
    assert calls == [2, 1]
    for one, other in zip(whole, some, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-5)


def test_doubling_keeps_the_gradients_that_are_known(bent, monkeypatch):
    model = ExplainedModel(bent)
    read = read_posts(bent, [*POSTS, "again"])
    targets = [Target(0), Target(1, 2), Target(2)]
    counted = []
    passes = integrated.gradients_at

    def count(model, batch, targets):
        counted.append(len(targets))
        return passes(model, batch, targets)

    monkeypatch.setattr(integrated, "gradients_at", count)
    found = integrate(model, read, targets, tolerance=1e-3)
    assert sum(counted) == sum(item.settings["steps"] for item in found)
    assert max(item.settings["steps"] for item in found) > 17
    # Together or alone, and where each point is a pass of its own.
    for number, item in enumerate(found):
        for size in (1, 16384):
            small = ExplainedModel(bent, tokens_at_once=size)
            (own,) = integrate(small, [read[number]], [targets[number]], tolerance=1e-3)
            assert own.scores == pytest.approx(item.scores, rel=1e-3, abs=1e-4)
            assert own.settings == item.settings


def test_occlusion_equals_one_forward_pass_a_word(trained):
    network, tokenizer = trained.parts()
    text = POSTS[1]
    found = attribute(trained, [text], method="occlusion", target="people")[0]
    encoded = tokenizer(text, return_offsets_mapping=True)
    offsets = encoded["offset_mapping"]

    def logit(keep):
        ids = torch.tensor([[encoded["input_ids"][i] for i in keep]])
        with torch.no_grad():
            return float(network({"input_ids": ids, "attention_mask": torch.ones_like(ids)}).logits[0, 2])

    everything = list(range(len(offsets)))
    for (start, end), score in zip(found.words, found.scores, strict=True):
        keep = [i for i in everything if not (offsets[i][0] < end and start < offsets[i][1])]
        assert score == pytest.approx(logit(everything) - logit(keep), abs=1e-5)


def test_linear_model_is_explained_by_occlusion(tiny_dataset, tmp_path):
    outcome = run(
        RunConfig(
            data=str(tiny_dataset),
            method="tfidf_lr",
            out=str(tmp_path),
            report=False,
            model=ModelConfig(kind="tfidf_lr"),
            contrastive=ContrastiveConfig(weight=0),
        )
    )
    loaded = load_run(outcome.folder)
    found = attribute(loaded, ["my knee hurts today"], method="occlusion", target="body")[0]
    logits = loaded.linear.logits(["my knee hurts today", "my  hurts today"])[:, 0]
    assert found.scores[1] == pytest.approx(logits[0] - logits[1])
    assert {word for word, _ in found.top(2)} <= {"my", "knee", "hurts"}


def test_refusals(trained):
    with pytest.raises(ConfigError, match="Unknown attribution method 'oclusion'. Did you mean 'occlusion'?"):
        attribute(trained, POSTS, method="oclusion")
    with pytest.raises(ConfigError, match="'bodi' is none of the labels body, work, people. Did you mean 'body'?"):
        attribute(trained, POSTS, target="bodi")
    with pytest.raises(ConfigError, match="give a list of posts"):
        attribute(trained, POSTS[0])


def test_it_renders_itself_and_escapes_everything():
    text = "<script>alert(1)</script> & me"
    spans = words(text)
    page = Attribution(text, tuple(spans), tuple(np.linspace(-1, 1, len(spans))), "<b>", 0.5, "x")._repr_html_()
    assert "<script>" not in page
    assert "&lt;" in page
    assert "<b>&lt;b&gt;</b>" in page


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.integers(0, 5))
def test_word_scores_sum_to_token_scores(text, seed):
    spans = words(text)
    generator = np.random.default_rng(seed)
    cuts = sorted({0, len(text), *generator.integers(0, len(text) + 1, 8).tolist()})
    tokens = [(start, end) for start, end in pairwise(cuts) if text[start:end].strip()]
    scores = generator.normal(size=len(tokens))
    post = ReadPost(text, "", tuple(spans), torch.zeros(len(tokens)), None, align(tokens, spans))
    assert post.word_scores(scores).sum() == pytest.approx(scores.sum())
    assert post.own.all()
    # Every word lies under some token here, so every word is read, and a token goes with any of its words.
    assert post.seen.all()
    kept = generator.random(len(spans)) < 0.5
    gone = [any(start < b and a < end for (a, b), stay in zip(spans, kept, strict=True) if not stay)
            for start, end in tokens]  # fmt: skip
    assert post.stays(kept).tolist() == [not out for out in gone]
