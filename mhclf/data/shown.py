"""Texts as a page may show them: what identifies a person replaced, whatever the model has read."""

import re

from mhclf.data.audit.damage import PHONE, WEB
from mhclf.data.repair import mask_identifiers
from mhclf.data.spans import Edit

_ADDRESS = re.compile(rf"(?:{WEB.pattern})[^\s<>\"]*", re.IGNORECASE)


def identifier_edits(text: str) -> list[tuple[Edit, str]]:
    """Return what identifies a person in a text: where it stands, and what to show in its place.

    Returns
    -------
    list of (Edit, str)
        In order, without overlap: web addresses (`[url]`), e-mail addresses, user names and handles (as
        `mask_identifiers` has them), phone numbers (`[phone]`). Where two overlap, the first of this list stands.
    """
    found = [(Edit(match.start(), match.end(), len("[url]")), "[url]") for match in _ADDRESS.finditer(text)]
    masked, edits = mask_identifiers(text)
    shift = 0
    for edit in edits:
        start = edit.start + shift
        found.append((edit, masked[start : start + edit.length]))
        shift += edit.length - (edit.end - edit.start)
    found += [(Edit(match.start(), match.end(), len("[phone]")), "[phone]") for match in PHONE.finditer(text)]
    kept: list[tuple[Edit, str]] = []
    for edit, mask in found:
        if all(edit.end <= other.start or other.end <= edit.start for other, _ in kept):
            kept.append((edit, mask))
    return sorted(kept, key=lambda item: item[0].start)


def mask_shown(text: str) -> str:
    """Return a text without e-mail and web addresses, user names and phone numbers."""
    return "".join(mask_pieces(text, [(0, len(text))]))


def mask_pieces(text: str, pieces: list[tuple[int, int]]) -> list[str]:
    """Return stretches of a text as they may be shown.

    Parameters
    ----------
    text : str
    pieces : list of (start, end)
        Characters. What identifies a person may lie across several: the piece with its start shows the mask, the
        others leave their share out.
    """
    edits = identifier_edits(text)
    shown = []
    for start, end in pieces:
        parts, at = [], start
        for edit, mask in edits:
            if edit.end <= start or edit.start >= end:
                continue
            parts += [text[at : max(edit.start, at)], mask if start <= edit.start else ""]
            at = min(edit.end, end)
        shown.append("".join([*parts, text[at:end]]))
    return shown
