"""How far an attribution moves when the model's reading of the words moves a little (Yeh et al. 2019)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from explain.methods import attribute
from mhclf.errors import ConfigError
from mhclf.training.saved import Run

SENSITIVITY = "max_sensitivity"
"""Name of the metric; less is better."""

GRADIENTS = (
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "gradient_shap",
    "gradient_attention",
    "layer_relevance",
)
"""Methods whose sensitivity is measured: those that go by gradients or relevance."""

RADIUS = 0.02
"""Moves of word vectors, as a share of their standard deviation."""


def max_sensitivity(
    run: Run,
    texts: Sequence[str],
    method: str,
    target: str | Sequence[str],
    contexts: Sequence[str] | None = None,
    *,
    radius: float = RADIUS,
    draws: int = 5,
    seed: int = 0,
) -> np.ndarray:
    """Return, for each post, the largest relative change of its word scores over random moves of the word vectors.

    Parameters
    ----------
    run : Run
        With a network.
    texts : sequence of str
    method : str
        Any attribution method; meant for gradient methods.
    target : str or sequence of str
        Labels are fixed: a changed prediction must not change what is explained.
    contexts : sequence of str, optional
    radius : float
        Each entry of the word vectors moves evenly within this share of their standard deviation.
    draws : int
    seed : int
        Of the moves; the method's own draws stay the same.

    Returns
    -------
    array (posts,)
        Euclidean norm of the difference over that of the scores; NaN where the scores are all 0. Less is better.

    Raises
    ------
    ConfigError
        If radius or draws are out of range.
    """
    if radius <= 0 or draws < 1:
        raise ConfigError("max_sensitivity: needs radius > 0 and draws >= 1.")

    def scores() -> list[np.ndarray]:
        found = attribute(run, texts, method, target, contexts=contexts, seed=seed)
        return [np.array(item.scores) for item in found]

    embeddings: Any = run.parts()[0].encoder.get_input_embeddings()
    vectors = embeddings.weight.data
    before = vectors.clone()
    generator = torch.Generator().manual_seed(seed)
    first = scores()
    largest = np.zeros(len(first))
    try:
        for _ in range(draws):
            move = (torch.rand(before.shape, generator=generator) * 2 - 1).to(before)
            vectors.copy_(before + radius * before.std() * move)
            moved = [np.linalg.norm(new - old) for new, old in zip(scores(), first, strict=True)]
            largest = np.maximum(largest, moved)
    finally:
        vectors.copy_(before)
    norms = np.array([np.linalg.norm(old) for old in first])
    return np.where(norms > 0, largest / np.where(norms > 0, norms, 1), np.nan)
