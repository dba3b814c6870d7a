"""The encoder: any Hugging Face encoder, with every layer's hidden states."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from mhclf.errors import ConfigError
from mhclf.models.weights import EMBEDDED, EncoderSource

_BLOCK = 2**22
"""Elements of the largest tensor inside a layer, up to which a CPU trains on rows together.

glibc fetches blocks of more than 32 MiB from the system and hands them back each time: touching their pages anew costs
up to half of a training step over rows of 256 tokens.
"""


def load_tokenizer(source: EncoderSource) -> PreTrainedTokenizerBase:
    """Load the fast tokenizer of an encoder.

    Raises
    ------
    ConfigError
        If it cannot be loaded, or gives no character offsets.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.location, local_files_only=source.local)
    except (OSError, ValueError) as error:
        raise _unreachable(source, error) from error
    if not tokenizer.is_fast:
        raise ConfigError(
            f"encoder: the tokenizer of '{source.name}' gives no character offsets; use one with a fast form."
        )
    return tokenizer


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the progress bars and reports of transformers (a left-out pooler is wanted), then restore them."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def load_encoder(source: EncoderSource, attention: str = "sdpa") -> PreTrainedModel:
    """Load an encoder in float32, without a pooler.

    Parameters
    ----------
    source : EncoderSource
        From `resolve_encoder`.
    attention : {'sdpa', 'eager'}
        Kernel. Families with only one keep theirs.

    Raises
    ------
    ConfigError
        If the name cannot be loaded; says which local names work.
    """
    try:
        config = AutoConfig.from_pretrained(source.location, local_files_only=source.local)
        if config.is_encoder_decoder or getattr(config, "is_decoder", False):
            raise ConfigError(f"encoder: '{source.name}' is a {config.model_type} decoder; give an encoder.")
        # An fp16 checkpoint would load as fp16: precision belongs to the trainer.
        with quiet_transformers():
            encoder: PreTrainedModel = AutoModel.from_pretrained(
                source.location,
                config=config,
                dtype=torch.float32,
                local_files_only=source.local,
                use_safetensors=True,
                **_build_options(config, attention),
            )
        return encoder
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise _unreachable(source, error) from error


def build_encoder(config: Any, attention: str = "sdpa") -> PreTrainedModel:
    """Build the same encoder with random weights, for loading a saved state into it."""
    encoder: PreTrainedModel = AutoModel.from_config(config, dtype=torch.float32, **_build_options(config, attention))
    return encoder


def _build_options(config: Any, attention: str) -> dict[str, Any]:
    model_class: Any = AutoModel._model_mapping[type(config)]
    if isinstance(model_class, tuple):
        model_class = model_class[0]
    options: dict[str, Any] = {}
    # An unused pooler has parameters that never get a gradient, which stops ddp.
    if "add_pooling_layer" in inspect.signature(model_class.__init__).parameters:
        options["add_pooling_layer"] = False
    options["attn_implementation"] = attention if getattr(model_class, "_supports_sdpa", False) else "eager"
    return options


def hidden_states(
    encoder: nn.Module,
    batch: dict[str, Tensor],
    every_layer: bool,
    attention: bool = False,
    split: bool = True,
) -> tuple[tuple[Tensor, ...], Tensor | None]:
    """Run the encoder.

    Parameters
    ----------
    batch : dict
        `input_ids` and `attention_mask`, shape (batch, tokens), and what else the encoder takes.
    every_layer : bool
        Return the embeddings and every layer, or the last layer alone.
    attention : bool
        Also return the last layer's attention; needs an encoder with eager attention.
    split : bool
        Where a CPU trains, read the rows of a large batch in several passes: the same but for the draws of dropout.

    Returns
    -------
    states : tuple of Tensor
        Each of shape (batch, tokens, hidden). The last one is `last_hidden_state`, which some families normalise.
    attention : Tensor or None
        Shape (batch, heads, tokens, tokens).
    """
    count = passes_of(encoder, batch["attention_mask"]) if split else 1
    if count == 1:
        return _read(encoder, batch, every_layer, attention)
    parts = zip(*(value.tensor_split(count) for value in batch.values()), strict=True)
    read = [_read(encoder, dict(zip(batch, part, strict=True)), every_layer, attention) for part in parts]
    states = tuple(torch.cat(layer) for layer in zip(*(part for part, _ in read), strict=True))
    shown = [weights for _, weights in read if weights is not None]
    return states, torch.cat(shown) if shown else None


def passes_of(encoder: nn.Module, mask: Tensor) -> int:
    """Return in how many passes the rows of a batch are read fastest: several where a CPU trains on many long rows.

    Without gradients a layer's blocks are handed on to the next layer, and one pass is as fast.

    Parameters
    ----------
    encoder : nn.Module
    mask : Tensor
        Shape (batch, tokens).
    """
    rows, tokens = mask.shape
    config: Any = encoder.config
    heads: int = getattr(config, "num_attention_heads", 0)
    # Networks without attention pay for each pass, not for its rows.
    if not encoder.training or mask.device.type != "cpu" or not heads:
        return 1
    # Of the feed-forward part, and of the weights of attention, which are written down where there is dropout.
    width: int = max(getattr(config, "intermediate_size", 4 * config.hidden_size), heads * tokens)
    return -(-rows // max(1, _BLOCK // (tokens * width)))


def _read(
    encoder: nn.Module, batch: dict[str, Tensor], every_layer: bool, attention: bool
) -> tuple[tuple[Tensor, ...], Tensor | None]:
    watched = {"output_attentions": True} if attention else {}
    output = encoder(**batch, output_hidden_states=every_layer, return_dict=True, **watched)
    shown = output.attentions[-1] if attention else None
    if not every_layer:
        return (output.last_hidden_state,), shown
    return (*output.hidden_states[:-1], output.last_hidden_state), shown


def longest_input(encoder: nn.Module) -> int | None:
    """Return how many tokens the encoder has positions for; None where positions are relative."""
    for name, module in encoder.named_modules():
        if name.rsplit(".", 1)[-1] == "position_embeddings" and isinstance(module, nn.Embedding):
            # RoBERTa and its kin start counting behind the padding token's number.
            return module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
    return None


def encoder_blocks(encoder: nn.Module) -> list[list[nn.Parameter]]:
    """Return the parameters from the embeddings to the last layer, one list for each step of depth.

    Parameters before the stack of layers stand with the embeddings, those behind it (a last norm) with the last layer.

    Raises
    ------
    ConfigError
        If no stack of layers is found.
    """
    count = int(encoder.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
    stacks = [name for name, item in encoder.named_modules() if isinstance(item, nn.ModuleList) and len(item) == count]
    if not stacks:
        raise ConfigError("encoder: its layers are not found. Leave --model.frozen_layers 0 and --optim.layer_decay 1.")
    prefix = stacks[0] + "."
    blocks: list[list[nn.Parameter]] = [[] for _ in range(count + 1)]
    depth = 0
    for name, parameter in encoder.named_parameters():
        if name.startswith(prefix):
            depth = int(name.removeprefix(prefix).split(".", 1)[0]) + 1
        elif depth:
            depth = count
        blocks[depth].append(parameter)
    return blocks


def freeze(encoder: nn.Module, layers: int) -> None:
    """Keep the pretrained weights of the embeddings and the first `layers` layers; -1 keeps all.

    Raises
    ------
    ConfigError
        If the encoder has fewer layers.
    """
    if layers == -1:
        encoder.requires_grad_(False)
    elif layers > 0:
        blocks = encoder_blocks(encoder)
        if layers >= len(blocks):
            raise ConfigError(f"model: frozen_layers: is {layers}, but the encoder has {len(blocks) - 1} layers.")
        for parameter in (item for block in blocks[: layers + 1] for item in block):
            parameter.requires_grad_(False)


def layer_names(encoder: PreTrainedModel) -> list[str]:
    """Return 'embeddings', 'layer 1', ... in the order of `hidden_states`."""
    count = int(encoder.config.num_hidden_layers)
    return ["embeddings", *(f"layer {number}" for number in range(1, count + 1))]


def _unreachable(source: EncoderSource, error: Exception) -> ConfigError:
    reason = str(error).strip().splitlines()[0][:200]
    if source.local:
        return ConfigError(f"encoder: '{source.name}' cannot be loaded: {reason}")
    return ConfigError(
        f"encoder: '{source.location}' is no folder here and was not found on the hub, or the hub is out of reach "
        f"({reason}). Names that work without it: {', '.join(EMBEDDED)}, or the path of a saved encoder."
    )
