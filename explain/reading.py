"""Posts as a run reads them, with the word that each token belongs to."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mhclf.data.spans import Alignment, Span, align
from mhclf.data.spans import words as split_words
from mhclf.data.tokens import encode_posts
from mhclf.errors import ConfigError
from mhclf.training.saved import Run


@dataclass(frozen=True)
class TokenRow:
    """Tokens of one row that is to be read: numbers and, where the family has them, segments."""

    ids: Tensor
    types: Tensor | None

    @property
    def key(self) -> bytes:
        """What tells this row from others: a digest of numbers and segments."""
        parts = (self.ids,) if self.types is None else (self.ids, self.types)
        return hashlib.blake2b(b"".join(part.numpy().tobytes() for part in parts), digest_size=16).digest()


@dataclass(frozen=True)
class ReadPost:
    """One post with its tokens.

    Attributes
    ----------
    text : str
    context : str
        What was said before, '' for nothing.
    words : tuple of (start, end)
        Character offsets of the post's words.
    ids : Tensor
        Token numbers, shape (tokens,), special tokens and context included; empty for the linear baseline.
    types : Tensor or None
        Segment of each token, where the family has segments.
    alignment : Alignment
        Words of each token; special tokens and those of the context have none.
    """

    text: str
    context: str
    words: tuple[Span, ...]
    ids: Tensor
    types: Tensor | None
    alignment: Alignment

    @property
    def row(self) -> TokenRow:
        """The post's tokens as a row of a batch."""
        return TokenRow(self.ids, self.types)

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Which words are read, shape (words,): not those behind `max_length`, or signs that the tokenizer drops."""
        if not len(self.ids):
            return np.ones(len(self.words), dtype=np.bool_)
        found = np.zeros(len(self.words), dtype=np.bool_)
        found[self.alignment.words] = True
        return found

    @property
    def own(self) -> npt.NDArray[np.bool_]:
        """Which tokens are of the post's words, shape (tokens,)."""
        found = np.zeros(len(self.ids), dtype=np.bool_)
        found[self.alignment.tokens] = True
        return found

    def stays(self, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return which tokens stay, shape (tokens,), where only the words of `kept` (words,) may be read.

        A token goes with any of its words: what is taken out cannot be read from what stays.
        """
        found = np.ones(len(self.ids), dtype=np.bool_)
        found[self.alignment.tokens[~kept[self.alignment.words]]] = False
        return found

    def word_scores(self, token_scores: Sequence[float] | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sum token scores (tokens,) into word scores (words,); a word that is not read has 0.

        The score of a token that covers several words is shared among them by characters.
        """
        values = np.asarray(token_scores, dtype=np.float64)[self.alignment.tokens] * self.alignment.shares
        return np.bincount(self.alignment.words, weights=values, minlength=len(self.words)).astype(np.float64)


def token_rows(encoded: Mapping[str, Any]) -> list[TokenRow]:
    """Return the rows of what a tokenizer gave."""
    types = encoded.get("token_type_ids") or [None] * len(encoded["input_ids"])
    return [
        TokenRow(torch.tensor(ids), None if own is None else torch.tensor(own))
        for ids, own in zip(encoded["input_ids"], types, strict=True)
    ]


def read_posts(run: Run, texts: Sequence[str], contexts: Sequence[str] | None = None) -> list[ReadPost]:
    """Tokenise posts as the run does.

    Raises
    ------
    ConfigError
        If the run reads long posts otherwise than from their start.
    """
    before = list(contexts) if contexts is not None else [""] * len(texts)
    split = [tuple(split_words(text)) for text in texts]
    if run.linear is not None:
        nothing = torch.zeros(0, dtype=torch.int64)
        none = align((), ())
        return [
            ReadPost(text, context, own, nothing, None, none)
            for text, context, own in zip(texts, before, split, strict=True)
        ]
    if run.config.long.strategy != "head":
        raise ConfigError(
            f"{run.folder}: reads long posts by '{run.config.long.strategy}', which cannot be explained by word yet. "
            "Explain a run with --long.strategy head."
        )
    tokenizer = run.parts()[1]
    encoded = encode_posts(tokenizer, texts, run.max_length, before, offsets=True)
    return [
        ReadPost(
            text,
            before[place],
            split[place],
            row.ids,
            row.types,
            align(encoded["offset_mapping"][place], split[place]),
        )
        for place, (text, row) in enumerate(zip(texts, token_rows(encoded), strict=True))
    ]
