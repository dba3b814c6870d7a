"""What the door prints and the page shows about a prompting run."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mhclf.generation.measuring import Measured
from mhclf.results.records import ResultRecord
from mhclf.results.tables import Column, Table, format_interval


def generation_table(records: Sequence[ResultRecord]) -> Table:
    """Return the metrics of one run with their intervals, those by label left out."""
    first = records[0]
    rows = tuple(
        (record.metric, format_interval(record.value, record.ci_low, record.ci_high))
        for record in records
        if "/" not in record.metric
    )
    title = f"{first.dataset}, {first.split} (n = {first.n}), {first.encoder}, seed {first.seed}"
    notes = [
        "95 % bootstrap interval over posts (groups)",
        "unparsed: share of answers that name no label; they count as wrong",
    ]
    if first.protocol == "mentallama-2024":
        notes[1] = "protocol mentallama-2024: an answer that names no label counts as class 0, as in the published code"
    return Table(title, (Column("metric"), Column(first.method, "right")), rows, tuple(notes))


def answer_table(frame: pd.DataFrame) -> Table:
    """Return how often each label is right, how often it is answered, and its mean probability.

    Answers that all fall on one label show here; without a post in the prompt they are the model's bias.

    Parameters
    ----------
    frame : DataFrame
        Content of `predictions.parquet`.
    """
    labels = [column.removeprefix("probability/") for column in frame.columns if column.startswith("probability/")]
    rows = []
    for label in labels:
        shares = [
            sum(label in np.atleast_1d(names).tolist() for names in frame[column]) / len(frame)
            for column in ("gold", "prediction")
        ]
        shares.append(float(frame[f"probability/{label}"].mean()))
        rows.append((label, *(f"{share:.3f}" for share in shares)))
    unread = float(frame["unparsed"].mean())
    columns = (Column("label"), *(Column(name, "right") for name in ("gold", "answered", "mean probability")))
    notes = (f"shares of {len(frame)} posts; {unread:.3f} have an answer that names no label",)
    return Table("What is right, and what was answered", columns, tuple(rows), notes)


def explanation_table(measured: Measured) -> Table:
    """Return the measures of explanations, metrics down and makers across."""
    sources = list(dict.fromkeys(measure.source for measure in measured.measures))
    found = {(measure.source, measure.metric): measure for measure in measured.measures}
    rows = []
    for metric in dict.fromkeys(measure.metric for measure in measured.measures):
        cells = []
        for source in sources:
            own = found.get((source, metric))
            cells.append(None if own is None else format_interval(own.value, own.low, own.high))
        counts = sorted({found[source, metric].n for source in sources if (source, metric) in found})
        rows.append((metric, *cells, "-".join(map(str, dict.fromkeys((counts[0], counts[-1]))))))
    columns = (Column("metric"), *(Column(source, "right") for source in sources), Column("n", "right"))
    notes = ("95 % bootstrap interval over posts (groups)", *measured.notes)
    return Table(f"Explanations of {measured.folder.name}", columns, tuple(rows), notes)
