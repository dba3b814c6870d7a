"""Batches with company of one class, and batches shared by processes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.config.training import BatchConfig
from mhclf.data.batches import PostBatches, Share, batch_classes, company
from mhclf.errors import ConfigError

CLASSES = st.lists(st.integers(0, 4), min_size=1, max_size=70)


@settings(max_examples=150, deadline=None)
@given(CLASSES, st.integers(2, 5))
def test_a_unit_is_of_one_class_and_never_too_small(classes, per_class):
    numbers = np.array(classes)
    units = company(numbers, per_class)
    assert sorted(np.concatenate(units).tolist()) == list(range(len(classes)))
    for unit in units:
        (own,) = set(numbers[unit].tolist())
        assert len(unit) >= min(per_class, (numbers == own).sum())
        assert len(unit) < 2 * per_class


@settings(max_examples=150, deadline=None)
@given(CLASSES, st.integers(2, 4), st.integers(4, 12), st.integers(0, 99))
def test_every_post_has_a_positive_in_its_batch(classes, per_class, size, seed):
    numbers = np.array(classes)
    config = BatchConfig(size=size, max_tokens=10**6, per_class=per_class)
    batches = PostBatches(np.ones(len(classes), dtype=np.int64), config, seed, numbers).batches()
    assert sorted(row for batch in batches for row in batch) == list(range(len(classes)))
    for batch in batches:
        for row in batch:
            alone = (numbers == numbers[row]).sum() == 1
            assert alone or sum(numbers[other] == numbers[row] for other in batch) >= 2


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=3, max_size=60), st.integers(1, 9), st.integers(2, 3), st.integers(0, 9))
def test_processes_share_the_batches_of_one(lengths, size, world, seed):
    values = np.array(lengths)
    one = PostBatches(values, BatchConfig(size=size * world, max_tokens=10**6), seed)
    parts = [list(PostBatches(values, BatchConfig(size=size, max_tokens=10**6), seed, None, Share(rank, world)))
             for rank in range(world)]  # fmt: skip
    assert len({len(part) for part in parts}) == 1
    assert all(batch for part in parts for batch in part)
    together = [sorted(row for batch in step for row in batch) for step in zip(*parts, strict=True)]
    assert sorted(row for batch in together for row in batch) == list(range(len(lengths)))
    if len(lengths) % (size * world) >= world or len(lengths) % (size * world) == 0:
        assert together == [sorted(batch) for batch in one]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(1, 60), min_size=3, max_size=60), st.lists(st.integers(0, 3), min_size=60, max_size=60),
    st.integers(4, 9), st.integers(0, 9), st.integers(20, 90), st.integers(1, 3), st.integers(0, 99),
)  # fmt: skip
def test_every_epoch_has_as_many_batches_with_every_post(lengths, classes, size, company_of, tokens, world, seed):
    config = BatchConfig(
        size=size, max_tokens=tokens, by_length=False, per_class=0 if company_of == 1 else min(company_of, size)
    )
    sampler = PostBatches(np.array(lengths), config, seed, np.array(classes[: len(lengths)]), Share(0, world))
    count = len(sampler)
    for epoch in range(4):
        sampler.set_epoch(epoch)
        batches = sampler.batches()
        assert len(sampler) == count
        assert len(batches) == count or (world > 1 and len(batches) < count)
        assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
        assert all(len(batch) >= world for batch in batches), "each process has a post"


def test_no_epoch_is_short_when_the_largest_batch_is_one_unit():
    # Lightning plans validation for the last of as many batches as the first epoch has: a shorter epoch has none.
    generator = np.random.default_rng(6)
    classes, lengths = generator.integers(0, 4, 20), generator.integers(20, 200, 20)
    sampler = PostBatches(lengths, BatchConfig(size=8, per_class=8), 1, classes)
    for epoch in range(30):
        sampler.set_epoch(epoch)
        batches = sampler.batches()
        assert len(batches) == len(sampler) == 4
        assert sorted(row for batch in batches for row in batch) == list(range(20))


def test_fewer_posts_than_processes_are_refused():
    with pytest.raises(ConfigError, match="^trainer: devices: 3 processes cannot share 2 posts.$"):
        PostBatches(np.array([4, 5]), BatchConfig(), 1, None, Share(0, 3)).batches()


def test_the_class_of_several_labels_is_the_rarest():
    targets = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0], [1, 1, 1]])
    assert batch_classes(targets).tolist() == [1, 0, 2, -1, 1]
    assert batch_classes(np.array([2, 0, 1])).tolist() == [2, 0, 1]
