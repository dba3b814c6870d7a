"""What any method must beat, and what the linear baseline says of itself."""

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from explain.attribution import METHODS, WordScores
from explain.model import ExplainedModel, Target
from explain.reading import ReadPost
from mhclf.errors import RunError


@METHODS.register("random")
def random(model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int) -> list[WordScores]:
    """Draw standard normal scores from the seed and the post's text: the floor of every comparison."""
    found = []
    for post in posts:
        digest = hashlib.sha256(f"{seed}:{post.text}".encode("utf-8", "surrogatepass")).digest()
        draws = np.random.default_rng(int.from_bytes(digest[:8], "big")).normal(size=len(post.words))
        found.append(WordScores(np.where(post.seen, draws, 0.0), {"seed": seed}))
    return found


@METHODS.register("tfidf_weights")
def tfidf_weights(
    model: ExplainedModel, posts: Sequence[ReadPost], targets: Sequence[Target], seed: int
) -> list[WordScores]:
    """Share out the linear baseline's logit: weight times TF-IDF value of each word and word pair.

    A feature's part goes equally to all places where it stands; that of a pair equally to its two words. Scores, the
    context's part and the bias sum to the logit.

    Raises
    ------
    RunError
        If the run is no linear baseline.
    """
    linear = model.run.linear
    if linear is None:
        raise RunError(f"{model.run.folder}: tfidf_weights explains the linear baseline only. Choose another method.")
    return [
        WordScores(linear_word_scores(model, post, target), {"quantity": "logit"})
        for post, target in zip(posts, targets, strict=True)
    ]


def linear_word_scores(model: ExplainedModel, post: ReadPost, target: Target) -> np.ndarray:
    """Return the part of each word in the linear baseline's logit, shape (words,)."""
    linear = model.run.linear
    assert linear is not None
    prefix = f"{post.context}\n" if post.context else ""
    features = linear.features([prefix + post.text])
    weights = linear.weights[target.label]
    if target.against is not None:
        weights = weights - linear.weights[target.against]
    parts = {
        int(column): float(value * weights[column])
        for column, value in zip(features.indices, features.data, strict=True)
    }
    # The baseline's own words, with the place of each.
    found = linear.token_pattern.finditer(prefix + post.text)
    tokens = [(match.group().lower(), match.start() - len(prefix)) for match in found]
    features_at: list[tuple[str, tuple[int, ...]]] = [(word, (start,)) for word, start in tokens]
    features_at += [(f"{first} {second}", (a, b)) for (first, a), (second, b) in pairwise(tokens)]
    places: dict[int, list[tuple[int, ...]]] = {}
    for name, starts in features_at:
        if name in linear.vocabulary:
            places.setdefault(linear.vocabulary[name], []).append(starts)
    scores = np.zeros(len(post.words))
    for column, value in parts.items():
        own = places.get(column, [])
        for starts in own:
            for place in starts:
                word = _word_at(post, place)
                if word is not None:
                    scores[word] += value / len(own) / len(starts)
    return scores


def _word_at(post: ReadPost, place: int) -> int | None:
    return next((number for number, (start, end) in enumerate(post.words) if start <= place < end), None)
