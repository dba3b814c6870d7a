"""Pictures of the audit: classes, lengths against what is read, posts that sets share."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from mhclf.results.style import (
    BLUE,
    GREY,
    ORANGE,
    bare,
    cell_text,
    display_names,
    percent,
    styled,
    text_only,
    tick_names,
    title,
)

Record = Mapping[str, Any]


@styled
def class_figure(record: Record) -> Figure:
    """Draw the share of rows that have each label."""
    size = sum(record["rows"].values())
    labels = list(record["classes"])
    shares = [record["classes"][label] / size for label in labels]
    figure, axes = plt.subplots(figsize=(6.4, 1.3 + 0.26 * len(labels)))
    axes.barh(range(len(labels)), shares, color=BLUE, height=0.7)
    axes.set_yticks(range(len(labels)), display_names(labels, 34))
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(percent)
    axes.set_xlim(0, max(shares) * 1.15)
    for place, (label, share) in enumerate(zip(labels, shares, strict=True)):
        axes.text(share, place, f" {record['classes'][label]:,}", va="center", color=GREY)
    bare(axes, grid="x")
    several = " A row may have several labels." if record["task"] == "multilabel" else ""
    title(figure, f"Classes of {text_only(record['name'])}", f"Share of {size:,} rows; counts at the bars.{several}")
    return figure


@styled
def length_figure(records: Sequence[Record]) -> Figure:
    """Draw the words of the middle half and of nine tenths of each set's posts, on a logarithmic axis."""
    figure, axes = plt.subplots(figsize=(6.4, 1.5 + 0.24 * len(records)))
    for place, record in enumerate(records):
        low, quarter, middle, three, high = (max(1.0, value) for value in record["words"])
        axes.plot([low, high], [place, place], color=GREY, linewidth=1.2, solid_capstyle="butt")
        axes.plot([quarter, three], [place, place], color=BLUE, linewidth=6, solid_capstyle="butt")
        axes.plot([middle], [place], marker="o", color=ORANGE, markersize=4)
    axes.set_yticks(range(len(records)), display_names([record["name"] for record in records], 34))
    axes.set_ylim(len(records) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.set_xlabel("words (Chinese: characters)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    bare(axes, grid="x")
    title(figure, "Length of the posts", "Line: 5 to 95 % of the posts; bar: middle half; dot: median.")
    return figure


@styled
def shared_figure(shared: Sequence[Record], names: Sequence[str]) -> Figure:
    """Draw the share of each set's test posts that stand in the training side of each other set."""
    found = {(item["test"], item["train"]): item["equal"] / item["posts"] for item in shared if item["equal"]}
    tests = [name for name in names if any(test == name for test, _ in found)]
    trains = [name for name in names if any(train == name for _, train in found)]
    matrix = np.array([[found.get((test, train), 0.0) for train in trains] for test in tests])
    figure, axes = plt.subplots(figsize=(2.6 + 0.36 * len(trains), 2.4 + 0.26 * len(tests)))
    image = axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    tick_names(axes, display_names(trains, 30), turned=True)
    axes.set_yticks(range(len(tests)), display_names(tests, 30))
    axes.set_xlabel("training side of")
    axes.set_ylabel("test posts of")
    for row, column in zip(*np.nonzero(matrix), strict=True):
        share = matrix[row, column]
        shown = f"{100 * share:.0f}" if share >= 0.01 else "<1"
        cell_text(image, row, column, shown, size=7)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    title(figure, "Posts that sets share", "Per cent of the row's test posts that the column's training side holds.")
    return figure
