"""The BiLSTM and the CNN: every method explains them, or says that they have no attention and what to use."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from support import small_run

from explain import attribute
from explain.attention import NEEDS_ATTENTION
from explain.attribution import METHODS
from explain.integrated import TOLERANCE
from explain.model import ExplainedModel, has_attention
from explain.reading import read_posts
from explain.sanity import blocks_from_head, randomisation_cascade
from mhclf.config.loss import ContrastiveConfig
from mhclf.config.model import ModelConfig
from mhclf.errors import RunError

KINDS = ["bilstm", "cnn"]
POSTS = ["my knee hurts when the stairs are wet", "nobody saved me a seat at lunch, again!", "my boss called me"]
FITTING = [name for name in METHODS if name not in {*NEEDS_ATTENTION, "tfidf_weights", "rationale_head"}]


@pytest.fixture(scope="module")
def trained(encoder_folder, tiny_dataset, tmp_path_factory):
    """Return a function that gives a run of a kind, over word vectors of a family, each trained once."""
    made = {}

    def build(kind, family="bert"):
        if (kind, family) not in made:
            made[kind, family] = small_run(
                tiny_dataset,
                encoder_folder(family),
                tmp_path_factory.mktemp(kind),
                model=ModelConfig(kind=kind, aggregation="last", pooling="max"),
                contrastive=ContrastiveConfig(weight=0),
            )
        return made[kind, family]

    return build


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_stand_in_for_token_numbers(trained, kind):
    network = trained(kind).network
    batch = ExplainedModel(trained(kind)).batch([post.row for post in read_posts(trained(kind), POSTS)])
    ids, mask = batch["input_ids"], batch["attention_mask"]
    vectors = network.encoder.get_input_embeddings()(ids)
    with torch.no_grad():
        by_ids = network.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        assert torch.equal(network.encoder(inputs_embeds=vectors, attention_mask=mask).last_hidden_state, by_ids)
        everything = network.encoder(input_ids=ids).last_hidden_state
        assert torch.equal(everything, network.encoder(input_ids=ids, attention_mask=mask * 0 + 1).last_hidden_state)
    for given in ({}, {"input_ids": ids, "inputs_embeds": vectors}):
        with pytest.raises(ValueError, match="Give either input_ids or inputs_embeds."):
            network.encoder(**given, attention_mask=mask)


# XLNet's tokenizer pads on the left.
@pytest.mark.parametrize("family", ["bert", "xlnet"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", FITTING)
def test_every_other_method_explains_them(trained, kind, method, family):
    loaded = trained(kind, family)
    found = attribute(loaded, POSTS, method=method)
    for item in found:
        assert len(item.scores) == len(item.words)
        assert np.isfinite(item.scores).all() and any(item.scores)
    alone = attribute(loaded, POSTS[:1], method=method)[0]
    assert alone.scores == pytest.approx(found[0].scores, abs=2e-4), "a post's scores do not depend on its neighbours"


@pytest.mark.parametrize("kind", KINDS)
def test_integrated_gradients_are_complete(trained, kind):
    network, tokenizer = deepcopy(trained(kind).network), trained(kind).tokenizer
    with torch.no_grad():
        # Random word vectors are so small that the logit hardly moves, and a gap relative to that means nothing.
        network.encoder.embeddings.weight.mul_(30)
    loaded = replace(trained(kind), network=network)
    found = attribute(loaded, POSTS, target="work")
    label = loaded.labels.index("work")
    for text, item in zip(POSTS, found, strict=True):
        encoded = tokenizer(text, return_tensors="pt")
        special = (encoded["input_ids"] == tokenizer.cls_token_id) | (encoded["input_ids"] == tokenizer.sep_token_id)
        padded = torch.where(special, encoded["input_ids"], tokenizer.pad_token_id)
        mask = encoded["attention_mask"]
        with torch.no_grad():
            whole, empty = (
                float(network({"input_ids": ids, "attention_mask": mask}).logits[0, label])
                for ids in (encoded["input_ids"], padded)
            )
        assert abs(whole - empty) > 1e-3
        assert item.converged and item.completeness_gap <= TOLERANCE
        # Special tokens do not change on the way, so that the words have all of it.
        assert sum(item.scores) == pytest.approx(whole - empty, abs=TOLERANCE * abs(whole - empty) + 1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", [*NEEDS_ATTENTION, "attention_layer1", "attention_layer1_head1"])
def test_methods_that_need_attention_say_what_to_use(trained, kind, method):
    loaded = trained(kind)
    with pytest.raises(RunError) as error:
        attribute(loaded, POSTS, method=method)
    assert str(error.value) == (
        f"{loaded.folder}: is a network of kind '{kind}' and has no attention. "
        "Explain it by occlusion, permutation_shapley or integrated_gradients."
    )


def test_which_runs_have_attention(trained, encoder_folder, tiny_dataset, tmp_path):
    assert not any(has_attention(trained(kind)) for kind in KINDS)
    assert not has_attention(small_run(tiny_dataset, None, tmp_path / "linear"))
    assert has_attention(small_run(tiny_dataset, encoder_folder("bert"), tmp_path / "bert"))
    by_file = {name for name in METHODS if METHODS.get(name).__module__ == "explain.attention"}
    assert set(NEEDS_ATTENTION) == by_file | {"layer_relevance"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_cascade_makes_them_random_from_the_head_down(trained, kind):
    loaded = trained(kind)
    blocks = blocks_from_head(loaded.network)
    assert [name for name, _ in blocks] == ["head", "layer 1", "embeddings"]
    listed = [name for _, names in blocks for name in names]
    assert sorted(listed) == sorted(name for name, _ in loaded.network.named_parameters())
    steps = randomisation_cascade(loaded, POSTS, "input_x_gradient")
    assert [step.block for step in steps] == ["head", "layer 1", "embeddings"]
    assert steps[-1].agreement.kendall.mean < 0.9


def test_gradients_in_evaluation_mode_do_not_go_through_cudnn(trained):
    # Its recurrent kernels refuse them: "cudnn RNN backward can only be called in training mode".
    network = trained("bilstm").network
    used = []
    handle = network.encoder.layer.lstm.register_forward_pre_hook(
        lambda module, inputs: used.append(torch.backends.cudnn.enabled)
    )
    ids = torch.ones((2, 5), dtype=torch.int64)
    batch = {"input_ids": ids, "attention_mask": ids}
    for training in (False, True):
        network.train(training)
        with torch.enable_grad():
            network(batch)
        with torch.no_grad():
            network(batch)
    handle.remove()
    network.eval()
    assert used == [False, True, True, True]
    assert torch.backends.cudnn.enabled
