"""Prediction works: against `transformers.pipeline`, in fp32 and in bf16."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from transformers import pipeline

import mhclf.hf  # noqa: F401 (registers the model)
from mhclf.results.speed import Check, Sample
from speed.posts import read_posts, trained_run
from speed.work import WORKS, Clock, Work

_POSTS = 800


@WORKS.register("prediction")
class PredictionWork(Work):
    """Probabilities of test posts by the same saved model."""

    title_ours = "predict_proba, fp32"
    title_theirs = "pipeline, batch_size=32"
    aims: ClassVar[Mapping[str, float]] = {"wellxplain": 5.0, "dreaddit": 3.0}
    guess = 20.0
    precision: Literal["fp32", "bf16"] = "fp32"

    def prepare(self) -> None:
        """Train a run, load it on both sides, predict a few posts."""
        posts = read_posts(self.data, self.bench.data_root)
        self.run = trained_run(self.bench, posts)
        self.texts = list(posts.test.first(self.bench.size(_POSTS)).texts)
        self.pipe = pipeline("text-classification", model=str(self.run.folder / "model"), device=self.bench.device)
        self.settings |= {"posts": len(self.texts), "batch": 32, "max_length": posts.max_length}
        self.run.predict_proba(self.texts[:64], precision=self.precision)
        self._by_pipeline(self.texts[:64])

    def ours(self) -> Sample:
        """Predict by a run."""
        with Clock() as clock:
            self.own = self.run.predict_proba(self.texts, precision=self.precision)
        return Sample(clock.seconds, len(self.texts))

    def theirs(self) -> Sample:
        """Predict by the pipeline."""
        with Clock() as clock:
            found = self._by_pipeline(self.texts)
        places = {label: column for column, label in enumerate(self.run.labels)}
        self.other = np.zeros((len(found), len(places)))
        for row, scores in enumerate(found):
            for score in scores:
                self.other[row, places[score["label"]]] = score["score"]
        return Sample(clock.seconds, len(self.texts))

    def check(self) -> list[Check]:
        """Compare probabilities."""
        return [Check("largest gap of a probability", float(np.abs(self.own - self.other).max()), 1e-4)]

    @torch.no_grad()
    def _by_pipeline(self, texts: list[str]) -> list[list[dict[str, Any]]]:
        found: Any = self.pipe(texts, batch_size=32, truncation=True, top_k=None)
        return list(found)


@WORKS.register("prediction_bf16")
class HalfPrediction(PredictionWork):
    """The same with our side in bf16."""

    title_ours = "predict_proba, bf16"
    precision = "bf16"
    guess = 16.0

    def check(self) -> list[Check]:
        """Compare labels and probabilities."""
        return half_checks(self.own, self.other)


def half_checks(own: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> list[Check]:
    """Return how near probabilities (n, labels) in bf16 are to those in fp32."""
    alike = float((own.argmax(axis=1) == other.argmax(axis=1)).mean())
    return [
        Check("share of posts with the same label", alike, 0.995, at_least=True),
        Check("mean gap of a probability", float(np.abs(own - other).mean()), 0.01),
    ]
