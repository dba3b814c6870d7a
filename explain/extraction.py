"""The extractive explanation of a run that has learnt from marked words."""

from collections.abc import Sequence

import numpy as np
import torch

from explain.attribution import METHODS, WordScores
from explain.model import ExplainedModel, Target
from explain.reading import ReadPost
from mhclf.errors import RunError


@METHODS.register("rationale_head")
def rationale_head(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Return the probability that an expert would mark each word, the mean over its tokens; the same for any target.

    Raises
    ------
    RunError
        If the run has no such head.
    """
    if model.network.evidence is None:
        raise RunError(f"{model.run.folder}: has no head for evidence. Train it with --method rationale_head.")
    found: list[WordScores] = [WordScores(np.zeros(0))] * len(posts)
    lengths = [len(post.ids) for post in posts]

    def work(part: Sequence[int]) -> None:
        rows = [posts[number].row for number in part]
        with torch.no_grad():
            evidence = model.network(model.batch(rows)).evidence
        assert evidence is not None
        scores = evidence.float().sigmoid().cpu()
        for place, number in enumerate(part):
            post = posts[number]
            own = scores[place, model.place(lengths[number], scores.shape[1])]
            # Tokens of a word, a token that covers several words by its share; 0 of a word that is not read.
            sizes = post.word_scores(np.ones(lengths[number]))
            means = post.word_scores(own.tolist()) / np.where(sizes > 0, sizes, 1)
            found[number] = WordScores(means, {"unit": "probability"})

    model.network.eval()
    model.in_batches(lengths, work)
    return found
