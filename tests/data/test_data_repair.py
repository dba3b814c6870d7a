"""Mojibake, masking, and finding rationales."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.data.repair import (
    Rationale,
    locate_phrases,
    locate_span,
    mask_identifiers,
    mask_with_spans,
    repair_encoding,
)

CLEAN = [
    "We had tea at the café near Zoë’s place.",
    "“I’m fine,” she said – and smiled…",
    "J’étais triste",
    "l’école est finie",
    "…à demain",
    "“Über alles reden",
    "ein Satz\u00a0über Wasser",
    "«Él vive aquí»",
    "It cost 5 € – at 20 °C ± 2, naïve me",
    "我昨天没睡好，很累。",
    "とても疲れた",
    "Так устала сегодня",
    "tired 😀👍🏽 again",
    "&amp; <b> ﬁne ﬂat ＡＢ\r\nline",
    "a\x00b\ttab",
    "",
]


@pytest.mark.parametrize("text", CLEAN)
def test_clean_text_stays(text):
    assert repair_encoding(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "It’s the café’s “best” day – honestly…",
        "I’m fine",
        "Zoë",
        "so tired 😀",
        "我很累",
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_utf8_read_as_mac_roman_is_undone(text, times):
    broken = text
    for _ in range(times):
        broken = broken.encode("utf-8").decode("mac_roman")
    assert broken != text
    assert repair_encoding(broken) == text


def test_utf8_read_as_windows_1252_is_undone():
    assert repair_encoding("Itâ€™s the cafÃ©") == "It’s the café"


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from(list("ab ’é“”…–ü√©‚Äôâ€™\n你😀")), max_size=30))
def test_repair_comes_to_rest(text):
    assert repair_encoding(repair_encoding(text)) == repair_encoding(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to jo.b+x@mail.example.org now", "write to [email] now"),
        ("mail me at a@b.com.", "mail me at [email]."),
        ("thanks u/quiet_river-7, and /u/Abc!", "thanks u/user, and /u/user!"),
        ("hi @sam_9 and @lee: look", "hi @user and @user: look"),
        (".@sam said so", ".@user said so"),
        ("we meet @ five", "we meet @ five"),
        ("@x is short", "@x is short"),
        ("menu/abcdef and u/ab", "menu/abcdef and u/ab"),
        ("[email] u/user @user", "[email] u/user @user"),
        ("a@b.org@c.org", "[email]"),
        ("u/" + "a" * 30, "u/user"),
        ("@" + "a" * 40 + " x", "@user x"),
        ("谢谢@小明 你好", "谢谢@user 你好"),
        ("我的邮箱是abc@qq.com好", "我的邮箱是[email]好"),
        ("找u/lisa_x今天", "找u/user今天"),
        ("@lisa今天很累", "@user今天很累"),
        ("jörg@müller.de", "[email]"),
        ("", ""),
    ],
)
def test_masks(text, masked):
    assert mask_identifiers(text)[0] == masked


PIECES = st.sampled_from(
    ["a", "lisa", "@", "@@", ".", "-", "+", "u/", "/u/", "x@y.org", "@sam", "u/lisa", "[email]", "u/user", "@user",
     "user", " ", "你", "小明今天", "é", "_", "9", "😀", "]", "b.c", "ü", "@" + "你" * 31, "a" * 31, "\n"]
)  # fmt: skip
MESSY = st.lists(PIECES, max_size=12).map("".join)


@settings(max_examples=400, deadline=None)
@given(MESSY)
def test_masking_again_changes_nothing(text):
    once = mask_identifiers(text)[0]
    assert mask_identifiers(once) == (once, [])


@settings(max_examples=400, deadline=None)
@given(MESSY, st.data())
def test_spans_move_with_the_masks(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    masked, edits = mask_identifiers(text)
    moved_text, moved = mask_with_spans(text, Rationale(((start, end),), 1, 1))
    assert moved_text == masked and (moved.parts, moved.located) == (1, 1)
    free = all(end <= edit.start or edit.end <= start for edit in edits)
    pieces = [masked[a:b] for a, b in moved.spans]
    if start == end:
        assert moved.spans == () or not free
    elif free:
        assert pieces == [text[start:end]]
    else:
        # Replaced stretches are whole inside the span; the rest of the span is as it was.
        assert len(moved.spans) == 1
        expected, position = "", start
        for edit in edits:
            if edit.end <= start or edit.start >= end:
                continue
            mask = mask_identifiers(text[edit.start : edit.end])[0]
            expected += text[position : max(edit.start, position)] + mask
            position = edit.end
        assert pieces == [expected + text[position : max(end, position)]]


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        ("@sam_river", "@user"),
        ("told @sam_river", "told @user"),
        ("sam", "@user"),
        ("_river about", "@user about"),
        ("about it", "about it"),
    ],
)
def test_a_span_at_the_edge_of_a_mask(piece, expected):
    text = "I told @sam_river about it"
    start = text.index(piece)
    masked, moved = mask_with_spans(text, Rationale(((start, start + len(piece)),), 1, 1))
    assert masked == "I told @user about it"
    assert [masked[a:b] for a, b in moved.spans] == [expected]


@pytest.mark.parametrize("text", ["a" * 200_000, "a@" * 100_000, "你" * 200_000, "a." * 100_000, "@a" * 100_000])
def test_masking_takes_linear_time(text):
    started = time.perf_counter()
    mask_identifiers(text)
    assert time.perf_counter() - started < 5


def located(text, *phrases, separators=",;"):
    found = locate_phrases(text, phrases, separators)
    return [text[start:end] for start, end in found.spans], found.parts, found.located


TEXT = "I feel  ALONE, and tired. I feel alone at night; nobody calls."


@pytest.mark.parametrize(
    ("phrases", "expected"),
    [
        (["Feel Alone"], (["feel  ALONE"], 1, 1)),
        (["feel alone"], (["feel alone"], 1, 1)),
        (["feel alone", "feel alone"], (["feel  ALONE", "feel alone"], 2, 2)),
        (["nobody calls", "tired"], (["tired", "nobody calls"], 2, 2)),
        (["tired, nobody calls"], (["tired", "nobody calls"], 2, 2)),
        (["ALONE, and tired"], (["ALONE, and tired"], 1, 1)),
        (["tired; happy"], (["tired"], 2, 1)),
        (["tired!"], (["tired"], 1, 1)),
        (['"nobody calls"'], (["nobody calls"], 1, 1)),
        (["happy"], ([], 1, 0)),
        ([" , ;"], ([], 0, 0)),
        ([""], ([], 0, 0)),
        ([], ([], 0, 0)),
        (["tired tired"], ([], 1, 0)),
    ],
)
def test_phrases_are_found(phrases, expected):
    assert located(TEXT, *phrases) == expected


def test_the_place_with_the_same_capitals_comes_first():
    text = "got the job? I GOT the job! got the JOB"
    spans = [locate_phrases(text, [phrase]).spans for phrase in ("got the JOB", "GOT the job", "Got The Job")]
    assert spans == [((28, 39),), ((15, 26),), ((0, 11),)]


def test_a_phrase_that_occurs_once_is_found_twice_but_counted_as_one_span():
    assert located("so tired", "tired", "tired") == (["tired"], 2, 2)


def test_separators_are_taken_as_they_are():
    assert located("a]b-c^d", "a|d", separators="|]^-\\") == (["a", "d"], 2, 2)
    assert located("one, two", "two, one", separators="") == ([], 1, 0)


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("我昨天很累", "很累", "很累"),
        ("İstanbul is far", "is far", "is far"),
        ("ok 😀 tired", "😀 tired", "😀 tired"),
        ("two\u00a0words\r\nhere", "two words here", "two\u00a0words\r\nhere"),
    ],
)
def test_places_are_in_the_characters_of_the_text(text, phrase, found):
    assert located(text, phrase)[0] == [found]


def test_a_character_span_moves_into_the_repaired_text():
    original = "She‚Äôs sad, he‚Äôs sad"
    repaired = repair_encoding(original)
    assert repaired == "She’s sad, he’s sad"
    start = original.rindex("sad")
    assert locate_span(original, repaired, (start, start + 3)) == Rationale(((16, 19),), 1, 1)
    assert locate_span("same", "same", (1, 3)) == Rationale(((1, 3),), 1, 1)


def test_a_character_span_among_overlapping_places_takes_the_nearest():
    original = "‚Äô aaaaa"
    repaired = repair_encoding(original)
    assert repaired == "’ aaaaa"
    assert locate_span(original, repaired, (5, 7)) == Rationale(((3, 5),), 1, 1)


def test_a_span_that_cuts_a_broken_sign_goes_by_its_neighbours():
    original = "it‚Äôs ‚Äî here"
    repaired = repair_encoding(original)
    assert repaired == "it’s — here"
    assert locate_span(original, repaired, (4, 6)) == Rationale(((2, 4),), 1, 1)
    assert locate_span(original, repaired, (0, 4)) == Rationale(((0, 3),), 1, 1)
