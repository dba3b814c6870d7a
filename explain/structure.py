"""The structure of attention: singular values, ranks and entropies of every layer and head."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch.nn import functional

from explain.attention import look
from explain.model import ExplainedModel
from explain.reading import read_posts, token_rows
from mhclf.data.tokens import encode_posts
from mhclf.errors import ConfigError
from mhclf.evaluation.averages import Floats, average
from mhclf.training.saved import Run

RELATIVE_TOLERANCE = 1e-3
"""Singular values below this share of the largest count as 0: far above the rounding of float32 (about 1e-6), far
below what changes an output visibly."""

SPECTRUM = 16
"""Singular values that are kept of each head."""

MEASURES = ("rank", "effective_rank", "entropy", "relative_entropy")


def numerical_rank(values: ArrayLike, tolerance: float = RELATIVE_TOLERANCE) -> npt.NDArray[np.int64]:
    """Count the singular values above `tolerance` times the largest one.

    Parameters
    ----------
    values : array (..., k)
    tolerance : float
        In (0, 1).

    Returns
    -------
    array (...)
    """
    given = np.asarray(values, dtype=np.float64)
    return np.asarray((given > tolerance * given.max(axis=-1, keepdims=True)).sum(axis=-1))


def effective_rank(values: ArrayLike) -> Floats:
    r"""Return :math:`\exp(-\sum_i p_i \ln p_i)` with :math:`p_i = \sigma_i / \sum_j \sigma_j` (Roy & Vetterli 2007).

    Parameters
    ----------
    values : array (..., k)
        Singular values, not all 0.

    Returns
    -------
    array (...)
        From 1 (one direction) to k (all alike).
    """
    given = np.asarray(values, dtype=np.float64)
    return np.asarray(np.exp(_entropy(given / given.sum(axis=-1, keepdims=True))))


def row_entropy(weights: ArrayLike) -> Floats:
    """Return the mean entropy of the rows of attention (..., queries, keys), in nats; rows sum to 1."""
    return np.asarray(_entropy(np.asarray(weights, dtype=np.float64)).mean(axis=-1))


def published_rank(stack: ArrayLike) -> int:
    """Return the rank that WellDunn reports (2024): of the table of singular values, not of any attention.

    Parameters
    ----------
    stack : array (posts, tokens, tokens)
        The attention of one head with padding kept, in the precision of the model: `matrix_rank` takes its tolerance
        from that.

    Returns
    -------
    int
        At most the smaller of posts and tokens; grows with the number of posts.
    """
    values = np.linalg.svd(np.asarray(stack), compute_uv=False)
    return int(np.linalg.matrix_rank(values))


@dataclass(frozen=True)
class AttentionStructure:
    """What the attention of a run looks like, post by post, padding left out.

    Attributes
    ----------
    rank, effective_rank : array (posts, layers, heads)
        In tokens.
    entropy : array (posts, layers, heads)
        Nats; mean over the rows.
    relative_entropy : array (posts, layers, heads)
        Over the logarithm of the number of tokens: 1 where attention is spread evenly. NaN for posts of one token.
    spectrum : array (posts, layers, heads, 16)
        The largest singular values over the largest; NaN beyond the tokens of the post.
    tokens : array (posts,)
        Tokens of each post, special ones included.
    tolerance : float
        Of `rank`.
    """

    rank: Floats
    effective_rank: Floats
    entropy: Floats
    relative_entropy: Floats
    spectrum: Floats
    tokens: npt.NDArray[np.int64]
    tolerance: float

    @property
    def shape(self) -> tuple[int, int]:
        """Layers and heads."""
        return self.rank.shape[1], self.rank.shape[2]

    def mean(self, measure: str) -> Floats:
        """Return the mean over posts of one of `MEASURES`, shape (layers, heads)."""
        if measure not in MEASURES:
            raise ConfigError(f"measure: '{measure}' is none of {', '.join(MEASURES)}.")
        values: Floats = getattr(self, measure)
        known = ~np.isnan(values)
        total = known.sum(axis=0)
        sums = np.where(known, values, 0.0).sum(axis=0)
        return np.asarray(np.divide(sums, total, out=np.full(sums.shape, np.nan), where=total > 0))

    def frame(self, groups: ArrayLike | None = None, n_resamples: int = 1000) -> pd.DataFrame:
        """Return one row for each layer, head and measure: mean, interval over groups, posts; layers from 1."""
        layers, heads = self.shape
        rows = []
        for measure in MEASURES:
            values = getattr(self, measure)
            for layer in range(layers):
                for head in range(heads):
                    found = average(values[:, layer, head], groups, n_resamples)
                    rows.append((layer + 1, head + 1, measure, found.mean, found.low, found.high, found.n))
        return pd.DataFrame(rows, columns=["layer", "head", "measure", "mean", "low", "high", "n"])


def structure_of(attentions: Sequence[ArrayLike], tolerance: float = RELATIVE_TOLERANCE) -> AttentionStructure:
    """Return the structure of attentions without padding.

    Parameters
    ----------
    attentions : sequence of arrays (layers, heads, tokens, tokens)
        One for each post.
    tolerance : float
        See `numerical_rank`.
    """
    if not len(attentions):
        raise ConfigError("attention structure: there is no post. Give at least one.")
    found = [_of_post(np.asarray(item, dtype=np.float64), tolerance) for item in attentions]
    return _joined(found, [np.shape(item)[-1] for item in attentions], tolerance)


def attention_structure(
    run: Run,
    texts: Sequence[str],
    contexts: Sequence[str] | None = None,
    tolerance: float = RELATIVE_TOLERANCE,
    tokens_at_once: int = 16384,
) -> AttentionStructure:
    """Return the attention structure of a trained run over posts, special tokens included, padding left out.

    Parameters
    ----------
    run : Run
    texts : sequence of str
    contexts : sequence of str, optional
        What was said before each post, where the run reads that.
    tolerance : float
        Singular values below this share of the largest count as 0.
    tokens_at_once : int
        See `ExplainedModel`.

    Raises
    ------
    RunError
        If the encoder shows no attention.
    ConfigError
        If there is no post.
    """
    if not texts:
        raise ConfigError("attention structure: there is no post. Give at least one.")
    model = ExplainedModel(run, tokens_at_once)
    posts = read_posts(run, texts, contexts)
    rows = [post.row for post in posts] if run.linear is None else []
    lengths = [len(row.ids) for row in rows]
    found: list[tuple[Floats, ...]] = [()] * len(posts)
    model.network.eval()

    def work(part: Sequence[int]) -> None:
        with torch.no_grad():
            layers = look(model, model.batch([rows[number] for number in part])).attentions
        for place, number in enumerate(part):
            own = model.place(lengths[number], layers[0].shape[-1])
            weights = np.stack([layer[place, :, own, own].double().cpu().numpy() for layer in layers])
            found[number] = _of_post(weights, tolerance)

    model.in_batches(lengths, work, 0.25)
    return _joined(found, lengths, tolerance)


def padded_attention(
    run: Run, texts: Sequence[str], layer: int, head: int, length: int = 64
) -> npt.NDArray[np.float32]:
    """Return one head's attention with every post cut or padded to `length` tokens, as WellDunn reads it.

    Parameters
    ----------
    run : Run
    texts : sequence of str
    layer, head : int
        From 0, or from the end (-1).
    length : int

    Returns
    -------
    array (posts, length, length)
        Float32. Rows of padding attend to the post; columns of padding have 0.
    """
    model = ExplainedModel(run)
    model.network.eval()
    encoded = encode_posts(run.parts()[1], list(texts), length)
    rows = token_rows(encoded)
    found = np.zeros((len(rows), length, length), dtype=np.float32)

    def work(part: Sequence[int]) -> None:
        batch = {name: fixed_width(model, value, name, length) for name, value in model.batch(
            [rows[number] for number in part]).items()}  # fmt: skip
        with torch.no_grad():
            weights = look(model, batch).attentions[layer][:, head]
        found[list(part)] = weights.float().cpu().numpy()

    model.in_batches([length] * len(rows), work, 0.25)
    return found


def fixed_width(model: ExplainedModel, values: torch.Tensor, name: str, width: int) -> torch.Tensor:
    """Pad or crop one entry (batch, tokens) of a batch to `width` tokens, on the tokenizer's side."""
    tokenizer = model.run.parts()[1]
    fill = {"input_ids": int(tokenizer.pad_token_id or 0), "token_type_ids": int(tokenizer.pad_token_type_id)}
    missing = width - values.shape[1]
    sides = (missing, 0) if tokenizer.padding_side == "left" else (0, missing)
    return functional.pad(values, sides, value=fill.get(name, 0))


def _of_post(weights: Floats, tolerance: float) -> tuple[Floats, ...]:
    tokens = weights.shape[-1]
    values = np.linalg.svd(weights, compute_uv=False)
    entropy = row_entropy(weights)
    most = np.log(tokens)
    relative = entropy / most if tokens > 1 else np.full(entropy.shape, np.nan)
    spectrum = np.full((*values.shape[:-1], SPECTRUM), np.nan)
    kept = min(SPECTRUM, tokens)
    spectrum[..., :kept] = values[..., :kept] / values[..., :1]
    rank = numerical_rank(values, tolerance).astype(np.float64)
    return rank, effective_rank(values), entropy, relative, spectrum


def _joined(found: Sequence[tuple[Floats, ...]], tokens: Sequence[int], tolerance: float) -> AttentionStructure:
    rank, effective, entropy, relative, spectrum = (np.stack(items) for items in zip(*found, strict=True))
    return AttentionStructure(rank, effective, entropy, relative, spectrum, np.array(tokens, dtype=np.int64), tolerance)


def _entropy(shares: Floats) -> Floats:
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return np.asarray(-(shares * logs).sum(axis=-1))
