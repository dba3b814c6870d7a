"""Pictures of how sure the model was: calibration, and risk against coverage."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mhclf.errors import DataError
from mhclf.results.style import BLUE, DARK, GREEN, GREY, bare, percent, ratio, styled, title

Floats = NDArray[np.float64]


@styled
def reliability_diagram(
    probability: ArrayLike, outcome: ArrayLike, *, bins: int = 10, event: str = "prediction right"
) -> Figure:
    """Draw how often what was given a probability came true, with the number of cases in each bin.

    Parameters
    ----------
    probability : array of float, shape (n,)
        Of the predicted label (or of every label, for multilabel).
    outcome : array of bool, shape (n,)
        Whether it came true.
    bins : int
        Equal-width bins between 0 and 1; the last one includes 1.
    event : str
        What the probability is about, for the axis.

    Returns
    -------
    matplotlib.figure.Figure
        Points with 95 % Wilson intervals above, counts below.
    """
    given, came = np.asarray(probability, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    _same_length(given, came)
    known = np.isfinite(given)
    given, came = given[known], came[known]
    index = np.clip((given * bins).astype(np.intp), 0, bins - 1)
    count = np.bincount(index, minlength=bins)
    mean = ratio(np.bincount(index, given, bins), count)
    observed = ratio(np.bincount(index, came, bins), count)
    low, high = _wilson(observed, count)
    figure = Figure(figsize=(5.2, 5.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.1, label="perfectly calibrated")
    filled = count > 0
    whiskers = np.stack([observed - low, high - observed])[:, filled]
    upper.errorbar(mean[filled], observed[filled], yerr=whiskers, color=BLUE, marker="o", markersize=5,
                   elinewidth=1, capsize=3, label="observed, with 95 % interval")  # fmt: skip
    upper.set_ylabel(f"observed share ({event})")
    upper.set_ylim(-0.02, 1.02)
    upper.legend(loc="lower right")
    bare(upper, grid="both")
    edges = np.linspace(0, 1, bins + 1)
    lower.bar(edges[:-1], count, 1 / bins, align="edge", color=BLUE, alpha=0.55, edgecolor="white")
    lower.set_ylim(0, max(1, count.max()) * 1.28)
    for start, total in zip(edges[:-1], count, strict=True):
        if total:
            lower.text(start + 0.5 / bins, total, str(total), ha="center", va="bottom", fontsize=7, color=DARK)
    lower.set_xlim(-0.01, 1.01)
    lower.set_xlabel("predicted probability")
    lower.set_ylabel("cases")
    bare(lower)
    title(figure, "Reliability", "Below the line: surer than right. Above it: less sure than right.")
    return figure


@styled
def risk_coverage_curve(abstention: ArrayLike, correct: ArrayLike) -> Figure:
    """Draw the error among the posts kept when the least certain ones are set aside.

    Parameters
    ----------
    abstention : array of float, shape (n,)
        Higher means less sure; equal scores are kept or set aside together.
    correct : array of bool, shape (n,)
        Whether the prediction is right.

    Returns
    -------
    matplotlib.figure.Figure
        The curve, the best possible order, and the error without abstaining.
    """
    abstention, wrong = np.asarray(abstention, dtype=np.float64), ~np.asarray(correct, dtype=np.bool_)
    _same_length(abstention, wrong)
    coverage, risk = _risk_by_coverage(abstention, wrong)
    ideal_coverage = np.arange(1, len(wrong) + 1) / max(len(wrong), 1)
    ideal = np.cumsum(np.sort(wrong)) / np.arange(1, len(wrong) + 1)
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    error = float(wrong.mean()) if len(wrong) else 0.0
    axes.plot(coverage, risk, color=BLUE, drawstyle="steps-post", label="by the abstention score")
    axes.plot(ideal_coverage, ideal, color=GREEN, linestyle=":", label="best possible order")
    axes.axhline(error, color=GREY, linestyle="--", linewidth=1.1, label="no abstaining (or at random)")
    for target in (0.8, 0.5):
        reached = np.flatnonzero(coverage <= target + 1e-9)
        if reached.size and coverage[reached[-1]] > target - 0.1:
            x, y = coverage[reached[-1]], risk[reached[-1]]
            axes.plot(x, y, "o", color=BLUE, markersize=5)
            behind = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5}
            text = f"{percent(y)} at {percent(x)}"
            axes.annotate(text, (x, y), (6, -11), textcoords="offset points", fontsize=8, color=DARK, bbox=behind)
    axes.set_xlim(0, 1.01)
    axes.set_ylim(-0.02 * max(error, 0.05), max(float(risk.max(initial=0.0)), error, 0.05) * 1.35)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(percent)
    axes.set_xlabel("coverage (share of posts answered)")
    axes.set_ylabel("risk (error among them)")
    axes.legend(loc="upper left")
    bare(axes, grid="both")
    title(figure, "Risk and coverage", f"{len(wrong)} posts; error without abstaining {100 * error:.1f} %.")
    return figure


def _risk_by_coverage(abstention: Floats, wrong: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return coverage and risk at every distinct threshold, from the smallest coverage up."""
    if not len(wrong):
        return np.zeros(0), np.zeros(0)
    order = np.argsort(abstention, kind="stable")
    last = np.flatnonzero(np.append(np.diff(abstention[order]) > 0, True))
    kept = last + 1
    return kept / len(wrong), np.cumsum(wrong[order])[last] / kept


def _wilson(share: Floats, count: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return the ends of Wilson's 95 % interval for a share (Wilson 1927)."""
    z, n = 1.959964, np.maximum(count, 1)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.minimum(centre - half, share), np.maximum(centre + half, share)


def _same_length(first: Floats, second: Floats | NDArray[np.bool_]) -> None:
    """Raise when two arrays do not have the same shape."""
    if first.shape != second.shape:
        raise DataError(f"figures: arrays of shapes {first.shape} and {second.shape} do not belong together.")
