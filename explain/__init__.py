"""Attributions of trained classifiers, per word, with character offsets, and how faithful and plausible they are."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explain.attribution import Attribution
    from explain.methods import attribute
    from explain.run import RunFidelity
    from explain.run import explain_run as fidelity

__all__ = ["Attribution", "RunFidelity", "attribute", "fidelity"]

_HOMES = {
    "attribute": ("explain.methods", "attribute"),
    "Attribution": ("explain.attribution", "Attribution"),
    "fidelity": ("explain.run", "explain_run"),
    "RunFidelity": ("explain.run", "RunFidelity"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        module, attribute_name = _HOMES[name]
        return getattr(importlib.import_module(module), attribute_name)
    raise AttributeError(f"module 'explain' has no attribute '{name}'")
