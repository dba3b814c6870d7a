"""Integrated gradients: against captum's layer method, one post at a time."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import LayerIntegratedGradients
from torch import Tensor

from explain import Attribution, attribute
from explain.integrated import TOLERANCE, integrate
from explain.model import ExplainedModel, Target
from explain.reading import ReadPost, read_posts
from mhclf.results.speed import Check, Sample
from mhclf.training.saved import Run
from speed.posts import read_posts as read_data
from speed.posts import trained_run
from speed.work import WORKS, Clock, Work

_POSTS, _STEPS = 32, 50
_COMPARED, _SETTLED_STEPS = 4, 128


class LayerMethod:
    """Integrated gradients of one post at a time, as captum's tutorial on BERT does it.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        network, tokenizer = run.parts()
        self.network = network.eval()
        self.padding = int(tokenizer.pad_token_id or 0)
        embeddings: Any = network.encoder.get_input_embeddings()
        self.method = LayerIntegratedGradients(self._logits, embeddings)
        self.device = next(network.parameters()).device

    def _logits(self, ids: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = self.network({"input_ids": ids, "attention_mask": mask}).logits
        return logits

    def attribute(self, post: ReadPost, target: int, steps: int) -> tuple[npt.NDArray[np.float64], float]:
        """Return one score a word and the relative completeness gap."""
        ids = post.ids.unsqueeze(0).to(self.device)
        own = torch.from_numpy(post.own).to(self.device).unsqueeze(0)
        baseline = torch.where(own, self.padding, ids)
        mask = torch.ones_like(ids)
        values, delta = self.method.attribute(
            ids,
            baseline,
            target=target,
            additional_forward_args=(mask,),
            n_steps=steps,
            return_convergence_delta=True,
        )
        scores = values.sum(dim=-1).squeeze(0).detach().double().cpu().numpy()
        moved = abs(float(scores.sum()) - float(delta))
        return post.word_scores(scores), abs(float(delta)) / max(moved, 1e-6)


@WORKS.register("integrated_gradients")
class GradientsWork(Work):
    """Word scores of the most probable label, from padding to the post."""

    title_ours = "explain.attribute"
    title_theirs = "captum, one post at a time, 50 steps"
    aims: ClassVar[Mapping[str, float]] = {"": 2.0}
    guess = 40.0

    def prepare(self) -> None:
        """Train a run; explain two posts on both sides."""
        posts = read_data(self.data, self.bench.data_root)
        self.run = trained_run(self.bench, posts)
        self.texts = list(posts.test.first(self.bench.size(_POSTS)).texts)
        self.read = read_posts(self.run, self.texts)
        self.layer = LayerMethod(self.run)
        labels = self.run.predict(self.texts)
        self.targets = [self.run.labels.index(label) for label in labels]
        self.settings |= {"posts": len(self.texts), "their_steps": _STEPS, "our_steps": "17 to 257, until converged"}
        attribute(self.run, self.texts[:2])
        self.layer.attribute(self.read[0], self.targets[0], _STEPS)

    def ours(self) -> Sample:
        """Explain by the library."""
        with Clock() as clock:
            self.own: list[Attribution] = attribute(self.run, self.texts, "integrated_gradients")
        self.settings["our_mean_steps"] = float(np.mean([item.settings["steps"] for item in self.own]))
        return Sample(clock.seconds, len(self.texts))

    def theirs(self) -> Sample:
        """Explain by captum."""
        with Clock() as clock:
            found = [
                self.layer.attribute(post, target, _STEPS) for post, target in zip(self.read, self.targets, strict=True)
            ]
        self.gaps = [gap for _, gap in found]
        return Sample(clock.seconds, len(self.texts))

    def check(self) -> list[Check]:
        """Compare completeness, and the scores once they no longer change."""
        few = range(0, len(self.texts), max(1, len(self.texts) // _COMPARED))
        read, targets = [self.read[number] for number in few], [self.targets[number] for number in few]
        # By rules of their own, both sides are to come to the same integral.
        settled = integrate(ExplainedModel(self.run), read, [Target(label) for label in targets], tolerance=1e-5)
        gaps = []
        for post, label, own in zip(read, targets, settled, strict=True):
            again, _ = self.layer.attribute(post, label, _SETTLED_STEPS)
            gaps.append(float(np.abs(again - np.array(own.scores)).max(initial=0.0)))
        theirs = float(np.mean([gap <= TOLERANCE for gap in self.gaps]))
        ours = float(np.mean([bool(item.converged) for item in self.own]))
        return [
            Check("largest gap of a score, both sides converged", float(np.max(gaps)), 1e-4),
            Check(f"share of posts with a completeness gap up to {TOLERANCE}", ours, theirs, at_least=True),
        ]
