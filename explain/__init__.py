"""Attributions of trained classifiers, per word, with character offsets."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explain.attribution import Attribution
    from explain.methods import attribute

__all__ = ["Attribution", "attribute"]

_HOMES = {"attribute": "explain.methods", "Attribution": "explain.attribution"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'explain' has no attribute '{name}'")
