"""Tables of parts of a split: what is missed among high-risk posts, coverage, slices, and the words about them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mhclf.errors import DataError
from mhclf.evaluation import risk_table
from mhclf.evaluation.classification import TEMPERATURE_SCALED, TUNED_THRESHOLDS
from mhclf.results.derived import COVERAGE, TEMPERATURE_FILE, read_label_thresholds
from mhclf.results.records import ResultRecord
from mhclf.results.runfolder import RunFiles
from mhclf.results.summary import directed, interval_text, metric_name, own_records
from mhclf.results.tables import Cell, Column, Table, format_number


def own_values(run: RunFiles) -> dict[str, ResultRecord]:
    """Return metric -> the run's own record of the whole split that it is judged by."""
    return {record.metric: record for record in own_records(run) if record.slice == "all"}


@dataclass(frozen=True)
class FittedTemperature:
    """The temperature that was fitted on validation; `at_bound` where the search ended at a bound: it says little."""

    value: float
    at_bound: bool


def read_temperature(run: RunFiles) -> FittedTemperature | None:
    """Return the temperature fitted on validation; None where there is none.

    Raises
    ------
    DataError
        When the file is damaged.
    """
    path = run.folder / TEMPERATURE_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return FittedTemperature(float(found["value"]), bool(found["at_bound"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: is damaged ({type(error).__name__}). Run it again with --overwrite.") from error


def risk_sentences(run: RunFiles) -> tuple[str, ...]:
    """Return in words what was missed among high-risk posts; empty where the set names no risk."""
    risk, values = run.manifest.risk_labels, own_values(run)
    recall = values.get("high_risk_recall")
    if risk is None or recall is None:
        return ()
    named = " or ".join(risk.high) if len(risk.high) < 3 else f"{', '.join(risk.high[:-1])} or {risk.high[-1]}"
    if recall.value is None:
        return (f"No {run.split} post is of high risk ({named}), so nothing can be said about what is missed.",)
    found = run.predictions
    count = ""
    if found is not None:
        at_risk = int(found.gold[:, np.isin(risk.labels, risk.high)].any(axis=1).sum())
        count = f" {at_risk:,} of {len(found.ids):,} {run.split} posts are."
    by = "Any of these labels counts as found" if len(risk.high) > 1 else "Found"
    sentences = [f"Posts of high risk are those labelled {named}.{count} {by}: recall {interval_text(recall)}."]
    severe = values.get("severe_miss_rate")
    if severe is not None:
        sentences.append(
            f"Severe misses, predicted as not of high risk and two or more levels too low: {interval_text(severe)}."
        )
    return tuple(sentences)


def risk_level_table(run: RunFiles) -> Table | None:
    """Return posts by gold label and by whether high risk was predicted; None where the set names no risk."""
    risk, found, values = run.manifest.risk_labels, run.predictions, own_values(run)
    if risk is None or found is None:
        return None
    counted = risk_table(run.manifest.task, found.gold_classes, found.predicted_classes, risk)
    rows: list[tuple[Cell, ...]] = []
    for name, high, (low_count, high_count) in zip(counted.names, counted.high, counted.counts.tolist(), strict=True):
        missed = values.get(f"false_negative_rate/{name}")
        rate = interval_text(missed) if missed else None
        rows.append((name, "high" if high else "", low_count, high_count, low_count + high_count, rate))
    columns = (
        Column("gold label"), Column("risk"), Column("predicted not high", "right"),
        Column("predicted high", "right"), Column("posts", "right"),
        Column("label missed [95 % interval]", "right", "lower"),
    )  # fmt: skip
    notes = ["From mild to severe." if risk.order else "In the order of the data set; it states no order of severity."]
    notes.append("The last column is 1 - recall of the label itself, whatever was predicted instead.")
    if run.manifest.multilabel:
        notes.append("A post stands in the row of each of its labels.")
    return Table("High risk, by gold label", columns, tuple(rows), tuple(notes))


def calibration_sentence(run: RunFiles) -> str:
    """Return in words how far probabilities can be taken at their word; empty where it was not measured."""
    values = own_values(run)
    error = values.get("ece")
    if error is None or error.value is None:
        return ""
    what = "The expected calibration error (15 bins of equal width) is"
    sentence = f"{what} {interval_text(error)}, the Brier score {_value(values, 'brier')}."
    temperature, scaled = read_temperature(run), values.get("ece_temperature_scaled")
    if temperature is None or scaled is None:
        return sentence
    if temperature.at_bound:
        lean = "the end of the search: validation has too few mistakes to tell"
    elif abs(temperature.value - 1) < 0.005:
        lean = "the model was as sure as right there"
    else:
        lean = f"the model was {'surer' if temperature.value > 1 else 'less sure'} than right there"
    return (
        f"{sentence} The temperature fitted on validation is {format_number(temperature.value, 2)} ({lean}); with it "
        f"the error is {interval_text(scaled)}."
    )


def _value(values: Mapping[str, ResultRecord], metric: str) -> str:
    return format_number(values[metric].value) if metric in values else format_number(None)


def fitted_table(run: RunFiles) -> Table | None:
    """Return metrics as saved beside those after a fit on validation; None where nothing was fitted."""
    values = own_values(run)
    rows: list[tuple[Cell, ...]] = []
    for name, after in values.items():
        for ending, what in ((TEMPERATURE_SCALED, "temperature"), (TUNED_THRESHOLDS, "thresholds")):
            before = values.get(name.removesuffix(ending))
            if name.endswith(ending) and before is not None:
                rows.append((directed(before), what, interval_text(before), interval_text(after)))
    if not rows:
        return None
    columns = (Column("metric"), Column("fitted"), Column("as saved [95 % interval]", "right"),
               Column("after the fit [95 % interval]", "right"))  # fmt: skip
    notes = ("Fitted on validation, measured on test. The temperature changes probabilities, not predictions.",)
    return Table("After a fit on validation", columns, tuple(rows), notes)


def thresholds_table(run: RunFiles) -> Table | None:
    """Return the thresholds fitted on validation; None where there are none.

    Raises
    ------
    RunError
        When the file is damaged.
    """
    fitted = read_label_thresholds(run.folder)
    if not fitted:
        return None
    rows = tuple((item.label, item.value, item.how, item.at_default, item.objective, item.positives) for item in fitted)
    columns = (
        Column("label"), Column("threshold", "right"), Column("how"), Column("F1 at 0.5", "right", "higher"),
        Column("F1 at the threshold", "right", "higher"), Column("validation posts with the label", "right"),
    )  # fmt: skip
    notes = ("F1 on the validation posts themselves, so it is optimistic. A label without positives stays at 0.5.",)
    return Table("Thresholds fitted on validation", columns, rows, notes)


def coverage_table(run: RunFiles) -> Table | None:
    """Return error and macro-F1 among the most certain posts at falling coverage; None without such records."""
    parts = _by_part(run, coverage=True)
    if not parts:
        return None
    total = max(record.n for found in parts.values() for record in found.values())
    accuracy = "subset_accuracy" if run.manifest.multilabel else "accuracy"
    rows: list[tuple[Cell, ...]] = []
    for name, found in parts.items():
        if accuracy not in found:
            continue
        right = found[accuracy]
        error = None if right.value is None else 1 - right.value
        rows.append((
            name.removeprefix(COVERAGE), f"{100 * right.n / total:.1f} %", right.n, error,
            interval_text(right), interval_text(found["macro_f1"]) if "macro_f1" in found else None,
        ))  # fmt: skip
    columns = (
        Column("coverage asked for", "right"), Column("reached", "right"), Column("posts", "right"),
        Column("error", "right", "lower"), Column(f"{metric_name(accuracy)} [95 % interval]", "right", "higher"),
        Column("Macro-F1 [95 % interval]", "right", "higher"),
    )  # fmt: skip
    notes = (
        "The most certain posts by the abstention score; posts of equal score are answered together.",
        "Macro-F1 counts a label that is no longer answered as 0.",
    )
    return Table("Answering only the most certain posts", columns, tuple(rows), notes)


def slices_table(run: RunFiles) -> Table | None:
    """Return the scores of the named parts; None without any."""
    parts = _by_part(run, coverage=False)
    if not parts:
        return None
    metrics = list(dict.fromkeys(metric for found in parts.values() for metric in found))
    first = {metric: next(found[metric] for found in parts.values() if metric in found) for metric in metrics}
    rows: list[tuple[Cell, ...]] = [
        (name, next(iter(found.values())).n, *(interval_text(found[m]) if m in found else None for m in metrics))
        for name, found in parts.items()
    ]
    columns = (Column("part"), Column("posts", "right"),
               *(Column(directed(first[metric]), "right") for metric in metrics))  # fmt: skip
    notes = ["Words are counted without signs. Macro averages count labels that a part lacks as 0."]
    if any(None in (record.value for record in found.values()) for found in parts.values()):
        notes.append("A dash: fewer than 20 posts, too few to score.")
    return Table(f"Parts of the {run.split} posts", columns, tuple(rows), tuple(notes))


def _by_part(run: RunFiles, *, coverage: bool) -> dict[str, dict[str, ResultRecord]]:
    """Return part -> metric -> record, either of the coverages or of the other parts."""
    parts: dict[str, dict[str, ResultRecord]] = {}
    for record in own_records(run):
        if record.slice != "all" and record.slice.startswith(COVERAGE) == coverage and "/" not in record.metric:
            parts.setdefault(record.slice, {})[record.metric] = record
    return parts
