"""Attention overlap and attention rank, sound and as WellDunn publishes them; see `explain.welldunn`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from explain.structure import RELATIVE_TOLERANCE, numerical_rank, published_rank
from explain.welldunn import Defects
from mhclf.data.spans import Span, overlap
from mhclf.data.spans import words as split_words
from mhclf.evaluation.averages import Floats

LENGTH = 64
"""Tokens to which the published code cuts and pads."""

TOP = 4
"""Tokens that the published overlap looks at."""


@dataclass(frozen=True)
class TokenScores:
    """One post as the overlap sees it.

    Attributes
    ----------
    text : str
        The post.
    tokens : tuple of str
        The tokenizer's own strings, special tokens and padding included.
    spans : tuple of (start, end)
        Characters of each token in the post; (0, 0) for special tokens and padding.
    scores : array (tokens,)
        Attention that each token receives.
    """

    text: str
    tokens: tuple[str, ...]
    spans: tuple[Span, ...]
    scores: Floats


@dataclass(frozen=True)
class PostOverlap:
    """Share of the expert's words that are among the highest, and whether that is more than half."""

    share: float
    hit: bool


def attention_received(weights: ArrayLike, real: ArrayLike, defects: Defects) -> Floats:
    """Return the attention that each token receives: summed over queries, at sum 1.

    Parameters
    ----------
    weights : array (heads, tokens, tokens)
        Of the last layer; rows attend to columns.
    real : array of bool (tokens,)
        False for padding.
    defects : Defects
        With `one_head` head 0, else the mean of heads; with `padding` rows of padding count.
    """
    given = np.asarray(weights, dtype=np.float64)
    chosen = given[0] if defects.one_head else given.mean(axis=0)
    rows = np.ones(len(chosen), dtype=bool) if defects.padding else np.asarray(real, dtype=bool)
    received = chosen[rows].sum(axis=0)
    return np.asarray(received / received.sum())


def overlap_of_post(
    post: TokenScores, rationale: Sequence[Span], phrase: str, defects: Defects, top: int = TOP
) -> PostOverlap | None:
    """Compare the most attended words with the expert's.

    Parameters
    ----------
    post : TokenScores
        Without padding tokens unless `defects.padding`.
    rationale : sequence of (start, end)
        What the expert marked, in characters of the post.
    phrase : str
        What the expert wrote, for `word_pieces`.
    defects : Defects
    top : int
        For `fixed_top`.

    Returns
    -------
    PostOverlap or None
        None where the expert marked no word. Signs (words without a letter or digit) never count in the sound form.
    """
    positions: list[int] = []
    words = split_words(post.text)
    if defects.word_pieces:
        wanted: list[str] = phrase.split()
    else:
        positions = [
            number
            for number, span in enumerate(words)
            if _has_letters(post.text, span) and any(overlap(span, mark) for mark in rationale)
        ]
        wanted = [post.text[slice(*words[number])] for number in positions]
    if not wanted:
        return None
    units = _units(post, words, defects)
    if defects.string_keys:
        by_name: dict[str, tuple[float, int]] = {}
        for name, score, place in units:
            # The first place in the order, the last score: a dictionary that is written again.
            by_name[name] = (score, by_name.get(name, (0.0, place))[1])
        units = [(name, score, place) for name, (score, place) in by_name.items()]
    count = top if defects.fixed_top else len(wanted)
    highest = sorted(units, key=lambda unit: -unit[1])[:count]
    if defects.word_pieces or defects.string_keys:
        names = {name for name, _, _ in highest}
        found = sum(name in names for name in wanted)
    else:
        places = {place for _, _, place in highest}
        found = sum(place in places for place in positions)
    share = found / len(wanted)
    return PostOverlap(share, share > 0.5)


def _units(post: TokenScores, words: Sequence[Span], defects: Defects) -> list[tuple[str, float, int]]:
    """Return what competes for the top: name, score, place (of the word, or of the token)."""
    inside = [span[1] > span[0] for span in post.spans]
    specials = [
        (token, float(score), -1 - number)
        for number, (token, score, own) in enumerate(zip(post.tokens, post.scores, inside, strict=True))
        if not own and token not in ("[CLS]", "[SEP]")
    ]
    if defects.word_pieces:
        pieces = [
            (token, float(score), number)
            for number, (token, score, own) in enumerate(zip(post.tokens, post.scores, inside, strict=True))
            if own or (defects.kept_specials and token not in ("[CLS]", "[SEP]"))
        ]
        return pieces
    found = []
    for number, word in enumerate(words):
        if not _has_letters(post.text, word):
            continue
        shares = [float(score) for span, score in zip(post.spans, post.scores, strict=True) if overlap(span, word)]
        if shares:
            found.append((post.text[slice(*word)], sum(shares), number))
    return found + (specials if defects.kept_specials else [])


def _has_letters(text: str, span: Span) -> bool:
    return any(sign.isalnum() for sign in text[slice(*span)])


@dataclass(frozen=True)
class AttentionOverlap:
    """The overlap over posts.

    Attributes
    ----------
    hits, shares : array (posts,)
        More than half of the expert's words found (0/1), and the share that is; NaN where the expert marked none.
    """

    hits: Floats
    shares: Floats

    @property
    def score(self) -> float:
        """The published number: share of posts with more than half."""
        return float(np.nanmean(self.hits)) if self.n else float("nan")

    @property
    def n(self) -> int:
        """Posts with an expert's word."""
        return int((~np.isnan(self.hits)).sum())


def attention_overlap(found: Sequence[PostOverlap | None]) -> AttentionOverlap:
    """Gather the overlaps of posts."""
    return AttentionOverlap(
        np.array([np.nan if item is None else float(item.hit) for item in found]),
        np.array([np.nan if item is None else item.share for item in found]),
    )


def attention_rank(
    attentions: Sequence[ArrayLike], defects: Defects, tolerance: float = RELATIVE_TOLERANCE
) -> tuple[float, Floats]:
    """Return the rank that is reported for one head, and the rank of each post's attention.

    Parameters
    ----------
    attentions : sequence of arrays (tokens, tokens)
        All of one size with `defects.padding`. The layer and the head are chosen before.
    defects : Defects
        With `value_table` the rank of the table of singular values (shorter posts filled with 0).
    tolerance : float
        Of the posts' own ranks, relative to their largest singular value.
    """
    ranks = np.array(
        [numerical_rank(np.linalg.svd(np.asarray(item), compute_uv=False), tolerance) for item in attentions]
    )
    if not defects.value_table:
        return float(ranks.mean()), ranks.astype(np.float64)
    size = max(np.shape(item)[-1] for item in attentions)
    if all(np.shape(item)[-1] == size for item in attentions):
        return float(published_rank(np.stack([np.asarray(item) for item in attentions]))), ranks.astype(np.float64)
    table = np.zeros((len(attentions), size), dtype=np.float32)
    for row, item in enumerate(attentions):
        values = np.linalg.svd(np.asarray(item), compute_uv=False)
        table[row, : len(values)] = values
    return float(np.linalg.matrix_rank(table)), ranks.astype(np.float64)
