"""Pictures of fidelity: methods by metrics."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from explain.faithfulness import AT_SHARES
from explain.measuring import HIGHER_IS_BETTER, SECOND
from explain.summary import FidelityRecord
from mhclf.results.style import cell_text, styled, title


@styled
def fidelity_heat_map(records: Sequence[FidelityRecord]) -> Figure:
    """Draw every method's value on every metric; colours rank the methods within a metric, darker is better.

    Parameters
    ----------
    records : sequence of FidelityRecord
        Of one run.
    """
    whole = {
        (record.method, record.metric): record.value
        for record in records
        if record.slice == "all"
        and record.value is not None
        and record.method != SECOND
        and record.metric not in AT_SHARES
    }
    methods = list(dict.fromkeys(method for method, _ in whole))
    metrics = [metric for metric in HIGHER_IS_BETTER if any((method, metric) in whole for method in methods)]
    values = np.array([[whole.get((method, metric), np.nan) for metric in metrics] for method in methods])
    shade = np.full(values.shape, np.nan)
    for column, metric in enumerate(metrics):
        own = values[:, column] if HIGHER_IS_BETTER[metric] else -values[:, column]
        low, high = np.nanmin(own), np.nanmax(own)
        shade[:, column] = (own - low) / (high - low) if high > low else 0.5
    figure = Figure(figsize=(2.6 + 0.82 * len(metrics), 1.9 + 0.36 * len(methods)), layout="constrained")
    axes = figure.add_subplot()
    # The darkest blues are left out: numbers stand on every cell.
    image = axes.imshow(shade, cmap="Blues", vmin=-0.1, vmax=1.9, aspect="auto")
    for row, column in np.ndindex(values.shape):
        if np.isfinite(values[row, column]):
            cell_text(image, row, column, f"{values[row, column]:.2f}")
    names = [metric.replace("_", " ") + (" ↑" if HIGHER_IS_BETTER[metric] else " ↓") for metric in metrics]
    axes.set_xticks(range(len(metrics)), names, rotation=35, ha="right", fontsize=8)
    axes.set_yticks(range(len(methods)), [method.replace("_", " ") for method in methods], fontsize=9)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    title(figure, "Methods by metrics", "Darker is better within a column; arrows say which way.")
    return figure
