"""Shapley values: against `shap.Explainer` on a pipeline, at an equal budget of evaluations."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import shap
import torch
from transformers import pipeline

import mhclf.hf  # noqa: F401 (registers the model)
from explain import Attribution, attribute
from explain.coalitions import EVALUATIONS, Units, numpy_seeded, units_of
from explain.model import ExplainedModel
from explain.reading import read_posts
from mhclf.results.speed import Check, Sample
from speed.masking import read_alone
from speed.posts import read_posts as read_data
from speed.posts import trained_run
from speed.work import WORKS, Clock, Work

_POSTS = 4


class Counter:
    """Counts the posts that a network reads."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.posts = 0
        network.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, _: torch.nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        batch = positional[0] if positional else named
        self.posts += len(batch["input_ids"] if isinstance(batch, Mapping) else batch)


@WORKS.register("shapley")
class ShapleyWork(Work):
    """Shapley values of the most probable label, up to 200 evaluations a post; what is held against are evaluations/s.

    The two estimators stop at other numbers below the budget: evaluations are counted on both sides. Their scores
    cannot be held against ours: shap explains groups of tokens and probabilities here, we words and logits. What is
    compared is our reading in batches with shap's own estimator over the same words, one pass a set.
    """

    title_ours = "explain.attribute, permutation_shapley"
    title_theirs = "shap.Explainer(pipeline)"
    aims: ClassVar[Mapping[str, float]] = {"": 10.0}
    unit = "evaluations"
    guess = 90.0
    batch: int | None = None

    def prepare(self) -> None:
        """Train a run; explain one short post on both sides."""
        posts = read_data(self.data, self.bench.data_root)
        self.run = trained_run(self.bench, posts)
        self.texts = list(posts.test.first(self.bench.size(_POSTS)).texts)
        model = str(self.run.folder / "model")
        settings: dict[str, Any] = {} if self.batch is None else {"batch_size": self.batch}
        pipe = pipeline(
            "text-classification", model=model, device=self.bench.device, top_k=None, truncation=True, **settings
        )
        self.explainer = shap.Explainer(pipe)
        self.own_count, self.their_count = Counter(self.run.parts()[0]), Counter(pipe.model)
        self.settings |= {"posts": len(self.texts), "evaluations": EVALUATIONS}
        attribute(self.run, ["a b c"], "permutation_shapley")
        self._by_shap(["a b c"])

    def ours(self) -> Sample:
        """Explain by the library."""
        self.own_count.posts = 0
        with Clock() as clock:
            self.own: list[Attribution] = attribute(self.run, self.texts, "permutation_shapley")
        self.settings["our_evaluations_a_post"] = self.own_count.posts / len(self.texts)
        return Sample(clock.seconds, self.own_count.posts)

    def theirs(self) -> Sample:
        """Explain by shap."""
        self.their_count.posts = 0
        with Clock() as clock:
            self._by_shap(self.texts)
        self.settings["their_evaluations_a_post"] = self.their_count.posts / len(self.texts)
        return Sample(clock.seconds, self.their_count.posts)

    def _by_shap(self, texts: list[str]) -> None:
        self.explainer(texts, max_evals=EVALUATIONS, batch_size=32, silent=True)

    def check(self) -> list[Check]:
        """Compare with shap's permutation explainer, one forward pass for each set of words of the first post."""
        post = read_posts(self.run, self.texts[:1])[0]
        model = ExplainedModel(self.run)
        target = self.run.labels.index(self.own[0].target)
        units = units_of(post, (EVALUATIONS - 1) // 2)

        def values(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            found = [read_alone(model, model.row_without(post, kept, "mask")) for kept in units.kept(rows)]
            return np.array([float(logits[target]) for logits in found])

        again = _permutations(values, units)
        gap = float(np.abs(units.share(again) - np.array(self.own[0].scores)).max())
        return [
            Check("largest gap of a score to shap's of the same words, set by set", gap, 1e-4),
            Check(
                "largest relative gap of a sum of scores", max(item.completeness_gap or 0.0 for item in self.own), 1e-3
            ),
        ]


@WORKS.register("shapley_batched")
class BatchedShapleyWork(ShapleyWork):
    """The same against a pipeline that was told to read in batches."""

    title_theirs = "shap.Explainer(pipeline(batch_size=32))"
    aims: ClassVar[Mapping[str, float]] = {}
    batch = 32


def _permutations(values: object, units: Units) -> npt.NDArray[np.float64]:
    count = units.count
    with numpy_seeded(0):
        explainer = shap.PermutationExplainer(values, np.zeros((1, count)), seed=0)
        found = explainer(np.ones((1, count)), max_evals=max(EVALUATIONS, 2 * count + 1), silent=True)
    return np.asarray(found.values[0], dtype=np.float64)
