"""Posts to padded batches: every post once, similar lengths, exact padding."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.config.training import BatchConfig
from mhclf.data.batches import PostBatches, batch_loader
from mhclf.data.tokens import TokenisedPosts, width_step


class Letters:
    """A tokenizer with one token a letter, between the tokens 1 and 2."""

    pad_token_id = 9
    pad_token_type_id = 0

    def __init__(self, side="right", types=False):
        self.padding_side, self.types = side, types

    def __call__(self, texts, truncation, max_length=None, **_):
        ids = [[1, *(ord(letter) for letter in text), 2] for text in texts]
        if truncation:
            ids = [[*row[: max_length - 1], 2] if len(row) > max_length else row for row in ids]
        return {"input_ids": ids} | ({"token_type_ids": [[3] * len(row) for row in ids]} if self.types else {})


def posts(lengths, max_length=100, **tokenizer):
    targets = np.arange(len(lengths), dtype=np.int64)
    return TokenisedPosts(Letters(**tokenizer), ["a" * length for length in lengths], targets, max_length)


def test_cut_posts_are_counted_and_whole_ones_of_full_length_are_not():
    cut = posts([3, 4, 5, 9], max_length=6)
    assert cut.lengths.tolist() == [5, 6, 6, 6] and cut.truncated == 2
    assert posts([1, 2], max_length=6).truncated == 0


def test_a_batch_is_padded_to_a_multiple_of_eight():
    batch = posts([1, 7, 2]).collate([1, 0])
    assert batch.inputs["input_ids"].tolist() == [
        [1, *[97] * 7, 2, *[9] * 7],
        [1, 97, 2, *[9] * 13],
    ]
    assert batch.inputs["attention_mask"].sum(dim=1).tolist() == [9, 3]
    assert (batch.targets.tolist(), batch.rows.tolist()) == ([1, 0], [1, 0])
    assert set(batch.inputs) == {"input_ids", "attention_mask"}


@pytest.mark.parametrize(
    ("device", "precision", "step"), [("cpu", "fp32", 1), ("cpu", "bf16", 8), ("cuda", "fp32", 8), ("cuda", "bf16", 8)]
)
def test_only_a_cpu_in_full_precision_takes_any_width(device, precision, step):
    assert width_step(device, precision) == step
    own = TokenisedPosts(Letters(), ["a", "a" * 7], np.zeros(2, dtype=np.int64), 100, step=step)
    assert own.collate([0, 1]).inputs["input_ids"].shape == (2, {1: 9, 8: 16}[step])


def test_padding_on_the_left_and_token_types():
    batch = posts([1, 2], side="left", types=True).collate([0, 1])
    assert batch.inputs["input_ids"].tolist() == [[9, 9, 9, 9, 9, 1, 97, 2], [9, 9, 9, 9, 1, 97, 97, 2]]
    assert batch.inputs["attention_mask"].tolist() == [[0] * 5 + [1] * 3, [0] * 4 + [1] * 4]
    assert batch.inputs["token_type_ids"].tolist() == [[0] * 5 + [3] * 3, [0] * 4 + [3] * 4]
    assert batch.to(torch.device("cpu")).inputs["input_ids"].tolist() == batch.inputs["input_ids"].tolist()


LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(LENGTHS, st.integers(1, 9), st.integers(1, 300), st.booleans(), st.none() | st.integers(0, 9))
def test_every_post_is_in_one_batch_within_the_caps(lengths, size, max_tokens, by_length, seed):
    config = BatchConfig(size=size, max_tokens=max_tokens, by_length=by_length)
    batches = PostBatches(np.array(lengths), config, seed).batches()
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= size
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= max_tokens


def test_batches_hold_posts_of_similar_length():
    lengths = np.random.default_rng(0).integers(1, 500, 400)
    batches = PostBatches(lengths, BatchConfig(size=8, max_tokens=10**6), 1).batches()
    spans = sorted((min(lengths[batch]), max(lengths[batch])) for batch in batches)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    mixed = PostBatches(lengths, BatchConfig(size=8, max_tokens=10**6, by_length=False), 1).batches()
    assert np.mean([np.ptp(lengths[batch]) for batch in mixed]) > 300


def test_an_epoch_has_its_own_order_and_can_be_repeated():
    lengths = np.array([5, 9, 5, 7, 5, 9, 5, 8])
    sampler = PostBatches(lengths, BatchConfig(size=2, max_tokens=100), 3)
    first = list(sampler)
    sampler.sampler.set_epoch(1)
    second = list(sampler)
    sampler.set_epoch(0)
    assert first == list(sampler) != second
    assert len(sampler) == 4


def test_prediction_goes_from_long_to_short():
    assert PostBatches(np.array([2, 9, 5, 9]), BatchConfig(size=2, max_tokens=100), None).batches() == [
        [1, 3],
        [2, 0],
    ]


@pytest.mark.parametrize("seed", [None, 4])
def test_a_loader_gives_every_post_once(seed):
    loader = batch_loader(posts([4, 1, 9, 2, 2]), BatchConfig(size=2, max_tokens=1000), seed)
    batches = list(loader)
    assert sorted(row for batch in batches for row in batch.rows.tolist()) == [0, 1, 2, 3, 4]
    assert all(batch.rows.tolist() == batch.targets.tolist() for batch in batches)
