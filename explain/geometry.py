"""How representations lie: silhouette, alignment and uniformity, margins of confusable classes; two runs beside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import silhouette_samples

from mhclf.errors import DataError
from mhclf.evaluation import bootstrap_interval
from mhclf.evaluation.averages import Average, Floats, average
from mhclf.evaluation.confusable import ClassPair, class_pairs
from mhclf.training.predict import predict_network
from mhclf.training.saved import Run


def unit_vectors(representations: ArrayLike) -> Floats:
    """Return representations (n, size) at length 1; those of length 0 stay."""
    points = np.asarray(representations, dtype=np.float64)
    norms = np.linalg.norm(points, axis=-1, keepdims=True)
    return np.asarray(points / np.where(norms > 0, norms, 1.0))


def squared_distances(points: ArrayLike) -> Floats:
    """Return the squared Euclidean distances of all pairs of points (n, size), shape (n, n)."""
    given = np.asarray(points, dtype=np.float64)
    norms = (given**2).sum(axis=1)
    found = np.maximum(norms[:, None] + norms[None, :] - 2 * given @ given.T, 0.0)
    np.fill_diagonal(found, 0.0)
    return np.asarray(found)


def alignment(representations: ArrayLike, gold: ArrayLike, groups: ArrayLike | None = None) -> Average:
    r"""Mean squared distance of the unit vectors of two posts of one class (Wang & Isola 2020, alpha = 2).

    :math:`E_{y_i = y_j,\, i \ne j} \lVert u_i - u_j \rVert^2`, from 0 (all alike) to 4; less is better aligned.

    Parameters
    ----------
    representations : array (n, size)
    gold : array (n,) of class numbers
    groups : array (n,), optional
        For the interval.
    """
    y = np.asarray(gold)
    distances = squared_distances(unit_vectors(representations))
    if y.shape != (len(distances),):
        raise DataError(f"gold must have shape ({len(distances)},), got {y.shape}.")
    return _pair_mean(distances, y[:, None] == y[None, :], groups, lambda mean: mean)


def uniformity(representations: ArrayLike, groups: ArrayLike | None = None) -> Average:
    r"""Return :math:`\ln E_{i \ne j} \exp(-2 \lVert u_i - u_j \rVert^2)` of unit vectors (Wang & Isola 2020, t = 2).

    From -8 to 0; less is spread more evenly over the sphere.
    """
    distances = squared_distances(unit_vectors(representations))
    return _pair_mean(np.exp(-2 * distances), np.ones(distances.shape, dtype=bool), groups, np.log)


def silhouette(representations: ArrayLike, gold: ArrayLike, groups: ArrayLike | None = None) -> Average:
    """Mean silhouette of the classes as clusters of unit vectors (Rousseeuw 1987), from -1 to 1; more is better.

    The values of single posts are held in the bootstrap. NaN where there are fewer than two classes, or as many as
    posts.
    """
    y = np.asarray(gold)
    classes = len(np.unique(y))
    if not 2 <= classes < len(y):
        return average(np.full(len(y), np.nan), groups)
    return average(silhouette_samples(unit_vectors(representations), y), groups)


@dataclass(frozen=True)
class Geometry:
    """How the posts of one model lie.

    Attributes
    ----------
    silhouette, alignment, uniformity : Average
    pairs : tuple of ClassPair
        Every pair of classes, the most confused first, with margin and confusion.
    n : int
        Posts.
    """

    silhouette: Average
    alignment: Average
    uniformity: Average
    pairs: tuple[ClassPair, ...]
    n: int


def geometry_of(
    representations: ArrayLike,
    gold: ArrayLike,
    prediction: ArrayLike,
    labels: Sequence[str],
    groups: ArrayLike | None = None,
) -> Geometry:
    """Measure representations (n, size) with gold and predicted class numbers (n,).

    Raises
    ------
    DataError
        On unequal lengths, NaN, or an index outside the labels.
    """
    pairs = class_pairs(representations, gold, prediction, labels)
    return Geometry(
        silhouette(representations, gold, groups),
        alignment(representations, gold, groups),
        uniformity(representations, groups),
        tuple(pairs),
        len(np.asarray(gold)),
    )


def run_geometry(
    run: Run,
    texts: Sequence[str],
    gold: ArrayLike,
    groups: ArrayLike | None = None,
    contexts: Sequence[str] | None = None,
) -> Geometry:
    """Measure what a run's last layer reads of posts; one label a post.

    Raises
    ------
    DataError
        If posts have several labels.
    RunError
        If the run is the linear baseline.
    """
    if run.task == "multilabel":
        raise DataError(f"{run.folder}: geometry is for one label a post; classes that overlap have no silhouette.")
    network, tokenizer = run.parts()
    config = run.config
    before = list(contexts) if contexts is not None else None
    found = predict_network(network, tokenizer, list(texts), run.max_length, config.batch, before, config.long)
    return geometry_of(found.representations, gold, found.decisions, run.labels, groups)


def beside(runs: Mapping[str, Geometry]) -> pd.DataFrame:
    """Return the geometries of several runs on the same posts: one row a measure or pair, columns by run.

    Parameters
    ----------
    runs : mapping
        Name, such as `with` and `without` the contrastive loss -> Geometry.

    Returns
    -------
    pandas.DataFrame
        Columns `measure`, and `<name>`, `<name>/low`, `<name>/high`; pairs (`margin: a / b`, `confusion: a / b`) have
        no interval. Pairs in the order of the first run.
    """
    if len({item.n for item in runs.values()}) > 1:
        raise DataError("geometry: the runs were measured on different posts. Give the same ones.")
    rows = [
        {"measure": measure} | {key: value for name, item in runs.items() for key, value in _cells(name, item, measure)}
        for measure in ("silhouette", "alignment", "uniformity")
    ]
    first = next(iter(runs.values()))
    by_pair = {name: {(pair.first, pair.second): pair for pair in item.pairs} for name, item in runs.items()}
    for kind in ("margin", "confusion"):
        for pair in first.pairs:
            row: dict[str, object] = {"measure": f"{kind}: {pair.first} / {pair.second}"}
            for name, pairs in by_pair.items():
                row[name] = getattr(pairs[pair.first, pair.second], kind)
            rows.append(row)
    return pd.DataFrame(rows)


def _cells(name: str, item: Geometry, measure: str) -> list[tuple[str, object]]:
    found: Average = getattr(item, measure)
    return [(name, found.mean), (f"{name}/low", found.low), (f"{name}/high", found.high)]


def _pair_mean(
    values: Floats,
    wanted: npt.NDArray[np.bool_],
    groups: ArrayLike | None,
    after: Callable[[Floats], Floats],
) -> Average:
    """Average over ordered pairs of two posts; copies of one post in a resample make no pair with each other."""
    pairs = wanted & ~np.eye(len(values), dtype=bool)
    summed, counted = np.where(pairs, values, 0.0), pairs.astype(np.float64)
    total = counted.sum()
    if not total:
        return Average(float("nan"), float("nan"), float("nan"), len(values))

    def statistic(weights: npt.NDArray[np.int64]) -> Floats:
        w = weights.astype(np.float64)
        above, below = ((w @ summed) * w).sum(axis=1), ((w @ counted) * w).sum(axis=1)
        mean = np.divide(above, below, out=np.full(len(w), np.nan), where=below > 0)
        return np.asarray(after(mean))

    low, high = bootstrap_interval(statistic, groups, n_rows=len(values))
    return Average(float(after(np.array(summed.sum() / total))), low, high, len(values))
