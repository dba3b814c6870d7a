"""The table of a suite, from its committed records alone."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mhclf.config.run import short_name
from mhclf.config.suite import SuiteConfig
from mhclf.evaluation import Comparison, higher_is_better, holm, paired_correctness
from mhclf.evaluation.layers import UNIFORM_THRESHOLD, effective_layers, layer_agreement
from mhclf.results.suite import SuiteRecords, SuiteRun, SuiteSummary, TestRows
from mhclf.results.suite_pairs import pairs_section
from mhclf.results.tables import Cell, Column, Strong, Table, format_interval, format_number, to_markdown

_LEVEL = 0.05


def suite_markdown(suite: SuiteConfig, records: SuiteRecords, command: str) -> str:
    """Return the whole Markdown page: a table for each data set, one for the layers, and how it was made."""
    parts = [f"# {suite.title or suite.name}\n"]
    parts += [f"{note}\n" for note in suite.notes]
    parts.append(
        "Each number is the mean over seeds on the test rows, with a 95 % interval in brackets (hierarchical bootstrap "
        "over groups of posts and seeds) and the sd over seeds behind ±. "
        f"The last columns compare each method with {_named(suite.baselines)} on the same posts and seeds: difference "
        "of accuracy (for several labels a post: share of right label decisions), its paired 95 % bootstrap interval "
        "over groups, and the p-value of a paired permutation test, Holm-corrected within the column. Bold marks the "
        "best mean, not significance; * marks p < .05 after correction.\n"
    )
    found = {rows.dataset: rows for rows in records.rows}
    for dataset in suite.datasets:
        if short_name(dataset) in found:
            parts.append(to_markdown(dataset_table(suite, records, found[short_name(dataset)], suite.lines(dataset))))
    layers = layers_table(suite, records)
    if layers.rows:
        parts.append(to_markdown(layers))
    if pairs := pairs_section(suite, records):
        parts.append(pairs)
    absent = [dataset for dataset in suite.datasets if short_name(dataset) not in found]
    if absent:
        parts.append(f"Not run yet: {', '.join(absent)}.\n")
    failed = [run for run in records.runs if run.error]
    parts += [f"- failed: {run.dataset}, {run.method}, seed {run.seed}: {run.error}\n" for run in failed]
    commits = sorted({run.commit[:12] for run in records.runs if run.commit})
    parts.append(
        f"Made by `{command}`; again from the committed records alone with `{command} --from-records`. "
        f"Protocol: {', '.join(sorted({run.protocol for run in records.runs}))}. Commits: {', '.join(commits)}.\n"
    )
    return "\n".join(parts)


def dataset_table(
    suite: SuiteConfig, records: SuiteRecords, rows: TestRows, planned: Sequence[tuple[str, str]]
) -> Table:
    """Return one data set's table: the planned pairs of encoder and method down, metrics and comparisons across."""
    metrics = rows.headline_metrics
    compared = {baseline: _comparisons(baseline, planned, records, rows) for baseline in suite.baselines}
    best = {metric: _best(records, rows.dataset, metric) for metric in metrics}
    lines: list[tuple[Cell, ...]] = []
    for encoder, method in planned:
        runs = _runs(records, rows.dataset, method, encoder)
        if not runs:
            lines.append((method, encoder, "not run", *([None] * (len(metrics) + 2 * len(suite.baselines) + 1))))
            continue
        if not _fits_alone(runs[0].encoder, encoder, planned):
            continue
        cells: list[Cell] = []
        for metric in metrics:
            found = [
                summary
                for summary in _summaries(records, rows.dataset, metric)
                if summary.method == method and _fits(summary.encoder, encoder)
            ]
            cells.append(_summary_cell(found[0], best[metric]) if found else None)
        for baseline in suite.baselines:
            cells += _comparison_cells(*compared[baseline].get((encoder, method), (None, None)))
        minutes = float(np.mean([run.seconds for run in runs])) / 60
        lines.append((method, runs[0].encoder, len(runs), *cells, f"{minutes:.1f}"))
    comparisons = [
        column
        for baseline in suite.baselines
        for column in (Column(f"accuracy vs {baseline}", "right"), Column("p (Holm)", "right"))
    ]
    columns = (
        Column("method"),
        Column("encoder"),
        Column("seeds", "right"),
        *(Column(metric, "right", "higher" if higher_is_better(metric) else "lower") for metric in metrics),
        *comparisons,
        Column("minutes a run", "right"),
    )
    counts = ", ".join(f"{split} {count}" for split, count in rows.rows.items())
    groups = len(set(rows.groups))
    note = f"n = {len(rows.ids)} test rows in {groups} groups ({counts}); data {rows.data_hash[:12]}."
    return Table(f"{rows.dataset}", columns, tuple(lines), (note,))


def layers_table(suite: SuiteConfig, records: SuiteRecords) -> Table:
    """Return layer weights over seeds: mean, effective contribution, gate, distance from uniform, agreement."""
    lines: list[tuple[Cell, ...]] = []
    for dataset in suite.datasets:
        for encoder, method in suite.lines(dataset):
            runs = [run for run in _runs(records, short_name(dataset), method, encoder) if run.layers]
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


def _comparisons(
    baseline: str, planned: Sequence[tuple[str, str]], records: SuiteRecords, rows: TestRows
) -> dict[tuple[str, str], tuple[Comparison, float]]:
    """Return each line's comparison with the baseline on the seeds that both have, Holm-corrected."""
    found: dict[tuple[str, str], Comparison] = {}
    for encoder, method in planned:
        theirs = {run.seed: run for run in _runs(records, rows.dataset, baseline, encoder)}
        runs = [run for run in _runs(records, rows.dataset, method, encoder) if run.seed in theirs]
        if method == baseline or not runs:
            continue
        found[encoder, method] = paired_correctness(
            np.array([_correct(run) for run in runs]),
            np.array([_correct(theirs[run.seed]) for run in runs]),
            np.array(rows.groups),
            n_resamples=2000,
            test="permutation",
        )
    corrected: Sequence[float] = list(holm([item.p_value for item in found.values()])) if found else []
    return {key: (item, float(p)) for (key, item), p in zip(found.items(), corrected, strict=True)}


def _correct(run: SuiteRun) -> npt.NDArray[np.float64]:
    """Return correctness per row: 0 or 1, or the share of right labels."""
    return np.asarray(np.array([[int(sign) for sign in line] for line in run.correct]).mean(axis=0))


def _runs(records: SuiteRecords, dataset: str, method: str, encoder: str) -> list[SuiteRun]:
    found = [
        run
        for run in records.runs
        if run.dataset == dataset and run.method == method and not run.error and _fits(run.encoder, encoder)
    ]
    return sorted(found, key=lambda run: run.seed)


def _fits(recorded: str, encoder: str) -> bool:
    """Whether a record belongs to a suite's encoder; the linear baseline has none and stands beside each."""
    return recorded in {short_name(encoder), "tfidf"}


def _fits_alone(recorded: str, encoder: str, planned: Sequence[tuple[str, str]]) -> bool:
    """Whether a line is the first one of its record: the linear baseline stands in the table once."""
    return recorded != "tfidf" or encoder == planned[0][0]


def _best(records: SuiteRecords, dataset: str, metric: str) -> float | None:
    means = [item.mean for item in _summaries(records, dataset, metric) if item.mean is not None]
    return (max if higher_is_better(metric) else min)(means, default=None)


def _named(methods: Sequence[str]) -> str:
    return " and with ".join(f"`{method}`" for method in methods)


def _summaries(records: SuiteRecords, dataset: str, metric: str) -> list[SuiteSummary]:
    return [item for item in records.summaries if item.dataset == dataset and item.metric == metric]


def _summary_cell(summary: SuiteSummary, best: float | None) -> str:
    text = format_interval(summary.mean, summary.ci_low, summary.ci_high)
    if summary.sd is not None:
        text += f" ± {format_number(summary.sd)}"
    return Strong(text) if summary.mean == best else text


def _comparison_cells(comparison: Comparison | None, p_value: float | None) -> tuple[Cell, Cell]:
    if comparison is None or p_value is None:
        return None, None
    text = format_interval(comparison.difference, comparison.ci_low, comparison.ci_high)
    return text, f"{p_value:.3f}{'*' if p_value < _LEVEL else ''}"


def _series(values: Sequence[float] | npt.NDArray[np.float64]) -> str:
    return " ".join(f"{value:.2f}".lstrip("0") for value in values)
