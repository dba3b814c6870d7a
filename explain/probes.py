"""What a line can read from each layer: a linear probe on its pooled summaries."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from explain.layers import layer_summaries
from mhclf.errors import DataError
from mhclf.evaluation import classification_intervals, scores
from mhclf.models.encoder import layer_names
from mhclf.training.saved import Run


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
        values, low, high = accuracy_and_f1(task, gold, predicted, labels, groups, n_resamples)
        found.append(LayerProbe(name, values, low, high, len(gold)))
    return tuple(found)


def probe_run(
    run: Run,
    train_texts: Sequence[str],
    train_gold: ArrayLike,
    texts: Sequence[str],
    gold: ArrayLike,
    groups: ArrayLike | None = None,
    train_contexts: Sequence[str] | None = None,
    contexts: Sequence[str] | None = None,
    n_resamples: int = 1000,
) -> tuple[LayerProbe, ...]:
    """Probe the layers of a trained run: fitted on train posts, scored on validation or test posts.

    Parameters as in `probe_layers`; contexts are what was said before each post, where the run reads that.
    """
    names = layer_names(run.parts()[0].encoder)
    train = layer_summaries(run, train_texts, train_contexts)
    test = layer_summaries(run, texts, contexts)
    return probe_layers(run.task, run.labels, names, train, train_gold, test, gold, groups, n_resamples)


def accuracy_and_f1(
    task: str,
    gold: ArrayLike,
    decisions: npt.NDArray[np.int64],
    labels: Sequence[str],
    groups: ArrayLike | None,
    n_resamples: int,
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return values, low ends and high ends of the metrics of `metrics_of`, with intervals over groups."""
    wanted = metrics_of(task)
    values = scores(task, gold, decisions, None, labels)
    ends = classification_intervals(task, gold, decisions, None, labels, groups, wanted, n_resamples=n_resamples)
    return (
        {name: float(values[name]) for name in wanted},
        {name: ends[name][0] for name in wanted},
        {name: ends[name][1] for name in wanted},
    )


def metrics_of(task: str) -> tuple[str, str]:
    """Return `accuracy` (several labels: `subset_accuracy`) and `macro_f1`."""
    return ("subset_accuracy" if task == "multilabel" else "accuracy", "macro_f1")
