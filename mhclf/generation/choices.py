"""Log-probabilities of choices behind the prompt that they share, from the cache of one reading of it."""

from collections.abc import Sequence
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
    if numbers_places(model) and model.config._attn_implementation in ("eager", "sdpa"):
        return _side_by_side(model, cache, mask, choices)
    return _row_by_row(model, cache, mask, choices)


def _side_by_side(model: Any, cache: DynamicCache, mask: Tensor, choices: Sequence[Sequence[list[int]]]) -> Tensor:
    """Read all choices of a prompt in one row, where each sees the prompt and itself alone.

    The prompt's keys and values stand once in memory, not once for each choice.
    """
    width = max(sum(len(choice) - 1 for choice in own) for own in choices)
    inputs = torch.zeros((len(choices), width), dtype=torch.int64)
    targets = torch.full((len(choices), width), IGNORED)
    owners = torch.full((len(choices), width), IGNORED)
    places = torch.zeros((len(choices), width), dtype=torch.int64)
    count = 0
    for row, own in enumerate(choices):
        at = 0
        for choice in own:
            here = slice(at, at + len(choice) - 1)
            inputs[row, here], targets[row, here] = torch.tensor(choice[:-1]), torch.tensor(choice[1:])
            owners[row, here], places[row, here] = count, torch.arange(len(choice) - 1)
            at, count = here.stop, count + 1
    same = owners.unsqueeze(2) == owners.unsqueeze(1)
    before = torch.ones(width, width, dtype=torch.bool).tril()
    device = mask.device
    seen = torch.cat([mask.bool().unsqueeze(1).expand(-1, width, -1), (same & before).to(device)], dim=2)
    hidden = torch.zeros(seen.shape, dtype=model.dtype, device=device)
    logits = model(
        input_ids=inputs.to(device),
        attention_mask=hidden.masked_fill(~seen, torch.finfo(model.dtype).min).unsqueeze(1),
        position_ids=mask.sum(dim=1, keepdim=True) + places.to(device),
        past_key_values=cache,
        use_cache=True,
    ).logits
    chances = target_chances(logits, targets.to(device))
    totals = torch.zeros(count + 1, device=device)
    # What is only padding counts to one more, which is left out.
    return totals.index_add(0, owners.where(owners >= 0, count).flatten().to(device), chances.flatten())[:count]


def _row_by_row(model: Any, cache: DynamicCache, mask: Tensor, choices: Sequence[Sequence[list[int]]]) -> Tensor:
    """Read each choice in a row of its own, behind a copy of its prompt's cache."""
    rows = torch.tensor([row for row, own in enumerate(choices) for _ in own], device=mask.device)
    every = [choice for own in choices for choice in own]
    cache.reorder_cache(rows)  # type: ignore[arg-type]
    width = max(map(len, every)) - 1
    inputs = torch.zeros((len(every), width), dtype=torch.int64)
    targets = torch.full((len(every), width), IGNORED)
    for row, choice in enumerate(every):
        inputs[row, : len(choice) - 1] = torch.tensor(choice[:-1])
        targets[row, : len(choice) - 1] = torch.tensor(choice[1:])
    inputs, targets = inputs.to(mask.device), targets.to(mask.device)
    logits = model(
        input_ids=inputs,
        attention_mask=torch.cat([mask[rows], torch.ones_like(inputs)], dim=1),
        position_ids=mask[rows].sum(dim=1, keepdim=True) + torch.arange(width, device=mask.device),
        past_key_values=cache,
        use_cache=True,
    ).logits
    return target_chances(logits, targets).sum(dim=1)


def target_chances(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the log-probability of each target, 0 where it is `IGNORED`, shape (rows, places)."""
    chances = logits.float().log_softmax(dim=-1)
    picked = chances.gather(2, targets.clamp(min=0).unsqueeze(2)).squeeze(2)
    return picked * (targets != IGNORED)
