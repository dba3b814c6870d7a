"""Low-rank adapters on a decoder, by peft: laid on, and saved under a portable name."""

import importlib.util
from pathlib import Path
from typing import Any

from mhclf.config.model import LoraConfig
from mhclf.errors import ConfigError, MissingDependencyError
from mhclf.models.encoder import quiet_transformers


def need_peft() -> None:
    """Refuse to go on without peft.

    Raises
    ------
    MissingDependencyError
    """
    if importlib.util.find_spec("peft") is None:
        raise MissingDependencyError("Adapters need the package peft. Run: pip install 'mhclf[generate]'")


def with_adapters(model: Any, config: LoraConfig) -> Any:
    """Return a causal model with adapters, to be trained under autocast or in fp32; only the adapters learn.

    Raises
    ------
    MissingDependencyError
        If peft is not installed.
    ConfigError
        If no layer has a name that ends in one of the targets.
    """
    need_peft()
    import peft

    targets = "all-linear" if config.targets == ("all-linear",) else list(config.targets)
    settings = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    try:
        adapted: Any = peft.get_peft_model(model, settings)
    except ValueError as error:
        raise ConfigError(f"lora: targets: no layer's name ends in {', '.join(config.targets)}.") from error
    for layer in adapted.modules():
        if hasattr(layer, "cast_input_dtype_enabled"):
            # Autocast gives every product its type: casting to fp32 before it and back took a sixth of a step (SmolLM2,
            # 4 x 240 tokens, bf16 on one core: 7.8 s with, 6.5 s without).
            layer.cast_input_dtype_enabled = False
    return adapted


def save_adapters(model: Any, base: str, folder: Path) -> None:
    """Save the adapters of a model whose base is known by a portable name: never the path of one machine."""
    for settings in model.peft_config.values():
        settings.base_model_name_or_path = base
    with quiet_transformers():
        # The embeddings never change; asking whether they did would ask the hub.
        model.save_pretrained(folder, save_embedding_layers=False)
    # peft's empty card names the base model by its path here.
    (folder / "README.md").unlink(missing_ok=True)
