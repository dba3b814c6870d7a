"""Words of English and Chinese texts for the measures of generated text, with their places."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mhclf.cjk import CJK

_TOKEN = re.compile(rf"[{CJK}]|[^\W_{CJK}]+")
_COUNTED = re.compile(rf"[{CJK}]|[^\W_{CJK}]+(?:['’][^\W_{CJK}]+)*")
_CJK_SIGN = re.compile(f"[{CJK}]")


@dataclass(frozen=True)
class Token:
    """A word in lower case and where it stands: characters from `start` (included) to `end` (excluded)."""

    text: str
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """Return the words of a text in order: runs of letters and digits; a Chinese, Japanese or Korean sign alone.

    Notes
    -----
    Signs part words and are left out, so `don't` is two words: for English these are the words of Google's
    `rouge_score`, without stemming. Lower case is taken word by word, so that places are those of the given text.
    """
    return [Token(match.group().lower(), *match.span()) for match in _TOKEN.finditer(text)]


def words_of(text: str) -> list[str]:
    """Return the words of `tokenize` alone."""
    return [match.group().lower() for match in _TOKEN.finditer(text)]


def count_words(text: str) -> int:
    """Return the length of a text in words: `don't` is one here, each CJK sign one."""
    return sum(1 for _ in _COUNTED.finditer(text))


def has_cjk(text: str) -> bool:
    """Return whether a Chinese, Japanese or Korean sign stands in the text."""
    return _CJK_SIGN.search(text) is not None


def ngrams(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    """Yield the runs of `n` neighbouring words; none where the text is shorter."""
    return zip(*(words[start:] for start in range(n)), strict=False)
