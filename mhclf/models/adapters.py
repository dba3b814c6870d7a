"""Low-rank adapters on the encoder (Hu et al. 2022, arXiv:2106.09685), by peft."""

from typing import Any

from torch import nn
from transformers import PreTrainedModel

from mhclf.config.model import LoraConfig
from mhclf.errors import ConfigError


def add_lora(encoder: PreTrainedModel, config: LoraConfig) -> Any:
    """Return the encoder with adapters; only these are trained.

    Raises
    ------
    ConfigError
        If peft is not installed, or no layer has a name that ends in one of the targets.
    """
    try:
        import peft
    except ImportError as error:
        raise ConfigError("lora: needs the package peft. Run: pip install 'mhclf[lora]'") from error
    targets: str | list[str] = "all-linear" if config.targets == ("all-linear",) else list(config.targets)
    settings = peft.LoraConfig(
        r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=targets
    )
    try:
        return peft.get_peft_model(encoder, settings)
    except ValueError as error:
        names = {name.rsplit(".", 1)[-1] for name, module in encoder.named_modules() if isinstance(module, nn.Linear)}
        raise ConfigError(
            f"lora: targets: no layer's name ends in {', '.join(config.targets)}. "
            f"Linear layers here: {', '.join(sorted(names))}."
        ) from error


def merge_lora(encoder: Any) -> PreTrainedModel:
    """Return the plain encoder with the adapters added into its weights."""
    merged: PreTrainedModel = encoder.merge_and_unload()
    return merged
