"""What is lost without a layer: its weight set to 0, the others renormalised, nothing trained again."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from numpy.typing import ArrayLike

from explain.layers import device_of, layer_scores, layer_summaries, require_weights
from explain.probes import accuracy_and_f1, metrics_of
from mhclf.errors import RunError
from mhclf.evaluation import Comparison, paired_bootstrap
from mhclf.evaluation.averages import Average, Floats, average
from mhclf.models.aggregation import Aggregation
from mhclf.models.encoder import layer_names
from mhclf.models.network import ClassifierNetwork
from mhclf.training.saved import Run


def without_layer(aggregation: Aggregation, layer: int) -> Aggregation:
    """Return a copy of an aggregation that gives one layer the weight 0 and renormalises the others.

    The score of the layer becomes minus infinity before the softmax, which is that exactly. Where the last layer also
    enters as the residual, it stays there.

    Raises
    ------
    RunError
        If the aggregation learns no weights that can be set.
    """
    changed = copy.deepcopy(aggregation)
    with torch.no_grad():
        scores = layer_scores(changed)
        if scores is None:
            raise RunError("drop layers: this aggregation has no learnt layer weights. Choose a layer-attentive run.")
        scores[layer] = float("-inf")
    return changed


@dataclass(frozen=True)
class LayerDrop:
    """What happens when one layer has no weight.

    Attributes
    ----------
    name : str
        The layer; '' for the whole model.
    values, low, high : dict
        `accuracy` (multi-label: `subset_accuracy`) and `macro_f1`, with intervals over groups.
    difference : dict
        Metric -> paired comparison with the whole model; empty for the whole model.
    logit_change : Average
        Mean over labels of the absolute change of the logit.
    """

    name: str
    values: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]
    difference: dict[str, Comparison]
    logit_change: Average


def drop_layers(
    run: Run,
    texts: Sequence[str],
    gold: ArrayLike,
    groups: ArrayLike | None = None,
    contexts: Sequence[str] | None = None,
    n_resamples: int = 1000,
) -> tuple[LayerDrop, ...]:
    """Give each layer in turn the weight 0 and renormalise, without training again; the whole model comes first.

    Parameters
    ----------
    run : Run
        Stays as it is.
    texts, contexts
        The posts.
    gold : array
        Class numbers (n,) or 0/1 labels (n, labels).
    groups : array (n,), optional
    n_resamples : int

    Raises
    ------
    RunError
        If the run has no learnt layers.
    """
    network = run.parts()[0].eval()
    require_weights(run, network)
    device = device_of(network)
    summaries = torch.from_numpy(layer_summaries(run, texts, contexts)).to(device)
    names = layer_names(network.encoder)
    whole = _logits(network, network.aggregation, summaries)
    before = _decisions(network, whole)
    found = [_scored(run, "", before, np.zeros(whole.shape), None, gold, groups, n_resamples)]
    for layer, name in enumerate(names):
        logits = _logits(network, without_layer(network.aggregation, layer), summaries)
        change = np.abs(logits - whole)
        found.append(_scored(run, name, _decisions(network, logits), change, before, gold, groups, n_resamples))
    return tuple(found)


@torch.no_grad()
def _logits(network: ClassifierNetwork, aggregation: Aggregation, summaries: torch.Tensor) -> Floats:
    logits: torch.Tensor = network.head(aggregation(summaries).representation)
    return np.asarray(logits.double().cpu().numpy())


def _decisions(network: ClassifierNetwork, logits: Floats) -> npt.NDArray[np.int64]:
    probabilities = network.head.probabilities(torch.from_numpy(logits))
    return np.asarray(network.head.decide(probabilities).numpy(), dtype=np.int64)


def _scored(
    run: Run,
    name: str,
    decisions: npt.NDArray[np.int64],
    change: Floats,
    before: npt.NDArray[np.int64] | None,
    gold: ArrayLike,
    groups: ArrayLike | None,
    n_resamples: int,
) -> LayerDrop:
    values, low, high = accuracy_and_f1(run.task, gold, decisions, run.labels, groups, n_resamples)
    difference = {}
    if before is not None:
        difference = {
            metric: paired_bootstrap(metric, gold, decisions, before, groups, n_resamples, labels=run.labels)
            for metric in metrics_of(run.task)
        }
    return LayerDrop(name, values, low, high, difference, average(change.mean(axis=1), groups, n_resamples))
