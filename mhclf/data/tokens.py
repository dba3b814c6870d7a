"""Token batches: posts tokenised once, batched by similar length, padded to a few widths."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from mhclf.config.model import FROM_START, LongPostsConfig
from mhclf.data.long_posts import Reading, read_positions
from mhclf.data.spans import Span, overlap
from mhclf.errors import ConfigError

CHUNK_POSTS = "chunk_posts"
"""Key of a batch of chunks: the number of each row's post within the batch."""

_HALF = re.compile("[\ud800-\udfff]")
WIDTH_STEP = 8
"""Batches are padded to a multiple of this where kernels are built for each shape, or want multiples of it."""


def width_step(device: str, precision: str) -> int:
    """Return what widths of batches are multiples of; on a CPU in fp32 any width is as good, and padding is not free.

    Parameters
    ----------
    device : str
        Type of a torch device.
    precision : str
        `fp32` or another.
    """
    return 1 if device == "cpu" and precision == "fp32" else WIDTH_STEP


def stepped(length: int, step: int) -> int:
    """Return the smallest multiple of `step` that is not below `length`."""
    return -(-length // step) * step


@dataclass(frozen=True)
class Batch:
    """One batch.

    Attributes
    ----------
    inputs : dict of Tensor
        What the encoder takes, each (batch, tokens). Where posts are read in chunks, rows are chunks, and
        `CHUNK_POSTS` says whose.
    targets : Tensor
        Class numbers (batch,) or 0/1 labels (batch, labels).
    rows : Tensor
        Positions in the table, shape (batch,).
    confidence : Tensor
        Share of annotators behind each label, shape (batch,); NaN where it is not known.
    marks : Tensor or None
        Shape (batch, tokens): 1 for tokens that an expert marked, 0 for the post's others, -1 for special tokens,
        context, padding, and all tokens of a post without evidence.
    """

    inputs: dict[str, Tensor]
    targets: Tensor
    rows: Tensor
    confidence: Tensor
    marks: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device (Lightning calls this)."""
        inputs = {key: value.to(device) for key, value in self.inputs.items()}
        marks = self.marks.to(device) if self.marks is not None else None
        return Batch(inputs, self.targets.to(device), self.rows.to(device), self.confidence.to(device), marks)


def without_halves(texts: Sequence[str]) -> list[str]:
    """Return texts with halves of surrogate pairs as the replacement sign: no tokenizer takes them; offsets stay."""
    return [_HALF.sub("\ufffd", text) for text in texts]


def encode_posts(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    max_length: int,
    contexts: Sequence[str] | None = None,
    offsets: bool = False,
) -> Any:
    """Tokenise posts, each after as much of the end of its context as there is room for.

    Returns
    -------
    mapping
        `input_ids` and, where the family has them, `token_type_ids`, as lists of unequal length; with `offsets` also
        `offset_mapping`: where in the post each token stands, (0, 0) for special tokens and those of the context.
    """
    texts = without_halves(texts)
    if contexts is None or not any(contexts):
        encoded = tokenizer(
            texts,
            truncation=True,
            max_length=max_length,
            return_attention_mask=False,
            return_offsets_mapping=offsets,
        )
        if not offsets:
            return encoded
        places = [
            _own_offsets(encoded["offset_mapping"][row], encoded.sequence_ids(row), 0) for row in range(len(texts))
        ]
        return dict(encoded) | {"offset_mapping": places}
    sizes = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
    room = max_length - tokenizer.num_special_tokens_to_add(pair=True)
    side = tokenizer.truncation_side
    rows = []
    for context, text, ids in zip(without_halves(contexts), texts, sizes, strict=True):
        paired = bool(context.strip()) and len(ids) < room
        # The end of a context is nearest to the post.
        tokenizer.truncation_side = "left" if paired else side
        row = tokenizer(
            *([context, text] if paired else [text]),
            truncation="only_first",
            max_length=max_length,
            return_attention_mask=False,
            return_offsets_mapping=offsets,
        )
        if offsets:
            row["offset_mapping"] = _own_offsets(row["offset_mapping"], row.sequence_ids(), int(paired))
        rows.append(row)
    tokenizer.truncation_side = side
    return {key: [row[key] for row in rows] for key in rows[0]}


def token_marks(places: Sequence[Span], spans: Sequence[Span]) -> list[int]:
    """Return 1 for tokens that overlap a marked span, 0 for the post's others, -1 for tokens that stand nowhere in it.

    All -1 where nothing is marked.
    """
    if not spans:
        return [-1] * len(places)
    return [-1 if place == (0, 0) else int(any(overlap(place, span) for span in spans)) for place in places]


def _own_offsets(places: Sequence[Any], sequences: Sequence[int | None], own: int) -> list[Span]:
    return [
        (int(place[0]), int(place[1])) if sequence == own else (0, 0)
        for place, sequence in zip(places, sequences, strict=True)
    ]


class TokenisedPosts(Dataset[int]):
    """Posts as token numbers, without padding.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    texts : sequence of str
    targets : array
        Shape (n,) or (n, labels); zeros where there is no gold.
    max_length : int
        Tokens that the encoder reads at once.
    contexts : sequence of str, optional
        Read before each post as the first segment, as much of its end as there is room beside the whole post.
    long : LongPostsConfig
        What is read of longer posts; `truncated` counts those that are not read whole.
    confidence : array, optional
        Share of annotators behind each label, shape (n,).
    evidence : sequence of spans, optional
        Marked characters of each post; its tokens are then marked in batches.
    step : int
        What widths of batches are multiples of, see `width_step`.

    Raises
    ------
    ConfigError
        If long posts are to be read otherwise than from their start beside contexts.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        texts: Sequence[str],
        targets: npt.NDArray[np.int64],
        max_length: int,
        contexts: Sequence[str] | None = None,
        long: LongPostsConfig = FROM_START,
        confidence: npt.NDArray[Any] | None = None,
        evidence: Sequence[Sequence[Span]] | None = None,
        step: int = WIDTH_STEP,
    ) -> None:
        self.step = step
        self.marks: list[list[int]] | None = None
        self.targets = torch.from_numpy(np.ascontiguousarray(targets))
        known = np.full(len(texts), np.nan) if confidence is None else np.array(confidence, dtype=np.float64)
        self.confidence = torch.from_numpy(known).float()
        self.in_chunks = long.strategy == "chunks"
        texts = without_halves(texts)
        if long.strategy == "head":
            self.truncated = self._read_heads(tokenizer, texts, max_length, contexts, evidence)
        elif evidence is not None:
            raise ConfigError(f"evidence: cannot be learnt with --long.strategy {long.strategy}. Use head.")
        elif contexts is not None and any(contexts):
            raise ConfigError(f"long: '{long.strategy}' cannot be read beside contexts. Use --long.strategy head.")
        else:
            self.truncated = self._read_pieces(tokenizer, texts, Reading(max_length, long))
        piece_lengths = [[len(self.input_ids[piece]) for piece in own] for own in self.pieces]
        self.lengths = np.array([len(own) * max(own) for own in piece_lengths], dtype=np.int64)
        self._padding = (tokenizer.pad_token_id or 0, tokenizer.pad_token_type_id, tokenizer.padding_side == "left")

    def _read_heads(
        self,
        tokenizer: PreTrainedTokenizerBase,
        texts: Sequence[str],
        max_length: int,
        contexts: Sequence[str] | None,
        evidence: Sequence[Sequence[Span]] | None,
    ) -> int:
        """Keep the start of each post; returns how many are cut."""
        encoded = encode_posts(tokenizer, texts, max_length, contexts, offsets=evidence is not None)
        if evidence is not None:
            places = encoded["offset_mapping"]
            self.marks = [token_marks(own, spans) for own, spans in zip(places, evidence, strict=True)]
        self.input_ids: list[list[int]] = encoded["input_ids"]
        self.token_type_ids: list[list[int]] | None = encoded.get("token_type_ids")
        self.pieces = [range(row, row + 1) for row in range(len(texts))]
        # A post of just this length may be whole: only those are tokenised again, uncut and without context.
        full = [text for text, ids in zip(texts, self.input_ids, strict=True) if len(ids) >= max_length]
        uncut = tokenizer(full, truncation=False, verbose=False)["input_ids"] if full else []
        return sum(len(ids) > max_length for ids in uncut)

    def _read_pieces(self, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], reading: Reading) -> int:
        """Keep other parts of each post; returns how many are not read whole."""
        whole = tokenizer(
            list(texts), truncation=False, verbose=False, return_special_tokens_mask=True, return_attention_mask=False
        )
        types = whole.get("token_type_ids")
        self.input_ids, self.token_type_ids = [], None if types is None else []
        self.pieces = []
        unread = 0
        for row, ids in enumerate(whole["input_ids"]):
            positions = read_positions(whole["special_tokens_mask"][row], reading)
            self.pieces.append(range(len(self.input_ids), len(self.input_ids) + len(positions)))
            unread += len({place for piece in positions for place in piece}) < len(ids)
            for piece in positions:
                self.input_ids.append([ids[place] for place in piece])
                if self.token_type_ids is not None:
                    self.token_type_ids.append([types[row][place] for place in piece])
        return unread

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, row: int) -> int:
        return row

    def collate(self, rows: Sequence[int]) -> Batch:
        """Pad the posts at these positions to one width."""
        pad, pad_type, left = self._padding
        pieces = [piece for row in rows for piece in self.pieces[row]]
        width = stepped(max(len(self.input_ids[piece]) for piece in pieces), self.step)
        inputs = {
            "input_ids": torch.full((len(pieces), width), pad),
            "attention_mask": torch.zeros((len(pieces), width), dtype=torch.int64),
        }
        if self.token_type_ids is not None:
            inputs["token_type_ids"] = torch.full((len(pieces), width), pad_type)
        for place, piece in enumerate(pieces):
            length = len(self.input_ids[piece])
            where = slice(width - length, width) if left else slice(0, length)
            inputs["input_ids"][place, where] = torch.tensor(self.input_ids[piece])
            inputs["attention_mask"][place, where] = 1
            if self.token_type_ids is not None:
                inputs["token_type_ids"][place, where] = torch.tensor(self.token_type_ids[piece])
        if self.in_chunks:
            owners = [place for place, row in enumerate(rows) for _ in self.pieces[row]]
            inputs[CHUNK_POSTS] = torch.tensor(owners)
        marks = None
        if self.marks is not None:
            marks = torch.full((len(rows), width), -1)
            for place, row in enumerate(rows):
                length = len(self.marks[row])
                where = slice(width - length, width) if left else slice(0, length)
                marks[place, where] = torch.tensor(self.marks[row])
        return Batch(inputs, self.targets[list(rows)], torch.tensor(list(rows)), self.confidence[list(rows)], marks)
