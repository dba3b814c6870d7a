"""`explanations.html`: posts with what experts marked and what each method says, for a reader without code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from explain.items import Item
from mhclf.data.shown import mask_pieces
from mhclf.data.spans import marked_words
from mhclf.data.spans import words as split_words
from mhclf.results.files import write_text
from mhclf.results.pages import data_uri, picture_size, render_page
from mhclf.results.tables import Table

TEMPLATES = Path(__file__).resolve().parent / "templates"
MOST_POSTS = 300
"""Posts that a page can hold without becoming slow."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a post: a word with its number and whether an expert marked it, or what stands between words."""

    text: str
    word: int | None = None
    marked: bool = False


@dataclass(frozen=True)
class Card:
    """One item on the page; `scores` is JSON, method -> whole numbers from -100 to 100 a word."""

    id: str
    target: str
    predicted: str
    gold: str
    outcome: str
    plausible: float
    pieces: tuple[Piece, ...]
    scores: str


def cards(
    items: Sequence[Item],
    attributions: pd.DataFrame,
    numbers: pd.DataFrame,
    labels: Sequence[str],
    gold: Mapping[str, str],
    method: str,
    masked: bool = False,
) -> list[Card]:
    """Return the items as cards, in their order.

    `method` gives the plausibility that the page sorts by; `masked` replaces what identifies a person.
    """
    by_item = dict(tuple(attributions.groupby(["id", "target"], sort=False)))
    plausible = numbers[numbers["method"] == method].set_index(["id", "target"])["auprc"]
    found = []
    for item in items[:MOST_POSTS]:
        key = (item.id, labels[item.label])
        if key not in by_item:
            # The model reads none of its evidence.
            continue
        rows = by_item[key]
        scores = {
            str(row.method): _scaled(np.asarray(row.scores, dtype=np.float64)) for row in rows.itertuples(index=False)
        }
        found.append(
            Card(
                item.id,
                key[1],
                item.predicted or key[1],
                gold.get(item.id, ""),
                "right" if item.correct else "wrong",
                float(np.mean(plausible.get(key, float("nan")))),
                _pieces(item, masked),
                json.dumps(scores),
            )
        )
    return found


def _scaled(scores: np.ndarray) -> list[int]:
    largest = float(np.abs(scores).max(initial=0.0)) or 1.0
    return [int(value) for value in np.round(100 * scores / largest)]


def _pieces(item: Item, masked: bool) -> tuple[Piece, ...]:
    spans = split_words(item.text)
    marks = marked_words(spans, item.spans)
    places: list[tuple[int, int]] = []
    found: list[tuple[int | None, bool]] = []
    at = 0
    for number, (start, end) in enumerate(spans):
        if start > at:
            # White space between two marked words is underlined with them.
            places.append((at, start))
            found.append((None, bool(number and marks[number] and marks[number - 1])))
        places.append((start, end))
        found.append((number, bool(marks[number])))
        at = end
    if at < len(item.text):
        places.append((at, len(item.text)))
        found.append((None, False))
    texts = mask_pieces(item.text, places) if masked else [item.text[start:end] for start, end in places]
    return tuple(Piece(text, word, marked) for text, (word, marked) in zip(texts, found, strict=True))


def write_explanations(
    path: Path,
    title: str,
    found: Sequence[Card],
    of: int,
    tables: Sequence[Table],
    sentences: Sequence[str],
    figure: Path,
    first: str,
) -> Path:
    """Write the page; it loads nothing, and texts are hidden until asked for.

    Parameters
    ----------
    path : Path
    title : str
    found : sequence of Card
    of : int
        Items in all; the page says how many it leaves out.
    tables : sequence of Table
    sentences : sequence of str
        Shown above the tables.
    figure : Path
        The heat map, as PNG.
    first : str
        The method that is shown first.
    """
    names = dict.fromkeys(name for card in found for name in json.loads(card.scores))
    # The page opens with the method that agrees best with experts.
    methods = sorted(names, key=lambda name: name != first)
    targets = sorted({card.target for card in found})
    page = render_page(
        "explanations.html.j2",
        folders=[TEMPLATES],
        title=title,
        cards=found,
        left_out=of - len(found),
        methods=methods,
        targets=targets,
        tables=tables,
        sentences=sentences,
        figure=data_uri(figure),
        size=picture_size(figure),
    )
    return write_text(path, page)
