"""What all prompts begin with (instruction, shots), read once for all of them."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

_A_PASS = 64
"""Tokens that a model reads beside others in about the time of one more forward pass."""


@dataclass(frozen=True)
class SharedStart:
    """The first tokens of all prompts.

    Attributes
    ----------
    length : int
        How many tokens; 0 where nothing is shared, or the model cannot go on from a part that was read.
    cache : DynamicCache or None
        Their keys and values, one row.
    """

    length: int = 0
    cache: DynamicCache | None = None

    def cache_of(self, rows: int) -> DynamicCache | None:
        """Return a cache of its own for a batch of so many rows; None where nothing is shared."""
        if self.cache is None:
            return None
        found = DynamicCache()
        layers: list[Any] = self.cache.layers
        for number, layer in enumerate(layers):
            found.update(layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1), number)
        return found


@torch.inference_mode()
def read_start(model: PreTrainedModel, prompts: Sequence[list[int]]) -> SharedStart:
    """Read what all prompts begin with, where that saves time.

    Parameters
    ----------
    model : PreTrainedModel
        A causal one. One that keeps only a window of the tokens, or knows their order by something else than position
        numbers, reads each prompt whole.
    prompts : sequence of list of int
        At least one token of each is left to be read.
    """
    count = shared_tokens(prompts)
    if count * (len(prompts) - 1) < _A_PASS or not _goes_on(model):
        return SharedStart()
    reader: Any = model
    ids = torch.tensor([prompts[0][:count]], device=model.device)
    read = reader(input_ids=ids, past_key_values=DynamicCache(), use_cache=True, logits_to_keep=1)
    return SharedStart(count, read.past_key_values)


def shared_tokens(prompts: Sequence[list[int]]) -> int:
    """Return how many tokens all prompts begin with, the last one of each left out."""
    # What lies between the first and the last in order of size begins as both do.
    first, last = min(prompts, default=[]), max(prompts, default=[])
    most = min(map(len, prompts), default=1) - 1
    same = (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return max(0, min(most, next(same, most)))


def _goes_on(model: PreTrainedModel) -> bool:
    """Return whether `generate` may go on from a start that was read, with padding between it and the rest."""
    settings = model.generation_config
    if settings is not None and (
        settings.cache_implementation is not None or settings.use_cache is False or (settings.num_beams or 1) > 1
    ):
        return False
    return numbers_places(model)


def numbers_places(model: PreTrainedModel) -> bool:
    """Return whether a causal model keeps all tokens and knows their order by position numbers alone."""
    config = model.config
    # Without position numbers distance is counted over the padding, too; so are the windows of GPT-Neo's local layers.
    # Falcon takes position numbers, but may go by slopes.
    known = inspect.signature(model.forward).parameters
    if config.is_encoder_decoder or not {"past_key_values", "position_ids"} <= set(known):
        return False
    if "local" in getattr(config, "attention_layers", ()) or getattr(config, "alibi", False):
        return False
    layers = DynamicCache(config=config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)
