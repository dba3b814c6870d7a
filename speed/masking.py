"""Works that take words out: against one forward pass for each variant of a post."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from explain import attribute
from explain.faithfulness import SHARES, Case, faithfulness, orders, variants
from explain.model import ExplainedModel, Removal, Target
from explain.reading import ReadPost, TokenRow, read_posts
from mhclf.results.speed import Check, Sample
from speed.posts import read_posts as read_data
from speed.posts import trained_run
from speed.work import WORKS, Clock, Work

_OCCLUDED, _MEASURED = 8, 16


@torch.no_grad()
def read_alone(model: ExplainedModel, row: TokenRow) -> Tensor:
    """Return the logits (labels,) of one row by a forward pass of its own, without padding."""
    batch = {"input_ids": row.ids.unsqueeze(0), "attention_mask": torch.ones(1, len(row.ids), dtype=torch.int64)}
    if row.types is not None:
        batch["token_type_ids"] = row.types.unsqueeze(0)
    logits: Tensor = model.network({key: value.to(model.device) for key, value in batch.items()}).logits[0].cpu()
    return logits


class MaskingWork(Work):
    """A trained run, some test posts as it reads them, and a forward pass for one variant alone."""

    title_theirs = "a forward pass for each variant"
    aims: ClassVar[Mapping[str, float]] = {"": 5.0}
    guess = 25.0
    posts = _OCCLUDED

    def prepare(self) -> None:
        """Train a run; read the posts."""
        data = read_data(self.data, self.bench.data_root)
        self.run = trained_run(self.bench, data)
        self.model = ExplainedModel(self.run)
        self.model.network.eval()
        self.texts = list(data.test.first(self.bench.size(self.posts)).texts)
        self.read = read_posts(self.run, self.texts)
        self.targets = [self.run.labels.index(label) for label in self.run.predict(self.texts)]
        self.settings |= {"posts": len(self.texts), "words": sum(int(post.seen.sum()) for post in self.read)}
        attribute(self.run, self.texts[:1], "occlusion")
        read_alone(self.model, self.read[0].row)

    def variant(self, post: ReadPost, kept: npt.NDArray[np.bool_], removal: Removal) -> Tensor:
        """Return the logits (labels,) of a post with words taken out."""
        return read_alone(self.model, self.model.row_without(post, kept, removal))


@WORKS.register("occlusion")
class OcclusionWork(MaskingWork):
    """Leave one word out."""

    title_ours = "explain.attribute, occlusion"

    def ours(self) -> Sample:
        """Explain by the library."""
        with Clock() as clock:
            found = attribute(self.run, self.texts, "occlusion")
        self.own = [np.array(item.scores) for item in found]
        return Sample(clock.seconds, len(self.texts))

    def theirs(self) -> Sample:
        """Explain word by word."""
        self.other = []
        with Clock() as clock:
            for post, target in zip(self.read, self.targets, strict=True):
                whole = read_alone(self.model, post.row)[target]
                scores = np.zeros(len(post.words))
                for word in np.flatnonzero(post.seen):
                    kept = np.ones(len(post.words), dtype=np.bool_)
                    kept[word] = False
                    scores[word] = float(whole - self.variant(post, kept, "delete")[target])
                self.other.append(scores)
        return Sample(clock.seconds, len(self.texts))

    def check(self) -> list[Check]:
        """Compare scores."""
        return [_largest_gap("score", self.own, self.other)]


@WORKS.register("comprehensiveness")
class ComprehensivenessWork(MaskingWork):
    """Faithfulness of given scores: comprehensiveness and sufficiency, by masks and by deletion, at five shares."""

    title_ours = "explain.faithfulness"
    posts = _MEASURED

    def prepare(self) -> None:
        """See the base; scores are drawn, their order is all that matters."""
        super().prepare()
        generator = np.random.default_rng(0)
        self.scores = [generator.normal(size=len(post.words)) for post in self.read]

    def ours(self) -> Sample:
        """Measure by the library."""
        zipped = zip(self.read, self.targets, self.scores, strict=True)
        with Clock() as clock:
            found = faithfulness(self.model, [Case(post, Target(target), scores) for post, target, scores in zipped])
        names = ("comprehensiveness", "sufficiency", "comprehensiveness_deletion", "sufficiency_deletion")
        self.own = [np.array([item.values[name] for name in names]) for item in found]
        return Sample(clock.seconds, len(self.texts))

    def theirs(self) -> Sample:
        """Measure variant by variant."""
        self.other = []
        with Clock() as clock:
            for post, target, scores in zip(self.read, self.targets, self.scores, strict=True):
                before = self._probability(read_alone(self.model, post.row), target)
                order = orders(scores, post.seen)
                removals: tuple[Removal, ...] = ("mask", "delete")
                falls = [
                    np.mean(
                        [
                            before - self._probability(self.variant(post, kept, removal), target)
                            for kept in variants(order, len(post.words), SHARES, without=without)
                        ]
                    )
                    for removal in removals
                    for without in (True, False)
                ]
                self.other.append(np.array(falls))
        return Sample(clock.seconds, len(self.texts))

    def _probability(self, logits: Tensor, target: int) -> float:
        return float(self.model.probabilities(logits.unsqueeze(0))[0, target])

    def check(self) -> list[Check]:
        """Compare the four numbers of each post."""
        return [_largest_gap("number", self.own, self.other)]


def _largest_gap(what: str, own: list[npt.NDArray[np.float64]], other: list[npt.NDArray[np.float64]]) -> Check:
    # By numpy, which hands on a NaN.
    gap = np.max([np.abs(a - b).max(initial=0.0) for a, b in zip(own, other, strict=True)])
    return Check(f"largest gap of a {what}", float(gap), 1e-4)
