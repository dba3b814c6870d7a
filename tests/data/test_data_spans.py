"""Words, merging, moving spans through edits, alignment of tokens to words."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.data.spans import (
    Edit,
    align,
    count_words,
    letters_and_digits,
    merge_spans,
    move_position,
    move_spans,
    overlap,
    words,
)

ALPHABET = st.sampled_from(list("ab9_'’-. ,\n\t\u00a0\u2028é́你好カ한😀👍🏽\u200d\x00\r"))
TEXTS = st.text(ALPHABET, max_size=40) | st.text(max_size=40)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_every_visible_character_lies_in_exactly_one_word(text):
    covered = [0] * len(text)
    for start, end in words(text):
        assert start < end
        for position in range(start, end):
            covered[position] += 1
    assert covered == [0 if character.isspace() else 1 for character in text]
    assert words(text) == sorted(words(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I can't, it’s 3pm.", ["I", "can't", ",", "it’s", "3pm", "."]),
        ("'quoted' rock'n'roll", ["'", "quoted", "'", "rock'n'roll"]),
        ("snake_case well-known", ["snake_case", "well", "-", "known"]),
        ("我好累 today", ["我", "好", "累", "today"]),
        ("abc你def", ["abc", "你", "def"]),
        ("カタ한글", ["カ", "タ", "한", "글"]),
        ("so 😀😀!", ["so", "😀", "😀", "!"]),
        ("née Zoë", ["née", "Zoë"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_words(text, expected):
    assert [text[start:end] for start, end in words(text)] == expected


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8)


@settings(deadline=None)
@given(SPANS)
def test_merging_keeps_the_covered_positions_and_leaves_gaps(spans):
    merged = merge_spans(spans)
    inside = {position for start, end in spans for position in range(start, end)}
    assert {position for start, end in merged for position in range(start, end)} == inside
    assert all(first[1] < second[0] for first, second in pairwise(merged))
    assert merge_spans(merged) == merged


def test_touching_spans_join_and_empty_ones_go():
    assert merge_spans([(5, 7), (0, 2), (2, 5), (9, 9), (10, 12)]) == [(0, 7), (10, 12)]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 4), (0, 4)),
        ((0, 5), (0, 5)),
        ((0, 6), (0, 7)),
        ((5, 10), (5, 7)),
        ((7, 8), (5, 7)),
        ((6, 12), (5, 9)),
        ((10, 12), (7, 9)),
        ((11, 22), (8, 24)),
        ((25, 26), (25, 26)),
    ],
)
def test_a_span_moves_and_one_that_touches_a_replacement_keeps_all_of_it(span, expected):
    edits = [Edit(5, 10, 2), Edit(20, 22, 7), Edit(23, 25, 0)]
    assert move_spans([span], edits) == [expected]


def test_a_position_at_a_border():
    edits = [Edit(2, 4, 9)]
    assert [move_position(p, edits, is_end=False) for p in range(6)] == [0, 1, 2, 2, 11, 12]
    assert [move_position(p, edits, is_end=True) for p in range(6)] == [0, 1, 2, 11, 11, 12]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [((0, 5), (3, 9), 2), ((0, 3), (3, 5), 0), ((0, 9), (2, 4), 2), ((4, 4), (0, 9), 0)],
)
def test_overlap(first, second, expected):
    assert overlap(first, second) == overlap(second, first) == expected


def aligned_by_brute_force(tokens, text_words):
    found = {}
    for number, token in enumerate(tokens):
        shared = [len(set(range(*token)) & set(range(*word))) for word in text_words]
        found |= {(number, index): count / sum(shared) for index, count in enumerate(shared) if count}
    return found


def pairs(found):
    places = zip(found.tokens.tolist(), found.words.tolist(), strict=True)
    return dict(zip(places, found.shares.tolist(), strict=True))


@st.composite
def texts_and_tokens(draw):
    text = draw(TEXTS)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    tokens = list(pairwise(cuts))
    # Byte-level tokenizers cut one sign into several tokens of the same place.
    tokens = [token for token in tokens for _ in range(draw(st.integers(1, 2)))]
    return text, [(0, 0), *tokens, (0, 0)]


@settings(max_examples=300, deadline=None)
@given(texts_and_tokens())
def test_alignment_agrees_with_counting_characters(case):
    text, tokens = case
    assert pairs(align(tokens, words(text))) == pytest.approx(aligned_by_brute_force(tokens, words(text)))


def test_alignment_of_tokens_across_words():
    text = "not okay"
    assert pairs(align([(0, 0), (0, 3), (3, 6), (6, 8), (0, 0)], words(text))) == {(1, 0): 1, (2, 1): 1, (3, 1): 1}
    assert pairs(align([(0, 1), (1, 2)], [])) == {}
    assert pairs(align([(2, 5)], [(0, 4), (4, 8)])) == {(0, 0): 2 / 3, (0, 1): 1 / 3}
    assert pairs(align([(0, 3)], words("..."))) == {(0, 0): 1 / 3, (0, 1): 1 / 3, (0, 2): 1 / 3}


@settings(max_examples=500, deadline=None)
@given(TEXTS)
def test_letters_and_digits_are_what_python_calls_so(text):
    assert letters_and_digits(text) == "".join(sign for sign in text.lower() if sign.isalnum())


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("I don’t know, do you?", 5), ("a-b 12.5", 4), ("我很难过 really", 5), ("... !?", 0)],
)
def test_count_words(text, count):
    assert count_words(text) == count
