"""The pictures of a run folder; each takes plain arrays or frames and returns a figure, without pyplot."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mhclf.evaluation import scale_by_temperature
from mhclf.evaluation.calibration import certainty
from mhclf.results.certainty_figures import reliability_diagram, risk_coverage_curve
from mhclf.results.class_figure import class_scores
from mhclf.results.pair_figure import class_pairs_figure, drawable
from mhclf.results.part_tables import own_values, read_temperature
from mhclf.results.prediction_figures import confusion_matrix, label_scores
from mhclf.results.predictions import NONE, Predictions
from mhclf.results.representation_figure import representation_map
from mhclf.results.runfolder import Manifest, RunFiles, read_run
from mhclf.results.style import ratio, save
from mhclf.results.training_figures import layer_weights, learning_curves

__all__ = [
    "class_pairs_figure",
    "class_scores",
    "confusion_matrix",
    "draw_run_figures",
    "label_scores",
    "layer_weights",
    "learning_curves",
    "reliability_diagram",
    "representation_map",
    "risk_coverage_curve",
    "save",
]


def draw_run_figures(folder: str | os.PathLike[str]) -> list[Path]:
    """Draw every picture that the files of a run folder allow into its `figures/`.

    Parameters
    ----------
    folder : path-like
        The run folder.

    Returns
    -------
    list of pathlib.Path
        The files written, in the order of the report.

    Raises
    ------
    RunError, DataError
        As in `read_run`.
    """
    run = read_run(folder)
    return [save(figure, run.folder / "figures" / f"{name}.png") for name, figure in _figures(run)]


def _figures(run: RunFiles) -> list[tuple[str, Figure]]:
    """Return the pictures of a run with their file names."""
    figures: list[tuple[str, Figure]] = []
    if run.training_log is not None:
        figures.append(("learning_curves", learning_curves(run.training_log)))
    found = run.predictions
    if found is not None:
        if found.multilabel:
            figures.append(("confusion_matrix", label_scores(found.gold, found.prediction, found.labels)))
        else:
            gold, prediction = found.gold_classes, found.predicted_classes
            figures.append(("confusion_matrix", confusion_matrix(gold, prediction, found.labels)))
        figures += [("class_scores", _class_scores(run, found)), ("reliability", _reliability(run, found)),
                    ("risk_coverage", risk_coverage_curve(found.abstention, found.correct))]  # fmt: skip
    if run.layers is not None:
        figures.append(("layer_weights", layer_weights(run.layers)))
    if run.representation is not None:
        frame, how = run.representation, run.representation_method
        figures.append(("representation_map", representation_map(
            frame[["x", "y"]].to_numpy(dtype=np.float64), _classes(frame["gold"].tolist(), run.manifest),
            frame["correct"].to_numpy(dtype=np.bool_), run.manifest.labels, method=str(how.get("method", "")),
            explained_variance=tuple(how.get("explained_variance", ())),
        )))  # fmt: skip
    if shown := drawable(run.pairs):
        figures.append(("class_pairs", class_pairs_figure(shown, run.manifest.labels)))
    return figures


def _class_scores(run: RunFiles, found: Predictions) -> Figure:
    """Return the bars of precision, recall and F1, with the intervals of F1 from the records."""
    hits = (found.gold & found.prediction).sum(axis=0)
    support, predicted = found.gold.sum(axis=0), found.prediction.sum(axis=0)
    values = own_values(run)
    records = [values.get(f"f1/{label}") for label in found.labels]
    ends = [(record.ci_low, record.ci_high) if record else (None, None) for record in records]
    intervals = [(math.nan if low is None else low, math.nan if high is None else high) for low, high in ends]
    return class_scores(
        found.labels, support.tolist(), ratio(hits, predicted).tolist(), ratio(hits, support).tolist(),
        ratio(2 * hits, support + predicted).tolist(), intervals,
    )  # fmt: skip


def _reliability(run: RunFiles, found: Predictions) -> Figure:
    """Return the reliability diagram, before and after temperature scaling where a temperature was fitted."""
    fitted = read_temperature(run)
    temperature = None if fitted is None else fitted.value
    task, gold = run.manifest.task, found.gold_classes
    scaled = None if temperature is None else scale_by_temperature(task, found.probability, temperature)
    stated, came = certainty(task, gold, found.probability)
    after = None if scaled is None else certainty(task, gold, scaled)[0].ravel()
    event = "label given" if found.multilabel else "prediction right"
    return reliability_diagram(stated.ravel(), came.ravel(), scaled=after, temperature=temperature or 1.0, event=event)


def _classes(names: Sequence[str], manifest: Manifest) -> list[str]:
    """Return the class of each post; for multilabel only posts with a single label keep it."""
    if not manifest.multilabel:
        return list(names)
    lumped = {name: name for name in manifest.labels} | {"": NONE, NONE: NONE}
    return [lumped.get(name, "several labels") for name in names]
