"""Loading a saved `model/` folder: every tensor in its place, no pickle, no code from the folder."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from mhclf.errors import RunError
from mhclf.hf import MhclfForSequenceClassification, to_hugging_face
from mhclf.models.encoder import quiet_transformers
from mhclf.models.linear import LinearModel, load_linear
from mhclf.models.network import ClassifierNetwork

_EXECUTABLE = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".msgpack", ".h5", ".py", ".so")
"""Endings of files that can hold code; this library saves none of them."""


def save_network_folder(
    network: ClassifierNetwork, tokenizer: PreTrainedTokenizerBase, max_length: int, folder: Path
) -> None:
    """Write network and tokenizer so that transformers loads them, and the tokenizer cuts at `max_length`."""
    model = to_hugging_face(network, max_length)
    tokenizer.model_max_length = max_length
    with quiet_transformers():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def load_network_folder(folder: Path) -> tuple[MhclfForSequenceClassification, PreTrainedTokenizerBase]:
    """Load a network and its tokenizer.

    Parameters
    ----------
    folder : Path
        The `model/` of a run.

    Raises
    ------
    RunError
        If it is missing, damaged, not of this library, holds files or settings that would run code, or its tensors
        are not exactly those of the network: one that is missing would stay at random.
    """
    _refuse_code(folder)
    if _settings(folder / "config.json").get("model_type") != "mhclf":
        raise RunError(f"{folder}: was not saved by this library.")
    try:
        with quiet_transformers():
            loaded: Any = MhclfForSequenceClassification.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                weights_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, AttributeError, SafetensorError) as error:
        # A folder of strangers can trip any part of the code that reads it.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise RunError(f"{folder}: cannot be loaded ({reason}). Was the run finished?") from error
    model, report = loaded
    faults = {
        "lacks": report["missing_keys"],
        "has no place for": report["unexpected_keys"],
        "has in another shape": [key[0] if isinstance(key, tuple) else key for key in report["mismatched_keys"]],
        "holds no finite numbers in": [name for name, value in model.named_parameters() if not _finite(value)],
    }
    for fault, names in faults.items():
        if names:
            raise RunError(
                f"{folder / 'model.safetensors'}: {fault} {len(names)} tensors, such as '{sorted(names)[0]}'. "
                "It is damaged or of another model; train the run again."
            )
    return model, tokenizer


def load_linear_folder(folder: Path) -> LinearModel:
    """Load the linear baseline.

    Raises
    ------
    RunError
        If it is missing or damaged, or its arrays do not fit each other.
    """
    _refuse_code(folder)
    model = load_linear(folder)
    columns, labels = len(model.vocabulary), len(model.labels)
    shapes = (model.inverse_frequency.shape, model.weights.shape, model.bias.shape)
    places = set(model.vocabulary.values())
    fits = shapes == ((columns,), (labels, columns), (labels,)) and places == set(range(columns))
    if not fits or not all(np.isfinite(array).all() for array in (model.inverse_frequency, model.weights, model.bias)):
        raise RunError(f"{folder}: the saved linear model is missing or damaged. Train it again.")
    return model


def _refuse_code(folder: Path) -> None:
    """Refuse a folder that holds, or asks for, anything that is executed when it is loaded."""
    if not folder.is_dir():
        raise RunError(f"{folder}: is missing. Was the run finished?")
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _EXECUTABLE:
            raise RunError(
                f"{path}: this library saves no such file, and it may hold code that loading would run. Remove it if "
                "you know where it comes from, else do not use this folder."
            )
        if path.suffix == ".json" and path.name.endswith("config.json") and "auto_map" in _keys(_settings(path)):
            raise RunError(
                f"{path}: 'auto_map' asks for code of the folder or of a hub to be run. Models of this library need "
                "none; do not use this folder."
            )


def _settings(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read ({type(error).__name__}). Was the run finished?") from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: holds no JSON object. Was the run finished?")
    return content


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from _keys(item)


def _finite(tensor: torch.Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
