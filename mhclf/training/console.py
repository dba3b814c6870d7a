"""What a door prints when runs end: the run beside the baselines, and mean, sd and interval over seeds."""

import json
from collections.abc import Sequence

import numpy as np
import rich.console

from mhclf.evaluation import hierarchical_interval, higher_is_better
from mhclf.evaluation.layers import layer_agreement
from mhclf.results.records import ResultRecord
from mhclf.results.tables import Column, Table, format_interval, format_number, to_rich
from mhclf.training.run import RunOutcome
from mhclf.training.saved import read_predictions
from mhclf.training.transfer import TransferOutcome
from mhclf.training.tune import TuneOutcome


def print_outcomes(outcomes: Sequence[RunOutcome]) -> None:
    """Print one table for each run, and one over the seeds of runs on the same rows."""
    console = rich.console.Console()
    for outcome in outcomes:
        console.print(to_rich(run_table(outcome)))
        again = " (was complete already; --overwrite starts afresh)" if outcome.was_complete else ""
        console.print(
            f"run folder: {outcome.folder}{again}\nreport:     {outcome.folder / 'report.html'}\n", soft_wrap=True
        )
    if len(outcomes) > 1:
        for hash_ in dict.fromkeys(outcome.records[0].data_hash for outcome in outcomes):
            same_rows = [outcome for outcome in outcomes if outcome.records[0].data_hash == hash_]
            if len(same_rows) > 1:
                console.print(to_rich(seeds_table(same_rows)))


def run_table(outcome: RunOutcome) -> Table:
    """Return the run's numbers beside those of majority and TF-IDF on the same rows."""
    split = _shown_split(outcome.records)
    records = [record for record in outcome.records if record.split == split and record.slice == "all"]
    methods = list(dict.fromkeys(record.method for record in records))
    first = records[0]
    metrics = [record.metric for record in records if record.method == first.method and "/" not in record.metric]
    by_key = {(record.method, record.metric): record for record in records}
    columns = (Column("metric"), *(Column(method, align="right") for method in methods))
    rows = tuple(
        (metric, *(_cell(by_key.get((method, metric)), with_interval=method == first.method) for method in methods))
        for metric in metrics
    )
    title = f"{first.dataset}, {first.split} (n = {first.n}), seed {first.seed}, encoder {first.encoder}"
    return Table(title, columns, rows, ("95 % bootstrap interval over posts (groups)",))


def transfer_table(outcome: TransferOutcome) -> Table:
    """Return the numbers of a run on another data set, and what was left out."""
    first, rows = outcome.records[0], outcome.rows
    table = tuple(
        (record.metric, format_interval(record.value, record.ci_low, record.ci_high))
        for record in outcome.records
        if "/" not in record.metric
    )
    notes = (
        f"classes: {', '.join(outcome.classes)}",
        f"left out: {rows['without_source_label']} posts without a source label, {rows['shared_with_training']} shared "
        "with the run's training posts",
        "95 % bootstrap interval over posts (groups)",
    )
    title = f"{first.run} on {first.dataset}, {first.split} (n = {first.n})"
    return Table(title, (Column("metric"), Column(first.method, align="right")), table, notes)


def tune_tables(outcome: TuneOutcome) -> list[Table]:
    """Return the trials from best to worst, and how much each setting mattered."""
    keys = list(outcome.best.values)
    more = higher_is_better(outcome.metric)
    sign = -1 if more else 1
    order = sorted(outcome.trials, key=lambda trial: (trial.score is None, sign * (trial.score or 0.0), trial.number))
    score = Column(outcome.metric, "right", "higher" if more else "lower")
    columns = (Column("trial", "right"), score, *(Column(k, "right") for k in keys))
    rows = tuple((trial.number + 1, trial.score, *(_setting(trial.values.get(key)) for key in keys)) for trial in order)
    notes = (
        "validation score; the test set was not opened",
        "the best of many is optimistic: score it anew by train.py",
    )
    tables = [Table(f"{len(rows)} trials", columns, rows, notes)]
    if outcome.importances:
        shares = tuple(outcome.importances.items())
        tables.append(Table("Importance of the settings", (Column("setting"), Column("share", "right")), shares))
    return tables


def _setting(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def seeds_table(outcomes: Sequence[RunOutcome]) -> Table:
    """Return mean, sd over seeds, and the hierarchical interval over groups and seeds."""
    saved = [read_predictions(outcome.folder) for outcome in outcomes]
    split = _shown_split(outcomes[0].records)
    first = saved[0].part(split)
    parts = [item.part(split) for item in saved]
    intervals = hierarchical_interval(
        first.task,
        first.gold,
        [part.prediction for part in parts],
        [part.probability for part in parts],
        first.labels,
        first.groups,
        risk=first.risk,
    )
    seeds = ", ".join(str(outcome.records[0].seed) for outcome in outcomes)
    columns = (Column("metric"), Column("mean", "right"), Column("sd over seeds", "right"), Column("95 % interval"))
    rows = tuple(
        (name, item.mean, item.sd, f"[{format_number(item.low)}, {format_number(item.high)}]")
        for name, item in intervals.items()
        if "/" not in name
    )
    notes = ["interval: bootstrap over posts (groups) and seeds together", *_layer_notes(outcomes)]
    return Table(f"{outcomes[0].records[0].dataset}, {split}, seeds {seeds}", columns, rows, tuple(notes))


def _layer_notes(outcomes: Sequence[RunOutcome]) -> list[str]:
    """Say how far the seeds agree on the layers, where the runs have layer weights."""
    files = [outcome.folder / "layers.json" for outcome in outcomes]
    if not all(file.is_file() for file in files):
        return []
    layers = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    agreement = layer_agreement([np.array(item["weights_mean"]) for item in layers])
    told = sum(item["distinguishable_from_uniform"] for item in layers)
    return [
        f"layer weights: {told} of {len(layers)} seeds can be told from uniform; agreement of seeds "
        f"{format_number(agreement.mean_tau, 2)} (Kendall tau), largest difference of a mean weight "
        f"{format_number(agreement.largest_difference, 2)}"
    ]


def _shown_split(records: Sequence[ResultRecord]) -> str:
    splits = {record.split for record in records}
    return "test" if "test" in splits else "validation"


def _cell(record: ResultRecord | None, with_interval: bool) -> str | float | None:
    if record is None or not with_interval:
        return record.value if record else None
    return format_interval(record.value, record.ci_low, record.ci_high)
