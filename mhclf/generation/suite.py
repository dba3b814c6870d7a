"""Carrying out a suite of prompting runs, and its table from committed records."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mhclf.config.generation import GenerationConfig
from mhclf.config.generation_suite import GenerationSuiteConfig
from mhclf.generation.asking import Progress
from mhclf.generation.run import run_prompts
from mhclf.results.records import ResultRecord, write_records
from mhclf.results.table_files import write_table_files
from mhclf.results.tables import Cell, Column, Strong, Table, format_interval
from mhclf.training.failure import Failure, attempt

logger = logging.getLogger(__name__)

SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "micro_f1", "subset_accuracy", "auroc", "unparsed")


def ask_suite(
    cells: Sequence[tuple[str, GenerationConfig]],
    records_file: Path,
    on_cell: Callable[[int, str], None],
    on_progress: Progress | None = None,
    mask_identifiers: bool = False,
) -> list[str]:
    """Carry out every cell, write the records after each, and return what failed.

    Parameters
    ----------
    cells : sequence of (row name, GenerationConfig)
    records_file : Path
        Text-free records, with the row's name in the place of the method.
    on_cell : callable
        Called with number and state after each cell.
    on_progress : callable, optional
    mask_identifiers : bool
        As in `run_prompts`.
    """
    found: list[ResultRecord] = []
    failed = []
    for number, (row, config) in enumerate(cells, start=1):
        name = f"{config.data}, {row}"
        end = attempt(run_prompts, config, on_progress=on_progress, mask_identifiers=mask_identifiers)
        if isinstance(end, Failure):
            failed.append(f"{name}: {end}")
            on_cell(number, f"{name}: failed: {end}")
            continue
        found += [replace(record, method=row) for record in end.records]
        write_records(records_file, found)
        on_cell(number, f"{name}: {'was complete' if end.was_complete else 'done'}")
    return failed


def suite_tables(suite: GenerationSuiteConfig, records: Sequence[ResultRecord]) -> list[Table]:
    """Return one table a data set: strategies down, metrics across, the best in bold."""
    tables = []
    for data in dict.fromkeys(record.dataset for record in records):
        own = [record for record in records if record.dataset == data]
        found = {(record.method, record.metric): record for record in own}
        metrics = [metric for metric in SHOWN if any(key[1] == metric for key in found)]
        best = {metric: _best(own, metric) for metric in metrics}
        rows: list[tuple[Cell, ...]] = []
        for row in suite.strategies:
            cells: list[Cell] = [row]
            for metric in metrics:
                record = found.get((row, metric))
                if record is None:
                    known = any(method == row for method, _ in found)
                    cells.append(None if known else "not run")
                    continue
                text = format_interval(record.value, record.ci_low, record.ci_high)
                cells.append(Strong(text) if record.value == best[metric] and metric != "unparsed" else text)
            rows.append(tuple(cells))
        first = own[0]
        columns = (
            Column("strategy"),
            *(Column(metric, "right", "lower" if metric == "unparsed" else "higher") for metric in metrics),
        )
        notes = (
            f"n = {first.n} {first.split} rows; {first.encoder}, seed {first.seed}, protocol {first.protocol}; data "
            f"{first.data_hash[:12]}.",
        )
        tables.append(Table(data, columns, tuple(rows), notes))
    return tables


def _best(records: Sequence[ResultRecord], metric: str) -> float | None:
    values = [record.value for record in records if record.metric == metric and record.value is not None]
    return max(values, default=None)


def write_tables(folder: Path, suite: GenerationSuiteConfig, records: Sequence[ResultRecord], command: str) -> Path:
    """Write the suite's tables as Markdown, LaTeX and CSV; returns the Markdown file."""
    reading = (
        "95 % bootstrap intervals over posts (groups). Unparsed: share of answers that name no label; they count as "
        "wrong. Bold marks the best value, not significance."
    )
    title, tables = suite.title or suite.name, suite_tables(suite, records)
    return write_table_files(folder / suite.name, title, [*suite.notes, reading], tables, command)[0]
