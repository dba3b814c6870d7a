"""Integrated gradients: a nested quadrature from the baseline to the post."""

from collections.abc import Sequence

import numpy as np
import torch

from explain.attribution import METHODS, WordScores
from explain.gradients import EmbeddedBatch, embedded, gradients_at, quantity_of
from explain.model import ExplainedModel, Floats, Target
from explain.reading import ReadPost

INTERVALS = (16, 32, 64, 128, 256)
"""Of the quadrature: each halves those of the one before."""

TOLERANCE = 0.02
"""Relative completeness gap below which integrated gradients count as converged."""

_POSTS_AT_ONCE = 1000
"""Posts whose gradients, a number for each token and point, are kept at the same time."""


@METHODS.register("integrated_gradients")
def integrated_gradients(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Integrated gradients (Sundararajan et al. 2017) over the word embeddings.

    Notes
    -----
    Baseline: the same post with every token but the special ones replaced by padding. See `integrate`.
    """
    found: list[WordScores] = []
    for first in range(0, len(posts), _POSTS_AT_ONCE):
        some = slice(first, first + _POSTS_AT_ONCE)
        found += integrate(model, posts[some], targets[some])
    return found


def integrate(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], tolerance: float = TOLERANCE
) -> list[WordScores]:
    """Integrate the gradients from the baseline to each post until the sum of the scores is that of the quantity.

    Parameters
    ----------
    model : ExplainedModel
    posts : sequence of ReadPost
    targets : sequence of Target
        One a post.
    tolerance : float
        Completeness gap that is small enough, relative to the change of the quantity.

    Returns
    -------
    list of WordScores
        In `steps` the gradients that each post took.

    Notes
    -----
    The intervals (Clenshaw and Curtis 1960) double from 16 until the gap is small enough, or 256 are reached. What is
    doubled keeps its gradients, and only posts that have not converged go on; those that never do are marked. The rule
    of Gauss and Legendre needs fewer points where the quantity is very smooth, but all change with their number.
    """
    model.network.eval()
    changes = _changes(model, posts, targets)
    found: list[WordScores] = [WordScores(np.zeros(0))] * len(posts)
    # Slopes of the posts that have not converged.
    known: dict[int, Floats] = {}
    for intervals in INTERVALS:
        points, weights = clenshaw_curtis(intervals)
        chosen, new_points = (list(known), points[1::2]) if known else (range(len(posts)), points)
        added = _slopes(model, posts, targets, chosen, new_points)
        known = {number: _between(known[number], new) if known else new for number, new in added.items()}
        for number, slopes in known.items():
            scores = weights @ slopes
            moved = changes[number]
            gap = abs(float(scores.sum()) - moved) / max(abs(moved), 1e-6)
            settings = {"steps": len(points), "quadrature": "Clenshaw-Curtis", "baseline": "padding"}
            found[number] = WordScores(posts[number].word_scores(scores.tolist()), settings, gap, gap <= tolerance)
        known = {number: slopes for number, slopes in known.items() if not found[number].converged}
        if not known:
            break
    return found


def clenshaw_curtis(intervals: int) -> tuple[Floats, Floats]:
    """Return the points and weights of the rule of Clenshaw and Curtis on [0, 1], the last point first.

    Parameters
    ----------
    intervals : int
        Even. Every second point is one of the rule with half as many.

    Returns
    -------
    tuple of array (intervals + 1,)
    """
    angles = np.pi * np.arange(intervals + 1) / intervals
    orders = np.arange(1, intervals // 2 + 1)
    terms = 2 * np.cos(2 * np.outer(angles, orders)) / (1 - 4 * orders**2)
    terms[:, -1] /= 2
    weights = (1 + terms.sum(axis=1)) / intervals
    weights[[0, -1]] /= 2
    return (np.cos(angles) + 1) / 2, weights


def _between(known: Floats, added: Floats) -> Floats:
    """Return rows with a new one between each two."""
    found = np.empty((len(known) + len(added), known.shape[1]))
    found[0::2], found[1::2] = known, added
    return found


def _changes(model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target]) -> Floats:
    """Return by how much the quantity of each post is more than that of its baseline, shape (posts,)."""
    found = np.zeros(len(posts))

    @torch.no_grad()
    def work(part: Sequence[int]) -> None:
        batch = embedded(model, [posts[number] for number in part])
        quantity = quantity_of(model, batch.rest, [targets[number] for number in part])
        found[list(part)] = (quantity(batch.inputs) - quantity(batch.baseline)).double().cpu().numpy()

    model.in_batches([len(post.ids) for post in posts], work)
    return found


def _slopes(
    model: ExplainedModel,
    posts: Sequence[ReadPost],
    targets: Sequence[Target],
    chosen: Sequence[int],
    points: Floats,
) -> dict[int, Floats]:
    """Return the slope of the quantity at points between baseline (0) and post (1), each token's share of it.

    Returns
    -------
    dict of int to array (points, tokens)
        By position of the chosen post.
    """
    found = {number: np.zeros((len(points), len(posts[number].ids))) for number in chosen}
    # Each point of each post is a row of its own: any number of them fits into some memory.
    rows = [(number, place) for number in chosen for place in range(len(points))]
    lengths = [len(posts[number].ids) for number, _ in rows]

    def work(part: Sequence[int]) -> None:
        own = [rows[row] for row in part]
        batch = embedded(model, [posts[number] for number, _ in own])
        change = batch.inputs - batch.baseline
        where = torch.tensor([points[place] for _, place in own]).to(change).view(-1, 1, 1)
        between = EmbeddedBatch(batch.baseline + where * change, batch.baseline, batch.rest)
        gradients = gradients_at(model, between, [targets[number] for number, _ in own])
        shares = (gradients * change).sum(dim=-1).double().cpu().numpy()
        for row, (number, place) in enumerate(own):
            found[number][place] = shares[row, model.place(found[number].shape[1], shares.shape[1])]

    model.in_batches(lengths, work, 0.25)
    return found
