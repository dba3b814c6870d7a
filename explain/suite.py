"""A suite's fidelity: every cell is a run folder that is trained, explained once, and summed up in one page."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from explain.change import ModelChange, accuracy_change, change_table, fidelity_changes
from explain.measuring import SECOND
from explain.model import Precision
from explain.run import RunFidelity, best_method, chosen_methods, explain_run, read_run_fidelity, reason_sentence
from explain.summary import FidelityRecord, answers
from explain.tables import fidelity_table, label_table, split_table, whole_tables
from mhclf.config.run import RunConfig, short_name
from mhclf.config.structure import from_mapping
from mhclf.config.suite import ExplainedConfig, SuiteConfig
from mhclf.errors import RunError
from mhclf.results.files import write_text
from mhclf.results.runfolder import read_run
from mhclf.results.tables import to_latex, to_markdown
from mhclf.training.prepared import prepare_data
from mhclf.training.run import checked_source, folder_of, run

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExplainedRun:
    """A line of a suite's records: one run's numbers, the counts beside them, what it changes against the baseline."""

    records: tuple[FidelityRecord, ...]
    counts: dict[str, Any]
    changes: tuple[ModelChange, ...] = ()


def explain_suite(
    cells: Sequence[RunConfig],
    records: Path,
    explained: ExplainedConfig,
    data_root: str | None,
    precision: Precision = "fp32",
    baseline: str | None = None,
) -> None:
    """Train and explain every cell that is not yet, and write the text-free records after each.

    A cell whose records are in the file, made with the same settings, is kept without its run folder; a baseline
    only where no recipe that is still to be explained is held against it.

    Parameters
    ----------
    cells : sequence of RunConfig
    records : Path
        The committed file; cells of earlier runs that are not in the suite leave it.
    explained : ExplainedConfig
        Methods, posts, curves.
    data_root, precision
        As in `explain_run`.
    baseline : str, optional
        The recipe with which other recipes on the same data, encoder and seed are compared. Data set by
        data set its cells are explained first.
    """
    asked = {number: _asked(cell, explained, precision) for number, cell in enumerate(cells)}
    before = read_suite_fidelity(records) if records.is_file() else []
    kept = {number: line for number, cell in enumerate(cells) if (line := _kept(cell, before, asked[number]))}
    found: list[ExplainedRun] = []
    baselines: dict[tuple[str, str, int], RunFidelity] = {}
    datasets = list(dict.fromkeys(cell.data for cell in cells))
    ordered = sorted(cells, key=lambda cell: (datasets.index(cell.data), cell.method != baseline))
    needed = {_place(cell) for number, cell in enumerate(cells) if number not in kept}
    for number, config in enumerate(ordered, start=1):
        place = cells.index(config)
        line = kept.get(place)
        if line is not None and not (config.method == baseline and _place(config) in needed):
            found.append(line)
            logger.info("[%d/%d] %s: kept from %s", number, len(cells), line.records[0].run, records)
            continue
        outcome = run(config)
        fidelity = _fidelity(outcome.folder, asked[place], data_root)
        changes: tuple[ModelChange, ...] = ()
        if config.method == baseline:
            baselines[_place(config)] = fidelity
        elif _place(config) in baselines:
            changes = tuple(changes_between(fidelity, baselines[_place(config)]))
        found.append(ExplainedRun(fidelity.records, fidelity.counts, changes))
        logger.info("[%d/%d] %s explained", number, len(cells), outcome.folder)
        # What is kept further on must not be lost when this process is stopped.
        later = [kept[cells.index(cell)] for cell in ordered[number:] if cells.index(cell) in kept]
        write_text(
            records,
            "".join(json.dumps(asdict(item), ensure_ascii=False, sort_keys=True) + "\n" for item in found + later),
        )


@dataclass(frozen=True)
class _Asked:
    """How one cell is explained."""

    methods: tuple[str, ...]
    limit: int
    precision: Precision
    curves: bool

    def fits(self, records: Sequence[FidelityRecord], counts: Mapping[str, Any]) -> bool:
        """Return whether numbers of before were made so."""
        measured = {record.metric for record in records if record.value is not None}
        wanted = {"limit": self.limit, "precision": self.precision, "split": "test", "seed": 0}
        return (
            "comprehensiveness" in measured
            and ("deletion_auc" in measured) is self.curves
            and wanted.items() <= counts.items()
            and not counts.get("absolute")
            and counts.get("explains", "predicted") == "predicted"
            and {record.method for record in records} - {SECOND} == set(self.methods)
        )


def _asked(config: RunConfig, explained: ExplainedConfig, precision: Precision) -> _Asked:
    limit = explained.posts_of.get(short_name(config.data), explained.posts)
    return _Asked(chosen_methods(config, explained.methods), limit, precision, explained.curves)


def _place(config: RunConfig) -> tuple[str, str, int]:
    return config.data, config.encoder, config.seed


def _kept(config: RunConfig, before: Sequence[ExplainedRun], asked: _Asked) -> ExplainedRun | None:
    """Return what records of before hold of a cell."""
    lines = {item.records[0].run: item for item in before if item.records}
    if not lines:
        return None
    prepared = prepare_data(config)
    _, folder = folder_of(config, checked_source(config), prepared.table.config, prepared.manifest)
    line = lines.get(folder.path.name)
    return line if line is not None and asked.fits(line.records, line.counts) else None


def _fidelity(folder: Path, asked: _Asked, data_root: str | None) -> RunFidelity:
    """Return what was found before with the same settings, or explain the run."""
    if (folder / "fidelity.jsonl").is_file():
        before = read_run_fidelity(folder)
        if asked.fits(before.records, before.counts):
            return before
        logger.info("%s was explained with other settings, and is explained again.", folder)
    return explain_run(
        folder, asked.methods, asked.limit, data_root=data_root, curves=asked.curves, precision=asked.precision
    )


def changes_between(ours: RunFidelity, theirs: RunFidelity) -> list[ModelChange]:
    """Return what a run changes against another one on the same test posts: accuracy, and each method's fidelity."""
    runs = [read_run(item.folder) for item in (ours, theirs)]
    identity = {
        "dataset": ours.records[0].dataset,
        "model": ours.records[0].model,
        "baseline": theirs.records[0].model,
    }
    first, second = (found.predictions for found in runs)
    changes = [] if first is None or second is None else [accuracy_change(first, second, identity)]
    numbers, baseline = (pd.read_parquet(item.folder / "fidelity.parquet") for item in (ours, theirs))
    return changes + fidelity_changes(numbers, baseline, identity)


def read_suite_fidelity(path: Path) -> list[ExplainedRun]:
    """Read the committed records, one run a line.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        return [
            ExplainedRun(
                tuple(from_mapping(FidelityRecord, record, str(path)) for record in line["records"]),
                line["counts"],
                tuple(from_mapping(ModelChange, change, str(path)) for change in line.get("changes", ())),
            )
            for line in lines
        ]
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{path}: cannot be read ({type(error).__name__}). Run the suite first.") from error


def suite_page(suite: SuiteConfig, records: Path, command: str) -> str:
    """Return the Markdown page of a suite's fidelity, from its committed records alone."""
    parts = [f"# {suite.title or suite.name}\n", *(f"{note}\n" for note in suite.notes)]
    explained = read_suite_fidelity(records)
    for item in explained:
        own, counts = item.records, item.counts
        tables = whole_tables(own, counts) if suite.explained.curves else [fidelity_table(own, counts)]
        parts += [to_markdown(table) for table in tables]
        sentences = [*answers(own), reason_sentence(counts, best_method(own))]
        parts.append("".join(f"- {sentence}\n" for sentence in sentences))
        parts += [to_markdown(table) for table in (split_table(own), label_table(own)) if table is not None]
        if item.changes:
            parts.append(to_markdown(change_table(item.changes)))
    missing = _missing(suite, explained)
    if missing:
        parts.append(f"Planned by the suite and not explained yet: {', '.join(missing)}.\n")
    parts.append(f"Made by `{command}`; again from the committed records alone with `{command} --from-records`.\n")
    return "\n".join(parts)


def _missing(suite: SuiteConfig, explained: Sequence[ExplainedRun]) -> list[str]:
    """Return the planned cells that have no records, by name."""
    done = {(first.dataset, first.model, first.seed) for first in (item.records[0] for item in explained)}
    planned = [
        (short_name(data), method, seed)
        for grid in suite.grids
        for data in grid.datasets
        for method in grid.methods
        for seed in grid.seeds
    ]
    return [f"{data} ({method}, seed {seed})" for data, method, seed in planned if (data, method, seed) not in done]


def suite_latex(suite: SuiteConfig, records: Path) -> str:
    """Return the fidelity tables of a suite as LaTeX (booktabs), from its committed records alone."""
    tables = []
    for item in read_suite_fidelity(records):
        name = f"{item.records[0].dataset}-{item.records[0].model}"
        if suite.explained.curves:
            words = ("plausibility", "faithfulness", "comprehensiveness", "sufficiency")
            whole = zip(words, whole_tables(item.records, item.counts), strict=True)
            tables += [to_latex(table, f"tab:{word}-{name}", fit=True) for word, table in whole]
        else:
            tables.append(to_latex(fidelity_table(item.records, item.counts), f"tab:fidelity-{name}", fit=True))
        if item.changes:
            tables.append(to_latex(change_table(item.changes), f"tab:fidelity-{name}-change", fit=True))
    return "\n".join([r"% \usepackage{booktabs,graphicx}", "", *tables])
