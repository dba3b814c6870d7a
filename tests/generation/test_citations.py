"""Citations by hand and against brute force."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.evaluation.text_tokens import tokenize
from mhclf.generation.citations import cited_spans

POST = "I can\u2019t sleep at night. Nobody calls me, nobody writes. At night I can't sleep."


def cited(explanation, post=POST, **options):
    return [post[start:end] for start, end in cited_spans(explanation, post, **options)]


def test_quotes_wherever_they_stand():
    assert cited('They feel alone: "nobody".') == ["Nobody", "nobody"]
    assert cited('"nobody ... writes"') == ["Nobody", "nobody", "writes"]
    assert cited('"nobody cares" and "nobody ... cares"') == []


def test_runs_of_words_without_marks():
    assert cited("The poster says I cannot sleep but nobody calls me, nobody cares.") == ["Nobody calls me, nobody"]
    assert cited("CAN'T SLEEP!") == ["can\u2019t sleep", "can't sleep"], "an apostrophe parts two words"
    assert cited("at night there is nobody") == [] and cited("") == [] and cited("at night", "") == []
    assert cited("at night", least=2) == ["at night", "At night"]


def test_touching_citations_are_one_and_chinese_words_are_signs():
    assert cited('"at night" and "nobody calls"') == ["at night", "Nobody calls", "At night"]
    assert cited("他说睡不着觉", "我晚上睡不着觉，很累") == ["睡不着觉"]


WORDS = st.lists(st.sampled_from("abc"), max_size=9).map(" ".join)


@given(WORDS, WORDS, st.integers(1, 4))
@settings(deadline=None)
def test_runs_equal_brute_force(explanation, post, least):
    ours, tokens = explanation.split(), tokenize(post)
    theirs = post.split()
    marked = set()
    for size in range(least, 10):
        runs = {tuple(ours[at : at + size]) for at in range(len(ours) - size + 1)}
        for at in range(len(theirs) - size + 1):
            if tuple(theirs[at : at + size]) in runs:
                marked |= set(range(at, at + size))
    spans = cited_spans(explanation, post, least)
    assert marked == {n for n, token in enumerate(tokens) if any(a <= token.start < b for a, b in spans)}


@pytest.mark.parametrize("least", [0, -1])
def test_no_run_is_shorter_than_a_word(least):
    assert cited("xyz", least=least) == []
