"""Long posts: which tokens are read, and batches of chunks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.config.model import LongPostsConfig
from mhclf.config.training import BatchConfig
from mhclf.data.batches import batch_loader
from mhclf.data.long_posts import Reading, read_positions
from mhclf.data.tokens import CHUNK_POSTS, TokenisedPosts
from mhclf.errors import ConfigError
from mhclf.models.encoder import load_tokenizer
from mhclf.models.weights import resolve_encoder


def special(content, before=1, after=1):
    return [1] * before + [0] * content + [1] * after


def test_head_and_tail_keep_both_ends_and_the_special_tokens():
    reading = Reading(8, LongPostsConfig("head_tail", head_share=1 / 3))
    assert read_positions(special(6), reading) == [list(range(8))]
    assert read_positions(special(20), reading) == [[0, 1, 2, 17, 18, 19, 20, 21]]
    assert read_positions(special(20, before=0, after=2), reading) == [[0, 1, 16, 17, 18, 19, 20, 21]]


def test_chunks_cover_the_post_evenly():
    reading = Reading(6, LongPostsConfig("chunks", overlap=1, max_chunks=9))
    assert read_positions(special(10), reading) == [
        [0, 1, 2, 3, 4, 11],
        [0, 4, 5, 6, 7, 11],
        [0, 7, 8, 9, 10, 11],
    ]
    few = Reading(6, LongPostsConfig("chunks", overlap=1, max_chunks=2))
    assert read_positions(special(100), few) == [[0, 1, 2, 3, 4, 101], [0, 97, 98, 99, 100, 101]]
    one = Reading(6, LongPostsConfig("chunks", overlap=1, max_chunks=1))
    assert read_positions(special(100), one) == [[0, 1, 2, 3, 4, 101]]


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 300), st.integers(0, 2), st.integers(0, 2), st.integers(12, 60), st.integers(0, 7),
    st.integers(1, 50), st.floats(0.01, 0.99), st.sampled_from(["head", "head_tail", "chunks"]),
)  # fmt: skip
def test_what_is_read_is_ascending_fits_and_keeps_the_ends(
    content, before, after, max_length, overlap, most, share, strategy
):
    long = LongPostsConfig(strategy, head_share=share, overlap=overlap, max_chunks=most)
    marks = special(content, before, after)
    pieces = read_positions(marks, Reading(max_length, long))
    assert 1 <= len(pieces) <= (most if strategy == "chunks" else 1)
    for piece in pieces:
        assert piece == sorted(set(piece)) and len(piece) <= max_length
        assert piece[:before] == list(range(before))
        assert piece[len(piece) - after :] == list(range(len(marks) - after, len(marks)))
    read = {place for piece in pieces for place in piece}
    if len(marks) <= max_length or (strategy == "chunks" and len(pieces) < most):
        assert read == set(range(len(marks)))
    else:
        assert all(len(piece) == max_length for piece in pieces)


def test_no_room_is_said():
    with pytest.raises(ConfigError) as error:
        read_positions(special(50), Reading(10, LongPostsConfig("chunks", overlap=8)))
    assert str(error.value) == ("max_length: is 10, which leaves no room beside 2 special tokens and --long.overlap 8.")


TEXTS = ["my knee hurts", " ".join(["the stairs are wet and my knee hurts again"] * 6), "slept two hours"]


@pytest.mark.parametrize("family", ["bert", "xlnet", "roberta"])
def test_batches_of_chunks_say_whose_they_are(encoder_folder, family):
    tokenizer = load_tokenizer(resolve_encoder(str(encoder_folder(family))))
    long = LongPostsConfig("chunks", overlap=2, max_chunks=20)
    posts = TokenisedPosts(tokenizer, TEXTS, np.array([0, 1, 2]), 16, None, long)
    whole = tokenizer(TEXTS[1])["input_ids"]
    chunks = -(-(len(whole) - 2 - 14) // 12) + 1
    assert [len(own) for own in posts.pieces] == [1, chunks, 1]
    assert posts.truncated == 0
    assert posts.lengths.tolist()[1] == chunks * 16
    (batch,) = batch_loader(posts, BatchConfig(size=3), None)
    rows = batch.rows.tolist()
    assert batch.inputs[CHUNK_POSTS].tolist() == [rows.index(row) for row in rows for _ in posts.pieces[row]]
    assert batch.inputs["input_ids"].shape[0] == chunks + 2
    assert batch.targets.tolist() == rows
    ends = [set(whole[:1]), set(whole[-1:])]
    assert all(set(ids) & end for ids in posts.input_ids for end in ends[1:])


def test_a_post_that_is_not_read_whole_is_counted(encoder_folder):
    tokenizer = load_tokenizer(resolve_encoder(str(encoder_folder("bert"))))
    for long, unread in (
        (LongPostsConfig("head"), 1),
        (LongPostsConfig("head_tail"), 1),
        (LongPostsConfig("chunks", overlap=0, max_chunks=2), 1),
        (LongPostsConfig("chunks", overlap=0, max_chunks=99), 0),
    ):
        assert TokenisedPosts(tokenizer, TEXTS, np.zeros(3, dtype=np.int64), 16, None, long).truncated == unread
    with pytest.raises(ConfigError) as error:
        TokenisedPosts(tokenizer, TEXTS, np.zeros(3, dtype=np.int64), 16, ["a", "", ""], LongPostsConfig("chunks"))
    assert str(error.value) == "long: 'chunks' cannot be read beside contexts. Use --long.strategy head."
