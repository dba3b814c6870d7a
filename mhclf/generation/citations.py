"""What an explanation cites of its post, as character spans of the post."""

from collections.abc import Sequence

from mhclf.data.spans import Span, merge_spans
from mhclf.evaluation.grounding import find_words, quotes
from mhclf.evaluation.text_tokens import Token, tokenize

LEAST = 3
"""Words of the post in a row that count as a citation without quotation marks."""
LEAST_SIGNS = 6
"""The same in Chinese, where each sign is a word here: three words of two signs."""


def cited_spans(explanation: str, post: str, least: int = LEAST) -> list[Span]:
    """Return the stretches of a post that an explanation cites: sorted, not overlapping, in characters.

    Parameters
    ----------
    explanation, post : str
    least : int
        Words in a row that both have, from which on they count without quotation marks; at least 1.

    Notes
    -----
    Two kinds: what stands in quotation marks, wherever the post has the same words (a quote of which any piece is
    missing cites nothing, see `mhclf.evaluation.grounding.is_found`); and the longest runs of at least `least` words in
    a row that both texts have, each wherever the post has it. Case, signs and white space do not matter. In Chinese a
    word is a character: take a larger `least` there, such as `LEAST_SIGNS`.
    """
    tokens = tokenize(post)
    found: list[Span] = []
    for quote in quotes(explanation):
        places = [find_words(piece, tokens) for piece in quote.pieces]
        if all(places):
            found += [_characters(tokens, place) for pieces in places for place in pieces]
    found += [_characters(tokens, run) for run in _common_runs(tokenize(explanation), tokens, max(1, least))]
    return merge_spans(found)


def _characters(tokens: Sequence[Token], run: tuple[int, int]) -> Span:
    return tokens[run[0]].start, tokens[run[1] - 1].end


def _common_runs(ours: Sequence[Token], theirs: Sequence[Token], least: int) -> list[tuple[int, int]]:
    """Return the runs of the post's tokens that also stand in the explanation and cannot be made longer."""
    found = []
    lengths = [0] * (len(theirs) + 1)
    for i, token in enumerate(ours):
        # lengths[j + 1]: words before and with ours[i] that equal those before and with theirs[j].
        lengths = [0, *(lengths[j] + 1 if token.text == other.text else 0 for j, other in enumerate(theirs))]
        following = ours[i + 1].text if i + 1 < len(ours) else None
        for j, length in enumerate(lengths[1:]):
            goes_on = j + 1 < len(theirs) and theirs[j + 1].text == following
            if length >= least and not goes_on:
                found.append((j + 1 - length, j + 1))
    return found
