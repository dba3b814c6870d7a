"""Measured works as bars: how many times as fast, and how much of a limit is used."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from mhclf.results.speed import Measured
from mhclf.results.speed_tables import machine_letters
from mhclf.results.style import BLUE, DARK, GREY, ORANGE, bare, save, styled, text_only, title


def draw_speed(found: Sequence[Measured], path: Path) -> Path | None:
    """Draw `speed.png`; None where nothing can be drawn."""
    faster = [item for item in found if item.kind == "times_faster"]
    limited = [item for item in found if item.kind not in ("times_faster", "not_worse") and item.aim]
    return save(speed_figure(faster, limited, machine_letters(found)), path) if faster or limited else None


@styled
def speed_figure(faster: Sequence[Measured], limited: Sequence[Measured], letters: Mapping[str, str]) -> Figure:
    """Return the bars.

    Parameters
    ----------
    faster : sequence of Measured
        Drawn as ratios on a logarithmic axis, each with its aim.
    limited : sequence of Measured
        Drawn as shares of their limits.
    letters : mapping
        Machine to its letter in the tables; told where there are several.
    """
    parts = [part for part in (faster, limited) if part]
    heights = [0.32 * len(part) + 0.6 for part in parts]
    figure = Figure(figsize=(8.6, sum(heights) + 1.1), layout="constrained")
    axes = figure.subplots(len(parts), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, own in zip(parts, axes, strict=True):
        if part is faster:
            own.set_xscale("log")
            _bars(own, part, [item.figure for item in part], [item.aim for item in part], letters, start=1.0)
            own.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            own.xaxis.set_minor_locator(NullLocator())
            own.xaxis.set_major_formatter(lambda value, _: f"{value:g}\u00d7")
            own.set_xlabel("times as fast as what stands beside it")
        else:
            shares = [item.figure / item.aim if item.aim else 0.0 for item in part]
            _bars(own, part, shares, [1.0 for _ in part], letters)
            own.set_xlabel("share of the limit (at most 1)")
    title(figure, "Speed and memory, side by side", "Median over rounds; blue: the aim is reached, orange: it is not.")
    return figure


def _bars(
    axes: Axes,
    found: Sequence[Measured],
    values: Sequence[float],
    aims: Sequence[float | None],
    letters: Mapping[str, str],
    start: float = 0.0,
) -> None:
    colors = [GREY if item.reached is None else BLUE if item.reached and item.same else ORANGE for item in found]
    places = range(len(found))
    axes.barh(places, [value - start for value in values], left=start, color=colors, height=0.62)
    for place, (value, aim) in enumerate(zip(values, aims, strict=True)):
        # On white, so that the mark of an aim does not cross the number.
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        label = axes.annotate(f"{value:.3g}", (value, place), (4, 0), textcoords="offset points", va="center")
        label.set(fontsize=8, color=DARK, bbox=ground, zorder=5)
        if aim is not None:
            axes.plot([aim, aim], [place - 0.42, place + 0.42], color=DARK, linewidth=1.6)
    axes.axvline(1.0, color=GREY, linewidth=0.8)
    several = len(letters) > 1
    names = [f"{item.work}, {item.data}" + (f" ({letters[item.machine]})" if several else "") for item in found]
    axes.set_yticks(places, [text_only(name) for name in names])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    bare(axes, grid="x")
