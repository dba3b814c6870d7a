"""The tables of a suite as data: one for each data set, one of the layers, one of every number for spreadsheets."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mhclf.config.run import short_name
from mhclf.config.suite import SuiteConfig
from mhclf.evaluation import higher_is_better
from mhclf.evaluation.layers import UNIFORM_THRESHOLD, effective_layers, layer_agreement
from mhclf.results.suite import SuiteRecords, TestRows
from mhclf.results.suite_lines import LEVEL, SuiteLine, best_mean, runs_of
from mhclf.results.suite_published import PublishedLine, number_text
from mhclf.results.tables import Cell, Column, Strong, Table, format_interval, format_number


def dataset_table(
    rows: TestRows,
    lines: Sequence[SuiteLine],
    baselines: Sequence[str],
    beside: Sequence[PublishedLine] = (),
    notes: Sequence[str] = (),
) -> Table:
    """Return one data set's table: our lines, then the published ones; metrics and comparisons across.

    Parameters
    ----------
    rows : TestRows
    lines : sequence of SuiteLine
    baselines : sequence of str
    beside : sequence of PublishedLine
        Those that are comparable.
    notes : sequence of str
        What stands below about the published lines.
    """
    metrics = rows.headline_metrics
    best = {metric: best_mean(lines, metric) for metric in metrics}
    cells = [
        (
            line.method,
            line.encoder,
            line.seeds_told,
            *(score_cell(line, metric, best[metric]) for metric in metrics),
            *(cell for baseline in baselines for cell in _comparison_cells(line, baseline)),
        )
        for line in lines
    ]
    references = {reference: place for place, reference in enumerate(dict.fromkeys(p.source for p in beside), start=1)}
    cells += [
        (
            line.model,
            f"published [{references[line.source]}]",
            None,
            *(number_text(line.numbers[metric]) if metric in line.numbers else None for metric in metrics),
            *([None] * (2 * len(baselines))),
        )
        for line in beside
    ]
    columns = (
        Column("method"),
        Column("encoder"),
        Column("seeds", "right"),
        *(metric_column(metric) for metric in metrics),
        *(
            column
            for baseline in baselines
            for column in (Column(f"accuracy vs {baseline}", "right"), Column("p (Holm)", "right"))
        ),
    )
    return Table(rows.dataset, columns, tuple(cells), (size_note(rows), *missing_notes(lines), *notes))


def metric_column(metric: str) -> Column:
    """Return a metric's column with the direction in which it is better."""
    return Column(metric, "right", "higher" if higher_is_better(metric) else "lower")


def size_note(rows: TestRows) -> str:
    """Return how many rows and groups were tested, and which data they are."""
    counts = ", ".join(f"{split} {count}" for split, count in rows.rows.items())
    groups = len(set(rows.groups))
    return f"n = {len(rows.ids)} test rows in {groups} groups ({counts}); data {rows.data_hash[:12]}."


def missing_notes(lines: Sequence[SuiteLine]) -> tuple[str, ...]:
    """Return what is missing of lines that have a part of their seeds."""
    return tuple(
        f"{line.method} ({line.encoder}): " + ", ".join(f"seed {seed} {reason}" for seed, reason in line.missing) + "."
        for line in lines
        if line.seeds and line.missing
    )


def why_no_score(line: SuiteLine, metric: str) -> str:
    """Return why a line has no mean of a metric, '' where it has one."""
    if not line.seeds:
        return line.why_missing or "not run"
    if metric not in line.scores:
        return "not recorded"
    return "undefined" if line.scores[metric].mean is None else ""


def score_cell(line: SuiteLine, metric: str, best: float | None) -> str:
    """Return mean, interval and sd over seeds, in bold where it is the best; else why there is none."""
    if missing := why_no_score(line, metric):
        return missing
    score = line.scores[metric]
    text = format_interval(score.mean, score.ci_low, score.ci_high)
    if score.sd is not None:
        text += f" \u00b1 {format_number(score.sd)}"
    return Strong(text) if score.mean == best else text


def layers_table(suite: SuiteConfig, records: SuiteRecords) -> Table:
    """Return layer weights over seeds: mean, effective contribution, gate, distance from uniform, agreement."""
    lines: list[tuple[Cell, ...]] = []
    for dataset in suite.datasets:
        for encoder, method in suite.lines(dataset):
            runs = [run for run in runs_of(records, short_name(dataset), method, encoder) if run.layers]
            if not runs:
                continue
            layers = [run.layers or {} for run in runs]
            weights = np.array([item["weights_mean"] for item in layers])
            kl = [item["kl_from_uniform"] for item in layers]
            told = sum(value > UNIFORM_THRESHOLD for value in kl)
            gates = [item["gate"] for item in layers if item["gate"] is not None]
            lines.append(
                (
                    short_name(dataset),
                    f"{method} ({runs[0].encoder})",
                    _series(weights.mean(axis=0)),
                    _series(np.mean([item["contribution_mean"] for item in layers], axis=0)),
                    format_number(float(np.mean(gates))) if gates else None,
                    f"{format_number(float(np.mean(kl)))} ({told} of {len(kl)} seeds leave uniform)",
                    f"{effective_layers(weights.mean(axis=0)):.2f} of {weights.shape[1]}",
                    format_number(layer_agreement(list(weights)).mean_tau, 2),
                )
            )
    columns = (
        Column("data set"),
        Column("method"),
        Column("mean weights, embeddings to last layer"),
        Column("effective contributions"),
        Column("gate", "right"),
        Column("KL from uniform (nats)"),
        Column("effective layers", "right"),
        Column("agreement of seeds (Kendall tau)", "right"),
    )
    note = (
        "Contribution: share of each layer's part of the sum before the last LayerNorm, by norm; the residual counts "
        f"to the last layer. A mean within {UNIFORM_THRESHOLD} nats of uniform is reported as not to be told from it."
    )
    return Table("Layer weights", columns, tuple(lines), (note,))


def _comparison_cells(line: SuiteLine, baseline: str) -> tuple[Cell, Cell]:
    if line.method == baseline and line.seeds:
        return "baseline", None
    if baseline not in line.comparisons:
        return (None, None) if not line.seeds else ("no seed in common", None)
    comparison, p_value = line.comparisons[baseline]
    text = format_interval(comparison.difference, comparison.ci_low, comparison.ci_high)
    return text, f"{p_value:.3f}{'*' if p_value < LEVEL else ''}"


def _series(values: Sequence[float] | npt.NDArray[np.float64]) -> str:
    return " ".join(f"{value:.2f}".lstrip("0") for value in values)
