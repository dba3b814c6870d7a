"""What the layers carry: learnt weights, effective contributions, agreement between seeds, pooled summaries."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import nn

from explain.model import ExplainedModel
from explain.reading import read_posts
from mhclf.errors import DataError, RunError
from mhclf.evaluation.averages import Floats, average
from mhclf.evaluation.layers import LayerAgreement, kl_from_uniform, layer_agreement
from mhclf.models.aggregation import LayerScores, ScalarMix
from mhclf.models.encoder import hidden_states, layer_names
from mhclf.models.network import ClassifierNetwork
from mhclf.training.saved import Run


@dataclass(frozen=True)
class LayerWeights:
    """Learnt weights and effective contributions of the layers, post by post.

    Attributes
    ----------
    names : tuple of str
        `embeddings`, `layer 1`, ...
    weights, contributions : array (posts, layers)
        Each row sums to 1; contributions are shares of the norm in the pooled representation, the residual counted to
        the last layer.
    """

    names: tuple[str, ...]
    weights: Floats
    contributions: Floats

    def by_class(self, gold: ArrayLike, labels: Sequence[str]) -> dict[str, tuple[Floats, Floats]]:
        """Return label -> (mean weights, mean contributions) of its gold posts; labels without a post are left out.

        Parameters
        ----------
        gold : array
            Class numbers (posts,) or 0/1 labels (posts, labels).
        labels : sequence of str
        """
        targets = np.asarray(gold)
        if len(targets) != len(self.weights):
            raise DataError(f"gold: has {len(targets)} rows, but weights are of {len(self.weights)} posts.")
        hot = targets if targets.ndim == 2 else np.eye(len(labels), dtype=int)[targets]
        rows = {label: hot[:, column] == 1 for column, label in enumerate(labels)}
        return {
            label: (self.weights[own].mean(axis=0), self.contributions[own].mean(axis=0))
            for label, own in rows.items()
            if own.any()
        }

    def frame(self, groups: ArrayLike | None = None, n_resamples: int = 1000) -> pd.DataFrame:
        """Return one row a layer and kind (`weight`, `contribution`): mean, interval, sd over posts, posts."""
        rows = []
        for kind, values in (("weight", self.weights), ("contribution", self.contributions)):
            for layer, name in enumerate(self.names):
                found = average(values[:, layer], groups, n_resamples)
                rows.append((name, kind, found.mean, found.low, found.high, float(values[:, layer].std()), found.n))
        return pd.DataFrame(rows, columns=["layer", "kind", "mean", "low", "high", "sd", "n"])

    @property
    def kl_from_uniform(self) -> float:
        """Divergence of the mean weights from an even mixture, in nats; see `mhclf.evaluation.layers`."""
        return float(kl_from_uniform(self.weights.mean(axis=0)))


def layer_weights(run: Run, texts: Sequence[str], contexts: Sequence[str] | None = None) -> LayerWeights:
    """Return the layer weights of a run for posts.

    Raises
    ------
    RunError
        If the run has no learnt layers.
    """
    network = run.parts()[0]
    require_weights(run, network)
    summaries = layer_summaries(run, texts, contexts)
    with torch.no_grad():
        found = network.eval().aggregation(torch.from_numpy(summaries).to(device_of(network)))
    assert found.weights is not None and found.contributions is not None
    return LayerWeights(
        tuple(layer_names(network.encoder)),
        found.weights.double().cpu().numpy(),
        found.contributions.double().cpu().numpy(),
    )


def seed_agreement(seeds: Sequence[LayerWeights]) -> tuple[LayerAgreement, LayerAgreement]:
    """Return the agreement between seeds of the mean weights, and of the mean contributions."""
    return (
        layer_agreement([item.weights.mean(axis=0) for item in seeds]),
        layer_agreement([item.contributions.mean(axis=0) for item in seeds]),
    )


@torch.no_grad()
def layer_summaries(
    run: Run, texts: Sequence[str], contexts: Sequence[str] | None = None, tokens_at_once: int = 16384
) -> npt.NDArray[np.float32]:
    """Return the pooled summary of every layer, embeddings first, shape (posts, layers, hidden).

    Also where the run's aggregation reads the last one alone.

    Raises
    ------
    RunError
        If the run is the linear baseline.
    """
    network = run.parts()[0].eval()
    model = ExplainedModel(run, tokens_at_once)
    rows = [post.row for post in read_posts(run, texts, contexts)]
    lengths = [len(row.ids) for row in rows]
    layers = int(network.encoder.config.num_hidden_layers) + 1
    found = np.zeros((len(rows), layers, network.hidden), dtype=np.float32)

    def work(part: Sequence[int]) -> None:
        batch = model.batch([rows[number] for number in part])
        states = hidden_states(network.encoder, batch, every_layer=True)[0]
        found[list(part)] = network.pooled(states, batch).float().cpu().numpy()

    model.in_batches(lengths, work)
    return found


def require_weights(run: Run, network: ClassifierNetwork) -> None:
    """Refuse a run whose aggregation learns no layer weights."""
    if layer_scores(network.aggregation) is None:
        raise RunError(
            f"{run.folder}: its aggregation '{network.config.aggregation}' learns no layer weights. "
            "Choose a layer-attentive run."
        )


def layer_scores(aggregation: nn.Module) -> nn.Parameter | None:
    """Return the parameter that the softmax over layers adds or takes, shape (layers,); None where there is none."""
    for module in aggregation.modules():
        if isinstance(module, LayerScores):
            return module.bias
        if isinstance(module, ScalarMix):
            return module.layer_scores
    return None


def device_of(network: ClassifierNetwork) -> torch.device:
    """Return where a network lies."""
    return next(network.parameters()).device
