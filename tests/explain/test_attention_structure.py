"""Attention structure: ranks and entropies against numpy and hand-made matrices, on real families of encoders."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import small_run

from explain.structure import (
    attention_structure,
    effective_rank,
    numerical_rank,
    padded_attention,
    published_rank,
    row_entropy,
    structure_of,
)
from explain.structure_figure import structure_figure
from mhclf.errors import ConfigError, RunError
from mhclf.evaluation.averages import average

POSTS = ["my knee hurts when the stairs are wet", "nobody saved me a seat at lunch, again!", "my boss called"]


def test_ranks_and_entropies_of_known_matrices():
    even = np.full((4, 4), 0.25)
    identity = np.eye(4)
    blocks = np.kron(np.eye(2), np.full((2, 2), 0.5))
    for matrix, rank, entropy in ((even, 1, np.log(4)), (identity, 4, 0.0), (blocks, 2, np.log(2))):
        values = np.linalg.svd(matrix, compute_uv=False)
        assert numerical_rank(values) == rank
        assert effective_rank(values) == pytest.approx(rank)
        assert row_entropy(matrix) == pytest.approx(entropy)
    # Singular values 3 and 1: shares 3/4 and 1/4.
    expected = np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert effective_rank([3.0, 1.0, 0.0]) == pytest.approx(expected)
    assert numerical_rank([1.0, 0.01, 0.0005]) == 2
    assert numerical_rank([1.0, 0.01, 0.0005], tolerance=1e-4) == 3


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.integers(0, 1000))
def test_structure_is_within_its_bounds(tokens, seed):
    weights = np.random.default_rng(seed).dirichlet(np.ones(tokens), size=(2, 3, tokens))
    found = structure_of([weights])
    assert np.all((found.rank >= 1) & (found.rank <= tokens))
    assert np.all((found.effective_rank >= 1 - 1e-9) & (found.effective_rank <= tokens + 1e-9))
    assert np.all(found.entropy >= -1e-12) and np.all(found.entropy <= np.log(tokens) + 1e-9)
    assert np.isnan(found.spectrum[..., tokens:]).all()
    assert found.spectrum[..., 0] == pytest.approx(1.0)


def test_the_published_rank_is_that_of_a_table_of_singular_values():
    generator = np.random.default_rng(0)
    # Every post has the full rank 5, and all are alike: the published rule sees one row.
    one = generator.dirichlet(np.ones(5), size=5)
    assert np.linalg.matrix_rank(one) == 5
    assert published_rank(np.stack([one] * 7)) == 1
    # Every post has rank 1; the rule counts in how many directions their singular values differ: (s, 0, ..., 0).
    flat = np.stack([np.tile(generator.dirichlet(np.ones(5)), (5, 1)) for _ in range(7)])
    assert published_rank(flat) == 1
    different = generator.dirichlet(np.ones(5), size=(7, 5))
    table = np.array([np.linalg.svd(item)[1] for item in different])
    assert published_rank(different) == np.linalg.matrix_rank(table) == 5


@pytest.mark.parametrize("family", ["bert", "xlnet", "deberta-v2"])
def test_a_run_is_read_without_its_padding(encoder_folder, tiny_dataset, tmp_path, family):
    loaded = small_run(tiny_dataset, encoder_folder(family), tmp_path)
    found = attention_structure(loaded, POSTS)
    assert found.shape == (2, 2)
    network, tokenizer = loaded.parts()
    network.encoder.set_attn_implementation("eager")
    for number, text in enumerate(POSTS):
        with torch.no_grad():
            layers = network.encoder(**tokenizer(text, return_tensors="pt"), output_attentions=True).attentions
        assert found.tokens[number] == layers[0].shape[-1]
        for layer, weights in enumerate(layers):
            for head in range(2):
                values = np.linalg.svd(weights[0, head].double().numpy(), compute_uv=False)
                shares = values / values.sum()
                assert found.effective_rank[number, layer, head] == pytest.approx(
                    np.exp(-(shares * np.log(shares)).sum()), rel=1e-4
                )
                assert found.rank[number, layer, head] == np.linalg.matrix_rank(
                    weights[0, head].double(), rtol=found.tolerance
                )
    alone = attention_structure(loaded, POSTS[:1])
    np.testing.assert_allclose(alone.entropy[0], found.entropy[0], atol=1e-5)


def test_padding_is_kept_where_the_published_rule_keeps_it(encoder_folder, tiny_dataset, tmp_path):
    loaded = small_run(tiny_dataset, encoder_folder("bert"), tmp_path)
    network, tokenizer = loaded.parts()
    stack = padded_attention(loaded, POSTS, 0, -1, length=20)
    assert stack.shape == (3, 20, 20) and stack.dtype == np.float32
    encoded = tokenizer(POSTS, padding="max_length", max_length=20, truncation=True, return_tensors="pt")
    network.encoder.set_attn_implementation("eager")
    with torch.no_grad():
        expected = network.encoder(**encoded, output_attentions=True).attentions[0][:, -1].numpy()
    np.testing.assert_allclose(stack, expected, atol=1e-6)
    real = encoded["attention_mask"].bool().numpy()
    assert np.all(stack.transpose(0, 2, 1)[~real] == 0)
    np.testing.assert_allclose(stack.sum(axis=-1), 1.0, atol=1e-5)
    cut = padded_attention(loaded, POSTS, 0, 0, length=5)
    assert cut.shape == (3, 5, 5) and np.all(cut > 0)


def test_table_and_picture(encoder_folder, tiny_dataset, tmp_path):
    loaded = small_run(tiny_dataset, encoder_folder("bert"), tmp_path)
    found = attention_structure(loaded, POSTS)
    frame = found.frame(groups=["a", "b", "b"], n_resamples=50)
    assert len(frame) == 2 * 2 * 4
    row = frame.query("layer == 2 and head == 1 and measure == 'entropy'").iloc[0]
    assert row["mean"] == pytest.approx(found.entropy[:, 1, 0].mean())
    assert row["low"] <= row["mean"] <= row["high"] and row["n"] == 3
    figure = structure_figure(found)
    texts = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {f"{value:.1f}" for value in found.mean("effective_rank").ravel()} <= texts
    with pytest.raises(ConfigError, match="'ranc' is none of rank, effective_rank"):
        found.mean("ranc")
    with pytest.raises(ConfigError, match="there is no post"):
        attention_structure(loaded, [])


def test_the_linear_baseline_has_no_attention(tiny_dataset, tmp_path):
    with pytest.raises(RunError, match="is the linear baseline and has no network"):
        attention_structure(small_run(tiny_dataset, None, tmp_path), POSTS)


def test_means_count_the_posts_that_have_a_value():
    found = average([1.0, np.nan, 3.0, 5.0], groups=["a", "a", "b", "c"])
    assert (found.mean, found.n) == (3.0, 3)
    assert found.low >= 1.0 and found.high <= 5.0
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(1000):
        groups = generator.integers(0, 3, size=3)
        drawn.append(np.mean([{0: 1.0, 1: 3.0, 2: 5.0}[group] for group in groups]))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.7)
    assert np.isnan(average([np.nan, np.nan]).mean)
    assert np.isnan(average([1.0], groups=["a"]).low)
