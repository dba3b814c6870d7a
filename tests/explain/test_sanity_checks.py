"""Sanity checks: blocks are complete, the trained model stays as it is, and random weights change explanations."""

import pytest
import torch
from support import small_run

from explain.methods import attribute
from explain.sanity import blocks_from_head, randomisation_cascade, randomised, untrained
from mhclf.errors import RunError

POSTS = ["my knee hurts when the stairs are wet", "nobody saved me a seat at lunch, again!", "my boss called me"]


@pytest.mark.parametrize("family", ["bert", "xlnet", "deberta-v2", "distilbert"])
def test_blocks_cover_every_parameter_once(encoder_folder, tiny_dataset, tmp_path, family):
    network = small_run(tiny_dataset, encoder_folder(family), tmp_path).parts()[0]
    blocks = blocks_from_head(network)
    assert [name for name, _ in blocks] == ["head", "aggregation", "layer 2", "layer 1", "embeddings"]
    listed = [name for _, names in blocks for name in names]
    expected = {name for name, _ in network.named_parameters() if not name.startswith("projection.")}
    assert len(listed) == len(set(listed)) and set(listed) == expected


def test_the_original_is_left_untouched_and_the_copy_becomes_random(encoder_folder, tiny_dataset, tmp_path):
    network = small_run(tiny_dataset, encoder_folder("bert"), tmp_path).parts()[0]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    fresh = untrained(network, 3).state_dict()
    done = set()
    for (block, model), (expected, names) in zip(randomised(network, 3), blocks_from_head(network), strict=True):
        assert block == expected
        done |= set(names)
        for name, value in model.named_parameters():
            source = fresh if name in done else before
            assert torch.equal(value, source[name]), name
    # New weights are new: layer norms and biases start alike, matrices do not.
    matrices = [name for name in done if before[name].ndim == 2 and "norm" not in name.lower()]
    learnt = [name for name in matrices if not torch.equal(fresh[name], before[name])]
    assert len(learnt) >= len(matrices) - 2
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())
    again, other = untrained(network, 3).state_dict(), untrained(network, 4).state_dict()
    assert all(torch.equal(again[name], fresh[name]) for name in fresh)
    assert any(not torch.equal(other[name], fresh[name]) for name in fresh)


def test_the_cascade_correlates_with_the_trained_model(encoder_folder, tiny_dataset, tmp_path):
    loaded = small_run(tiny_dataset, encoder_folder("bert"), tmp_path)
    before = [item.scores for item in attribute(loaded, POSTS, "input_x_gradient")]
    steps = randomisation_cascade(loaded, POSTS, "input_x_gradient", groups=["a", "b", "c"], top=2)
    assert [step.block for step in steps] == ["head", "aggregation", "layer 2", "layer 1", "embeddings"]
    assert all(step.agreement.n == 3 and abs(step.agreement.kendall.mean) < 1 for step in steps)
    assert [item.scores for item in attribute(loaded, POSTS, "input_x_gradient")] == before
    # A method that does not look at the model does not change: the check finds it.
    blind = randomisation_cascade(loaded, POSTS, "random")
    assert all(step.agreement.kendall.mean == pytest.approx(1) for step in blind)
    # Attention of the last layer is below the head.
    seen = randomisation_cascade(loaded, POSTS, "attention")
    assert seen[0].agreement.kendall.mean == pytest.approx(1)
    assert seen[-1].agreement.kendall.mean < 1


def test_the_linear_baseline_has_no_blocks(tiny_dataset, tmp_path):
    with pytest.raises(RunError, match="is the linear baseline"):
        randomisation_cascade(small_run(tiny_dataset, None, tmp_path), POSTS, "occlusion")
