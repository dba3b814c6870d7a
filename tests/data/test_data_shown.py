"""What identifies a person is replaced in shown texts, also across the words that explanations shade."""

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from mhclf.data.shown import identifier_edits, mask_pieces, mask_shown
from mhclf.data.spans import words

SHOWN = [
    ("write to jo.smith@mail.org or @jo_smith", "write to [email] or @user"),
    ("u/someone_1 posted https://a.example.com/x?u=me@b.org today", "u/user posted [url] today"),
    ("see www.example.com and call 555-234-5678 now", "see [url] and call [phone] now"),
    ("ring (555) 234-5678.", "ring [phone]."),
    ("+49 171 1234567 is mine", "[phone] is mine"),
    ("I slept 2-3 hours since 2019-12-01", "I slept 2-3 hours since 2019-12-01"),
    ("already [email], u/user, @user, [url], [phone]", "already [email], u/user, @user, [url], [phone]"),
    ("我的电话13812345678谢谢", "我的电话[phone]谢谢"),
]


def test_shown_texts():
    assert [mask_shown(text) for text, _ in SHOWN] == [masked for _, masked in SHOWN]


def test_a_number_of_several_words_is_shown_once():
    text = "call 555-234-5678 now"
    spans = words(text)
    shown = mask_pieces(text, spans)
    assert len(shown) == len(spans)
    assert [piece for piece in shown if piece] == ["call", "[phone]", "now"]


PARTS = st.sampled_from([text for text, _ in SHOWN] + ["a", " ", "@", ".", "u/", "http://", "555", "-", "\n", "+1"])


@given(st.lists(PARTS, max_size=8).map("".join) | st.text(max_size=60))
def test_pieces_make_up_the_masked_text_and_no_address_is_left(text):
    masked = mask_shown(text)
    cuts = sorted({0, len(text), *(end for _, end in words(text))})
    pieces = mask_pieces(text, list(itertools.pairwise(cuts)))
    assert "".join(pieces) == masked
    edits = [edit for edit, _ in identifier_edits(text)]
    assert all(one.end <= other.start for one, other in itertools.pairwise(edits))
    assert not re.search(r"https?://\S|jo\.smith@mail|555-234-5678", masked)
