"""What the door prints and the page shows about a prompting run."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mhclf.generation.measuring import Measured
from mhclf.results.explained import makers_table
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
        notes[1] = (
            "protocol mentallama-2024: an answer that names no label (unparsed) counts as class 0 or 'other', as in "
            "the published code"
        )
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
    notes = ("95 % bootstrap interval over posts (groups)", *measured.notes)
    return makers_table(f"Explanations of {measured.folder.name}", measured.measures, notes)
