"""Fidelity of a trained run's explanations: attributions of items, and each method's numbers on each of them."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from explain.attribution import Attribution
from explain.faithfulness import AT_SHARES, Case, RandomSets, faithfulness, random_sets
from explain.faithfulness import METRICS as FAITHFULNESS_METRICS
from explain.items import Item
from explain.methods import attribute
from explain.model import ExplainedModel, Precision, Target
from explain.plausibility import METRICS as PLAUSIBILITY_METRICS
from explain.plausibility import Cuts, fit_cuts, plausibility
from explain.reading import ReadPost, read_posts
from explain.sensitivity import GRADIENTS, SENSITIVITY, max_sensitivity
from mhclf.data.spans import Span, marked_words
from mhclf.errors import DataError
from mhclf.training.saved import Run

logger = logging.getLogger(__name__)

CORE_METHODS = (
    "attention",
    "attention_rollout",
    "layer_attentive_attention",
    "gradient_attention",
    "input_x_gradient",
    "integrated_gradients",
    "permutation_shapley",
    "occlusion",
    "random",
)

SECOND = "second_annotator"
"""What a second person marked, in the place of a method."""

SENSITIVE_ITEMS = 50
"""Items whose max-sensitivity is measured: each takes a gradient method several times more."""

HIGHER_IS_BETTER = dict.fromkeys(PLAUSIBILITY_METRICS, True) | FAITHFULNESS_METRICS | {SENSITIVITY: False} | AT_SHARES
"""Every metric of an item -> is more better."""


@dataclass(frozen=True)
class Explained:
    """Attributions of items and every number about them.

    Attributes
    ----------
    attributions : pandas.DataFrame
        `id, target, probability, method, settings, converged, completeness_gap, starts, ends, seen, scores`: text-free,
        one row an item and method. `settings` is JSON; `seen` says which words the model reads.
    numbers : pandas.DataFrame
        `id, group, target, correct, method` and one column a metric.
    counts : dict
        `items`, `unread_rationales` (items none of whose marked words is read, left out), `unread_words`,
        `marked_words_unread`, `validation_items` (with a marked word that is read), `not_converged` (by method).
    """

    attributions: pd.DataFrame
    numbers: pd.DataFrame
    counts: dict[str, int | dict[str, int]]


def explain_items(
    run: Run,
    items: Sequence[Item],
    validation: Sequence[Item],
    methods: Sequence[str] = CORE_METHODS,
    seed: int = 0,
    faithful: bool = True,
    curves: bool = False,
    second: Mapping[str, tuple[Span, ...]] | None = None,
    precision: Precision = "fp32",
    absolute: bool = False,
) -> Explained:
    """Attribute items by each method and measure plausibility and faithfulness.

    Parameters
    ----------
    run : Run
    items : sequence of Item
        Test items.
    validation : sequence of Item
        On them the number of chosen words is fitted.
    methods : sequence of str
    seed : int
    faithful : bool
        Measure faithfulness, too (21 variants of an item and method, and 51 of an item).
    curves : bool
        Measure deletion and insertion curves, too (22 more an item and method), and max-sensitivity of gradient methods
        on the first `SENSITIVE_ITEMS` items.
    second : mapping, optional
        Post id -> what a second annotator marked: held against the first one's marks as the method `SECOND`, the
        ceiling of plausibility.
    precision : {'fp32', 'bf16'}
        Of passes without gradients.
    absolute : bool
        Plausibility by the size of scores; otherwise words that speak against the label count as 0.

    Raises
    ------
    DataError
        If there is no item, or no marked word is read by the model.
    """
    if not items:
        raise DataError(
            f"{run.folder}: no post of this part has expert evidence, against which methods are held. Choose "
            "another data set or split; explain.attribute(mhclf.load_run(DIR), texts) explains any text."
        )
    posts, golds = _read(run, items)
    kept = [number for number, (post, gold) in enumerate(zip(posts, golds, strict=True)) if gold[post.seen].any()]
    if not kept:
        raise DataError(f"{run.folder}: the model reads no marked word. Train with a larger --max_length.")
    counts: dict[str, int | dict[str, int]] = {
        "items": len(kept),
        "unread_rationales": len(items) - len(kept),
        "unread_words": int(sum((~post.seen).sum() for post in posts)),
        "marked_words_unread": int(sum(gold[~post.seen].sum() for post, gold in zip(posts, golds, strict=True))),
    }
    chosen = [items[number] for number in kept]
    posts, golds = [posts[number] for number in kept], [golds[number] for number in kept]
    validation_posts, validation_golds = _read(run, validation)
    fitting = sum(bool(gold[post.seen].any()) for post, gold in zip(validation_posts, validation_golds, strict=True))
    counts["validation_items"] = fitting
    if not fitting:
        logger.warning(
            "explain: no validation post has expert evidence that the model reads; f1_share chooses a quarter of the "
            "words and f1_threshold half of the largest score, unfitted."
        )
    model = ExplainedModel(run, precision=precision, remember=True)
    # Leave-one-out scores are needed by faithfulness, and may be asked for as a method, too.
    left_out = _attribute(model, chosen, "occlusion", seed) if faithful or "occlusion" in methods else []
    pairs = zip(posts, chosen, strict=True)
    sets = [random_sets(model, post, Target(item.label), seed=seed) for post, item in pairs] if faithful else []
    frames, rows = [], []
    unconverged: dict[str, int] = {}
    for method in methods:
        logger.info("explain: %s, %d items", method, len(chosen))
        own = left_out if method == "occlusion" else _attribute(model, chosen, method, seed)
        before = _attribute(model, validation, method, seed)
        cuts = fit_cuts(*_marked(before, validation_posts, validation_golds), absolute)
        moved = _sensitivities(model, chosen[:SENSITIVE_ITEMS], method, seed) if faithful and curves else []
        measured = faithfulness(model, _cases(posts, chosen, own, left_out, sets), curves=curves) if faithful else []
        unconverged[method] = sum(item.converged is False for item in own)
        frames += [_attribution_row(item, found, method) for item, found in zip(chosen, own, strict=True)]
        for number, (item, found) in enumerate(zip(chosen, own, strict=True)):
            post, scores = posts[number], np.array(found.scores)
            values = plausibility(scores[post.seen], golds[number][post.seen], cuts, absolute)
            if number < len(moved):
                values[SENSITIVITY] = moved[number]
            values |= measured[number].values if measured else {}
            identity = {"id": item.id, "group": item.group, "target": run.labels[item.label], "correct": item.correct}
            rows.append(identity | {"method": method} | values)
    if second:
        rows += _second_annotator(run, chosen, posts, golds, second)
    counts["not_converged"] = unconverged
    return Explained(pd.DataFrame(frames), pd.DataFrame(rows), counts)


def _cases(
    posts: Sequence[ReadPost],
    items: Sequence[Item],
    own: Sequence[Attribution],
    left_out: Sequence[Attribution],
    sets: Sequence[RandomSets],
) -> list[Case]:
    return [
        Case(post, Target(item.label), np.array(found.scores), np.array(without.scores), drawn)
        for post, item, found, without, drawn in zip(posts, items, own, left_out, sets, strict=True)
    ]


def _second_annotator(
    run: Run,
    items: Sequence[Item],
    posts: Sequence[ReadPost],
    golds: Sequence[npt.NDArray[np.bool_]],
    second: Mapping[str, tuple[Span, ...]],
) -> list[dict[str, object]]:
    """Return plausibility of one person's marks against the other's; of equal length and cut at the marks."""
    rows: list[dict[str, object]] = []
    for item, post, gold in zip(items, posts, golds, strict=True):
        if item.id in second:
            marks = marked_words(post.words, second[item.id])[post.seen].astype(np.float64)
            share = float(marks.mean()) if len(marks) else 0.0
            values = plausibility(marks, gold[post.seen], Cuts(share, 0.5))
            identity = {"id": item.id, "group": item.group, "target": run.labels[item.label], "correct": item.correct}
            rows.append(identity | {"method": SECOND} | values)
    return rows


def _attribute(model: ExplainedModel, items: Sequence[Item], method: str, seed: int) -> list[Attribution]:
    if not items:
        return []
    texts, targets, contexts = _asked(model, items)
    return attribute(model.run, texts, method, targets, contexts=contexts, seed=seed, model=model)


def _asked(model: ExplainedModel, items: Sequence[Item]) -> tuple[list[str], list[str], list[str] | None]:
    """Return texts, labels to explain, and contexts where there are any."""
    contexts = [item.context for item in items]
    targets = [model.run.labels[item.label] for item in items]
    return [item.text for item in items], targets, contexts if any(contexts) else None


def _sensitivities(model: ExplainedModel, items: Sequence[Item], method: str, seed: int) -> list[float]:
    """Return max-sensitivity of each item; nothing for methods that do not go by gradients."""
    if method not in GRADIENTS or model.run.linear is not None:
        return []
    texts, targets, contexts = _asked(model, items)
    found: list[float] = max_sensitivity(model.run, texts, method, targets, contexts, seed=seed).tolist()
    return found


def _read(run: Run, items: Sequence[Item]) -> tuple[list[ReadPost], list[npt.NDArray[np.bool_]]]:
    if not items:
        return [], []
    posts = read_posts(run, [item.text for item in items], [item.context for item in items])
    return posts, [marked_words(post.words, item.spans) for post, item in zip(posts, items, strict=True)]


def _marked(
    attributions: Sequence[Attribution], posts: Sequence[ReadPost], golds: Sequence[npt.NDArray[np.bool_]]
) -> tuple[list[npt.NDArray[np.float64]], list[npt.NDArray[np.bool_]]]:
    """Return scores and marks over the words that are read, of the posts that have a marked one."""
    pairs = [
        (np.array(found.scores)[post.seen], gold[post.seen])
        for found, post, gold in zip(attributions, posts, golds, strict=True)
        if gold[post.seen].any()
    ]
    return [scores for scores, _ in pairs], [gold for _, gold in pairs]


def _attribution_row(item: Item, found: Attribution, method: str) -> dict[str, object]:
    return {
        "id": item.id,
        "target": found.target,
        "probability": found.probability,
        "method": method,
        "settings": json.dumps(found.settings, sort_keys=True),
        "converged": found.converged,
        "completeness_gap": found.completeness_gap,
        "starts": [start for start, _ in found.words],
        "ends": [end for _, end in found.words],
        "seen": list(found.seen),
        "scores": [float(np.float32(score)) for score in found.scores],
    }
