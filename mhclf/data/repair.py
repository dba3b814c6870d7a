"""Repairs broken encoding, masks identifiers, and finds rationales in the repaired text."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import ftfy

from mhclf.cjk import CJK
from mhclf.data.spans import Edit, Span, merge_spans, move_spans

_REPAIR = ftfy.TextFixerConfig(
    # Encoding only: quotes, ligatures and line breaks are the writer's.
    unescape_html=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    remove_terminal_escapes=False,
    normalization=None,
    explain=False,
)

# An e-mail address; a Reddit user; a handle. What is masked already ("[email]", "u/user", "@user") does not change.
# Chinese, Japanese and Korean are written without spaces: there an identifier may touch the words around it.
# Each pattern takes in what would look like another identifier once the mask stands beside it ("a@b.org@c"), and the
# look-behinds keep the time linear in the length of the text.
_LETTER = rf"[^\W{CJK}]"
_LOCAL = rf"[^\W{CJK}]|[.+-]"
_IDENTIFIER = re.compile(
    rf"(?P<email>(?<!{_LETTER})(?<![.+-])(?:{_LOCAL})+@(?:{_LETTER}|-)+(?:\.(?:{_LETTER}|-)+)+"
    rf"(?:(?:{_LOCAL})*@(?:{_LOCAL}|@)*)?)"
    r"|(?P<user>(?<![A-Za-z0-9_])u/[A-Za-z0-9_-]{3,})"
    rf"|(?P<handle>(?<!{_LETTER})@(?:{_LETTER}{{2,}}|\w{{2,30}}{_LETTER}*(?:\.(?:{_LETTER}|-)+)*))"
)
_MASKS = {"email": "[email]", "user": "u/user", "handle": "@user"}


@dataclass(frozen=True)
class Rationale:
    """Where expert evidence lies in the text.

    Attributes
    ----------
    spans : tuple of (start, end)
        Merged, sorted character spans.
    parts, located : int
        Pieces given, and pieces found.
    by_label : tuple of (label name, spans)
        The same evidence by label, where each label has its own.
    """

    spans: tuple[Span, ...] = ()
    parts: int = 0
    located: int = 0
    by_label: tuple[tuple[str, tuple[Span, ...]], ...] = ()


def repair_encoding(text: str) -> str:
    """Return `text` with mojibake undone, also where it was broken more than once (ftfy)."""
    previous = None
    while text != previous:
        previous, text = text, _undo_mac_roman(ftfy.fix_encoding(text, _REPAIR))
    return text


# What UTF-8 read as Mac Roman leaves and hardly any writer does: a sequence of three or four signs, two sequences on
# end, or one that starts with the sign for C2 or C3. "l’école" and "…à" hold a single sequence of two and are clean.
_LONG = rb"[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
_TRACE = re.compile(_LONG + rb"|[\xc2\xc3][\x80-\xbf]|(?:[\xc4-\xdf][\x80-\xbf]){2}")


def _undo_mac_roman(text: str) -> str:
    """Undo one layer of UTF-8 read as Mac Roman, where the whole text shows it (the known fault of these sets)."""
    if text.isascii():
        return text
    try:
        encoded = text.encode("mac_roman")
        return encoded.decode("utf-8") if _TRACE.search(encoded) else text
    except UnicodeError:
        return text


def mask_identifiers(text: str) -> tuple[str, list[Edit]]:
    """Replace e-mail addresses, Reddit user names and handles by `[email]`, `u/user`, `@user`.

    Returns
    -------
    text : str
        The masked text; masking it again changes nothing.
    edits : list of Edit
        What was replaced, in characters of the given text, so that spans can move with it.
    """
    pieces: list[str] = []
    edits: list[Edit] = []
    position = 0
    for match in _IDENTIFIER.finditer(text):
        mask = _MASKS[str(match.lastgroup)]
        if match.group() == mask:
            continue
        pieces += [text[position : match.start()], mask]
        edits.append(Edit(match.start(), match.end(), len(mask)))
        position = match.end()
    return "".join([*pieces, text[position:]]), edits


def clean_post(text: str, repair: bool, mask: bool) -> str:
    """Return a post as a run with these settings reads it."""
    text = repair_encoding(text) if repair else text
    return mask_identifiers(text)[0] if mask else text


def locate_phrases(text: str, phrases: Sequence[str], separators: str = "") -> Rationale:
    """Find evidence phrases in a text, ignoring case and the amount of white space.

    Parameters
    ----------
    text : str
        The repaired text.
    phrases : sequence of str
        Repaired phrases. One that does not occur as a whole is tried in parts, cut at `separators`.

    Returns
    -------
    Rationale
        A phrase is found at its first place that no earlier phrase holds, one with the same capitals before others;
        where earlier phrases hold all its places, at the first.
    """
    haystack, positions = _fold(text)
    found: list[Span] = []
    parts = located = 0
    for phrase in phrases:
        pieces = [phrase]
        if separators and _find(text, haystack, positions, phrase, []) is None:
            pieces = re.split(f"[{re.escape(separators)}]", phrase)
        pieces = [piece for piece in pieces if any(character.isalnum() for character in piece)]
        for piece in pieces:
            parts += 1
            span = _find(text, haystack, positions, piece, found)
            if span is not None:
                located += 1
                found.append(span)
    return Rationale(tuple(merge_spans(found)), parts, located)


def locate_span(original: str, repaired: str, span: Span) -> Rationale:
    """Move one character span of the original text into the repaired one."""
    if original == repaired:
        return Rationale((span,), 1, 1)
    piece = repair_encoding(original[span[0] : span[1]])
    guess = len(repair_encoding(original[: span[0]]))
    # A look-ahead finds places that overlap.
    places = [match.start() for match in re.finditer(f"(?={re.escape(piece)})", repaired)]
    if not piece or not places:
        # The span cuts a broken sign in two: go by what stands before and after it.
        moved = move_spans([span], _repairs(original, repaired))[0]
        return Rationale((moved,), 1, 1) if moved[0] < moved[1] else Rationale((), 1, 0)
    start = min(places, key=lambda place: abs(place - guess))
    return Rationale(((start, start + len(piece)),), 1, 1)


def _repairs(original: str, repaired: str) -> list[Edit]:
    """Return what repair replaced, as edits of the original."""
    matcher = difflib.SequenceMatcher(None, original, repaired, autojunk=False)
    return [Edit(start, end, b - a) for tag, start, end, a, b in matcher.get_opcodes() if tag != "equal"]


def mask_with_spans(text: str, rationale: Rationale) -> tuple[str, Rationale]:
    """Mask identifiers and move the rationale's spans with the text."""
    masked, edits = mask_identifiers(text)

    def moved(spans: tuple[Span, ...]) -> tuple[Span, ...]:
        return tuple(merge_spans(move_spans(spans, edits)))

    by_label = tuple((label, moved(spans)) for label, spans in rationale.by_label)
    return masked, replace(rationale, spans=moved(rationale.spans), by_label=by_label)


def _fold(text: str) -> tuple[str, list[int]]:
    """Return lower-cased text with white space collapsed, and the original position of each of its characters."""
    folded: list[str] = []
    positions: list[int] = []
    for index, character in enumerate(text):
        if character.isspace():
            if folded and folded[-1] != " ":
                folded.append(" ")
                positions.append(index)
            continue
        for lowered in character.lower():
            folded.append(lowered)
            positions.append(index)
    return "".join(folded), positions


def _find(text: str, haystack: str, positions: list[int], phrase: str, taken: Sequence[Span]) -> Span | None:
    needle = _fold(phrase)[0].strip()
    # A few annotators end a span with a full stop or quote that the post does not have.
    for candidate in (needle, needle.strip(" .,;:!?\"'“”‘’")):
        places = []
        start = haystack.find(candidate) if candidate else -1
        while start >= 0:
            places.append((positions[start], positions[start + len(candidate) - 1] + 1))
            start = haystack.find(candidate, start + 1)
        free = [span for span in places if not any(span[0] < end and begin < span[1] for begin, end in taken)]
        verbatim = [span for span in free if text[span[0] : span[1]] in phrase]
        if places:
            return (verbatim or free or places)[0]
    return None
