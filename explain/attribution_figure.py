"""A post's words shaded by their scores, as a picture: for papers, and where a page strips colours from HTML."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from explain.attribution import Attribution
from mhclf.data.spans import Span
from mhclf.errors import DataError
from mhclf.results.escape import plain
from mhclf.results.style import BLUE, DARK, ORANGE, styled, text_only

_WIDE = 8.0
_MARGIN = 8.0
_SIZE = 9.5
_LINE = 19.0
"""Inches; points; points; points from line to line."""


@styled
def attribution_figure(attributions: Sequence[Attribution], marked: Sequence[Span] = ()) -> Figure:
    """Draw one post once for each attribution, its words shaded: orange speaks for the label, blue against it.

    Parameters
    ----------
    attributions : sequence of Attribution
        Of one post, by several methods or for several labels; shades are shares of the largest score of each.
    marked : sequence of (start, end)
        Character offsets of what a person marked as evidence; it is underlined.

    Raises
    ------
    DataError
        If there is none, or they are of different posts.
    """
    if len({item.text for item in attributions}) != 1:
        raise DataError("attribution_figure: give one or more attributions, all of one post.")
    pieces = _pieces(attributions[0])
    places = _places(pieces, _WIDE * 72 - 2 * _MARGIN)
    lines = 1 + max((line for _, line in places), default=0)
    block = _LINE * (lines + 1.6)
    # Above the first post stands the legend.
    high = _MARGIN + _LINE + block * len(attributions)
    figure = Figure(figsize=(_WIDE, high / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, _WIDE * 72)
    axes.set_ylim(high, 0)
    axes.set_axis_off()
    legend = "orange speaks for the label, blue against it; darker is stronger"
    legend += "; underlined: marked as evidence" if marked else ""
    axes.text(_MARGIN, _LINE, legend, color=DARK, fontsize=8.5, parse_math=False)
    for number, item in enumerate(attributions):
        top = _MARGIN + _LINE * 2.1 + number * block
        heading = f"{item.target} ({item.probability:.2f}), {item.method.replace('_', ' ')}"
        axes.text(_MARGIN, top, text_only(heading), fontweight="bold")
        _draw(axes, item, pieces, places, top + _LINE * 1.1, marked)
    return figure


def _pieces(item: Attribution) -> list[tuple[str, str]]:
    """Return each word with what follows it up to the next; what stands before the first word has an empty one."""
    ends = [start for start, _ in item.words[1:]] + [len(item.text)]
    found = [
        (_flat(item.text[start:end]), _flat(item.text[end:after]))
        for (start, end), after in zip(item.words, ends, strict=True)
    ]
    return [("", _flat(item.text[: item.words[0][0]] if item.words else item.text)), *found]


def _flat(text: str) -> str:
    """Return text on one line, a blank for any space, blanks at its ends kept."""
    shown = plain(text)
    return (" " if text[:1].isspace() else "") + shown.strip() + (" " if text.strip() and text[-1:].isspace() else "")


def _places(pieces: Sequence[tuple[str, str]], wide: float) -> list[tuple[float, int]]:
    """Return where each piece begins (points) and in which line."""
    found = []
    x, line = 0.0, 0
    for word, rest in pieces:
        shown = _width(word + rest.rstrip())
        if x and x + shown > wide:
            x, line = 0.0, line + 1
        found.append((x, line))
        x += _width(word) + _width(rest)
    return found


def _width(text: str) -> float:
    """Return how wide text is, in points; blanks count."""
    return float(text_to_path.get_text_width_height_descent(text, FontProperties(size=_SIZE), ismath=False)[0])


def _draw(
    axes: Axes,
    item: Attribution,
    pieces: Sequence[tuple[str, str]],
    places: Sequence[tuple[float, int]],
    top: float,
    marked: Sequence[Span],
) -> None:
    largest = max((abs(score) for score in item.scores), default=0.0) or 1.0
    scores = (0.0, *item.scores)
    spans = ((0, 0), *item.words)
    for (word, rest), (x, line), score, (start, end) in zip(pieces, places, scores, spans, strict=True):
        left, base = _MARGIN + x, top + line * _LINE
        wide = _width(word)
        if abs(score) > 0.05 * largest:
            colour = ORANGE if score > 0 else BLUE
            shade = 0.85 * abs(score) / largest
            box = Rectangle((left - 0.8, base - _SIZE), wide + 1.6, _SIZE * 1.4, color=colour, alpha=shade, linewidth=0)
            axes.add_patch(box)
        axes.text(left, base, word + rest, fontsize=_SIZE, color="#111827", parse_math=False)
        if any(start < other_end and other_start < end for other_start, other_end in marked):
            axes.plot([left, left + wide], [base + 5.2] * 2, color=DARK, linewidth=1.2, solid_capstyle="butt")
