"""What the door prints and the page shows about a prompting run."""

from collections.abc import Sequence

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
