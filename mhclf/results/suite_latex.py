"""The tables of a suite for a paper: few columns, fitted to the line, escaped."""

import re
from collections import Counter
from collections.abc import Sequence

from mhclf.config.published import PublishedNumber
from mhclf.results.escape import escape_latex, plain
from mhclf.results.suite_content import DatasetScores, SuiteContent
from mhclf.results.suite_lines import LEVEL, SuiteLine, best_mean
from mhclf.results.suite_published import beside_lines, number_text, published_notes
from mhclf.results.suite_scores import metric_column, missing_notes, size_note, why_no_score
from mhclf.results.suite_table import apart_tables, explanation, footer, state_lines
from mhclf.results.tables import (
    Cell,
    Column,
    Strong,
    Table,
    format_interval,
    format_mean_sd,
    format_number,
    to_latex,
    to_longtable,
)

MOST_METRICS = 4


def content_latex(content: SuiteContent) -> str:
    """Return every table, to be read in by a paper; the first lines name the packages it needs."""
    name = content.suite.name
    parts = [
        f"% {plain(content.title)}",
        "% Shown are the headline metric with its interval, and the next metrics or those that were published with",
        "% their sd over seeds; every number is in the CSV file of the same name, layers and pairs in the Markdown.",
        r"% \usepackage{array,booktabs,graphicx,longtable}",
    ]
    baselines = content.suite.baselines
    tables = [to_latex(paper_table(part, baselines), f"tab:{_slug(name, part)}", fit=True) for part in content.scores]
    blocks = [to_longtable(table) for table in apart_tables(content)]
    said = (*content.suite.notes, explanation(content), *state_lines(content), footer(content))
    words = " ".join(escape_latex(plain(line.replace("`", ""))) for line in said)
    return "\n".join(["\n".join(parts), "", *tables, *blocks, f"{{\\footnotesize\\noindent {words}\\par}}", ""])


def paper_table(part: DatasetScores, baselines: Sequence[str]) -> Table:
    """Return a data set's table with the columns that a page has room for."""
    metrics = shown_metrics(part.rows.headline_metrics, part.beside)
    best = {metric: best_mean(part.lines, metric) for metric in metrics}
    encoders = {line.encoder for line in part.lines} - {"tfidf"}
    rows: list[tuple[Cell, ...]] = [
        (
            f"{line.method} ({line.encoder})" if len(encoders) > 1 and line.encoder != "tfidf" else line.method,
            line.seeds_told,
            *(_score(line, metric, best[metric], with_interval=metric == metrics[0]) for metric in metrics),
            *(_difference(line, baseline) for baseline in baselines),
        )
        for line in part.lines
    ]
    shown = [number for number in part.beside if number.our_metric in metrics]
    published = beside_lines(shown)
    sources = {reference: k for k, reference in enumerate(dict.fromkeys(line.source for line in published), start=1)}
    rows += [
        (
            f"{line.model} [{sources[line.source]}]",
            None,
            *(number_text(line.numbers[metric]) if metric in line.numbers else None for metric in metrics),
            *([None] * len(baselines)),
        )
        for line in published
    ]
    columns = (
        Column("method"),
        Column("seeds", "right"),
        *map(metric_column, metrics),
        *(Column(f"accuracy vs {baseline}", "right") for baseline in baselines),
    )
    notes = (size_note(part.rows), *missing_notes(part.lines), *published_notes(shown))
    return Table(part.rows.dataset, columns, tuple(rows), notes)


def shown_metrics(metrics: Sequence[str], beside: Sequence[PublishedNumber]) -> tuple[str, ...]:
    """Return the metrics that a narrow table shows, in order.

    The first one; then those with most published numbers, at most four in all; else the next ones, three in all.
    """
    counts = Counter(number.our_metric for number in beside)
    published = sorted((m for m in metrics[1:] if counts[m]), key=lambda metric: -counts[metric])
    chosen = {metrics[0], *published[: MOST_METRICS - 1]}
    for metric in metrics:
        if len(chosen) < MOST_METRICS - 1:
            chosen.add(metric)
    return tuple(metric for metric in metrics if metric in chosen)


def _score(line: SuiteLine, metric: str, best: float | None, *, with_interval: bool) -> str:
    if missing := why_no_score(line, metric):
        return missing
    score = line.scores[metric]
    text = format_mean_sd(score.mean, score.sd)
    if with_interval:
        text = format_interval(score.mean, score.ci_low, score.ci_high)
    return Strong(text) if score.mean == best else text


def _difference(line: SuiteLine, baseline: str) -> str | None:
    if line.method == baseline and line.seeds:
        return "baseline"
    if baseline not in line.comparisons:
        return None
    comparison, p_value = line.comparisons[baseline]
    return format_number(comparison.difference) + ("*" if p_value < LEVEL else "")


def _slug(name: str, part: DatasetScores) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", f"{name}-{part.rows.dataset}").strip("-")
