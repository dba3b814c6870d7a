"""Pictures of what training did: learning curves, and the layers that the aggregation weighs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mhclf.results.layers import LayerFindings, uniform_sentence
from mhclf.results.style import (
    BLUE,
    DARK,
    GREY,
    ORANGE,
    PALETTE,
    bare,
    display_names,
    styled,
    text_only,
    tick_names,
    title,
)
from mhclf.results.summary import metric_name
from mhclf.results.tables import format_number


@styled
def learning_curves(log: pd.DataFrame) -> Figure:
    """Draw losses, validation metrics, learning rate and contrastive weight over the steps.

    Parameters
    ----------
    log : pandas.DataFrame
        `training_log.csv`: columns kind (`step` or `epoch`), epoch, step, and any of loss, `loss/<part>`,
        contrastive_weight, learning_rate, validation_loss, `validation_<metric>`. Panels without a value are
        left out.

    Returns
    -------
    matplotlib.figure.Figure
        One to four panels side by side.
    """
    losses = [name for name in log.columns if name == "loss" or str(name).startswith("loss/")]
    metrics = [name for name in log.columns if str(name).startswith("validation_") and name != "validation_loss"]
    panels = [
        ("Loss", [*losses, "validation_loss"]),
        ("Validation metrics", metrics),
        ("Learning rate", ["learning_rate"]),
        ("Contrastive weight", ["contrastive_weight"]),
    ]
    drawn = [
        (heading, [name for name in names if name in log.columns and _values(log, name).size])
        for heading, names in panels
    ]
    drawn = [(heading, names) for heading, names in drawn if names] or [("Loss", [])]
    columns = min(2, len(drawn))
    rows = -(-len(drawn) // columns)
    figure = Figure(figsize=(4.4 * columns + (0.8 if columns == 1 else 0), 0.5 + 2.7 * rows), layout="constrained")
    for place, (heading, names) in enumerate(drawn, start=1):
        axes = figure.add_subplot(rows, columns, place)
        for index, name in enumerate(names):
            _curve(axes, log, name, PALETTE[index % (len(PALETTE) - 1)])
        axes.set_title(heading)
        axes.set_xlabel("step")
        bare(axes)
        if len(names) > 1 or heading == "Validation metrics":
            axes.legend(loc="best")
        if heading == "Learning rate":
            axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0), useMathText=False)
    title(figure, "Learning curves")
    return figure


@styled
def layer_weights(layers: LayerFindings) -> Figure:
    """Draw mean weight with sd beside effective contribution for each layer, and the line of an even mixture.

    Parameters
    ----------
    layers : LayerFindings
        The content of `layers.json`.

    Returns
    -------
    matplotlib.figure.Figure
        Its subtitle says whether the weights can be told from an even mixture, and gives the gate.
    """
    count = len(layers.layer_names)
    figure = Figure(figsize=(max(6.0, 0.5 * count + 2), 4.2), layout="constrained")
    axes = figure.add_subplot()
    place = np.arange(count)
    highest = 0.0
    bars = (
        ("mean weight", layers.weights_mean, layers.weights_sd, BLUE, -0.2),
        ("effective contribution", layers.contribution_mean, layers.contribution_sd, ORANGE, 0.2),
    )
    for label, mean, spread, colour, offset in bars:
        high, whisker = np.asarray(mean), np.asarray(spread)
        axes.bar(place + offset, high, 0.38, color=colour, label=label)
        ends = np.stack([np.minimum(whisker, high), whisker])
        axes.errorbar(place + offset, high, yerr=ends, fmt="none", ecolor=DARK, elinewidth=0.9, capsize=2)
        highest = max(highest, float((high + whisker).max()))
    axes.axhline(1 / count, color=GREY, linestyle="--", linewidth=1.1, label=f"even weight (1/{count})")
    tick_names(axes, display_names(layers.layer_names, width=18), turned=count > 8)
    axes.set_ylabel("weight; share of the norm (mean, sd)")
    axes.set_ylim(0, highest * 1.32)
    axes.margins(x=0.02)
    bare(axes)
    axes.legend(loc="upper left")
    gate = "" if layers.gate is None else f" Gate: {format_number(layers.gate)}."
    title(
        figure,
        "Layer weights and what they contribute",
        uniform_sentence(layers) + gate,
    )
    return figure


def _values(log: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Return the finite values of a column."""
    column = np.asarray(pd.to_numeric(log[name], errors="coerce"), dtype=np.float64)
    return column[np.isfinite(column)]


def _curve(axes: Axes, log: pd.DataFrame, name: str, colour: str) -> None:
    """Draw one column: epoch values as points, many step values faint with their running median."""
    rows = log[pd.to_numeric(log[name], errors="coerce").notna()]
    of_epochs = name.startswith("validation_")
    kind = "epoch" if of_epochs or not (rows["kind"] == "step").any() else "step"
    rows = rows[rows["kind"] == kind]
    step = rows["step"] if rows["step"].notna().all() else rows["epoch"]
    label = {"loss": "total", "validation_loss": "validation"}.get(name, name.removeprefix("loss/"))
    label = text_only(metric_name(label.removeprefix("validation_")))
    values = pd.to_numeric(rows[name])
    if of_epochs:
        axes.plot(step, values, color=colour, marker="o", markersize=3.5, label=label)
    elif name.startswith("loss") and len(rows) >= 40:
        axes.plot(step, values, color=colour, alpha=0.22, linewidth=0.7)
        smooth = values.rolling(max(5, len(rows) // 20), center=True, min_periods=1).median()
        axes.plot(step, smooth, color=colour, label=label)
    else:
        axes.plot(step, values, color=colour, label=label)
