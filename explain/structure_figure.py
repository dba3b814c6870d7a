"""The heat maps of attention structure: layers down, heads across."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explain.structure import AttentionStructure
from mhclf.evaluation.averages import Floats
from mhclf.results.style import cell_text, styled, title

_PANELS = {"effective_rank": "Effective rank", "relative_entropy": "Entropy of rows, share of ln(tokens)"}


@styled
def structure_figure(structure: AttentionStructure) -> Figure:
    """Draw the mean effective rank and the mean relative entropy of every layer and head.

    Parameters
    ----------
    structure : AttentionStructure

    Returns
    -------
    matplotlib.figure.Figure
        Two heat maps with numbers in the cells (up to 16 heads); the lowest layer on top.
    """
    layers, heads = structure.shape
    wide = max(7.2, 2.4 + heads * 1.0)
    figure = Figure(figsize=(wide, 1.9 + 0.32 * max(layers, 3)), layout="constrained")
    for axes, (measure, name) in zip(figure.subplots(1, 2), _PANELS.items(), strict=True):
        _heat(figure, axes, structure.mean(measure), name, 1 if measure == "effective_rank" else 2)
    tokens = structure.tokens
    title(
        figure,
        "Attention structure",
        f"Means over {len(tokens)} posts of {tokens.min()} to {tokens.max()} tokens, padding left out. An effective "
        "rank near 1 means that all tokens attend alike; an entropy near 1 that attention is spread evenly.",
    )
    return figure


def _heat(figure: Figure, axes: Axes, values: Floats, name: str, digits: int) -> None:
    layers, heads = values.shape
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    image = axes.imshow(values, cmap="cividis", aspect="auto", vmin=low, vmax=high if high > low else low + 1)
    figure.colorbar(image, ax=axes, shrink=0.9)
    axes.set_title(name)
    axes.set_xlabel("head")
    axes.set_ylabel("layer")
    axes.set_xticks(range(heads), [str(head + 1) for head in range(heads)])
    axes.set_yticks(range(layers), [str(layer + 1) for layer in range(layers)])
    axes.tick_params(length=0)
    if heads > 16:
        return
    for (layer, head), value in np.ndenumerate(values):
        cell_text(image, layer, head, f"{value:.{digits}f}", size=7)
