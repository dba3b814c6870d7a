"""Pictures of what was predicted: the confusion matrix, and for several labels the scores of each."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from mhclf.results.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    ORANGE,
    RED,
    bare,
    cell_text,
    display_names,
    percent,
    ratio,
    styled,
    tick_names,
    title,
)


@styled
def confusion_matrix(gold: ArrayLike, prediction: ArrayLike, labels: Sequence[str]) -> Figure:
    """Draw counts in each cell on the colour of the row's share.

    Parameters
    ----------
    gold, prediction : array of int, shape (n,)
        Indexes into `labels`.
    labels : sequence of str
        Names in order.

    Returns
    -------
    matplotlib.figure.Figure
        Rows gold, columns prediction; the share of the row stands below the count for up to 10 classes.
    """
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(counts, (np.asarray(gold, dtype=np.intp), np.asarray(prediction, dtype=np.intp)), 1)
    support = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)
    many = len(labels) > 10
    side = 2.6 + len(labels) * (0.34 if many else 0.78)
    figure = Figure(figsize=(max(4.6, side + 0.9), max(3.9, side)), layout="constrained")
    axes = figure.add_subplot()
    picture = axes.imshow(share, vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(counts.shape):
        if many and counts[row, column] == 0:
            continue
        text = str(counts[row, column])
        if not many and counts[row, column]:
            text += f"\n{100 * share[row, column]:.0f} %"
        cell_text(picture, row, column, text, size=7 if many else 8.5)
    names = display_names(labels)
    turned = len(labels) > 3 or max(map(len, names)) > 14
    tick_names(axes, names, turned=turned)
    place = range(len(labels))
    axes.set_yticks(place, [f"{name} ({total})" for name, total in zip(names, support[:, 0], strict=True)])
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold (posts)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(labels) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(labels) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    bar = figure.colorbar(picture, ax=axes, format=percent, shrink=0.8, aspect=28, pad=0.02)
    bar.set_label("share of the gold class")
    bar.outline.set_visible(False)
    title(figure, "Confusion matrix", f"{int(counts.sum())} posts; the diagonal is right.")
    return figure


@styled
def label_scores(gold: ArrayLike, prediction: ArrayLike, labels: Sequence[str]) -> Figure:
    """Draw for each label the posts found, missed and wrongly given, beside its precision and recall.

    Parameters
    ----------
    gold, prediction : array of bool, shape (n, L)
        Which labels a post has, and which were predicted.
    labels : sequence of str
        L names in order.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels; a score without a defined value has no mark.
    """
    gold, prediction = np.asarray(gold, dtype=np.bool_), np.asarray(prediction, dtype=np.bool_)
    found, missed = (gold & prediction).sum(axis=0), (gold & ~prediction).sum(axis=0)
    wrong = (~gold & prediction).sum(axis=0)
    place = np.arange(len(labels))
    figure = Figure(figsize=(9.0, 1.9 + 0.36 * len(labels)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    left.barh(place, found, 0.62, color=BLUE, label="found")
    left.barh(place, missed, 0.62, left=found, color=FAINT, label="missed")
    left.barh(place, -wrong, 0.62, color=ORANGE, label="wrongly given")
    left.axvline(0, color=GREY, linewidth=0.8)
    left.set_yticks(
        place,
        [f"{name} ({total})" for name, total in zip(display_names(labels), found + missed, strict=True)],
    )
    left.invert_yaxis()
    left.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    left.set_xlabel("posts")
    left.set_title("Found, missed, wrongly given")
    bare(left, grid="x")
    scores = (
        (ratio(found, found + wrong), "precision", "o", RED),
        (ratio(found, found + missed), "recall", "D", GREEN),
    )
    right.hlines(place, scores[0][0], scores[1][0], color=FAINT, linewidth=2)
    for values, name, marker, colour in scores:
        right.plot(values, place, marker, color=colour, markersize=6, label=name)
    right.set_xlim(-0.03, 1.03)
    right.set_title("Precision and recall")
    bare(right, grid="x")
    for axes in (left, right):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.4 / (0.36 * len(labels) + 0.3)), ncols=3)
    title(figure, "Predictions by label", f"{len(gold)} posts; in brackets the posts that have the label.")
    return figure
