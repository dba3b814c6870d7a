"""Confusable pairs of classes of a run: its `class_pairs.json`, a table, and what they say in words."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

from mhclf.errors import DataError
from mhclf.evaluation.confusable import ClassPair, pair_agreement
from mhclf.results.tables import Column, Table, format_number

MOST_PAIRS = 15


def read_pairs(path: Path) -> tuple[ClassPair, ...]:
    """Read `class_pairs.json`; empty where the file is absent.

    Raises
    ------
    DataError
        Where it is damaged or of another form.
    """
    if not path.is_file():
        return ()
    try:
        return tuple(ClassPair(**pair) for pair in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: holds no pairs of classes ({error}). Run it again with --overwrite.") from error


def pairs_table(pairs: Sequence[ClassPair], split: str) -> Table | None:
    """Return at most fifteen pairs, the most confused first; None where no pair has a post."""
    known = [pair for pair in pairs if pair.n]
    if not known:
        return None
    columns = (
        Column("pair"),
        Column("margin", "right", "higher", 2),
        Column("confusion", "right", "lower"),
        Column("posts", "right"),
    )
    rows = tuple((f"{pair.first} / {pair.second}", pair.margin, pair.confusion, pair.n) for pair in known[:MOST_PAIRS])
    notes = [
        "Margin: distance of the two classes' centroids over the mean distance of a post to its own centroid, in what "
        f"the head reads. Confusion: share of the two classes' {split} posts that were taken for the other one."
    ]
    if len(known) > MOST_PAIRS:
        notes.append(f"The {MOST_PAIRS} most confused of {len(known)} pairs.")
    return Table("Confusable pairs", columns, rows, tuple(notes))


def pairs_sentence(pairs: Sequence[ClassPair]) -> str:
    """Return the most confused pair and how margin and confusion go together; empty where no pair has a post."""
    known = [pair for pair in pairs if pair.n]
    if not known:
        return ""
    worst = known[0]
    margin = "" if worst.margin is None else f", at a margin of {format_number(worst.margin, 2)}"
    if not worst.confusion:
        text = "No post was taken for one of another class."
    else:
        text = (
            f"Most confused are {worst.first} and {worst.second}: {worst.confusion:.1%} of their {worst.n:,} posts "
            f"were taken for the other one{margin}."
        )
    tau = pair_agreement(pairs)
    if not math.isnan(tau):
        text += (
            f" Over all {len(known)} pairs Kendall's tau between margin and confusion is {format_number(tau, 2)}; "
            "below 0, classes that lie further apart are confused less."
        )
    return text
