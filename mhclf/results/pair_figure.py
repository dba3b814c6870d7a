"""Margin against confusion of pairs of classes."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from mhclf.evaluation.confusable import ClassPair
from mhclf.results.style import BLUE, DARK, FAINT, bare, display_names, percent, styled, title

FEWEST = 3
"""Fewer points show nothing."""
_NAMED = 6


def drawable(pairs: Sequence[ClassPair]) -> list[ClassPair]:
    """Return the pairs that have both margin and confusion, in their order; empty where they are too few to draw."""
    found = [pair for pair in pairs if pair.margin is not None and pair.confusion is not None]
    return found if len(found) >= FEWEST else []


@styled
def class_pairs_figure(pairs: Sequence[ClassPair], labels: Sequence[str]) -> Figure:
    """Draw one point a pair; the most confused ones carry a number that the legend explains.

    Parameters
    ----------
    pairs : sequence of ClassPair
        From `drawable`, the most confused first.
    labels : sequence of str
        All classes, in order.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = dict(zip(labels, display_names(labels, width=22), strict=True))
    points = [(pair.margin or 0.0, pair.confusion or 0.0) for pair in pairs]
    figure = Figure(figsize=(6.8, 3.6), layout="constrained")
    axes = figure.add_subplot()
    # Many points at the same place, such as 0 % confusion, still show as darker.
    axes.scatter([x for x, _ in points], [y for _, y in points], 30, BLUE, linewidths=0, alpha=0.6)
    lines = []
    for number, (pair, (x, y)) in enumerate(zip(pairs[:_NAMED], points[:_NAMED], strict=True), start=1):
        if not y:
            break
        axes.annotate(str(number), (x, y), (5, 3), textcoords="offset points", color=DARK, fontsize=8.5)
        lines.append(f"{number}  {names[pair.first]} / {names[pair.second]}")
    if lines:
        axes.text(
            1.02, 1.0, "\n".join(lines), transform=axes.transAxes, va="top", color=DARK, fontsize=8.5, linespacing=1.5
        )
    axes.set_xlabel("margin between centroids over spread within")
    axes.set_ylabel("taken for the other")
    axes.yaxis.set_major_formatter(FuncFormatter(percent))
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.02 * high), high * 1.08)
    axes.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
    bare(axes, grid="both")
    title(figure, "Confusable pairs", f"{len(points)} pairs of classes; one point each.")
    return figure
