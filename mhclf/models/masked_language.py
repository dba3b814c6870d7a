"""Masked language modelling: an encoder with its word-guessing head, and the masks."""

from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForMaskedLM, PreTrainedModel

from mhclf.errors import ConfigError
from mhclf.models.encoder import quiet_transformers
from mhclf.models.weights import EncoderSource

IGNORED = -100
"""Target of a token that is not to be guessed; torch's cross-entropy leaves it out."""


def load_masked_model(source: EncoderSource) -> tuple[PreTrainedModel, frozenset[str]]:
    """Load an encoder with its head for guessing words.

    Returns
    -------
    model : PreTrainedModel
    fresh : frozenset of str
        Names of the parameters that the weights lack: they start at random.

    Raises
    ------
    ConfigError
        If the encoder's family has no such head, or cannot be loaded.
    """
    try:
        with quiet_transformers():
            loaded: Any = AutoModelForMaskedLM.from_pretrained(
                source.location,
                dtype=torch.float32,
                local_files_only=source.local,
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise ConfigError(f"encoder: '{source.name}' cannot be pretrained by masked words: {reason}") from error
    model, report = loaded
    return model, frozenset(report["missing_keys"])


def mask_tokens(
    ids: Tensor,
    maskable: Tensor,
    share: float,
    mask_id: int,
    random_ids: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Choose tokens to be guessed and hide them (Devlin et al. 2019: 80 % masked, 10 % another token, 10 % kept).

    Parameters
    ----------
    ids : Tensor
        Shape (batch, tokens).
    maskable : Tensor
        True for tokens that may be chosen: no special ones, no padding.
    share : float
        Share of them that is chosen; at least one of each row that has any.
    mask_id : int
        Number of the mask token.
    random_ids : Tensor
        Tokens that may stand in for another, shape (k,).
    generator : torch.Generator

    Returns
    -------
    inputs, targets : Tensor
        Shape (batch, tokens); targets are `IGNORED` where nothing is to be guessed.
    """
    draws = torch.rand(ids.shape, generator=generator).masked_fill(~maskable, 2.0)
    first = draws == draws.amin(dim=1, keepdim=True)
    chosen = maskable & ((draws < share) | first)
    targets = torch.where(chosen, ids, IGNORED)
    how = torch.rand(ids.shape, generator=generator)
    others = random_ids[torch.randint(len(random_ids), ids.shape, generator=generator)]
    inputs = torch.where(chosen & (how < 0.8), mask_id, ids)
    inputs = torch.where(chosen & (how >= 0.8) & (how < 0.9), others, inputs)
    return inputs, targets
