"""Content words, quotes and grounding, by hand."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.errors import DataError
from mhclf.evaluation.content_words import content_words, light_stem
from mhclf.evaluation.grounding import find_words, grounded_share, is_found, quote_counts, quotes
from mhclf.evaluation.text_tokens import tokenize


@pytest.mark.parametrize(
    "forms",
    [
        ("feel", "feels", "feeling"),
        ("hope", "hopes", "hoping", "hoped"),
        ("worry", "worries", "worried", "worrying"),
        ("stress", "stresses", "stressed"),
        ("stop", "stops", "stopped", "stopping"),
        ("deep", "deeply"),
        ("sister", "sister's", "sisters"),
    ],
)
def test_one_stem_for_the_forms_of_a_word(forms):
    assert len({light_stem(form) for form in forms}) == 1


@pytest.mark.parametrize("pair", [("sad", "sadness"), ("need", "new"), ("felt", "feel"), ("anxious", "anxiety")])
def test_different_words_stay_different(pair):
    assert light_stem(pair[0]) != light_stem(pair[1])


def test_short_words_and_words_on_ss_us_is_keep_their_form():
    assert [light_stem(word) for word in ("bed", "thing", "virus", "crisis", "loss", "bring")] == [
        "bed", "thing", "virus", "crisis", "loss", "bring",
    ]  # fmt: skip


def test_content_words_by_hand():
    assert content_words("I don\u2019t sleep, and I've been CRYING for 3 nights!") == ["sleep", "cry", "3", "night"]
    assert content_words("He is my sister's friend") == ["sister", "friend"]
    assert content_words("我很失眠。难过的夜晚") == ["失眠", "难过", "夜晚"]


def test_grounded_share_by_hand():
    post = "My sister stopped calling after the wedding and I feel lonely."
    # Content words: poster, feel, lonely, sister, stop, call, trauma: five of seven stand in the post.
    explanation = "The poster feels lonely; the sister stopped calls. Trauma!"
    values = grounded_share([explanation, "It is.", "", "lonely lonely trauma"], [post, post, post, post])
    assert values == pytest.approx([5 / 7, math.nan, math.nan, 2 / 3], nan_ok=True)
    assert grounded_share(["lonely"], [""]) == [0]
    assert grounded_share(["失眠和难过"], ["我失眠了"]) == pytest.approx([1 / 2])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('They say "so tired" and "alone."', ["so tired", "alone."]),
        ("They say \u201cso tired\u201d.", ["so tired"]),
        ("They say 'I can't sleep' often.", ["I can't sleep"]),
        ("They say \u2018I can\u2019t sleep\u2019 often.", ["I can\u2019t sleep"]),
        ("\u00abso tired\u00bb, \u201eganz m\u00fcde\u201c, \u300c好累\u300d, \u300e睡不着\u300f, ``so tired''",
         ["so tired", "ganz m\u00fcde", "好累", "睡不着", "so tired"]),
        ("The poster's friend doesn't call, and the friends' plans fail.", []),
        ('A mark " alone, and "" empty, and "..." without words.', []),
        ('He said "she told me \'go away\' twice".', ["she told me 'go away' twice"]),
        ("('alone')", ["alone"]),
    ],
)  # fmt: skip
def test_quotes_in_any_kind_of_marks(text, found):
    assert [quote.text for quote in quotes(text)] == found
    assert all(text[quote.start : quote.end] == quote.text for quote in quotes(text))


def test_a_quote_is_found_whatever_its_case_spaces_marks_and_gaps():
    post = tokenize("I can\u2019t  sleep,\nand NOBODY calls. Sadness everywhere.")

    def found(text):
        return is_found(quotes(f'"{text}"')[0], post)

    assert found("i can't sleep and nobody calls,")
    assert found("I can't ... calls") and found("can't [...] nobody") and found("sleep\u2026")
    assert not found("nobody cares") and not found("sad") and not found("calls nobody")
    assert not found("can't ... help")
    assert find_words(["b"], tokenize("a b a b")) == [(1, 2), (3, 4)] and find_words([], post) == []


def test_quotes_are_counted():
    post = "I am so tired of it"
    counts = quote_counts(['"so tired" and "hopeless"', "no quotes", '"so tired"'], [post] * 3)
    assert counts.quoted.tolist() == [2, 0, 1] and counts.invented.tolist() == [1, 0, 0]
    assert counts.invented_share == pytest.approx([0.5, math.nan, 0], nan_ok=True)


@given(st.text(alphabet="ab \"'\u2018\u2019\u201c\u201d.,", max_size=40))
@settings(deadline=None)
def test_quotes_never_overlap_and_a_text_finds_its_own(text):
    found = quotes(text)
    assert all(first.end <= second.start for first, second in pairwise(found))
    assert all(is_found(quote, tokenize(text)) for quote in found)


@given(st.text(max_size=40))
@settings(deadline=None)
def test_a_text_is_grounded_in_itself(text):
    value = grounded_share([text], [text])[0]
    assert math.isnan(value) or value == 1


def test_wrong_texts_are_refused():
    for measure in (grounded_share, quote_counts):
        with pytest.raises(DataError, match="explanations has 1 texts, posts 2; give the post of each"):
            measure(["a"], ["b", "c"])
        with pytest.raises(DataError, match="explanations is empty: there is nothing to score"):
            measure([], [])
