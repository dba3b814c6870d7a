"""Items: posts with the words that an expert marked, and the label that is explained."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mhclf.data.spans import Span
from mhclf.data.table import PostTable
from mhclf.training.saved import Run

Explains = Literal["predicted", "gold"]
"""Which label of a post with one label is explained."""


@dataclass(frozen=True)
class Item:
    """One post, one label, and the words that an expert marked for it.

    Attributes
    ----------
    id, group : str
    text, context : str
    label : int
        The explained label.
    correct : bool
        Whether the model's decision is right: the whole post, for several labels this label.
    spans : tuple of (start, end)
        Marked characters.
    predicted : str
        The model's decision in words; several labels are joined by ` + `.
    """

    id: str
    group: str
    text: str
    context: str
    label: int
    correct: bool
    spans: tuple[Span, ...]
    predicted: str = ""


def items_of(
    run: Run, part: PostTable, limit: int | None, seed: int = 0, explains: Explains = "predicted"
) -> list[Item]:
    """Return the rows that have expert evidence as items.

    Parameters
    ----------
    run : Run
    part : PostTable
        Rows of one split.
    limit : int, optional
        At most this many rows, drawn by a hash of seed and id: the same for every run on these rows.
    seed : int
    explains : {'predicted', 'gold'}
        The label to explain where a post has one. Evidence is for the gold label: where the prediction is wrong, the
        predicted one asks whether a wrong decision rests on the words that speak for the right one.

    Returns
    -------
    list of Item
        One a row: its label with all of the row's evidence. For several labels a post, one for each label that has
        evidence of its own, or, where evidence is not given by label, for the most probable label.
    """
    rows = [row for row, rationale in enumerate(part.rationales) if rationale.spans]
    ids = part.frame["id"].astype(str).tolist()
    if limit is not None:
        rows = sorted(sorted(rows, key=lambda row: _draw(seed, ids[row]))[:limit])
    if not rows:
        return []
    chosen = part.select(np.array(rows))
    contexts = chosen.contexts or [""] * len(chosen)
    probabilities = run.predict_proba(chosen.texts, chosen.contexts)
    found = []
    for row, (text, context) in enumerate(zip(chosen.texts, contexts, strict=True)):
        rationale, probability = chosen.rationales[row], probabilities[row]
        best = int(probability.argmax())
        identity = (str(chosen.frame["id"].iloc[row]), str(chosen.frame["group"].iloc[row]), text, context)
        if run.task != "multilabel":
            gold = int(chosen.targets[row])
            label = gold if explains == "gold" else best
            found.append(Item(*identity, label, best == gold, rationale.spans, run.labels[best]))
            continue
        named = [name for name, value in zip(run.labels, probability, strict=True) if value >= 0.5]
        by_label = rationale.by_label or ((run.labels[best], rationale.spans),)
        for name, spans in by_label:
            if spans:
                label = run.labels.index(name)
                right = bool((probability[label] >= 0.5) == (chosen.targets[row, label] == 1))
                found.append(Item(*identity, label, right, spans, " + ".join(named) or "(none)"))
    return found


def _draw(seed: int, identifier: str) -> str:
    return hashlib.sha256(f"{seed}:{identifier}".encode("utf-8", "surrogatepass")).hexdigest()
