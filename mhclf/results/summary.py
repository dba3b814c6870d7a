"""What report and model card say about a run, as sentences and tables made from its records."""

import re
from collections.abc import Mapping, Sequence

from mhclf.evaluation.classification import BY_RESERVATION, TEMPERATURE_SCALED, TUNED_THRESHOLDS
from mhclf.results.records import ResultRecord
from mhclf.results.runfolder import Manifest, RunFiles
from mhclf.results.tables import DOWN, UP, Cell, Column, Table, format_interval, format_number

UNSET = "not set"
BASELINES = {"majority": "majority class", "tfidf_lr": "TF-IDF + logistic regression"}
_METRICS = {
    "accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "macro_f1": "Macro-F1",
    "weighted_f1": "Weighted F1", "micro_f1": "Micro-F1", "samples_f1": "F1 by post",
    "positive_f1": "F1 of the second label", "macro_precision": "Macro precision",
    "macro_recall": "Macro recall", "mcc": "Matthews correlation", "auroc": "AUROC", "auprc": "AUPRC",
    "subset_accuracy": "Subset accuracy", "hamming_accuracy": "Hamming accuracy",
    "ece": "Expected calibration error", "ece_equal_mass": "Calibration error, bins of equal mass",
    "brier": "Brier score", "nll": "Negative log-likelihood", "aurc": "Area under the risk-coverage curve",
    "e_aurc": "AURC above the best order", "qwk": "Quadratic weighted kappa", "kendall_tau_b": "Kendall tau-b",
    "off_by_one": "At most one level off", "mae": "Mean levels off", "high_risk_recall": "High-risk recall",
    "high_risk_precision": "High-risk precision", "high_risk_false_negative_rate": "High-risk false-negative rate",
    "severe_miss_rate": "Severe-miss rate",
}  # fmt: skip
_FITTED = {TEMPERATURE_SCALED: "temperature scaled", TUNED_THRESHOLDS: "tuned thresholds"}
_ENDINGS = {**_FITTED, BY_RESERVATION: "by reservation"}
_DEFAULT_HEADLINES = ("macro_f1", "accuracy")


def metric_name(metric: str) -> str:
    """Return a metric's name for readers; an unknown one keeps its name with spaces for underscores."""
    for ending, words in _ENDINGS.items():
        if metric.endswith(ending):
            return f"{metric_name(metric.removesuffix(ending))}, {words}"
    return _METRICS.get(metric, metric.replace("_", " "))


def own_method(run: RunFiles) -> str:
    """Return the method of the run's own records: that of the config, else that of the first record."""
    methods = [record.method for record in run.records]
    if run.method in methods or not methods:
        return run.method
    return next((method for method in methods if method not in BASELINES), methods[0])


def own_encoder(run: RunFiles) -> str:
    """Return the encoder's name from the records, else from the config; of a path only its last part."""
    method = own_method(run)
    name = next((record.encoder for record in run.records if record.method == method), run.encoder)
    return last_part(name) if is_path(name) else name


def own_records(run: RunFiles) -> tuple[ResultRecord, ...]:
    """Return the run's own records of the split it is judged by, without those of the baselines."""
    method = own_method(run)
    return tuple(record for record in run.records if record.method == method and record.split == run.split)


def main_records(run: RunFiles) -> tuple[ResultRecord, ...]:
    """Return the run's own records of the whole split, without those of single labels (`f1/<label>`).

    Those after a fit on validation (`..._temperature_scaled`, `..._tuned_thresholds`) stand in a table of their own.
    """
    return tuple(
        record
        for record in own_records(run)
        if record.slice == "all" and "/" not in record.metric and not record.metric.endswith(tuple(_FITTED))
    )


def class_intervals(run: RunFiles) -> dict[str, str]:
    """Return for each label the interval of its F1 as text, as far as records have one."""
    return {
        record.metric.removeprefix("f1/"): f"{format_number(record.ci_low)} to {format_number(record.ci_high)}"
        for record in own_records(run)
        if record.metric.startswith("f1/") and record.slice == "all" and _has_interval(record)
    }


def headline(run: RunFiles) -> ResultRecord | None:
    """Return the record of the manifest's headline metric, else of macro-F1, accuracy, or the first."""
    whole = {record.metric: record for record in own_records(run) if record.slice == "all"}
    for metric in (run.manifest.headline_metric, *_DEFAULT_HEADLINES, *whole):
        if metric in whole:
            return whole[metric]
    return None


def headline_sentences(run: RunFiles) -> tuple[str, ...]:
    """Return the headline number in plain words, and that of each baseline beside it."""
    record = headline(run)
    if record is None:
        return (f"There is no {run.split} result in this run folder.",)
    name = metric_name(record.metric)
    posts = f"{record.n:,} {run.split} posts" if record.n != 1 else f"1 {run.split} post"
    if record.value is None:
        return (f"{name} is undefined on the {posts}.",)
    better = "higher is better" if record.higher_is_better else "lower is better"
    sentences = [f"{name} on the {posts} is {format_number(record.value)} ({better})."]
    if _has_interval(record):
        sentences.append(
            f"The 95 % interval runs from {format_number(record.ci_low)} to {format_number(record.ci_high)}."
        )
    else:
        sentences.append("No interval was computed.")
    if run.split != "test":
        sentences.append("The test set is shut: the model was chosen on these posts, so the number is optimistic.")
    for method, title in BASELINES.items():
        beside = _beside(run, method, record)
        if beside is not None and method != own_method(run):
            sentences.append(f"The baseline {title} reaches {interval_text(beside)}.")
    return tuple(sentences)


def results_table(run: RunFiles) -> Table:
    """Return every own record but those of single labels, with its interval, and the baselines beside it."""
    records = main_records(run)
    beside = {
        method: [_beside(run, method, record) for record in records]
        for method in BASELINES
        if method != own_method(run)
    }
    shown = {method: found for method, found in beside.items() if any(found)}
    columns = [Column("metric"), Column("this run [95 % interval]", "right")]
    columns += [Column(BASELINES[method], "right") for method in shown]
    rows = []
    for index, record in enumerate(records):
        cells: list[Cell] = [directed(record), interval_text(record)]
        for found in shown.values():
            other = found[index]
            cells.append(interval_text(other) if other else None)
        rows.append((*cells, record.n))
    notes = ("Overlapping or separate intervals are no test; compare methods paired on posts.",)
    title = f"{run.split.capitalize()} results"
    return Table(title, (*columns, Column("n", "right")), tuple(rows), notes if shown else ())


def other_records_table(run: RunFiles) -> Table | None:
    """Return the records that the results table leaves out (validation, explanations); None without any.

    Numbers of single labels and of baselines are left to `results.jsonl`.
    """
    shown = set(own_records(run))
    rest = [
        record for record in run.records
        if record not in shown and "/" not in record.metric
        and (record.method not in BASELINES or record.method == own_method(run))
    ]  # fmt: skip
    if not rest:
        return None
    names = ("split", "part", "method", "metric", "value [95 % interval]", "n")
    columns = tuple(Column(name, "right" if name in names[4:] else "left") for name in names)
    rows = tuple(
        (record.split, record.slice, record.method, directed(record), interval_text(record), record.n)
        for record in rest
    )
    return Table("Other records", columns, rows)


def counts_table(manifest: Manifest) -> Table:
    """Return the posts per class (rows) and split (columns), with the total rows of each split last."""
    splits = list(manifest.rows) or list(manifest.class_counts)
    rows: list[tuple[Cell, ...]] = [
        (label, *(manifest.class_counts.get(split, {}).get(label, 0) for split in splits)) for label in manifest.labels
    ]
    rows.append(("all posts", *(manifest.rows.get(split) for split in splits)))
    columns = (Column("class"), *(Column(split, "right") for split in splits))
    notes = ("A post may have several labels or none.",) if manifest.multilabel else ()
    return Table("Posts by class and split", columns, tuple(rows), notes)


def findings_table(manifest: Manifest) -> Table | None:
    """Return the audit's findings; None when there are none."""
    if not manifest.findings:
        return None
    rows = tuple(
        tuple(str(finding.get(key, "")) for key in ("severity", "check", "count", "message"))
        for finding in manifest.findings
    )
    columns = (Column("severity"), Column("check"), Column("count", "right"), Column("message"))
    return Table("Audit findings", columns, rows)


def flatten(content: object, prefix: str = "") -> list[tuple[str, str]]:
    """Return a nested mapping as (dotted key, text) pairs, a list on one line.

    Of an absolute path only the last part is kept: pages travel, and folders name people and machines.
    """
    if isinstance(content, Mapping):
        return [pair for key, value in content.items() for pair in flatten(value, f"{prefix}{key}.")]
    name = prefix.removesuffix(".")
    if isinstance(content, Sequence) and not isinstance(content, str):
        return [(name, ", ".join(text for item in content for _, text in flatten(item)))]
    if isinstance(content, bool):
        return [(name, "yes" if content else "no")]
    text = UNSET if content is None else str(content)
    return [(name, f"\u2026/{last_part(text)}" if is_path(text) else text)]


def is_path(text: str) -> bool:
    """Return whether a setting is a path that leads out of the working folder."""
    return re.match(r"/|~|\.\.?[/\\]|\\\\|[A-Za-z]:[\\/]", text) is not None


def last_part(text: str) -> str:
    """Return the last part of a path of any system."""
    return re.split(r"[/\\]", text.rstrip("/\\"))[-1]


def directed(record: ResultRecord) -> str:
    """Return the metric's name with the arrow of its better direction."""
    return f"{metric_name(record.metric)} {UP if record.higher_is_better else DOWN}"


def _has_interval(record: ResultRecord) -> bool:
    """Return whether both ends of the interval are known."""
    return record.ci_low is not None and record.ci_high is not None


def interval_text(record: ResultRecord) -> str:
    """Return value and interval as text."""
    return format_interval(record.value, record.ci_low, record.ci_high)


def _beside(run: RunFiles, method: str, record: ResultRecord) -> ResultRecord | None:
    """Return the record of another method for the same number, of the same protocol."""
    key = (record.split, record.slice, record.metric, record.protocol)
    for other in run.records:
        if other.method == method and (other.split, other.slice, other.metric, other.protocol) == key:
            return other
    return None
