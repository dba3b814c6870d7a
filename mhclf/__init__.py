"""mhclf: interpretable mental-health text classification for research."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mhclf.config.recipes import run_config
    from mhclf.data.hub import load_dataset
    from mhclf.estimator import TextClassifier
    from mhclf.training.run import run as train
    from mhclf.training.saved import Run, load_run

__version__ = "0.1.0"
__all__ = ["Run", "TextClassifier", "load_dataset", "load_run", "run_config", "train"]

# Loaded on first use: importing the library must not import torch.
_HOMES = {
    "load_dataset": ("mhclf.data.hub", "load_dataset"),
    "load_run": ("mhclf.training.saved", "load_run"),
    "TextClassifier": ("mhclf.estimator", "TextClassifier"),
    "Run": ("mhclf.training.saved", "Run"),
    "run_config": ("mhclf.config.recipes", "run_config"),
    "train": ("mhclf.training.run", "run"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        module, attribute = _HOMES[name]
        return getattr(importlib.import_module(module), attribute)
    raise AttributeError(f"module 'mhclf' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
