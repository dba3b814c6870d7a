"""The report of a run: one self-contained HTML page."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mhclf.results.explained import explanation_sentence, measures_table
from mhclf.results.files import write_text
from mhclf.results.layers import class_layer_table, layer_sentences, layer_table
from mhclf.results.pages import data_uri, picture_size, render_page
from mhclf.results.pairs import pairs_sentence, pairs_table
from mhclf.results.part_tables import (
    calibration_sentence,
    coverage_table,
    fitted_table,
    risk_level_table,
    risk_sentences,
    slices_table,
    thresholds_table,
)
from mhclf.results.predictions import Predictions, class_table
from mhclf.results.robustness_table import robustness_sentence, robustness_table
from mhclf.results.runfolder import RunFiles, read_run
from mhclf.results.summary import (
    class_intervals,
    counts_table,
    findings_table,
    flatten,
    headline,
    headline_sentences,
    metric_name,
    other_records_table,
    own_encoder,
    own_method,
    results_table,
)
from mhclf.results.tables import format_number

MOST_POSTS = 5000
_FIGURES = {
    "confusion_matrix": (
        "What was predicted",
        "Look for weight off the diagonal, or bars outside blue, and whether two classes are taken for each "
        "other in both directions or only in one.",
    ),
    "class_scores": (
        "Scores by class",
        "Look for classes whose precision and recall lie far apart (over- or under-predicted), and for F1 "
        "intervals so wide that the class says little.",
    ),
    "layer_weights": (
        "Layer weights",
        "Look at how far the blue bars leave the dashed line, then at the orange ones: a layer with a high "
        "weight and a small contribution hardly reaches the classifier.",
    ),
    "reliability": (
        "Reliability",
        "Points below the diagonal were surer than right. Bins with few cases have wide intervals and mean little. "
        "The temperature was fitted on validation; if it helps, the orange points lie nearer to the line.",
    ),
    "risk_coverage": (
        "Risk and coverage",
        "The lower the curve on the left, the better the score tells errors beforehand; a flat curve means "
        "that abstaining does not help.",
    ),
    "class_pairs": (
        "Confusable pairs",
        "Points at the upper left are classes that the model itself holds close and mixes up; points at the upper "
        "right lie apart and are mixed up all the same, which hints at the labels or the head.",
    ),
    "learning_curves": (
        "Learning curves",
        "Look for a validation loss that rises while the training loss falls, and for a validation metric "
        "that still climbs at the end.",
    ),
    "representation_map": (
        "Map of the representation",
        "Two dimensions show only part of the variance, given on the axes: classes that overlap here may "
        "still be apart. Look where the hollow markers are.",
    ),
}


def write_report(folder: str | os.PathLike[str], texts: Mapping[str, str] | None = None) -> Path:
    """Write the `report.html` of a run folder; figures are drawn when there are none yet.

    Parameters
    ----------
    folder : path-like
        The run folder.
    texts : mapping of str to str, optional
        Post id to text. Only with it is any text in the page, of the listed posts, hidden until asked for.

    Returns
    -------
    pathlib.Path
        The page; it holds everything it needs and loads nothing.

    Raises
    ------
    RunError, DataError
        As in `read_run`.
    """
    run = read_run(folder)
    if not any((run.folder / "figures" / f"{name}.png").is_file() for name in _FIGURES):
        # matplotlib is loaded only where it is needed.
        from mhclf.results.figures import draw_run_figures

        draw_run_figures(run.folder)
    values = _result(run) | _parts(run) | _layers(run) | _posts(run.predictions, texts or {}) | _data(run)
    values["figures"] = _figures(run)
    values["explained"] = explanation_sentence(run.folder)
    values["explanations"] = measures_table(run.folder)
    values["generations"] = (run.folder / "generations.html").is_file()
    values["sections"] = [
        (anchor, name)
        for anchor, name, there in (
            ("result", "Result", True),
            ("risk", "High risk", values["risk_sentences"]),
            ("parts", "Certainty and parts", values["calibration"] or values["coverage"] or values["slices"]),
            ("pairs", "Confusable pairs", values["pairs"]),
            ("robustness", "Robustness", values["robustness"]),
            ("layers", "Layers", values["layer_sentences"]),
            ("explanations", "Explanations", values["explained"]),
            ("figures", "Figures", values["figures"]),
            ("posts", "Posts and errors", values["posts"]),
            ("data", "Data", True),
            ("settings", "Settings and environment", True),
        )
        if there
    ]
    page = render_page("report.html.j2", run=run, title=run.manifest.title or run.manifest.name, **values)
    return write_text(run.folder / "report.html", page)


def _result(run: RunFiles) -> dict[str, Any]:
    """Return the values of the header and the section of results."""
    record = headline(run)
    large = None
    if record is not None and record.value is not None:
        known = record.ci_low is not None and record.ci_high is not None
        ends = f"95 % interval {format_number(record.ci_low)} to {format_number(record.ci_high)}"
        large = (format_number(record.value), f"{metric_name(record.metric)}{f', {ends}' if known else ''}")
    found = run.predictions
    seed = record.seed if record is not None else run.config.get("seed", "")
    posts = record.n if record is not None else run.manifest.rows.get(run.split, 0)
    facts = [
        ("data set", run.manifest.name),
        ("method", own_method(run)),
        ("encoder", own_encoder(run)),
        ("seed", seed),
        ("protocol", record.protocol if record is not None else run.manifest.protocol),
        (f"{run.split} posts", f"{posts:,}"),
    ]
    return {
        "facts": [(key, value) for key, value in facts if value != ""],
        "headline": large,
        "sentences": headline_sentences(run),
        "results": results_table(run),
        "classes": None if found is None else class_table(found, class_intervals(run)),
        "others": other_records_table(run),
    }


def _parts(run: RunFiles) -> dict[str, Any]:
    """Return the values of the sections on high risk, parts of the posts, pairs of classes, and changed posts."""
    return {
        "risk_sentences": risk_sentences(run),
        "risk": risk_level_table(run),
        "calibration": calibration_sentence(run),
        "fitted": fitted_table(run),
        "thresholds": thresholds_table(run),
        "coverage": coverage_table(run),
        "slices": slices_table(run),
        "pairs": pairs_table(run.pairs, run.split),
        "pairs_sentence": pairs_sentence(run.pairs),
        "robustness": run.robustness and robustness_table(run.robustness),
        "robustness_sentence": run.robustness and robustness_sentence(run.robustness),
    }


def _layers(run: RunFiles) -> dict[str, Any]:
    """Return the values of the section of layers."""
    if run.layers is None:
        return {"layer_sentences": (), "layers": None, "class_layers": None}
    return {
        "layer_sentences": layer_sentences(run.layers),
        "layers": layer_table(run.layers),
        "class_layers": class_layer_table(run.layers),
    }


def _figures(run: RunFiles) -> list[dict[str, Any]]:
    """Return the pictures in the folder with their captions."""
    figures = []
    for name, (title, caption) in _FIGURES.items():
        picture = run.folder / "figures" / f"{name}.png"
        if picture.is_file():
            width, height = picture_size(picture)
            figures.append({
                "name": title, "caption": caption, "source": data_uri(picture), "full": width > 833,
                "width": width, "height": height,
            })  # fmt: skip
    return figures


def _posts(predictions: Predictions | None, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of the table of posts: wrong ones first, the surest of them on top."""
    if predictions is None:
        return {"posts": [], "has_texts": False}
    right = predictions.correct
    of_prediction = predictions.mean_probability(predictions.prediction)
    of_gold = predictions.mean_probability(predictions.gold)
    order = np.lexsort((np.arange(len(right)), -np.nan_to_num(of_prediction, nan=-1.0), right))
    gold, answers = predictions.names(predictions.gold), predictions.names(predictions.prediction)
    known = {str(key): text for key, text in texts.items()}
    posts = [
        {
            "id": predictions.ids[k], "gold": gold[k], "prediction": answers[k],
            "outcome": "right" if right[k] else "wrong",
            "gold_places": _places(predictions.gold[k]),
            "prediction_places": _places(predictions.prediction[k]),
            "of_prediction": format_number(float(of_prediction[k])),
            "of_gold": format_number(float(of_gold[k])),
            "text": known.get(predictions.ids[k]),
        }
        for k in order[:MOST_POSTS]
    ]  # fmt: skip
    notes = ["The wrong predictions that were surest stand first."]
    if predictions.multilabel:
        notes.append("p is the mean probability of the labels in question.")
    if len(order) > MOST_POSTS:
        notes.append(f"Only the first {MOST_POSTS:,} posts in this order are listed.")
    return {
        "posts": posts,
        "labels": predictions.labels,
        "wrong_count": f"{int((~right).sum()):,}",
        "post_count": f"{len(right):,}",
        "posts_note": " ".join(notes),
        "has_texts": any(post["text"] is not None for post in posts),
    }


def _places(chosen: NDArray[np.bool_]) -> str:
    """Return the numbers of the chosen labels, for the filter in the page."""
    return " ".join(map(str, np.flatnonzero(chosen)))


def _data(run: RunFiles) -> dict[str, Any]:
    """Return the values of the sections on data, settings and environment."""
    manifest = run.manifest
    words = [
        ("licence", manifest.licence), ("access", manifest.access), ("citation", manifest.citation),
        ("ethics", manifest.ethics), ("protocol", manifest.protocol),
        *((f"on loading: {key}", value) for key, value in flatten(manifest.load)),
        *((f"SHA-256 of {key}", value) for key, value in flatten(manifest.hashes)),
    ]  # fmt: skip
    return {
        "counts": counts_table(manifest),
        "findings": findings_table(manifest),
        "data": [(key, value) for key, value in words if value],
        "config": [(key, value) for key, value in flatten(run.config) if key not in {"out", "data_root"}],
        "environment": flatten(run.environment),
    }
