"""Pictures of how sure the model was: calibration, and risk against coverage."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mhclf.errors import DataError
from mhclf.evaluation import expected_calibration_error, risk_coverage
from mhclf.evaluation.calibration import BINS
from mhclf.evaluation.selective import excess_aurc
from mhclf.results.style import BLUE, DARK, GREEN, GREY, ORANGE, bare, percent, ratio, styled, title

Floats = NDArray[np.float64]


@styled
def reliability_diagram(
    probability: ArrayLike,
    outcome: ArrayLike,
    *,
    scaled: ArrayLike | None = None,
    temperature: float = 1.0,
    bins: int = BINS,
    event: str = "prediction right",
) -> Figure:
    """Draw how often what was given a probability came true, with the number of cases in each bin.

    Parameters
    ----------
    probability : array of float, shape (n,)
        Of the predicted label (or of every label, for multilabel).
    outcome : array of bool, shape (n,)
        Whether it came true.
    scaled : array of float, shape (n,), optional
        The same after temperature scaling.
    temperature : float
        The temperature, for the legend.
    bins : int
        Equal-width bins between 0 and 1; the last one includes 1. Those of the calibration error, 15.
    event : str
        What the probability is about, for the axis.

    Returns
    -------
    matplotlib.figure.Figure
        Points with 95 % Wilson intervals above, counts below; the calibration errors stand in the heading.
    """
    given, came = np.asarray(probability, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    after = None if scaled is None else np.asarray(scaled, dtype=np.float64)
    _same_length(given, came)
    if after is not None:
        _same_length(after, came)
    known = np.isfinite(given)
    given, came, after = given[known], came[known], None if after is None else after[known]
    figure = Figure(figsize=(5.6, 6.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.1, label="perfectly calibrated")
    label = "observed, with 95 % interval"
    if after is not None:
        name = f"after temperature scaling (T = {temperature:.2f})"
        _points(upper, after, came, bins, ORANGE, "s", name, whiskers=False)
        label = "as saved, with 95 % interval"
    count = _points(upper, given, came, bins, BLUE, "o", label)
    upper.set_ylabel(f"observed share ({event})")
    upper.set_ylim(-0.02, 1.02)
    figure.legend(loc="outside lower left", ncols=1)
    bare(upper, grid="both")
    edges = np.linspace(0, 1, bins + 1)
    lower.bar(edges[:-1], count, 1 / bins, align="edge", color=BLUE, alpha=0.55, edgecolor="white")
    lower.set_ylim(0, max(1, count.max()) * 1.28)
    for start, total in zip(edges[:-1], count, strict=True):
        if total:
            lower.text(start + 0.5 / bins, total, str(total), ha="center", va="bottom", fontsize=6.5, color=DARK)
    lower.set_xlim(-0.01, 1.01)
    lower.set_xlabel("predicted probability")
    lower.set_ylabel("cases")
    bare(lower)
    title(figure, "Reliability", "Below the line: surer than right. Above it: less sure than right."
          + _errors(given, after, came, bins))  # fmt: skip
    return figure


def _points(
    axes: Axes, given: Floats, came: Floats, bins: int, colour: str, marker: str, label: str, *, whiskers: bool = True
) -> NDArray[np.intp]:
    """Draw the observed share of each bin at its mean probability; return the cases in each bin."""
    index = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], given, side="right")
    count = np.bincount(index, minlength=bins)
    mean = ratio(np.bincount(index, given, bins), count)
    observed = ratio(np.bincount(index, came, bins), count)
    low, high = _wilson(observed, count)
    filled = count > 0
    ends = np.stack([observed - low, high - observed])[:, filled] if whiskers else None
    axes.errorbar(mean[filled], observed[filled], yerr=ends, color=colour, marker=marker,
                  markersize=5 if whiskers else 4, linewidth=1.6 if whiskers else 1.1, elinewidth=1, capsize=3,
                  label=label)  # fmt: skip
    return count


def _errors(given: Floats, after: Floats | None, came: Floats, bins: int) -> str:
    """Return the calibration errors as a sentence."""
    if not len(given):
        return ""
    clipped = [np.clip(values, 0, 1) for values in (given, after) if values is not None]
    errors = [expected_calibration_error(values, came, bins=bins) for values in clipped]
    scaled = f"; {errors[1]:.3f} after temperature scaling" if len(errors) > 1 else ""
    return f" Calibration error (ECE) {errors[0]:.3f}{scaled}."


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
        The curve of `mhclf.evaluation.risk_coverage`, the best possible order, and the error without abstaining; the
        areas stand in the heading.
    """
    abstention, wrong = np.asarray(abstention, dtype=np.float64), ~np.asarray(correct, dtype=np.bool_)
    _same_length(abstention, wrong)
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    error = float(wrong.mean()) if len(wrong) else 0.0
    top, words = error, ""
    if len(wrong):
        curve = risk_coverage(-abstention, wrong.astype(np.float64))
        top = max(top, float(curve.risk.max()))
        ideal_coverage = np.arange(1, len(wrong) + 1) / len(wrong)
        ideal = np.cumsum(np.sort(wrong)) / np.arange(1, len(wrong) + 1)
        axes.plot(curve.coverage, curve.risk, color=BLUE, drawstyle="steps-pre", label="by the abstention score")
        axes.plot(ideal_coverage, ideal, color=GREEN, linestyle=":", label="best possible order")
        for target in (0.8, 0.5):
            place = curve.at(target)
            x, y = curve.coverage[place], curve.risk[place]
            if x < target + 0.1:
                axes.plot(x, y, "o", color=BLUE, markersize=5)
                behind = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5}
                text = f"{percent(y)} at {percent(x)}"
                axes.annotate(text, (x, y), (6, -11), textcoords="offset points", fontsize=8, color=DARK, bbox=behind)
        excess = excess_aurc(-abstention, ~wrong)
        words = f"; area under the curve (AURC) {curve.aurc:.3f}, {excess:.3f} above the best order"
    axes.axhline(error, color=GREY, linestyle="--", linewidth=1.1, label="no abstaining (or at random)")
    axes.set_xlim(0, 1.01)
    axes.set_ylim(-0.02 * max(error, 0.05), max(top, 0.05) * 1.35)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(percent)
    axes.set_xlabel("coverage (share of posts answered)")
    axes.set_ylabel("risk (error among them)")
    axes.legend(loc="upper left")
    bare(axes, grid="both")
    title(figure, "Risk and coverage", f"{len(wrong)} posts; error without abstaining {100 * error:.1f} %{words}.")
    return figure


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
