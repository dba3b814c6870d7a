"""Precision, recall and F1 of every class as bars, of one run or F1 of several beside each other."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from mhclf.results.style import BLUE, DARK, GREEN, ORANGE, PALETTE, bare, display_names, styled, text_only, title

Interval = tuple[float, float]
"""Low and high end; NaN where it is not known."""


@styled
def class_scores(
    labels: Sequence[str],
    support: Sequence[int],
    precision: Sequence[float],
    recall: Sequence[float],
    f1: Sequence[float],
    intervals: Sequence[Interval],
) -> Figure:
    """Draw three bars a class, F1 with its 95 % interval.

    Parameters
    ----------
    labels : sequence of str
        L names in order.
    support : sequence of int
        Gold posts of each.
    precision, recall, f1 : sequence of float
        In [0, 1]; NaN has no bar.
    intervals : sequence of (float, float)
        Ends of the interval of F1.

    Returns
    -------
    matplotlib.figure.Figure
        Classes from top to bottom.
    """
    series = {"precision": (precision, GREEN), "recall": (recall, ORANGE), "F1, with 95 % interval": (f1, BLUE)}
    figure = _bars(labels, support, series, {"F1, with 95 % interval": intervals})
    title(figure, "Scores by class", "In brackets the gold posts of the class.")
    return figure


@styled
def class_comparison(
    labels: Sequence[str],
    support: Sequence[int],
    runs: Mapping[str, Sequence[float]],
    intervals: Mapping[str, Sequence[Interval]],
) -> Figure:
    """Draw the F1 of each class, one bar a run, with its interval.

    Parameters
    ----------
    labels, support : as in `class_scores`
    runs : mapping
        Name of the run -> L values of F1.
    intervals : mapping
        Name of the run -> L intervals.

    Returns
    -------
    matplotlib.figure.Figure
        Classes from top to bottom, runs in the order given.
    """
    colours = [colour for colour in PALETTE if colour != "#000000"]
    series = {name: (values, colours[k % len(colours)]) for k, (name, values) in enumerate(runs.items())}
    figure = _bars(labels, support, series, intervals)
    title(figure, "F1 by class", "With 95 % intervals; in brackets the gold posts of the class.")
    return figure


def _bars(
    labels: Sequence[str],
    support: Sequence[int],
    series: Mapping[str, tuple[Sequence[float], str]],
    intervals: Mapping[str, Sequence[Interval]],
) -> Figure:
    """Draw grouped horizontal bars with a legend below."""
    thick = 0.8 / len(series)
    bar = 0.17 if len(labels) <= 12 else 0.09
    high = 1.5 + len(labels) * (0.14 + bar * len(series)) + 0.18 * len(series)
    figure = Figure(figsize=(7.2, max(2.6, high)), layout="constrained")
    axes = figure.add_subplot()
    place = np.arange(len(labels))
    for k, (name, (values, colour)) in enumerate(series.items()):
        at = place + (k - (len(series) - 1) / 2) * thick
        length = np.nan_to_num(np.asarray(values, dtype=np.float64))
        axes.barh(at, length, thick * 0.88, color=colour, label=text_only(name))
        if name in intervals:
            ends = np.array(intervals[name], dtype=np.float64).reshape(-1, 2)
            known = np.isfinite(ends).all(axis=1)
            # White below, so that the line is seen on the bar too.
            for colour_of_line, width in (("white", 3.4), (DARK, 1.4)):
                axes.hlines(at[known], ends[known, 0], ends[known, 1], color=colour_of_line, linewidth=width)
    axes.set_yticks(place, [f"{name} ({total})" for name, total in zip(display_names(labels), support, strict=True)])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, 1.01)
    bare(axes, grid="x")
    figure.legend(loc="outside lower left", ncols=1 if max(map(len, series)) > 26 else min(3, len(series)))
    return figure
