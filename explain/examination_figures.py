"""Pictures of an examination: agreement, randomised weights, curves, layers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from explain.agreement import AgreementMatrix
from explain.layer_drop import LayerDrop
from explain.probes import LayerProbe
from explain.sanity import CascadeStep
from mhclf.results.style import BLUE, GREEN, GREY, ORANGE, PALETTE, bare, cell_text, styled, title

_MARKERS = "os^DvP*X<>hp"


@styled
def agreement_figure(matrix: AgreementMatrix) -> Figure:
    """Draw the mean Kendall tau-b of every pair of methods as a heat map."""
    names = [name.replace("_", " ") for name in matrix.names]
    values = matrix.values("kendall")
    size = 1.6 + 0.62 * len(names)
    figure = Figure(figsize=(size + 1.2, size), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1)
    figure.colorbar(image, ax=axes, shrink=0.8)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            # Adding 0 makes -0.00 a plain 0.00.
            cell_text(image, row, column, f"{round(value, 2) + 0:.2f}")
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    title(figure, "Agreement of methods", "Mean Kendall tau-b of the word scores of a post; 1 is the same order.")
    return figure


@styled
def cascade_figure(steps: Mapping[str, Sequence[CascadeStep]]) -> Figure:
    """Draw what is left of each method's explanations as more blocks become random."""
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.add_subplot()
    blocks: list[str] = []
    for place, (method, found) in enumerate(steps.items()):
        blocks = [step.block for step in found]
        means = [step.agreement.kendall_absolute.mean for step in found]
        axes.plot(
            range(len(means)), means, marker=_MARKERS[place % len(_MARKERS)], color=PALETTE[place % len(PALETTE)],
            markersize=4, label=method.replace("_", " "),
        )  # fmt: skip
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xticks(range(len(blocks)), blocks, rotation=30, ha="right")
    axes.set_xlabel("random from the head down to")
    axes.set_ylabel("Kendall tau-b, absolute scores")
    bare(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    title(figure, "Randomised weights", "Agreement with the trained network's explanations; it should fall towards 0.")
    return figure


@styled
def curves_figure(frame: pd.DataFrame) -> Figure:
    """Draw deletion and insertion curves.

    Parameters
    ----------
    frame : pandas.DataFrame
        `method, curve, share, probability`.
    """
    figure = Figure(figsize=(8.6, 3.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    methods = list(dict.fromkeys(frame["method"]))
    for axes, kind in zip(panels, ("deletion", "insertion"), strict=True):
        for place, method in enumerate(methods):
            own = frame[(frame["method"] == method) & (frame["curve"] == kind)]
            line = "--" if method == "random" else "-"
            axes.plot(
                100 * own["share"], own["probability"], line, marker=_MARKERS[place % len(_MARKERS)], markersize=3.5,
                color=PALETTE[place % len(PALETTE)], label=method.replace("_", " "),
            )  # fmt: skip
        axes.set_title("Deletion: lower is better" if kind == "deletion" else "Insertion: higher is better")
        axes.set_xlabel("words masked (%)" if kind == "deletion" else "words put back (%)")
        bare(axes)
    panels[0].set_ylabel("probability of the label")
    panels[1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    title(figure, "Deletion and insertion", "Mean over posts; words from the most important one on.")
    return figure


@styled
def layers_figure(
    frame: pd.DataFrame, dropped: Sequence[LayerDrop], probes: Sequence[LayerProbe], metric: str
) -> Figure:
    """Draw, for each layer, what the model takes from it, what is lost without it, and what a line reads from it.

    Parameters
    ----------
    frame : pandas.DataFrame
        `LayerWeights.frame`.
    dropped : sequence of LayerDrop
        One a layer.
    probes : sequence of LayerProbe
    metric : str
    """
    names = [probe.name for probe in probes]
    places = np.arange(len(names))
    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    for shift, kind, colour in ((-0.2, "weight", BLUE), (0.2, "contribution", ORANGE)):
        own = frame[frame["kind"] == kind]
        first.bar(places + shift, own["mean"], 0.38, color=colour, label=kind)
    first.axhline(1 / len(names), color=GREY, linewidth=0.8, linestyle="--")
    first.legend()
    first.set_title("Weight, contribution")
    losses = [item.difference[metric] for item in dropped]
    values = np.array([item.difference for item in losses])
    ends = np.abs(np.array([(item.ci_low, item.ci_high) for item in losses]).T - values)
    second.errorbar(places, values, yerr=ends, fmt="o", color=BLUE, markersize=4, capsize=2)
    second.axhline(0, color=GREY, linewidth=0.8)
    second.set_title(f"Without it: {metric.replace('_', ' ')}")
    reached = np.array([probe.values[metric] for probe in probes])
    span = np.abs(np.array([(probe.low[metric], probe.high[metric]) for probe in probes]).T - reached)
    third.errorbar(places, reached, yerr=span, fmt="s", color=GREEN, markersize=4, capsize=2)
    third.set_title(f"Linear probe: {metric.replace('_', ' ')}")
    short = [name.replace("layer ", "").replace("embeddings", "emb.") for name in names]
    for axes in (first, second, third):
        axes.set_xticks(places, short)
        axes.set_xlabel("layer")
        bare(axes)
    title(figure, "Layers", "Bars: means over test posts, dashed an even share. Points with 95 % intervals.")
    return figure


@styled
def geometry_figure(frame: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Draw silhouette, alignment and uniformity of runs on the same posts, with their intervals.

    Parameters
    ----------
    frame : pandas.DataFrame
        `explain.geometry.beside`.
    names : sequence of str
        The runs, from top to bottom.
    """
    better = {"silhouette": "more is tighter", "alignment": "less is tighter", "uniformity": "less is more even"}
    figure = Figure(figsize=(9.0, 1.5 + 0.3 * len(names)), layout="constrained")
    measures = frame.set_index("measure")
    places = np.arange(len(names))
    panels = figure.subplots(1, len(better), sharey=True)
    for axes, (measure, words) in zip(panels, better.items(), strict=True):
        row = measures.loc[measure]
        means = np.array([row[name] for name in names], dtype=np.float64)
        ends = np.array([[row[f"{name}/{end}"] for name in names] for end in ("low", "high")], dtype=np.float64)
        axes.hlines(places, *ends, color=BLUE)
        axes.plot(means, places, "o", color=BLUE, markersize=5)
        axes.set_title(measure.capitalize())
        axes.set_xlabel(words)
        axes.margins(y=0.5 / len(names))
        bare(axes, grid="x")
    panels[0].set_yticks(places, names)
    panels[0].invert_yaxis()
    title(figure, "Geometry", "Means over test posts with 95 % intervals over groups.")
    return figure
