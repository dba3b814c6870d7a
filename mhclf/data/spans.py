"""Character spans: merging, moving them through edits, words with offsets, alignment to tokens."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mhclf.cjk import CJK

Span = tuple[int, int]
"""Start (included) and end (excluded) in characters."""

# A word is a run of letters, digits and inner apostrophes; Chinese, Japanese and Korean characters stand alone,
# as does every other sign that is not white space.
_LETTERS = re.compile(r"[^\W_]+")
_ASCII_SIGNS = bytes(code for code in range(128) if not chr(code).isalnum())
_WORD = re.compile(rf"[{CJK}]|(?:(?![{CJK}])\w)+(?:['’](?:(?![{CJK}])\w)+)*|[^\w\s]")
_COUNTED = re.compile(rf"[{CJK}]|[^\W_{CJK}]+(?:['\u2019][^\W_{CJK}]+)*")


@dataclass(frozen=True)
class Edit:
    """A replacement of the characters `start:end` of a text by `length` new ones."""

    start: int
    end: int
    length: int


def letters_and_digits(text: str) -> str:
    """Return the letters and digits of a text in lower case: what stays the same when signs are repaired or lost."""
    lowered = text.lower()
    if lowered.isascii():
        return lowered.encode().translate(None, _ASCII_SIGNS).decode()
    return "".join(_LETTERS.findall(lowered))


def text_key(text: str) -> str:
    """Return a hash of all letters and digits in lower case: equal for posts that differ in signs only."""
    return hashlib.sha256((letters_and_digits(text) or text).encode("utf-8", "surrogatepass")).hexdigest()


def words(text: str) -> list[Span]:
    """Return the spans of the words and signs of `text`, in order, not overlapping.

    Every character that is not white space lies in exactly one of them.
    """
    return [match.span() for match in _WORD.finditer(text)]


def count_words(text: str) -> int:
    """Return the number of words: runs of letters and digits, `don't` one; each CJK character counts as one."""
    return sum(1 for _ in _COUNTED.finditer(text))


def merge_spans(spans: Iterable[Span]) -> list[Span]:
    """Return sorted spans with overlapping or touching ones joined and empty ones dropped."""
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def move_position(position: int, edits: Sequence[Edit], *, is_end: bool) -> int:
    """Return where a character position of the old text lies in the new one.

    A position inside a replaced stretch goes to its start, or to its end where `is_end` is true, so that a span that
    touches a masked identifier keeps the whole mask.
    """
    shift = 0
    for edit in edits:
        if position >= edit.end:
            shift += edit.length - (edit.end - edit.start)
        elif position > edit.start:
            return edit.start + shift + (edit.length if is_end else 0)
        else:
            break
    return position + shift


def move_spans(spans: Iterable[Span], edits: Sequence[Edit]) -> list[Span]:
    """Return `spans` of the old text as spans of the edited one (edits sorted, not overlapping)."""
    return [(move_position(start, edits, is_end=False), move_position(end, edits, is_end=True)) for start, end in spans]


def overlap(first: Span, second: Span) -> int:
    """Return the number of characters that two spans share."""
    return max(0, min(first[1], second[1]) - max(first[0], second[0]))


def marked_words(words: Sequence[Span], spans: Sequence[Span]) -> npt.NDArray[np.bool_]:
    """Return which words overlap a marked span by at least half of their characters, shape (words,)."""
    found = np.zeros(len(words), dtype=np.bool_)
    for number, word in enumerate(words):
        shared = sum(overlap(word, span) for span in spans)
        found[number] = 2 * shared >= word[1] - word[0]
    return found


@dataclass(frozen=True)
class Alignment:
    """Which tokens cover which words; an entry for each pair of a token and a word that share characters.

    Attributes
    ----------
    tokens, words : array of int, shape (pairs,)
        Indices; special tokens and white space are in no pair.
    shares : array of float, shape (pairs,)
        The word's part of the token, by shared characters; a token's shares sum to 1.
    """

    tokens: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]


def align(tokens: Sequence[Span], text_words: Sequence[Span]) -> Alignment:
    """Find the words that each token covers.

    Parameters
    ----------
    tokens : sequence of (start, end)
        Character offsets from the tokenizer, in order; (0, 0) for special tokens.
    text_words : sequence of (start, end)
        Words in order, not overlapping.

    Notes
    -----
    By characters, not by tokenizer marks, so that WordPiece, byte-level and Unigram tokenizers are treated alike. A
    token may cover several words: `...` in byte-level vocabularies, a Chinese word of several characters.
    """
    pairs: list[tuple[int, int, float]] = []
    first = 0
    for number, (start, end) in enumerate(tokens):
        while first < len(text_words) and text_words[first][1] <= start:
            first += 1
        shared: list[tuple[int, int]] = []
        for index in range(first, len(text_words)):
            if text_words[index][0] >= end:
                break
            if count := overlap((start, end), text_words[index]):
                shared.append((index, count))
        total = sum(count for _, count in shared)
        pairs += [(number, index, count / total) for index, count in shared]
    columns = list(zip(*pairs, strict=True)) or [(), (), ()]
    return Alignment(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.float64),
    )
