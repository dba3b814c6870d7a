"""Fidelity records as tables."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from explain.faithfulness import AT_SHARES, SHARES
from explain.faithfulness import METRICS as FAITHFULNESS_METRICS
from explain.measuring import HIGHER_IS_BETTER, SECOND
from explain.plausibility import METRICS as PLAUSIBILITY_METRICS
from explain.sensitivity import SENSITIVITY
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
    ranked = [method for method in methods if method != SECOND]
    best = {metric: _best([whole[method, metric] for method in ranked], metric) for metric in shown}
    rows: list[tuple[Cell, ...]] = []
    for method in methods:
        cells: list[Cell] = [method.replace("_", " ")]
        for metric in shown:
            record = whole[method, metric]
            text = format_interval(record.value, record.ci_low, record.ci_high)
            is_best = method != SECOND and record.value is not None and record.value == best[metric]
            cells.append(Strong(text) if is_best else text)
        tested = whole[method, compare]
        cells += [*_compared(tested.vs_random), *_compared(tested.vs_attention)]
        rows.append(tuple(cells))
    columns = (
        Column("method"),
        *(Column(metric, "right", direction(metric)) for metric in shown),
        *(
            column
            for base in ("random", "attention")
            for column in (Column(f"{compare} vs {base}", "right"), Column("p (Holm)", "right"))
        ),
    )
    return Table(_title(records[0]), columns, tuple(rows), _notes(records, counts, shown))


def direction(metric: str) -> Literal["higher", "lower"]:
    """Return which values of a metric are better."""
    return "higher" if HIGHER_IS_BETTER[metric] else "lower"


def _title(first: FidelityRecord) -> str:
    return f"{first.dataset} ({first.model}, {first.encoder}, seed {first.seed})"


def whole_tables(records: Sequence[FidelityRecord], counts: Mapping[str, object]) -> list[Table]:
    """Return one run's every metric: plausibility, tested on AUPRC; faithfulness, on comprehensiveness; each share."""
    faithful = (*FAITHFULNESS_METRICS, SENSITIVITY)
    tables = (
        ("plausibility", fidelity_table(records, counts, PLAUSIBILITY_METRICS)),
        ("faithfulness", fidelity_table(records, counts, faithful, "comprehensiveness")),
        *((f"{name} by share of words", shares_table(records, name)) for name in ("comprehensiveness", "sufficiency")),
    )
    return [replace(table, title=f"{_title(records[0])}: {name}") for name, table in tables]


def shares_table(records: Sequence[FidelityRecord], metric: str) -> Table:
    """Return comprehensiveness or sufficiency at each share of words, by mask and by deletion."""
    found = {(record.method, record.metric): record for record in records if record.slice == "all"}
    names = [name for name in AT_SHARES if name.startswith(f"{metric}_")]
    methods = [method for method in dict.fromkeys(record.method for record in records) if (method, names[0]) in found]
    rows: list[tuple[Cell, ...]] = []
    for method in methods:
        own = [found[method, name] for name in names]
        rows.append(
            (
                method.replace("_", " "),
                *(format_interval(record.value, record.ci_low, record.ci_high) for record in own),
            )
        )
    columns = (
        Column("method"),
        *(Column(f"{how} {share:.0%}", "right", direction(metric)) for how in ("mask", "deletion") for share in SHARES),
    )
    return Table("", columns, tuple(rows))


def _notes(records: Sequence[FidelityRecord], counts: Mapping[str, object], shown: Sequence[str]) -> tuple[str, ...]:
    n = max(record.n for record in records if record.slice == "all")
    notes = [
        f"n = {n} items (a post with expert evidence and the {counts.get('explains', 'predicted')} label; for several "
        "labels a post, one item a label that has evidence of its own). Means with 95 % bootstrap intervals over "
        "groups; * marks p < .05.",
        "Not read by the model (behind max_length, or signs that its tokenizer drops): "
        f"{counts['unread_words']} words, {counts['marked_words_unread']} of them marked, and all of the evidence of "
        f"{counts['unread_rationales']} items, which are left out.",
    ]
    if counts.get("precision") == "bf16":
        notes.append("Passes without gradients (word-set methods, faithfulness) in bf16.")
    if counts.get("absolute"):
        notes.append("Plausibility by the size of scores, whatever their sign.")
    moved = [record.n for record in records if (record.metric, record.slice) == (SENSITIVITY, "all") and record.n]
    if moved and SENSITIVITY in shown:
        notes.append(f"Max-sensitivity of gradient methods on the first {max(moved)} items.")
    if "leave_one_out_tau" in shown:
        notes.append("Leave-one-out tau holds scores against occlusion, so that of occlusion itself is 1.")
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
    notes = (
        "Evidence is for the gold label. Where the decision is wrong and the predicted label is explained, methods "
        "that explain a label (all but attention and random) look for other words.",
    )
    return Table("Plausibility by decision", columns, tuple(rows), notes)


def label_table(records: Sequence[FidelityRecord], metric: str = "auprc") -> Table | None:
    """Return a metric for each explained label, methods across; None where all items have one label."""
    found = {
        (record.slice.removeprefix("label "), record.method): record
        for record in records
        if record.metric == metric and record.slice.startswith("label ")
    }
    if not found:
        return None
    labels, methods = (list(dict.fromkeys(key[place] for key in found)) for place in (0, 1))
    rows: list[tuple[Cell, ...]] = []
    for label in labels:
        own = [found[label, method] for method in methods]
        texts = (format_interval(record.value, record.ci_low, record.ci_high) for record in own)
        rows.append((label, max(record.n for record in own), *texts))
    columns = (
        Column("explained label"),
        Column("n", "right"),
        *(Column(method.replace("_", " "), "right", "higher") for method in methods),
    )
    return Table(f"{metric} by label", columns, tuple(rows))


def _best(records: Sequence[FidelityRecord], metric: str) -> float | None:
    values = [record.value for record in records if record.value is not None]
    return (max if HIGHER_IS_BETTER[metric] else min)(values, default=None)


def _compared(item: Compared | None) -> tuple[Cell, Cell]:
    if item is None:
        return None, None
    text = format_interval(item.difference, item.ci_low, item.ci_high)
    return text, f"{format_number(item.p)}{'*' if item.p < LEVEL else ''}"
