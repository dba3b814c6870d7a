"""What each layer does: learnt weights, contributions, the effect of dropping one, a linear probe beside them."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from explain.averages import Average, Floats, average
from explain.model import ExplainedModel, TokenRow
from explain.reading import read_posts
from mhclf.errors import DataError, RunError
from mhclf.evaluation import Comparison, classification_intervals, paired_bootstrap, scores
from mhclf.evaluation.layers import LayerAgreement, kl_from_uniform, layer_agreement
from mhclf.models.aggregation import Aggregation, LayerScores, ScalarMix
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
    _require_weights(run, network)
    summaries = layer_summaries(run, texts, contexts)
    with torch.no_grad():
        found = network.eval().aggregation(torch.from_numpy(summaries).to(_device(network)))
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
    rows = [TokenRow(post.ids, post.types) for post in read_posts(run, texts, contexts)]
    lengths = [len(row.ids) for row in rows]
    layers = int(network.encoder.config.num_hidden_layers) + 1
    found = np.zeros((len(rows), layers, network.hidden), dtype=np.float32)

    def work(part: Sequence[int]) -> None:
        batch = model.batch([rows[number] for number in part])
        states = hidden_states(network.encoder, batch, every_layer=True)
        pooled = torch.stack([network.pool(state, batch["attention_mask"]) for state in states], dim=1)
        found[list(part)] = pooled.float().cpu().numpy()

    model.in_batches(sorted(range(len(rows)), key=lambda number: -lengths[number]), lengths, work)
    return found


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
        scores = _layer_scores(changed)
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
    _require_weights(run, network)
    device = _device(network)
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


@dataclass(frozen=True)
class LayerProbe:
    """A linear classifier on one layer's summary: `accuracy` (or `subset_accuracy`) and `macro_f1`, with intervals."""

    name: str
    values: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]
    n: int


def probe_layers(
    task: str,
    labels: Sequence[str],
    names: Sequence[str],
    train: ArrayLike,
    train_gold: ArrayLike,
    test: ArrayLike,
    test_gold: ArrayLike,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
) -> tuple[LayerProbe, ...]:
    """Fit a logistic regression on each layer's summaries and score it on other posts.

    Parameters
    ----------
    task : {'multiclass', 'ordinal', 'multilabel'}
    labels, names : sequence of str
        Labels, and one name a layer.
    train, test : array (posts, layers, hidden)
    train_gold, test_gold : array
        Class numbers (posts,) or 0/1 labels (posts, labels).
    groups : array (test posts,), optional
    n_resamples : int

    Notes
    -----
    Features are standardised by the train posts; L2 penalty with C = 1. The probe says what can be read from a layer
    in a line, the learnt weights what the model takes from it: the two need not agree.
    """
    x, y = np.asarray(train, dtype=np.float64), np.asarray(train_gold)
    held, gold = np.asarray(test, dtype=np.float64), np.asarray(test_gold)
    if x.ndim != 3 or held.ndim != 3 or x.shape[1:] != held.shape[1:] or x.shape[1] != len(names):
        raise DataError(
            f"probe: summaries have shapes {x.shape} and {held.shape}, expected (posts, {len(names)}, hidden)."
        )
    found = []
    for layer, name in enumerate(names):
        classifier = LogisticRegression(max_iter=2000)
        probe = make_pipeline(StandardScaler(), OneVsRestClassifier(classifier) if y.ndim == 2 else classifier)
        predicted = np.asarray(probe.fit(x[:, layer], y).predict(held[:, layer]), dtype=np.int64)
        values, low, high = _metrics(task, gold, predicted, labels, groups, n_resamples)
        found.append(LayerProbe(name, values, low, high, len(gold)))
    return tuple(found)


def probe_run(
    run: Run,
    train_texts: Sequence[str],
    train_gold: ArrayLike,
    texts: Sequence[str],
    gold: ArrayLike,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
) -> tuple[LayerProbe, ...]:
    """Probe the layers of a trained run: fitted on train posts, scored on validation or test posts."""
    names = layer_names(run.parts()[0].encoder)
    train, test = layer_summaries(run, train_texts), layer_summaries(run, texts)
    return probe_layers(run.task, run.labels, names, train, train_gold, test, gold, groups, n_resamples)


def _require_weights(run: Run, network: ClassifierNetwork) -> None:
    if _layer_scores(network.aggregation) is None:
        raise RunError(
            f"{run.folder}: its aggregation '{network.config.aggregation}' learns no layer weights. "
            "Choose a layer-attentive run."
        )


def _layer_scores(aggregation: nn.Module) -> nn.Parameter | None:
    for module in aggregation.modules():
        if isinstance(module, LayerScores):
            return module.bias
        if isinstance(module, ScalarMix):
            return module.layer_scores
    return None


def _device(network: ClassifierNetwork) -> torch.device:
    return next(network.parameters()).device


@torch.no_grad()
def _logits(network: ClassifierNetwork, aggregation: Aggregation, summaries: torch.Tensor) -> Floats:
    logits: torch.Tensor = network.head(aggregation(summaries).representation)
    return np.asarray(logits.double().cpu().numpy())


def _decisions(network: ClassifierNetwork, logits: Floats) -> npt.NDArray[np.int64]:
    probabilities = network.head.probabilities(torch.from_numpy(logits))
    return np.asarray(network.head.decide(probabilities).numpy(), dtype=np.int64)


def _metrics(
    task: str,
    gold: ArrayLike,
    decisions: npt.NDArray[np.int64],
    labels: Sequence[str],
    groups: ArrayLike | None,
    n_resamples: int,
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    wanted = _wanted(task)
    values = scores(task, gold, decisions, None, labels)
    ends = classification_intervals(task, gold, decisions, None, labels, groups, wanted, n_resamples=n_resamples)
    return (
        {name: float(values[name]) for name in wanted},
        {name: ends[name][0] for name in wanted},
        {name: ends[name][1] for name in wanted},
    )


def _wanted(task: str) -> tuple[str, str]:
    return ("subset_accuracy" if task == "multilabel" else "accuracy", "macro_f1")


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
    values, low, high = _metrics(run.task, gold, decisions, run.labels, groups, n_resamples)
    difference = {}
    if before is not None:
        difference = {
            metric: paired_bootstrap(metric, gold, decisions, before, groups, n_resamples, labels=run.labels)
            for metric in _wanted(run.task)
        }
    return LayerDrop(name, values, low, high, difference, average(change.mean(axis=1), groups, n_resamples))
