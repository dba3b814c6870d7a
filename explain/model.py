"""The model that is explained: one number a post (a label's logit), for posts as they are and with words taken out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from explain.reading import ReadPost, TokenRow
from mhclf.data.table import join_contexts
from mhclf.data.tokens import stepped, width_step
from mhclf.errors import ConfigError, RunError
from mhclf.models.baselines import BaselineEncoder
from mhclf.models.network import ClassifierNetwork
from mhclf.training.saved import Run

Removal = Literal["mask", "delete"]
"""How a word is taken out: its tokens become mask tokens, or they leave the sequence."""

Precision = Literal["fp32", "bf16"]

Floats = npt.NDArray[np.float64]

_PASS_ON_CPU = 64
"""Tokens that are read in the time that it takes to begin a forward pass (MiniLM on two cores: 4 to 6 ms, and .1 ms a
token): where padding would be more than that, another pass is cheaper."""

_PASS_ELSEWHERE = 4096


@dataclass(frozen=True)
class Target:
    """What is explained: the logit of a label, or its difference to another's."""

    label: int
    against: int | None = None

    def of(self, logits: Tensor) -> Tensor:
        """Return the explained quantity of logits (batch, labels), shape (batch,)."""
        chosen = logits[:, self.label]
        return chosen if self.against is None else chosen - logits[:, self.against]


class ExplainedModel:
    """A trained run, ready to be asked.

    Parameters
    ----------
    run : Run
    tokens_at_once : int
        Tokens, padding included, in one forward pass without gradients; a quarter of it with gradients. Halved, down
        to one row, when memory runs out.
    precision : {'fp32', 'bf16'}
        Of passes without gradients, of which word-set methods and faithfulness make thousands.
    remember : bool
        Keep the logits of every row that was read: methods that are held against one model mask the same words again
        and again. Only where the network stays as it is.
    """

    def __init__(
        self, run: Run, tokens_at_once: int = 16384, precision: Precision = "fp32", remember: bool = False
    ) -> None:
        self.run = run
        self.tokens_at_once = tokens_at_once
        self.precision = precision
        self._known: dict[bytes, Tensor] | None = {} if remember else None

    @property
    def network(self) -> ClassifierNetwork:
        """The network.

        Raises
        ------
        RunError
            If the run is the linear baseline.
        """
        return self.run.parts()[0]

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.network.parameters()).device

    @property
    def step(self) -> int:
        """What widths of batches are multiples of."""
        return width_step(self.device.type, self.precision)

    @property
    def mask_id(self) -> int:
        """Number of the token that stands in for a word: the mask token, or padding where there is none."""
        tokenizer = self.run.parts()[1]
        found = tokenizer.mask_token_id
        return int(found if found is not None else tokenizer.pad_token_id or 0)

    def batch(self, rows: Sequence[TokenRow]) -> dict[str, Tensor]:
        """Pad rows to one width, as in training."""
        tokenizer = self.run.parts()[1]
        width = stepped(max(len(row.ids) for row in rows), self.step)
        shape = (len(rows), width)
        found = {
            "input_ids": torch.full(shape, int(tokenizer.pad_token_id or 0)),
            "attention_mask": torch.zeros(shape, dtype=torch.int64),
        }
        if rows[0].types is not None:
            found["token_type_ids"] = torch.full(shape, int(tokenizer.pad_token_type_id))
        for place, row in enumerate(rows):
            where = self.place(len(row.ids), width)
            found["input_ids"][place, where] = row.ids
            found["attention_mask"][place, where] = 1
            if row.types is not None:
                found["token_type_ids"][place, where] = row.types
        return {name: value.to(self.device) for name, value in found.items()}

    def place(self, length: int, width: int) -> slice:
        """Return where a row of `length` tokens stands in a batch `width` tokens wide."""
        left = self.run.parts()[1].padding_side == "left"
        return slice(width - length, width) if left else slice(0, length)

    @torch.no_grad()
    def logits(self, rows: Sequence[TokenRow]) -> Tensor:
        """Return the logits of rows of any lengths, shape (rows, labels), on the CPU; equal rows are read once."""
        keys = [row.key for row in rows]
        found: dict[bytes, Tensor] = {} if self._known is None else self._known
        new = {key: number for number, key in enumerate(keys) if key not in found}

        def read(part: Sequence[int]) -> None:
            outputs = self.network(self.batch([rows[number] for number in part])).logits.float().cpu()
            for number, output in zip(part, outputs, strict=True):
                found[keys[number]] = output.clone()

        # Around all passes: the weights are rounded once, and not for each of them.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            self.in_batches([len(row.ids) for row in rows], read, chosen=list(new.values()))
        return torch.stack([found[key] for key in keys])

    def in_batches(
        self,
        lengths: Sequence[int],
        work: Callable[[Sequence[int]], None],
        share: float = 1.0,
        chosen: Sequence[int] | None = None,
    ) -> None:
        """Call `work` on parts of the rows that fit into memory, longest first; smaller parts when it runs out.

        A part also ends where the padding in it would cost more than another forward pass.

        Parameters
        ----------
        lengths : sequence of int
            Tokens of each row.
        work : callable
            Takes positions; may be called again with some of them after it ran out of memory.
        share : float
            Share of `tokens_at_once` that fits here.
        chosen : sequence of int, optional
            Positions of the rows that are meant; all of them by default.

        Raises
        ------
        RunError
            If one row alone does not fit.
        """
        order = sorted(range(len(lengths)) if chosen is None else chosen, key=lambda number: -lengths[number])
        budget = max(1, int(self.tokens_at_once * share))
        spare = _PASS_ON_CPU if self.device.type == "cpu" else _PASS_ELSEWHERE
        at = 0
        while at < len(order):
            longest = lengths[order[at]]
            part = order[at : at + max(1, budget // max(1, longest))]
            part = part[: _worth_padding([lengths[number] for number in part], spare, self.step)]
            try:
                work(part)
            except RuntimeError as error:
                if not _out_of_memory(error):
                    raise
                if len(part) == 1:
                    raise RunError(
                        "Memory ran out on one post. Explain a run with a smaller --max_length, or on another machine."
                    ) from error
                budget = max(1, len(part) * longest // 2)
                continue
            at += len(part)

    def masked(self, post: ReadPost, kept: npt.NDArray[np.bool_], target: Target, removal: Removal = "mask") -> Floats:
        """Return the explained quantity of a post with words taken out.

        Parameters
        ----------
        post : ReadPost
        kept : array of bool, shape (n, words)
            Which words stay in each of the n variants.
        target : Target
        removal : {'mask', 'delete'}
            On token numbers; texts are never tokenised again. For the linear baseline, which reads no tokens, both
            delete the word's characters.

        Returns
        -------
        array (n,)
        """
        kept = np.asarray(kept, dtype=np.bool_)
        if kept.ndim != 2 or kept.shape[1] != len(post.words):
            raise ConfigError(f"kept: has shape {kept.shape}, expected (n, {len(post.words)}).")
        if self.run.linear is not None:
            texts = [without_words(post, row) for row in kept]
            logits = self.run.linear.logits(join_contexts(texts, [post.context] * len(texts)))
            return target.of(torch.from_numpy(logits)).double().numpy()
        rows = [self.row_without(post, row, removal) for row in kept]
        return target.of(self.logits(rows)).double().numpy()

    def row_without(self, post: ReadPost, kept: npt.NDArray[np.bool_], removal: Removal) -> TokenRow:
        """Return the tokens of a post with only the words where `kept` (words,) is true."""
        stays = torch.from_numpy(post.stays(kept))
        if removal == "mask":
            return TokenRow(torch.where(stays, post.ids, self.mask_id), post.types)
        return TokenRow(post.ids[stays], post.types[stays] if post.types is not None else None)

    def whole(self, posts: Sequence[ReadPost]) -> Tensor:
        """Return the logits of posts as they are, shape (posts, labels)."""
        if self.run.linear is not None:
            texts = join_contexts([post.text for post in posts], [post.context for post in posts])
            return torch.from_numpy(self.run.linear.logits(texts))
        return self.logits([post.row for post in posts])

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of logits, shape (posts, labels)."""
        if self.run.linear is not None:
            return logits.sigmoid() if self.run.task == "multilabel" else logits.softmax(dim=-1)
        return self.network.head.probabilities(logits)

    @contextmanager
    def eager_attention(self) -> Iterator[None]:
        """Compute attention so that its weights can be seen, then go back.

        Raises
        ------
        RunError
            If the encoder has no attention, or its family has no such form.
        """
        require_attention(self.run)
        encoder: Any = self.network.encoder
        before = encoder.config._attn_implementation
        try:
            encoder.set_attn_implementation("eager")
        except (AttributeError, ValueError) as error:
            raise RunError(f"{self.run.folder}: its encoder cannot show attention weights ({error}).") from error
        try:
            yield
        finally:
            encoder.set_attn_implementation(before)


def without_words(post: ReadPost, kept: npt.NDArray[np.bool_]) -> str:
    """Return the post's text without the words where `kept` (words,) is false."""
    parts, at = [], 0
    for (start, end), stays in zip(post.words, kept, strict=True):
        if not stays:
            parts.append(post.text[at:start])
            at = end
    return " ".join([*parts, post.text[at:]]) if parts else post.text


def has_attention(run: Run) -> bool:
    """Return whether a run reads by attention; the linear baseline, the BiLSTM and the CNN do not."""
    return run.network is not None and not isinstance(run.network.encoder, BaselineEncoder)


def require_attention(run: Run) -> None:
    """Check that a run reads by attention.

    Raises
    ------
    RunError
        If it does not; says what explains it.
    """
    network = run.parts()[0]
    if not has_attention(run):
        config: Any = network.encoder.config
        raise RunError(
            f"{run.folder}: is a network of kind '{config.kind}' and has no attention. "
            "Explain it by occlusion, permutation_shapley or integrated_gradients."
        )


def _worth_padding(lengths: Sequence[int], spare: int, step: int) -> int:
    """Return how many rows, longest first, go together: until their padding would pass `spare` tokens."""
    width = stepped(lengths[0], step)
    padding = 0
    for count, length in enumerate(lengths):
        padding += width - stepped(length, step)
        if padding > spare:
            return count
    return len(lengths)


def _out_of_memory(error: RuntimeError) -> bool:
    """Return whether an error says that memory ran out, on an accelerator or on the processor."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
