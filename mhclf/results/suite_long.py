"""Every number of a suite as one row, ours and published, at full precision: for spreadsheets and other programs."""

from collections.abc import Sequence

from mhclf.config.published import LESS_IS_BETTER, PublishedNumber
from mhclf.evaluation import higher_is_better
from mhclf.results.suite_content import DatasetScores
from mhclf.results.suite_lines import SuiteLine, best_mean
from mhclf.results.suite_published import model_name
from mhclf.results.tables import Cell, Column, Table


def long_table(scores: Sequence[DatasetScores], baselines: Sequence[str]) -> Table:
    """Return one row for each number, ours and published, at full precision: for spreadsheets and other programs."""
    columns = tuple(
        Column(name)
        for name in (
            "kind", "data set", "data hash", "test rows", "method", "encoder", "seeds", "missing", "metric", "better",
            "mean", "ci_low", "ci_high", "sd", "best",
            *(f"{name} {baseline}" for baseline in baselines
              for name in ("accuracy difference from", "ci_low against", "ci_high against", "p (Holm) against")),
            "checked", "source", "why not comparable", "remarks",
        )
    )  # fmt: skip
    cells: list[tuple[Cell, ...]] = []
    for part in scores:
        for line in part.lines:
            cells += [_our_row(part, line, metric, baselines) for metric in part.rows.headline_metrics]
        cells += [_published_row("published", part, number, (), baselines) for number in part.beside]
        cells += [_published_row("published, apart", part, item.number, item.reasons, baselines) for item in part.apart]
    return Table("", columns, tuple(cells))


def _our_row(part: DatasetScores, line: SuiteLine, metric: str, baselines: Sequence[str]) -> tuple[Cell, ...]:
    score = line.scores.get(metric)
    compared: list[Cell] = []
    for baseline in baselines:
        comparison, p_value = line.comparisons.get(baseline, (None, None))
        numbers = (comparison.difference, comparison.ci_low, comparison.ci_high, p_value) if comparison else (None,) * 4
        # As in the records: the last digits differ from machine to machine.
        compared += [None if number is None else round(number, 6) for number in numbers]
    return (
        "ours",
        part.rows.dataset,
        part.rows.data_hash,
        len(part.rows.ids),
        line.method,
        line.encoder,
        " ".join(map(str, line.seeds)),
        "; ".join(f"seed {seed} {reason}" for seed, reason in line.missing),
        metric,
        "higher" if higher_is_better(metric) else "lower",
        *((score.mean, score.ci_low, score.ci_high, score.sd) if score else (None,) * 4),
        "best" if score and score.mean is not None and score.mean == best_mean(part.lines, metric) else "",
        *compared,
        *("",) * 4,
    )


def _published_row(
    kind: str, part: DatasetScores, number: PublishedNumber, reasons: Sequence[str], baselines: Sequence[str]
) -> tuple[Cell, ...]:
    metric = number.our_metric or f"{number.metric} ({number.averaging})"
    lower = number.metric in LESS_IS_BETTER
    remarks = [footnote.text for footnote in number.footnotes] + ([number.note] if number.note else [])
    if number.plus_minus is not None:
        remarks.append(f"\u00b1 {number.plus_minus:g} {number.plus_minus_is}")
    return (
        kind,
        part.rows.dataset,
        "",
        number.test.n,
        model_name(number),
        "",
        "",
        "",
        metric,
        "lower" if lower else "higher",
        number.value,
        None,
        None,
        None,
        "",
        *((None,) * (4 * len(baselines))),
        number.checked,
        ", ".join(filter(None, (number.source.reference, number.table))),
        "; ".join(reasons),
        " ".join(remarks),
    )
