"""Grounding: whether an explanation speaks of what stands in the post, and quotes what was written."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mhclf.errors import DataError
from mhclf.evaluation.content_words import content_words
from mhclf.evaluation.text_tokens import Token, tokenize, words_of
from mhclf.evaluation.validation import FloatArray

_MARKS = (("\u201c", "\u201d"), ("\u201e", "\u201c"), ("\u00ab", "\u00bb"), ("\u300c", "\u300d"), ("\u300e", "\u300f"),
          ("``", "''"))  # fmt: skip
_PAIRED = "|".join(rf"{re.escape(a)}(?P<p{n}>[^{re.escape(a + b)}]+?){re.escape(b)}" for n, (a, b) in enumerate(_MARKS))
# Straight marks open and close by where they stand; a single one inside or behind a word is an apostrophe.
_DOUBLE = r'(?<![A-Za-z0-9])"(?P<d>(?=\S)[^"]*[^"\s])"(?![A-Za-z0-9])'
_SINGLE = r"(?<![\w'\u2019])(?:'(?P<s0>(?=\S)(?:[^'\"]|(?<=\w)'(?=\w))+?)'|\u2018(?P<s1>[^\u2018]+?)\u2019)(?!\w)"
_QUOTE = re.compile(f"{_DOUBLE}|{_PAIRED}|{_SINGLE}", re.DOTALL)
_GAP = re.compile(r"\[?(?:\.{3,}|\u2026+|\.\s\.\s\.)\]?")


@dataclass(frozen=True)
class Quote:
    """The text between two quotation marks, and where it stands in the explanation (characters, without marks)."""

    text: str
    start: int
    end: int

    @property
    def pieces(self) -> tuple[tuple[str, ...], ...]:
        """The words of the quote, parted where dots stand for what was left out."""
        found = (tuple(words_of(piece)) for piece in _GAP.split(self.text))
        return tuple(words for words in found if words)


def quotes(text: str) -> list[Quote]:
    """Return what stands in quotation marks and holds a word, in order.

    Notes
    -----
    Straight and curly double marks, single ones, guillemets, low-high marks, Chinese corner brackets and TeX's. An
    apostrophe inside a word opens and closes nothing. Marks within marks: the outer ones count. A mark without its
    fellow is no quote.
    """
    found = []
    for match in _QUOTE.finditer(text):
        start, end = next(match.span(name) for name in match.groupdict() if match[name] is not None)
        if words_of(text[start:end]):
            found.append(Quote(text[start:end], start, end))
    return found


def find_words(wanted: Sequence[str], tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """Return where a run of words stands among the tokens of a post, as (first token, last token + 1), in order."""
    size, words = len(wanted), [token.text for token in tokens]
    target = list(wanted)
    if size == 0:
        return []
    return [(at, at + size) for at in range(len(words) - size + 1) if words[at : at + size] == target]


def is_found(quote: Quote, post: Sequence[Token]) -> bool:
    """Return whether each piece of a quote stands in the post, as whole words in the same order.

    Case, white space, punctuation and the form of apostrophes do not matter; spelling does.
    """
    return all(find_words(piece, post) for piece in quote.pieces)


def grounded_share(explanations: Sequence[str], posts: Sequence[str]) -> FloatArray:
    """Return the share of the content words of each explanation that occur in its post, (n,) in [0, 1].

    Words are those of `content_words`: without the words of grammar, in a light common form; a word counts as often as
    the explanation has it. NaN (0/0) for an explanation without content words; 0 where the post has none.

    Raises
    ------
    DataError
        If the lengths differ or nothing is given.

    Notes
    -----
    A paraphrase counts as not grounded, and a copy of any part of the post as grounded: a low value asks for a
    look, a high one is no proof.
    """
    values = []
    for explanation, post in _pairs(explanations, posts):
        ours, theirs = content_words(explanation), set(content_words(post))
        values.append(sum(word in theirs for word in ours) / len(ours) if ours else float("nan"))
    return np.array(values)


@dataclass(frozen=True)
class QuoteCounts:
    """Quotes of each explanation, and those that do not occur in its post; arrays (n,)."""

    quoted: FloatArray
    invented: FloatArray

    @property
    def invented_share(self) -> FloatArray:
        """Share of quotes that do not occur in the post, (n,) in [0, 1]; NaN (0/0) for a text without quotes."""
        empty = np.full(len(self.quoted), np.nan)
        return np.asarray(np.divide(self.invented, self.quoted, out=empty, where=self.quoted > 0))


def quote_counts(explanations: Sequence[str], posts: Sequence[str]) -> QuoteCounts:
    """Count the quotes of each explanation, and those that do not occur in its post by `is_found`.

    Raises
    ------
    DataError
        If the lengths differ or nothing is given.

    Notes
    -----
    Marks round single terms ("depression" as a notion) count as quotes too, so that the share of invented quotes is an
    upper bound.
    """
    quoted, invented = [], []
    for explanation, post in _pairs(explanations, posts):
        found, tokens = quotes(explanation), tokenize(post)
        quoted.append(len(found))
        invented.append(sum(not is_found(quote, tokens) for quote in found))
    return QuoteCounts(np.array(quoted, dtype=np.float64), np.array(invented, dtype=np.float64))


def _pairs(explanations: Sequence[str], posts: Sequence[str]) -> "zip[tuple[str, str]]":
    if len(explanations) != len(posts):
        raise DataError(f"explanations has {len(explanations)} texts, posts {len(posts)}; give the post of each")
    if len(explanations) == 0:
        raise DataError("explanations is empty: there is nothing to score")
    return zip(explanations, posts, strict=True)
