"""Log-probabilities of choices behind the prompt that they share, from the cache of one reading of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from mhclf.generation.shared_start import numbers_places

IGNORED = -1
"""A place without a target."""


def behind_first_token(
    model: PreTrainedModel, cache: DynamicCache, mask: Tensor, choices: Sequence[Sequence[list[int]]]
) -> Tensor:
    """Return the log-probability of each choice behind its first token.

    Parameters
    ----------
    model : PreTrainedModel
        A causal one.
    cache : DynamicCache
        Of the prompts; is used up.
    mask : Tensor
        Shape (prompts, tokens): which tokens of the cache are the prompt's.
    choices : sequence of sequence of list of int
        For each prompt the tokens of its choices.

    Returns
    -------
    Tensor
        Shape (choices,), one prompt's after the other's.
    """
    # A mask of one's own for each token is for these two alone: others take which tokens are padding, and no more.
    if numbers_places(model) and model.config._attn_implementation in ("eager", "sdpa"):
        return _side_by_side(model, cache, mask, choices)
    return _row_by_row(model, cache, mask, choices)


def _side_by_side(model: Any, cache: DynamicCache, mask: Tensor, choices: Sequence[Sequence[list[int]]]) -> Tensor:
    """Read all choices of a prompt in one row, where each sees the prompt and itself alone.

    The prompt's keys and values stand once in memory, not once for each choice.
    """
    laid = _laid_out(choices, mask.device)
    width = laid.tokens.shape[1]
    same = laid.owners.unsqueeze(2) == laid.owners.unsqueeze(1)
    before = torch.ones(width, width, dtype=torch.bool, device=mask.device).tril()
    seen = torch.cat([mask.bool().unsqueeze(1).expand(-1, width, -1), same & before], dim=2).unsqueeze(1)
    if model.config._attn_implementation == "eager":
        # Added to the scores there.
        added = torch.zeros(seen.shape, dtype=model.dtype, device=mask.device)
        seen = added.masked_fill_(~seen, torch.finfo(model.dtype).min)
    return _read(model, cache, seen, mask.sum(dim=1, keepdim=True), laid)


def _row_by_row(model: Any, cache: DynamicCache, mask: Tensor, choices: Sequence[Sequence[list[int]]]) -> Tensor:
    """Read each choice in a row of its own, behind its own copy of the prompt's cache."""
    rows = torch.tensor([row for row, own in enumerate(choices) for _ in own], device=mask.device)
    cache.reorder_cache(rows)  # type: ignore[arg-type]
    laid = _laid_out([[choice] for own in choices for choice in own], mask.device)
    whole = torch.cat([mask[rows], torch.ones_like(laid.tokens)], dim=1)
    return _read(model, cache, whole, mask[rows].sum(dim=1, keepdim=True), laid)


@dataclass(frozen=True)
class _Laid:
    """Choices one behind the other, without the last token of each.

    Attributes
    ----------
    tokens, targets, owners, places : Tensor
        Shape (rows, width): the token, the one behind it, the number of its choice and its place there. Padding has no
        target; it belongs to the first choice.
    count : int
        Number of choices.
    """

    tokens: Tensor
    targets: Tensor
    owners: Tensor
    places: Tensor
    count: int


def _laid_out(rows: Sequence[Sequence[list[int]]], device: torch.device) -> _Laid:
    width = max(sum(len(choice) - 1 for choice in own) for own in rows)
    tokens, owners, places = (torch.zeros((len(rows), width), dtype=torch.int64) for _ in range(3))
    targets = torch.full((len(rows), width), IGNORED)
    count = 0
    for row, own in enumerate(rows):
        at = 0
        for choice in own:
            here = slice(at, at + len(choice) - 1)
            tokens[row, here], targets[row, here] = torch.tensor(choice[:-1]), torch.tensor(choice[1:])
            owners[row, here], places[row, here] = count, torch.arange(len(choice) - 1)
            at, count = here.stop, count + 1
    return _Laid(tokens.to(device), targets.to(device), owners.to(device), places.to(device), count)


def _read(model: Any, cache: DynamicCache, mask: Tensor, begun: Tensor, laid: _Laid) -> Tensor:
    """Return the log-probability of each choice, shape (choices,), behind so many tokens of the prompts."""
    logits = model(
        input_ids=laid.tokens,
        attention_mask=mask,
        position_ids=begun + laid.places,
        past_key_values=cache,
        use_cache=True,
    ).logits
    chances = target_chances(logits, laid.targets)
    return torch.zeros(laid.count, device=mask.device).index_add(0, laid.owners.flatten(), chances.flatten())


def target_chances(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the log-probability of each target, 0 where it is `IGNORED`, shape (rows, places)."""
    found = []
    # Row by row: over a large vocabulary, copies of all logits in full precision would not fit.
    for row, own in zip(logits, targets, strict=True):
        chances = row.float().log_softmax(dim=-1)
        found.append(chances.gather(1, own.clamp(min=0).unsqueeze(1)).squeeze(1) * (own != IGNORED))
    return torch.stack(found)
