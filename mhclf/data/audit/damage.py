"""What is still broken or still identifying in the texts after repair and masking. Counts only; no text is shown."""

import re
from collections.abc import Iterable, Sequence

from ftfy.badness import is_bad

from mhclf.cjk import CJK
from mhclf.data.repair import mask_identifiers

# Signs that no writer types: the replacement character, C1 control characters, halves of a character pair.
_BROKEN_SIGN = re.compile("[\ufffd\x80-\x9f\ud800-\udfff]")

# A lost apostrophe: "don____t". Three or more inside a word; two, as in "snake__case", are meant. Question marks are
# lost quotes only before the end of a contraction ("don???t"): "really???no" is a way of writing.
_LOST_SIGN = re.compile(r"(?<=[^\W_])(?:_{3,}(?=[^\W_])|\?{2,}(?=(?:t|s|m|d|re|ve|ll)(?![^\W_])))", re.IGNORECASE)

# What ftfy lets pass. UTF-8 read as Mac Roman where the text as a whole did not decode; Windows signs read as Mac
# Roman and the reverse ("donÕt", "donÛªt"); the first third of an apostrophe whose rest was dropped ("itâs").
_TRACE = re.compile(
    "‚Ä|Ôø|√[©®≠†Ø±∂º§¢Æ]|¬[†∞¥®©]|[a-zI]Õ[a-z]|Û[ª÷òÏÒ]|å[ÊÕ]|\\bIâm\\b|\\b[Ii]tâs\\b|nât\\b|[a-zI]â(?:ve|ll)\\b"
)

_NOT_AFTER = r"(?<![A-Za-z0-9@_./$€£¥:+#=&-])"
_DOMAINS = "com|org|net|edu|gov|info|io|co|me|ly|be|gl|tv|gg|uk|us|ca|au|de|fr|nl|eu|cn|jp|in|ru|br"
WEB = re.compile(
    rf"https?://[^\s/]|(?<![A-Za-z0-9])www\.[A-Za-z0-9-]+\.[A-Za-z]|"
    rf"(?<![A-Za-z0-9@.-])(?:[A-Za-z0-9-]{{1,63}}\.){{1,4}}(?:{_DOMAINS})/[A-Za-z0-9]",
    re.IGNORECASE,
)

# Number plans leave out first digits, which spares prices, years, dates and times. Digits stand in one of:
#   +49 171 1234567, 0044 20 7946 0958   international: 9 to 15 digits
#   (555) 234-5678, 1-555-234-5678       North America: area and exchange start with 2 to 9
#   07700 900123, 020 7946 0958          with a leading 0, in two or three blocks
#   13812345678                          Chinese mobile
PHONE = re.compile(
    rf"(?:{_NOT_AFTER}|(?<=[{CJK}]))(?:"
    r"(?:\+|00(?=[1-9]))(?=(?:[ ()./-]{0,2}\d){9,15}(?!\d))\d{1,3}(?:[ ()./-]{0,2}\d){6,14}"
    r"|(?:1[ .-]?)?(?:\([2-9]\d\d\)[ -]?|[2-9]\d\d(?P<sign>[ .-]?))[2-9]\d\d(?:(?(sign)(?P=sign)|[ .-]?))\d{4}"
    r"|0\d{2,4}[ /-]\d{5,8}"
    r"|0\d{2,4}[ /-]\d{3,4}[ -]\d{3,4}"
    r"|1[3-9]\d[ -]?\d{4}[ -]?\d{4}"
    r")(?![A-Za-z0-9%]|[.,:/-]\d)"
)

_MASK_KINDS = {"[email]": "e-mail address", "u/user": "user name", "@user": "handle"}


def encoding_damage(texts: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of the rows that look broken.

    Notes
    -----
    A row counts that holds the replacement character, a C1 control character (U+0080 to U+009F), half of a surrogate
    pair, a sequence that ftfy takes for text in the wrong encoding, one of those that it lets pass, or a word with
    three underscores inside or with question marks before the end of a contraction (`don____t`, `don???t`).
    """
    return tuple(
        row
        for row, text in enumerate(texts)
        if _LOST_SIGN.search(text)
        or (not text.isascii() and (_BROKEN_SIGN.search(text) or _TRACE.search(text) or is_bad(text)))
    )


def possible_identifiers(texts: Sequence[str]) -> dict[str, int]:
    """Return the number of texts with each kind of thing that may tell who wrote it or of whom.

    Returns
    -------
    dict of str to int
        Keys `e-mail address`, `user name` (`u/...`), `handle` (`@...`), `web address`, `phone number`, in this order;
        0 where there is none. What masking put in (`[email]`, `u/user`, `@user`) does not count.

    Notes
    -----
    The first three are what `mask_identifiers` would mask. A web address starts with `http://`, `https://` or `www.`,
    or has a path after a known ending (`example.org/page`). Phone numbers are international ones, North American ones,
    ones with a leading 0, and Chinese mobile ones; a public help line counts too. Possible ones: rules like these
    miss names, places and numbers without a plan, so that 0 is no proof of absence.
    """
    return count_kinds(map(identifier_kinds, texts))


def count_kinds(found: Iterable[set[str]]) -> dict[str, int]:
    """Return the number of texts with each kind, 0 where there is none."""
    counts = dict.fromkeys([*_MASK_KINDS.values(), "web address", "phone number"], 0)
    for kinds in found:
        for kind in kinds:
            counts[kind] += 1
    return counts


def identifier_kinds(text: str) -> set[str]:
    """Return the kinds of identifiers that may stand in one text; see `possible_identifiers`."""
    masked, edits = mask_identifiers(text)
    shift = 0
    kinds = set()
    for edit in edits:
        kinds.add(_MASK_KINDS[masked[edit.start + shift : edit.start + shift + edit.length]])
        shift += edit.length - (edit.end - edit.start)
    if WEB.search(text):
        kinds.add("web address")
    if PHONE.search(text):
        kinds.add("phone number")
    return kinds
