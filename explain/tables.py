"""Fidelity records as tables."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from explain.faithfulness import METRICS as FAITHFULNESS_METRICS
from explain.items import HIGHER_IS_BETTER
from explain.plausibility import METRICS as PLAUSIBILITY_METRICS
from explain.summary import Compared, FidelityRecord
from mhclf.results.tables import Cell, Column, Strong, Table, format_interval, format_number

SHOWN = ("auprc", "f1_own_length", "comprehensiveness", "sufficiency")
LEVEL = 0.05


def fidelity_table(
    records: Sequence[FidelityRecord],
    counts: Mapping[str, object],
    metrics: Sequence[str] = SHOWN,
    compare: str = "auprc",
) -> Table:
    """Return one run's table: methods down, metrics across, the paired tests on one metric at the end.

    Parameters
    ----------
    records : sequence of FidelityRecord
        Of one run.
    counts : mapping
        `Explained.counts`.
    metrics : sequence of str
        Those that were measured are shown.
    compare : str
        The metric of the tests against `random` and `attention`.
    """
    whole = {(record.method, record.metric): record for record in records if record.slice == "all"}
    methods = list(dict.fromkeys(method for method, _ in whole))
    shown = [metric for metric in metrics if any((method, metric) in whole for method in methods)]
    best = {metric: _best([whole[method, metric] for method in methods], metric) for metric in shown}
    rows: list[tuple[Cell, ...]] = []
    for method in methods:
        cells: list[Cell] = [method.replace("_", " ")]
        for metric in shown:
            record = whole[method, metric]
            text = format_interval(record.value, record.ci_low, record.ci_high)
            cells.append(Strong(text) if record.value is not None and record.value == best[metric] else text)
        tested = whole[method, compare]
        cells += [*_compared(tested.vs_random), *_compared(tested.vs_attention)]
        rows.append(tuple(cells))
    columns = (
        Column("method"),
        *(Column(metric, "right", "higher" if HIGHER_IS_BETTER[metric] else "lower") for metric in shown),
        *(
            column
            for base in ("random", "attention")
            for column in (Column(f"{compare} vs {base}", "right"), Column("p (Holm)", "right"))
        ),
    )
    first = records[0]
    title = f"{first.dataset} ({first.model}, {first.encoder}, seed {first.seed})"
    return Table(title, columns, tuple(rows), _notes(records, counts))


def whole_tables(records: Sequence[FidelityRecord], counts: Mapping[str, object]) -> list[Table]:
    """Return one run's every metric: plausibility with its tests on AUPRC, faithfulness on comprehensiveness."""
    tables = (
        ("plausibility", fidelity_table(records, counts, PLAUSIBILITY_METRICS)),
        ("faithfulness", fidelity_table(records, counts, tuple(FAITHFULNESS_METRICS), "comprehensiveness")),
    )
    return [replace(table, title=f"{table.title}: {name}") for name, table in tables]


def _notes(records: Sequence[FidelityRecord], counts: Mapping[str, object]) -> tuple[str, ...]:
    n = max(record.n for record in records if record.slice == "all")
    notes = [
        f"n = {n} items (a post with expert evidence and the predicted label; for several labels a post, one item a "
        "label that has evidence of its own). Means with 95 % bootstrap intervals over groups; * marks p < .05.",
        f"Behind the cut at max_length: {counts['marked_words_unread']} marked words, and all of the evidence of "
        f"{counts['unread_rationales']} items, which are left out.",
    ]
    if counts.get("precision") == "bf16":
        notes.append("Passes without gradients (word-set methods, faithfulness) in bf16.")
    unconverged = counts.get("not_converged")
    if isinstance(unconverged, dict) and any(unconverged.values()):
        listed = ", ".join(f"{method.replace('_', ' ')} {count}" for method, count in unconverged.items() if count)
        notes.append(f"Not converged (marked in the files, not left out): {listed}.")
    return tuple(notes)


def split_table(records: Sequence[FidelityRecord], metric: str = "auprc") -> Table:
    """Return a metric on items that the model decides rightly and wrongly."""
    found = {(record.method, record.slice): record for record in records if record.metric == metric}
    methods = list(dict.fromkeys(method for method, _ in found))
    rows = []
    for method in methods:
        cells: list[Cell] = [method.replace("_", " ")]
        for part in ("correct", "wrong"):
            record = found[method, part]
            cells += [format_interval(record.value, record.ci_low, record.ci_high), record.n]
        rows.append(tuple(cells))
    columns = (
        Column("method"),
        Column(f"{metric}, decided rightly", "right", "higher"),
        Column("n", "right"),
        Column(f"{metric}, decided wrongly", "right", "higher"),
        Column("n", "right"),
    )
    return Table("Plausibility by decision", columns, tuple(rows))


def _best(records: Sequence[FidelityRecord], metric: str) -> float | None:
    values = [record.value for record in records if record.value is not None]
    return (max if HIGHER_IS_BETTER[metric] else min)(values, default=None)


def _compared(item: Compared | None) -> tuple[Cell, Cell]:
    if item is None:
        return None, None
    text = format_interval(item.difference, item.ci_low, item.ci_high)
    return text, f"{format_number(item.p)}{'*' if item.p < LEVEL else ''}"
