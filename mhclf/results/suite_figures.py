"""Pictures of a suite: the headline metric of every method on every data set, and mean ranks over many."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mhclf.evaluation import higher_is_better
from mhclf.evaluation.ranks import MeanRanks, mean_ranks
from mhclf.results.style import BLUE, DARK, FAINT, GREY, ORANGE, PALETTE, bare, display_names, styled, text_only, title
from mhclf.results.suite_content import DatasetScores
from mhclf.results.suite_lines import SuiteLine
from mhclf.results.suite_published import beside_lines

FEWEST_DATASETS = 5
"""For mean ranks."""

_COLOURS = (BLUE, ORANGE, *PALETTE[2:5])


@styled
def forest_figure(scores: Sequence[DatasetScores], baseline: str) -> Figure:
    """Draw mean and 95 % interval of the headline metric, a panel for each data set, a line for each method.

    Parameters
    ----------
    scores : sequence of DatasetScores
        With one line or more that ran.
    baseline : str
        Filled dots differ from it significantly, in accuracy; hollow ones do not, small ones were not tested.

    Returns
    -------
    matplotlib.figure.Figure
        Published numbers that are comparable are grey diamonds without an interval.
    """
    shown = [(part, [line for line in part.lines if _mean(part, line) is not None]) for part in scores]
    shown = [(part, lines) for part, lines in shown if lines]
    encoders = list(dict.fromkeys(line.encoder for _, lines in shown for line in lines if line.encoder != "tfidf"))
    wide = 1 if len(shown) == 1 else 2
    rows = [shown[k : k + wide] for k in range(0, len(shown), wide)]
    heights = [max(_length(part, lines) for part, lines in row) + 2.6 for row in rows]
    figure = Figure(figsize=(5.4 * wide + 0.2, 1.15 + 0.215 * sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(rows), wide, height_ratios=heights)
    for k, row in enumerate(rows):
        for j, (part, lines) in enumerate(row):
            _panel(figure.add_subplot(grid[k, j]), part, lines, encoders, baseline)
    handles = [
        Line2D([], [], color=_colour(encoder, encoders), marker="o", label=text_only(encoder)) for encoder in encoders
    ]
    if any(line.encoder == "tfidf" for _, lines in shown for line in lines):
        handles.append(Line2D([], [], color=GREY, marker="o", label="linear baseline"))
    handles.append(
        Line2D([], [], color=DARK, marker="o", markerfacecolor="white", linestyle="", label="hollow: p ≥ .05")
    )
    handles.append(
        Line2D([], [], color=DARK, marker="o", markersize=3.5, linestyle="", label="small: the baseline, or not tested")
    )
    if any(part.beside for part, _ in shown):
        handles.append(
            Line2D(
                [], [], color=GREY, marker="D", markersize=5, linestyle="", label="published or computed from its data"
            )
        )
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
    sentence = (
        "Mean over seeds with 95 % interval (posts and seeds). Filled: accuracy differs from "
        f"{baseline} (paired on posts, Holm, p < .05)."
    )
    sentence += " The scales of the panels differ." if len(shown) > 1 else ""
    title(figure, "Headline metric on the test posts", sentence)
    return figure


def ranked(scores: Sequence[DatasetScores], without: Sequence[str] = ()) -> tuple[list[str], int, MeanRanks] | None:
    """Return the methods that ran on every data set, how many sets these are, and their mean ranks.

    Of data sets that share test rows (cuts of one set) only the first counts, and those named in `without` do not. None
    where there are fewer than five data sets or three such methods, or where the headline metrics differ in direction.
    """
    tables = []
    seen: set[str] = set()
    for part in scores:
        means = {(line.method, line.encoder): _mean(part, line) for line in part.lines}
        found = {key: mean for key, mean in means.items() if mean is not None}
        if found and part.rows.dataset not in without and seen.isdisjoint(part.rows.ids):
            tables.append((part, found))
        seen.update(part.rows.ids)
    directions = {higher_is_better(part.rows.headline_metrics[0]) for part, _ in tables}
    if len(tables) < FEWEST_DATASETS or len(directions) != 1:
        return None
    keys = [key for key in tables[0][1] if all(key in found for _, found in tables)]
    if len(keys) < 3:
        return None
    table = np.array([[found[key] for key in keys] for _, found in tables])
    one = len({encoder for _, encoder in keys} - {"tfidf"}) < 2
    names = [method if one or encoder == "tfidf" else f"{method} ({encoder})" for method, encoder in keys]
    return names, len(tables), mean_ranks(table, higher_is_better=directions.pop())


@styled
def rank_figure(names: Sequence[str], datasets: int, found: MeanRanks) -> Figure:
    """Draw mean ranks and the critical difference (Demsar 2006): methods above one bar cannot be told apart.

    Parameters
    ----------
    names : sequence of str
        Methods, in the order of `found.ranks`.
    datasets : int
        How many they were ranked on.
    found : MeanRanks
    """
    order = np.argsort(found.ranks, kind="stable")
    ranks = found.ranks[order]
    shown = [display_names(names)[k] for k in order]
    groups = cliques(ranks.tolist(), found.critical_difference)
    figure = Figure(figsize=(7.2, 1.7 + 0.26 * len(names) + 0.14 * len(groups)), layout="constrained")
    axes = figure.add_subplot()
    for k, rank in enumerate(ranks):
        axes.hlines(k, 1, rank, color=FAINT, linewidth=1)
    axes.plot(ranks, np.arange(len(ranks)), "o", color=BLUE)
    for k, (first, last) in enumerate(groups):
        axes.hlines(len(ranks) + 0.2 + 0.45 * k, ranks[first], ranks[last], color=DARK, linewidth=3)
    axes.set_yticks(range(len(shown)), shown)
    axes.set_ylim(len(ranks) + 0.45 * len(groups) + 0.2, -0.6)
    axes.set_xlim(0.9, len(names) + 0.1)
    axes.set_xlabel("mean rank (1 is best)")
    bare(axes, grid="x")
    p_value = "< .001" if found.p_value < 0.001 else f"= {found.p_value:.3f}"
    sentence = (
        f"Ranks by the headline metric on {datasets} data sets. Friedman p {p_value}; mean ranks above one "
        f"bar differ by less than {found.critical_difference:.2f} and cannot be told apart (Nemenyi, .05)."
    )
    title(figure, "Mean ranks", sentence)
    return figure


def cliques(ranks: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """Return first and last place of each largest run of sorted ranks that lie within a difference."""
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = max(k for k in range(first, len(ranks)) if ranks[k] - rank < difference or k == first)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def _panel(axes: Axes, part: DatasetScores, lines: Sequence[SuiteLine], encoders: Sequence[str], baseline: str) -> None:
    metric = part.rows.headline_metrics[0]
    several = len({line.encoder for line in lines} - {"tfidf"}) > 1
    names = [
        f"{line.method} ({line.encoder})" if several and line.encoder != "tfidf" else line.method for line in lines
    ]
    for place, line in enumerate(lines):
        score = line.scores[metric]
        colour = _colour(line.encoder, encoders)
        if score.ci_low is not None and score.ci_high is not None:
            axes.hlines(place, score.ci_low, score.ci_high, color=colour, linewidth=1.6)
        tested = baseline in line.comparisons
        filled = "white" if tested and not line.is_marked(baseline) else colour
        size = 6 if tested else 3.5
        axes.plot([_mean(part, line) or 0.0], [place], "o", color=colour, markerfacecolor=filled, markersize=size)
    published = [line for line in beside_lines(part.beside) if metric in line.numbers]
    for place, published_line in enumerate(published, start=len(lines)):
        axes.plot([published_line.numbers[metric].value], [place], "D", color=GREY, markersize=4.5)
        names.append(published_line.model)
    axes.set_yticks(range(len(names)), display_names(names, 34))
    axes.set_ylim(len(names) - 0.4, -0.6)
    arrow = "higher" if higher_is_better(metric) else "lower"
    axes.set_xlabel(f"{metric} ({arrow} is better)")
    axes.set_title(f"{text_only(part.rows.dataset)}, n = {len(part.rows.ids):,}")
    bare(axes, grid="x")


def _length(part: DatasetScores, lines: Sequence[SuiteLine]) -> int:
    metric = part.rows.headline_metrics[0]
    return len(lines) + sum(metric in line.numbers for line in beside_lines(part.beside))


def _mean(part: DatasetScores, line: SuiteLine) -> float | None:
    score = line.scores.get(part.rows.headline_metrics[0])
    return score.mean if line.seeds and score is not None else None


def _colour(encoder: str, encoders: Sequence[str]) -> str:
    return GREY if encoder == "tfidf" else _COLOURS[encoders.index(encoder) % len(_COLOURS)]
