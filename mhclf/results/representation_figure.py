"""A map of the representation in two dimensions."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mhclf.results.style import GREY, PALETTE, display_names, styled, title

_MARKERS = ("o", "s", "^", "D")
_COLOURS = PALETTE[:-1]
_GREYS = ("#c4c9d1", GREY)
_MOST_CLASSES = len(_COLOURS) * len(_MARKERS)


@styled
def representation_map(
    points: NDArray[np.float64],
    gold: Sequence[str],
    correct: Sequence[bool] | NDArray[np.bool_],
    labels: Sequence[str],
    *,
    method: str = "",
    explained_variance: Sequence[float] = (),
) -> Figure:
    """Draw posts in two dimensions by gold class; a hollow marker is a wrong prediction.

    Parameters
    ----------
    points : array of float, shape (n, 2)
        Coordinates.
    gold : sequence of str
        Class of each post; for multilabel the labels joined.
    correct : sequence of bool
        Whether the prediction is right.
    labels : sequence of str
        The classes to colour, in order; of more than 28 the rare ones, and what stands in `gold` beyond them,
        is grey.
    method : str
        How the coordinates were made, such as PCA.
    explained_variance : sequence of float
        Share of the variance on each axis; empty when unknown.

    Returns
    -------
    matplotlib.figure.Figure
        A scatter plot with the classes and their counts in the legend.
    """
    points, right = np.asarray(points, dtype=np.float64), np.asarray(correct, dtype=np.bool_)
    classes = np.asarray(list(gold), dtype=object)
    counts = Counter(classes.tolist())
    coloured = [label for label in labels if counts[label]]
    coloured = sorted(coloured, key=lambda label: -counts[label])[:_MOST_CLASSES]
    shown = [label for label in labels if label in coloured]
    others = sorted(set(counts) - set(shown), key=lambda name: (-counts[name], name))
    names = dict(zip([*shown, *others], display_names([*shown, *others], width=30), strict=True))
    columns = 1 if len(shown) <= 18 else 2
    figure = Figure(figsize=(7.0 + 1.6 * columns, 5.6), layout="constrained")
    axes = figure.add_subplot()
    size = float(np.clip(9000 / max(len(points), 1), 9, 36))
    looks = {label: (_COLOURS[k % len(_COLOURS)], _MARKERS[k // len(_COLOURS)]) for k, label in enumerate(shown)}
    handles = []
    for label, (colour, marker) in looks.items():
        handles.append(_handle(f"{names[label]} ({counts[label]})", marker, colour, colour))
    if len(others) > len(_GREYS):
        rest = np.isin(classes, others)
        _scatter(axes, points, rest, right, _GREYS[0], "o", size)
        handles.append(_handle(f"other ({int(rest.sum())})", "o", _GREYS[0], _GREYS[0]))
    else:
        for name, colour in zip(others, _GREYS, strict=False):
            _scatter(axes, points, classes == name, right, colour, "o", size)
            handles.append(_handle(f"{names[name]} ({counts[name]})", "o", colour, colour))
    for label, (colour, marker) in looks.items():
        _scatter(axes, points, classes == label, right, colour, marker, size)
    handles.append(_handle("hollow: wrong prediction", "o", "none", GREY))
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), ncols=columns, handletextpad=0.2)
    shares = [f" ({100 * share:.1f} % of variance)" for share in explained_variance]
    shares += [""] * (2 - len(shares))
    axes.set_xlabel(f"first dimension{shares[0]}")
    axes.set_ylabel(f"second dimension{shares[1]}")
    axes.set_xticks([])
    axes.set_yticks([])
    wrong = int((~right).sum())
    by = f" by {method}" if method else ""
    title(figure, f"Map of the representation{by}",
          f"{len(points)} posts, coloured by gold class; {wrong} predicted wrongly.")  # fmt: skip
    return figure


def _scatter(
    axes: Axes, points: NDArray[np.float64], member: NDArray[np.bool_], right: NDArray[np.bool_],
    colour: str, marker: str, size: float,
) -> None:  # fmt: skip
    """Draw the posts of one class, right ones filled and wrong ones hollow."""
    filled, hollow = member & right, member & ~right
    x, y = points[:, 0], points[:, 1]
    axes.scatter(x[filled], y[filled], size, colour, marker=marker, linewidths=0, alpha=0.75)
    axes.scatter(x[hollow], y[hollow], size, "none", marker=marker, edgecolors=colour, linewidths=1.0)


def _handle(label: str, marker: str, face: str, edge: str) -> Line2D:
    """Return one entry of a legend."""
    return Line2D([], [], linestyle="none", marker=marker, markerfacecolor=face, markeredgecolor=edge, label=label)
