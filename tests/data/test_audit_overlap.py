"""Overlap: near duplicates and contained posts against brute force; bounded where thousands of posts are alike."""

import hashlib
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.data.audit.near import Pair, near_duplicates
from mhclf.data.audit.overlap import contained_posts, post_key
from mhclf.data.spans import letters_and_digits


def shingles(text):
    found = re.findall(r"[㐀-䶿一-鿿]|[^\W_㐀-䶿一-鿿]+", text.lower().replace("'", "").replace("’", ""))
    return {tuple(found[n : n + 3]) for n in range(max(1, len(found) - 2))} if found else set()


def opening(text):
    return letters_and_digits(text)[:400] or text


def brute_near(texts, others, threshold):
    pairs = []
    for i, text in enumerate(texts):
        for j, other in enumerate(texts if others is None else others):
            first = [opening(row) for row in texts].index(opening(text)) == i
            second = [opening(row) for row in (texts if others is None else others)].index(opening(other)) == j
            if not (first and second) or opening(text) == opening(other) or (others is None and i >= j):
                continue
            a, b = shingles(text), shingles(other)
            if a | b and len(a & b) / len(a | b) >= threshold:
                pairs.append((i, j, len(a & b) / len(a | b)))
    return pairs


def brute_contained(texts, others, shortest):
    rows, containers = ([letters_and_digits(t) for t in x] for x in (texts, texts if others is None else others))
    return [
        (i, j)
        for i, row in enumerate(rows)
        for j, container in enumerate(containers)
        if shortest <= len(row) < len(container) and row in container and containers.index(container) == j
    ]


def as_tuples(pairs):
    return [(pair.first, pair.second, pair.similarity) for pair in pairs]


few_words = st.lists(st.sampled_from(["so", "SAD", "i", "am,", "don't", "我", "难过", "...", "_"]), max_size=14)
posts = st.lists(few_words.map(" ".join), max_size=14)
# Long runs of few words, changed in one place: pairs lie around the threshold.
runs = st.lists(st.tuples(st.integers(0, 4), st.integers(5, 18), st.integers(0, 18)), max_size=12).map(
    lambda cases: [
        " ".join("x" if place == changed else f"w{place}" for place in range(start, start + length))
        for start, length, changed in cases
    ]
)


@settings(max_examples=300, deadline=None)
@given(posts | runs, st.none() | posts | runs, st.sampled_from([0.1, 0.3, 0.5, 0.6, 0.7, 0.9, 1.0]))
def test_near_duplicates_are_those_of_brute_force(texts, others, threshold):
    assert as_tuples(near_duplicates(texts, others, threshold)) == brute_near(texts, others, threshold)


@settings(max_examples=50, deadline=None)
@given(runs, st.sampled_from([0.3, 0.7]))
def test_shingles_of_more_words_than_one_number_holds_are_numbered_anew(texts, threshold):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mhclf.data.audit.near._MOST_NUMBERS", 1)
        assert as_tuples(near_duplicates(texts, None, threshold)) == brute_near(texts, None, threshold)


def test_a_similarity_on_the_threshold_counts():
    # Ten shingles each way, seven of them shared out of ten: 0.7 * 10 is a little more than 7 in binary.
    seven, ten = " ".join(f"w{n}" for n in range(9)), " ".join(f"w{n}" for n in range(12))
    assert near_duplicates([seven, ten]) == [Pair(0, 1, 0.7)]
    assert near_duplicates([seven, ten], threshold=0.7000001) == []


def test_exact_repeats_are_left_out_and_the_first_stands_for_all():
    one, changed = "I could not sleep at all last night again", "I could not sleep at all last night"
    texts = [one, one.upper() + "!", changed, one, changed]
    assert as_tuples(near_duplicates(texts)) == [(0, 2, 6 / 7)]
    assert as_tuples(near_duplicates([one, changed], [changed, one, one])) == [(0, 0, 6 / 7), (1, 1, 6 / 7)]


def test_lost_apostrophes_make_no_difference_but_swapped_words_do():
    assert as_tuples(near_duplicates(["I don’t know what to do now", "i dont know, what to DO now (maybe)"])) == [
        (0, 1, 5 / 6)
    ]
    assert near_duplicates(["one two three four", "four three two one"]) == []


def test_chinese_is_compared_by_characters():
    assert as_tuples(near_duplicates(["我今天很难过不想说话", "我今天很难过不想说话了"])) == [(0, 1, 8 / 9)]


def test_texts_without_words_and_lists_without_texts():
    assert near_duplicates([]) == near_duplicates(["", "..."]) == near_duplicates(["😀", "😀"], ["😀", ""]) == []
    assert near_duplicates([], ["one two three"]) == near_duplicates(["one two three"], []) == []
    assert contained_posts([]) == contained_posts(["", "..."], ["a" * 30], shortest=1) == []


def test_many_alike_keep_their_closest_partners_only():
    common = " ".join(f"w{n}" for n in range(40))
    texts = [f"{common} end{n}" for n in range(400)]
    pairs = near_duplicates(texts, most=3)
    assert len(pairs) <= 3 * 400
    assert {row for pair in pairs for row in (pair.first, pair.second)} == set(range(400))
    assert {pair.similarity for pair in pairs} == {38 / 40}


def test_the_closest_partner_is_kept_on_both_sides():
    words = [f"w{n}" for n in range(30)]
    others = [" ".join(words[:cut]) for cut in (29, 28, 27, 26, 25)]
    pairs = near_duplicates([" ".join(words)], others, threshold=0.5, most=2)
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)]
    pairs = near_duplicates([" ".join(words), " ".join(words[:24])], others, threshold=0.5, most=1)
    assert [(p.first, p.second) for p in pairs] == [(0, 0), (0, 1), (0, 2), (1, 3), (1, 4)]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text("abA1 !我", max_size=12), max_size=14),
    st.none() | st.lists(st.text("abA1 !我", max_size=25), max_size=8),
    st.integers(1, 5),
)
def test_contained_posts_are_those_of_brute_force(texts, others, shortest):
    assert contained_posts(texts, others, shortest) == brute_contained(texts, others, shortest)


@pytest.mark.parametrize(("letters", "expected"), [(24, []), (25, [(0, 1)]), (36, [(0, 1)]), (37, [])])
def test_length_of_contained_posts(letters, expected):
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    row, container = (alphabet + "z")[:letters], alphabet + "a"
    assert contained_posts([row, container]) == expected


def test_every_equal_row_is_reported_with_the_first_of_equal_containers():
    row, container = "I could not get out of bed today", "Again: i could NOT get out of bed!!! Today, before noon."
    assert contained_posts([row, row.upper()], ["other", container, container]) == [(0, 1), (1, 1)]
    assert contained_posts([row], [f"{row} until {hour}" for hour in range(9)], most=2) == [(0, 0), (0, 1)]


def test_five_thousand_equal_posts():
    texts = ["okay then, I will try to sleep a bit more tonight"] * 5000
    assert near_duplicates(texts) == near_duplicates(texts, texts) == []
    assert contained_posts(texts) == []
    assert contained_posts(texts, [texts[0] + " again"] * 5000) == [(row, 0) for row in range(5000)]


def test_three_thousand_posts_with_known_pairs():
    generator = random.Random(3)
    words = [f"word{n}" for n in range(4000)]
    texts = [" ".join(generator.choices(words, k=40)) for _ in range(2900)]
    texts += [text + " more" for text in texts[:50]] + [text.partition(" ")[2] for text in texts[100:150]]
    near = [(n, 2900 + n) for n in range(50)] + [(100 + n, 2950 + n) for n in range(50)]
    assert [(pair.first, pair.second) for pair in near_duplicates(texts)] == near
    inside = [(n, 2900 + n) for n in range(50)] + [(2950 + n, 100 + n) for n in range(50)]
    assert contained_posts(texts) == inside


def test_the_key_reads_four_hundred_letters_and_digits():
    assert post_key("It’s 3 PM!") == post_key("its3pm") == hashlib.sha256(b"its3pm").hexdigest()
    assert post_key("ab" * 200 + "c") == post_key("a b" * 200 + "d") != post_key("ab" * 199 + "ac")
    assert post_key("😀") != post_key("!") and post_key("") != post_key(" ")
    assert len(post_key("\ud800")) == 64


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: near_duplicates([], threshold=0), "threshold must be above 0 and at most 1, not 0."),
        (lambda: near_duplicates([], threshold=1.2), "threshold must be above 0 and at most 1, not 1.2."),
        (lambda: near_duplicates([], most=0), "most must be at least 1, not 0."),
        (lambda: contained_posts([], shortest=0), "shortest must be at least 1, not 0."),
        (lambda: contained_posts([], most=0), "most must be at least 1, not 0."),
    ],
)
def test_wrong_settings(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert str(error.value) == message
