"""Methods over sets of words: Shapley values, KernelSHAP, LIME. Masks are 0/1 vectors over words, never strings."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Ridge

from explain.attribution import METHODS, WordScores
from explain.model import ExplainedModel, Target
from explain.reading import ReadPost
from mhclf.errors import ConfigError, MissingDependencyError

EVALUATIONS = 200
"""Forward passes a post, of the sampling methods."""

EXACT_WORDS = 12

Values = Callable[[npt.NDArray[Any]], npt.NDArray[np.float64]]
"""From 0/1 rows over units (n, units) to the explained quantity (n,)."""


@dataclass(frozen=True)
class Units:
    """What is taken out together: words, or runs of neighbouring words where a post has too many.

    Attributes
    ----------
    of_word : array of int, shape (words,)
        Unit of each word; -1 for words that are not read.
    count : int
    """

    of_word: npt.NDArray[np.int64]
    count: int

    def kept(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return which words stay, (n, words), for 0/1 rows over units (n, units)."""
        padded = np.concatenate([np.asarray(rows) > 0.5, np.ones((len(rows), 1), dtype=bool)], axis=1)
        return np.asarray(padded[:, self.of_word], dtype=np.bool_)

    def share(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return word scores (words,): each unit's value, shared equally among its words."""
        sizes = np.bincount(self.of_word[self.of_word >= 0], minlength=self.count)
        scores = np.append(values / np.maximum(sizes, 1), 0.0)
        return np.asarray(scores[self.of_word], dtype=np.float64)


def units_of(post: ReadPost, most: int | None) -> Units:
    """Return the words that are read as units; neighbours together where there are more than `most`."""
    seen = np.flatnonzero(post.seen)
    numbers = np.full(len(post.words), -1, dtype=np.int64)
    count = len(seen) if most is None else min(len(seen), most)
    numbers[seen] = np.arange(len(seen)) * count // max(1, len(seen))
    return Units(numbers, count)


def _shap() -> Any:
    try:
        import shap
    except ImportError as error:
        raise MissingDependencyError("Shapley values need shap: pip install 'mhclf[explain]'") from error
    return shap


@contextmanager
def numpy_seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global state, from which shap draws, and put it back as it was."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


def _over_units(
    model: ExplainedModel,
    posts: Sequence[ReadPost],
    targets: Sequence[Target],
    most: int | None,
    solve: Callable[[Values, int], npt.NDArray[np.float64]],
    settings: dict[str, Any],
    *,
    additive: bool,
) -> list[WordScores]:
    """Explain each post by a function from values of coalitions to one value a unit."""
    found = []
    for post, target in zip(posts, targets, strict=True):
        units = units_of(post, most)

        def values(rows: npt.NDArray[Any], post: ReadPost = post, target: Target = target, units: Units = units) -> Any:
            return model.masked(post, units.kept(np.atleast_2d(rows)), target, "mask")

        own = settings | {"removal": "mask", "units": units.count}
        if not units.count:
            found.append(WordScores(np.zeros(len(post.words)), own))
            continue
        shares = np.asarray(solve(values, units.count), dtype=np.float64)
        gap = None
        if additive:
            ends = values(np.array([np.zeros(units.count), np.ones(units.count)]))
            change = float(ends[1] - ends[0])
            gap = abs(float(shares.sum()) - change) / max(abs(change), 1e-6)
        found.append(WordScores(units.share(shares), own, gap, None if gap is None else gap <= 1e-3))
    return found


@METHODS.register("exact_shapley")
def exact_shapley(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Shapley values (Shapley 1953; Lundberg & Lee 2017) from all sets of words, by shap.

    Raises
    ------
    ConfigError
        If a post has more than 12 words.
    """
    shap = _shap()
    for post in posts:
        if int(post.seen.sum()) > EXACT_WORDS:
            raise ConfigError(
                f"exact_shapley: a post has {int(post.seen.sum())} words, at most {EXACT_WORDS} can be explained "
                "exactly. Use permutation_shapley."
            )

    def solve(values: Values, count: int) -> npt.NDArray[np.float64]:
        explainer = shap.ExactExplainer(values, np.zeros((1, count)))
        return np.asarray(explainer(np.ones((1, count)), silent=True).values[0])

    return _over_units(model, posts, targets, None, solve, {"evaluations": "all"}, additive=True)


@METHODS.register("permutation_shapley")
def permutation_shapley(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Shapley values by antithetic permutations (Strumbelj & Kononenko 2014; Mitchell et al. 2022), by shap.

    200 evaluations a post. One pair of permutations costs twice the number of units, so that neighbouring words of
    posts with more than 99 stand together in one unit.
    """
    shap = _shap()
    most = (EVALUATIONS - 1) // 2

    def solve(values: Values, count: int) -> npt.NDArray[np.float64]:
        budget = max(EVALUATIONS, 2 * count + 1)
        with numpy_seeded(seed):
            explainer = shap.PermutationExplainer(values, np.zeros((1, count)), seed=seed)
            return np.asarray(explainer(np.ones((1, count)), max_evals=budget, silent=True).values[0])

    return _over_units(model, posts, targets, most, solve, {"evaluations": EVALUATIONS, "seed": seed}, additive=True)


def coalition_draws(count: int, rows: int, seed: int) -> npt.NDArray[np.float64]:
    """Return random coalitions (rows, count): the number of units taken out is uniform from 1 to all of them."""
    generator = np.random.default_rng(seed)
    kept = np.ones((rows, count))
    for row in kept:
        row[generator.permutation(count)[: int(generator.integers(1, count + 1))]] = 0
    return kept


@METHODS.register("kernel_shap")
def kernel_shap(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Shapley values by weighted least squares over drawn sets of words (Lundberg & Lee 2017), by shap."""
    shap = _shap()

    def solve(values: Values, count: int) -> npt.NDArray[np.float64]:
        if count == 1:
            ends = values(np.array([[0.0], [1.0]]))
            return np.array([ends[1] - ends[0]])
        with numpy_seeded(seed):
            explainer = shap.KernelExplainer(values, np.zeros((1, count)), silent=True)
            found = explainer.shap_values(np.ones((1, count)), nsamples=EVALUATIONS, l1_reg=0, silent=True)
        return np.asarray(found).reshape(-1)

    most = EVALUATIONS - 2
    return _over_units(model, posts, targets, most, solve, {"evaluations": EVALUATIONS, "seed": seed}, additive=True)


@METHODS.register("lime")
def lime(model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int) -> list[WordScores]:
    """LIME for text (Ribeiro et al. 2016): ridge regression on drawn sets of words, near ones weighted more.

    Kernel and penalty as in the authors' text explainer: cosine distance times 100, width 25, ridge penalty 1.
    """
    width = 25.0

    def solve(values: Values, count: int) -> npt.NDArray[np.float64]:
        rows = np.concatenate([np.ones((1, count)), coalition_draws(count, EVALUATIONS - 1, seed)])
        cosine = np.sqrt(rows.mean(axis=1))
        near = np.sqrt(np.exp(-((100 * (1 - cosine)) ** 2) / width**2))
        fitted = Ridge(alpha=1.0).fit(rows, values(rows), sample_weight=near)
        return np.asarray(fitted.coef_, dtype=np.float64)

    settings = {"evaluations": EVALUATIONS, "seed": seed, "kernel_width": width}
    return _over_units(model, posts, targets, None, solve, settings, additive=False)
