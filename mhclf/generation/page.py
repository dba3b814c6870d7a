"""`generations.html`: what a model decided and how it explained it, row by row, for a reader without code."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from mhclf.data.shown import mask_pieces, mask_shown
from mhclf.data.spans import Span
from mhclf.data.table import PostTable
from mhclf.evaluation.grounding import is_found, quotes
from mhclf.evaluation.text_tokens import tokenize
from mhclf.generation.citations import cited_spans
from mhclf.generation.generated_rows import GeneratedRow, decision_words, gold_words, read_generated
from mhclf.generation.safety_flags import safety_flags
from mhclf.results.explained import measures_table
from mhclf.results.files import write_text
from mhclf.results.pages import render_page
from mhclf.results.tables import UNDEFINED, Column, Table

TEMPLATES = Path(__file__).resolve().parent / "templates"
NAME = "generations.html"
MOST_ROWS = 500
FOUND, INVENTED, CITED = "found", "invented", "cited"


@dataclass(frozen=True)
class Piece:
    """A stretch of text: `kind` is `found` or `invented` for a quote, `cited` for a part of the post, or ''."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class GenerationCard:
    """One line of `generations.jsonl` as the page shows it.

    Attributes
    ----------
    id, about : str
        `about` is the label of a yes-or-no question, '' for other questions.
    gold, predicted, outcome : str
        `outcome` is `right`, `wrong` or `unread`; `predicted` is '' where no answer could be read.
    parsers : tuple of str
        The rules that read the answer, each once.
    post, explanation : tuple of Piece
    reference : str
    flags : tuple of str
        Kind and pattern of each safety flag, with the number of its sentence from 1.
    found, invented : int
        Quotes that occur in the post, and that do not.
    """

    id: str
    about: str
    gold: str
    predicted: str
    outcome: str
    parsers: tuple[str, ...]
    post: tuple[Piece, ...]
    explanation: tuple[Piece, ...]
    reference: str
    flags: tuple[str, ...]
    found: int
    invented: int

    @property
    def marks(self) -> str:
        """What the page filters by, parted by blanks."""
        marks = {
            "flagged": bool(self.flags),
            "invented": bool(self.invented),
            "unexplained": not self.explanation,
        }
        return " ".join(name for name, holds in marks.items() if holds)


def write_generations(
    folder: Path, part: PostTable, tables: Sequence[Table] = (), mask_identifiers: bool = False
) -> Path:
    """Write the page of a run folder from its `generations.jsonl`; it loads nothing, texts are hidden until asked for.

    Parameters
    ----------
    folder : Path
        Of a prompting or a joint run.
    part : PostTable
        The rows that it is about.
    tables : sequence of Table
        Shown above the rows, behind the counts.
    mask_identifiers : bool
        Replace e-mail and web addresses, user names and phone numbers in posts, explanations and references.

    Raises
    ------
    RunError
        As in `read_generated`.
    """
    rows = read_generated(folder, part)
    posts = part.texts_with_options
    cards = [card_of(row, part, posts[row.row]) for row in rows]
    if mask_identifiers:
        # Masked at the end: what is quoted, cited and flagged is that of the text that the model read.
        cards = [_masked(card) for card in cards]
    page = render_page(
        "generations.html.j2",
        folders=[TEMPLATES],
        title=part.config.title or part.config.name,
        run=folder.name,
        cards=cards[:MOST_ROWS],
        left_out=max(0, len(cards) - MOST_ROWS),
        counts=counts_table(cards),
        tables=tables,
        golds=sorted({card.gold for card in cards}),
        predictions=sorted({card.predicted for card in cards if card.predicted}),
        parsers=sorted({name for card in cards for name in card.parsers}),
    )
    return write_text(folder / NAME, page)


def redraw_masked(folder: Path, part: PostTable) -> Path:
    """Write the page of a run folder again, without what identifies a person, with the measures that it holds."""
    measures = measures_table(folder)
    return write_generations(folder, part, [measures] if measures else [], mask_identifiers=True)


def card_of(row: GeneratedRow, part: PostTable, post: str) -> GenerationCard:
    """Return one row as the page shows it, with its post."""
    gold, predicted = gold_words(row, part), decision_words(row, part)
    outcome = "unread" if row.answer is None else "right" if predicted == gold else "wrong"
    explanation = explanation_pieces(row.explanation, post)
    kinds = Counter(piece.kind for piece in explanation)
    flags = safety_flags(row.explanation, post)
    return GenerationCard(
        row.id,
        row.label or "",
        gold,
        predicted,
        outcome,
        tuple(dict.fromkeys(row.parsers)),
        _pieces(post, [(span, CITED) for span in cited_spans(row.explanation, post)]),
        explanation,
        str(part.frame["explanation"].iloc[row.row]),
        tuple(f"{flag.kind.replace('_', ' ')}: {flag.pattern}, sentence {flag.sentence + 1}" for flag in flags),
        kinds[FOUND],
        kinds[INVENTED],
    )


def _masked(card: GenerationCard) -> GenerationCard:
    """Return a card without what identifies a person; its marks stay where they are."""
    return replace(
        card,
        post=_masked_pieces(card.post),
        explanation=_masked_pieces(card.explanation),
        reference=mask_shown(card.reference),
    )


def _masked_pieces(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    ends = list(accumulate(len(piece.text) for piece in pieces))
    spans = list(zip([0, *ends], ends, strict=False))
    shown = mask_pieces("".join(piece.text for piece in pieces), spans)
    return tuple(Piece(text, piece.kind) for text, piece in zip(shown, pieces, strict=True) if text)


def explanation_pieces(explanation: str, post: str) -> tuple[Piece, ...]:
    """Return an explanation with its quotes marked: those that occur in the post, and those that do not."""
    tokens = tokenize(post)
    marked = [
        ((quote.start, quote.end), FOUND if is_found(quote, tokens) else INVENTED) for quote in quotes(explanation)
    ]
    return _pieces(explanation, marked)


def counts_table(cards: Sequence[GenerationCard]) -> Table:
    """Return how many rows are right, wrong, unread, explained, flagged, and quote what was not written."""
    outcomes = Counter(card.outcome for card in cards)
    counts = {
        "right": outcomes["right"],
        "wrong": outcomes["wrong"],
        "unread: the answer names no label": outcomes["unread"],
        "with an explanation": sum(bool(card.explanation) for card in cards),
        "with a quote that the post does not have": sum(card.invented > 0 for card in cards),
        "with a safety flag": sum(bool(card.flags) for card in cards),
    }
    rows = tuple((name, count, f"{count / len(cards):.3f}" if cards else UNDEFINED) for name, count in counts.items())
    columns = (Column("answers"), Column("n", "right"), Column("share", "right"))
    notes = (
        "A quote counts as one that the post has where its words stand there in this order; case and signs do not "
        "matter.",
        "Safety flags come from listed patterns: one asks a person to look, a text without any is not thereby safe.",
    )
    return Table(f"{len(cards)} answers", columns, rows, notes)


def _pieces(text: str, marked: Sequence[tuple[Span, str]]) -> tuple[Piece, ...]:
    found, at = [], 0
    for (start, end), kind in marked:
        found += [Piece(text[at:start]), Piece(text[start:end], kind)]
        at = end
    return tuple(piece for piece in (*found, Piece(text[at:])) if piece.text)
