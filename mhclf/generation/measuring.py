"""Explanations, and the measures of them that need no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer

from mhclf.cjk import CJK
from mhclf.data.spans import marked_words
from mhclf.data.spans import words as split_words
from mhclf.evaluation.averages import Average, average
from mhclf.evaluation.evidence_agreement import mask_agreement
from mhclf.evaluation.grounding import grounded_share, quote_counts
from mhclf.evaluation.text_overlap import bleu, chrf, distinct, lengths, rouge
from mhclf.evaluation.text_tokens import has_cjk, words_of
from mhclf.generation.citations import LEAST, LEAST_SIGNS, cited_spans
from mhclf.results.explained import Measure, difference_name

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Explanations:
    """Explanations of posts, with all that they are held against.

    Attributes
    ----------
    source : str
        Who made them: `GENERATED`, or a baseline.
    ids, groups : array (n,)
    texts, posts, references : list of str
        A reference is '' where there is none.
    marks : list of arrays, or None
        Marked words of each post, where experts marked some.
    """

    source: str
    ids: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]
    texts: list[str]
    posts: list[str]
    references: list[str]
    marks: list[npt.NDArray[np.bool_]] | None


@dataclass(frozen=True)
class Measured:
    """All measures of one run, and what is said about them.

    Attributes
    ----------
    folder : Path
    measures : tuple of Measure
    notes : tuple of str
    """

    folder: Path
    measures: tuple[Measure, ...]
    notes: tuple[str, ...]


def first_sentence(post: str) -> str:
    """Return a post up to its first sign that ends a sentence, or all of it."""
    ends = [place for place in (post.find(sign) for sign in ".!?。！？\n") if place > 0]
    return post[: min(ends) + 1].strip() if ends else post.strip()


def common_explanations(texts: Sequence[str], targets: npt.NDArray[np.int64], labels: int) -> list[str]:
    """Return for each label the train explanation that is most like all others of its label.

    Likeness is the cosine of TF-IDF vectors; '' for a label without an explanation.
    """
    found = []
    for label in range(labels):
        own = [text for text, target in zip(texts, targets, strict=True) if target == label and text]
        if not own:
            found.append("")
            continue
        vectors = TfidfVectorizer(token_pattern=rf"[{CJK}]|(?:(?![{CJK}])\w)+").fit_transform(own)
        likeness = vectors @ np.asarray(vectors.mean(axis=0)).ravel()
        found.append(own[int(np.argmax(likeness))])
    return found


def metrics_of_texts(explanations: Sequence[str], posts: Sequence[str]) -> dict[str, Floats]:
    """Return the metrics that need an explanation and its post alone: name -> array (n,), NaN where 0/0."""
    quoted = quote_counts(explanations, posts)
    return {
        "words": lengths(explanations),
        "distinct_1": distinct(explanations, 1),
        "distinct_2": distinct(explanations, 2),
        "grounded_share": grounded_share(explanations, posts),
        "quotes": quoted.quoted,
        "invented_quote_share": quoted.invented_share,
    }


def metrics_to_references(texts: Sequence[str], references: Sequence[str]) -> dict[str, Floats]:
    """Return ROUGE, chrF and BLEU of each text to its reference: name -> array (n,)."""
    return {**rouge(texts, references), "chrf": chrf(texts, references), "bleu": bleu(texts, references)}


def spread(values: npt.ArrayLike, chosen: Sequence[int], n: int) -> Floats:
    """Return an array (n,) that holds `values` at the rows `chosen` and NaN elsewhere."""
    wide = np.full(n, np.nan)
    wide[list(chosen)] = values
    return wide


def overlap_measures(explanations: Explanations) -> dict[str, Floats]:
    """Return all measures that need no model, each (n,): NaN where a text has none."""
    texts, posts = explanations.texts, explanations.posts
    found = metrics_of_texts(texts, posts)
    # Their number says nothing by itself; the share of invented ones does.
    del found["quotes"]
    found["no_explanation"] = np.array([float(not text) for text in texts])
    known = [row for row, reference in enumerate(explanations.references) if reference]
    if known:
        compared = metrics_to_references([texts[row] for row in known], [explanations.references[row] for row in known])
        found |= {name: spread(values, known, len(texts)) for name, values in compared.items()}
    if explanations.marks is not None:
        cited = cited_words(texts, posts)
        marked = np.array([mask.any() for mask in explanations.marks])
        for name, values in mask_agreement(cited, explanations.marks).items():
            found[f"cited_{name}"] = np.where(marked, values, np.nan)
    return found


def cited_words(texts: Sequence[str], posts: Sequence[str]) -> list[npt.NDArray[np.bool_]]:
    """Return which words of each post its explanation cites; in posts mostly of CJK signs `LEAST_SIGNS` make a run."""
    least = [LEAST_SIGNS if _mostly_signs(post) else LEAST for post in posts]
    return [
        marked_words(split_words(post), cited_spans(text, post, size))
        for text, post, size in zip(texts, posts, least, strict=True)
    ]


def _mostly_signs(post: str) -> bool:
    words = words_of(post)
    return 2 * sum(map(has_cjk, words)) > len(words)


def summarise(explanations: Explanations, values: dict[str, Floats]) -> list[Measure]:
    """Return means with intervals over groups."""
    found = []
    for metric, own in values.items():
        mean = average(own, explanations.groups)
        found.append(measure_of(explanations.source, metric, mean))
    return found


def paired_differences(
    explanations: Explanations, values: dict[str, Floats], baseline: str, theirs: dict[str, Floats]
) -> list[Measure]:
    """Return mean differences to a baseline over the posts where both have a value, with intervals over groups.

    Of the metrics that both have; the lengths of texts are no better or worse, and are left out.
    """
    source = difference_name(explanations.source, baseline)
    return [
        measure_of(source, metric, average(own - theirs[metric], explanations.groups))
        for metric, own in values.items()
        if metric in theirs and metric != "words"
    ]


def measure_of(source: str, metric: str, mean: Average) -> Measure:
    """Return a mean as a measure, None where it is undefined."""
    value, low, high = (None if np.isnan(one) else float(one) for one in (mean.mean, mean.low, mean.high))
    return Measure(source, metric, value, low, high, mean.n)
