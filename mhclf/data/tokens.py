"""Token batches: posts tokenised once, batched by similar length, padded to a few widths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import PreTrainedTokenizerBase

from mhclf.config.run import BatchConfig

_WIDTH_STEP = 8
"""Batches are padded to a multiple of this, so that kernels meet few shapes."""


@dataclass(frozen=True)
class Batch:
    """One batch.

    Attributes
    ----------
    inputs : dict of Tensor
        What the encoder takes, each (batch, tokens).
    targets : Tensor
        Class numbers (batch,) or 0/1 labels (batch, labels).
    rows : Tensor
        Positions in the table, shape (batch,).
    """

    inputs: dict[str, Tensor]
    targets: Tensor
    rows: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device (Lightning calls this)."""
        return Batch({k: v.to(device) for k, v in self.inputs.items()}, self.targets.to(device), self.rows.to(device))


def encode_posts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int, contexts: Sequence[str] | None = None
) -> Any:
    """Tokenise posts, each after as much of the end of its context as there is room for.

    Returns
    -------
    BatchEncoding
        `input_ids` and, where the family has them, `token_type_ids`, as lists of unequal length.
    """
    if contexts is None or not any(contexts):
        return tokenizer(list(texts), truncation=True, max_length=max_length, return_attention_mask=False)
    sizes = tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
    room = max_length - tokenizer.num_special_tokens_to_add(pair=True)
    side = tokenizer.truncation_side
    rows = []
    for context, text, ids in zip(contexts, texts, sizes, strict=True):
        paired = bool(context.strip()) and len(ids) < room
        # The end of a context is nearest to the post.
        tokenizer.truncation_side = "left" if paired else side
        rows.append(
            tokenizer(
                *([context, text] if paired else [text]),
                truncation="only_first",
                max_length=max_length,
                return_attention_mask=False,
            )
        )
    tokenizer.truncation_side = side
    return {key: [row[key] for row in rows] for key in rows[0]}


class TokenisedPosts(Dataset[int]):
    """Posts as token numbers, without padding.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    texts : sequence of str
    targets : array
        Shape (n,) or (n, labels); zeros where there is no gold.
    max_length : int
        Longer posts are cut at the end; `truncated` counts them.
    contexts : sequence of str, optional
        Read before each post as the first segment, as much of its end as there is room beside the whole post.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        texts: Sequence[str],
        targets: npt.NDArray[np.int64],
        max_length: int,
        contexts: Sequence[str] | None = None,
    ) -> None:
        encoded = encode_posts(tokenizer, texts, max_length, contexts)
        self.input_ids: list[list[int]] = encoded["input_ids"]
        self.token_type_ids: list[list[int]] | None = encoded.get("token_type_ids")
        self.targets = torch.from_numpy(np.ascontiguousarray(targets))
        self.lengths = np.array([len(ids) for ids in self.input_ids], dtype=np.int64)
        # A post of just this length may be whole: only those are tokenised again, uncut and without context.
        full = [text for text, length in zip(texts, self.lengths, strict=True) if length >= max_length]
        uncut = tokenizer(full, truncation=False, verbose=False)["input_ids"] if full else []
        self.truncated = sum(len(ids) > max_length for ids in uncut)
        self._padding = (tokenizer.pad_token_id or 0, tokenizer.pad_token_type_id, tokenizer.padding_side == "left")

    def __len__(self) -> int:
        return len(self.input_ids)

    def __getitem__(self, row: int) -> int:
        return row

    def collate(self, rows: Sequence[int]) -> Batch:
        """Pad the posts at these positions to one width."""
        pad, pad_type, left = self._padding
        width = -(-int(self.lengths[list(rows)].max()) // _WIDTH_STEP) * _WIDTH_STEP
        inputs = {
            "input_ids": torch.full((len(rows), width), pad),
            "attention_mask": torch.zeros((len(rows), width), dtype=torch.int64),
        }
        if self.token_type_ids is not None:
            inputs["token_type_ids"] = torch.full((len(rows), width), pad_type)
        for place, row in enumerate(rows):
            length = int(self.lengths[row])
            where = slice(width - length, width) if left else slice(0, length)
            inputs["input_ids"][place, where] = torch.tensor(self.input_ids[row])
            inputs["attention_mask"][place, where] = 1
            if self.token_type_ids is not None:
                inputs["token_type_ids"][place, where] = torch.tensor(self.token_type_ids[row])
        return Batch(inputs, self.targets[list(rows)], torch.tensor(list(rows)))


class LengthBatches(Sampler[list[int]]):
    """Batches of posts of similar length, in an order that is shuffled anew each epoch.

    Parameters
    ----------
    lengths : array of int
        Tokens of each post.
    config : BatchConfig
        `size` posts a batch; fewer where `max_tokens` would be passed; `by_length` off gives plain random batches.
    seed : int or None
        None keeps the posts in order of length, longest first, for prediction.
    """

    def __init__(self, lengths: npt.NDArray[np.int64], config: BatchConfig, seed: int | None) -> None:
        self.lengths, self.config, self.seed, self.epoch = lengths, config, seed, 0

    @property
    def sampler(self) -> "LengthBatches":
        """Itself: Lightning looks for `set_epoch` on the sampler of a batch sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's order; called by Lightning, also when a run is resumed."""
        self.epoch = epoch

    def batches(self) -> list[list[int]]:
        """Return this epoch's batches; every post is in exactly one."""
        if self.seed is None:
            return self._cut(np.argsort(-self.lengths, kind="stable"))
        generator = np.random.default_rng([self.seed, self.epoch])
        order = generator.permutation(len(self.lengths))
        if self.config.by_length:
            # A stable sort of shuffled posts: equal lengths meet other neighbours each epoch.
            order = order[np.argsort(self.lengths[order], kind="stable")]
        batches = self._cut(order)
        return [batches[index] for index in generator.permutation(len(batches))]

    def _cut(self, order: npt.NDArray[np.int64]) -> list[list[int]]:
        batches: list[list[int]] = []
        longest = 0
        for row in order.tolist():
            longest = max(longest, int(self.lengths[row]))
            full = not batches or len(batches[-1]) >= self.config.size
            if full or (len(batches[-1]) + 1) * longest > self.config.max_tokens:
                batches.append([])
                longest = int(self.lengths[row])
            batches[-1].append(row)
        return batches

    def __iter__(self) -> Iterator[list[int]]:
        # A generator: Lightning asks for the first iterator before it says at which epoch a resumed run stands.
        yield from self.batches()

    def __len__(self) -> int:
        return len(self.batches())


def batch_loader(posts: TokenisedPosts, config: BatchConfig, seed: int | None) -> DataLoader[Any]:
    """Return a loader of `Batch`es; see `LengthBatches` for `seed`."""
    return DataLoader(posts, batch_sampler=LengthBatches(posts.lengths, config, seed), collate_fn=posts.collate)
