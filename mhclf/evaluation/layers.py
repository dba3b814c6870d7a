"""Layer weights reported honestly: distance from uniform, effective contributions, agreement between seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau

FloatArray = npt.NDArray[np.floating]

UNIFORM_THRESHOLD = 0.01
"""Mean weights closer to uniform than this (nats) are reported as not to be told from uniform: an effective number of
layers above 99 % of all layers."""


def kl_from_uniform(weights: FloatArray) -> FloatArray:
    r"""Return :math:`\sum_l a_l \ln(L a_l)` in nats over the last axis: 0 for uniform, ln L for one layer alone."""
    values = np.asarray(weights, dtype=np.float64)
    scaled = np.where(values > 0, values * values.shape[-1], 1.0)
    return np.asarray((values * np.log(scaled)).sum(axis=-1))


def effective_layers(weights: FloatArray) -> float:
    """Return exp(entropy): how many layers a mixture amounts to, from 1 to L."""
    values = np.asarray(weights, dtype=np.float64)
    return float(values.shape[-1] * np.exp(-kl_from_uniform(values)))


@dataclass(frozen=True)
class LayerAgreement:
    """Agreement of mean layer weights between seeds: mean and smallest Kendall tau-b over pairs, largest spread."""

    mean_tau: float
    smallest_tau: float
    largest_difference: float
    n_seeds: int


def layer_agreement(weights: Sequence[FloatArray]) -> LayerAgreement:
    """Compare mean layer weights of several seeds.

    Parameters
    ----------
    weights : sequence of arrays
        One array (layers,) for each seed; NaN agreement for a single seed.
    """
    values = np.asarray(weights, dtype=np.float64)
    pairs = [(i, j) for i in range(len(values)) for j in range(i)]
    if not pairs:
        return LayerAgreement(float("nan"), float("nan"), float("nan"), len(values))
    taus = [float(kendalltau(values[i], values[j]).statistic) for i, j in pairs]
    spread = float((values.max(axis=0) - values.min(axis=0)).max())
    return LayerAgreement(float(np.mean(taus)), float(np.min(taus)), spread, len(values))
