"""Cells of a suite whose results are committed already, by this suite or another: they need not run again."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mhclf.results.suite import SuiteRecords, SuiteRun, SuiteSummary, suite_records_in
from mhclf.training.follow_ups import count_follow_ups
from mhclf.training.located import LocatedCell

Group = tuple[str, str, str]
"""Data set, method, encoder: what one summary over seeds is about."""


def keep_recorded(cells: Sequence[LocatedCell], files: Iterable[Path]) -> tuple[list[LocatedCell], SuiteRecords]:
    """Mark the cells whose results are committed, and return them with their records.

    Parameters
    ----------
    cells : sequence of LocatedCell
    files : iterable of Path
        Committed records; the first file that has a group gives it. Files of other kinds of records are left out.

    Returns
    -------
    cells : list of LocatedCell
        State `recorded` for those that need not run.
    records : SuiteRecords
        Of the marked cells, under this suite's names of methods.

    Notes
    -----
    The name of a run holds a hash of its settings and rows, so that records of equal names are of equal runs; commit
    and processor may differ, and the records carry the commit. A summary over seeds cannot be put together from
    records, so that a method on a data set is kept if all of its seeds are recorded and none is besides. Cells with
    targets or noise run: their predictions are needed.
    """
    wanted: dict[Group, set[str]] = {}
    unfit: set[Group] = set()
    for cell in cells:
        if cell.folder is None or count_follow_ups(cell.cell):
            unfit.add(_group(cell))
        else:
            wanted.setdefault(_group(cell), set()).add(cell.folder.path.name)
    missing = {_group(cell) for cell in cells if cell.state != "complete"}
    wanted = {group: runs for group, runs in wanted.items() if group in missing - unfit}
    kept: dict[Group, SuiteRecords] = {}
    for file in files:
        for group, found in _find(wanted, file).items():
            kept.setdefault(group, found)
    marked = [dataclasses.replace(cell, state="recorded") if _group(cell) in kept else cell for cell in cells]
    rows = {item.dataset: item for records in kept.values() for item in records.rows}
    return marked, SuiteRecords(
        tuple(rows.values()),
        tuple(run for records in kept.values() for run in records.runs),
        tuple(item for records in kept.values() for item in records.summaries),
    )


def _group(cell: LocatedCell) -> Group:
    return cell.dataset + cell.cell.part, cell.cell.method, cell.encoder


def _find(wanted: Mapping[Group, set[str]], file: Path) -> dict[Group, SuiteRecords]:
    """Return what a file has of the wanted groups; other suites may call the same method by another name."""
    records = suite_records_in(file)
    if records is None:
        return {}
    runs: dict[Group, list[SuiteRun]] = {}
    for run in records.runs:
        if not run.error:
            runs.setdefault((run.dataset, run.method, run.encoder), []).append(run)
    summaries: dict[Group, list[SuiteSummary]] = {}
    for item in records.summaries:
        summaries.setdefault((item.dataset, item.method, item.encoder), []).append(item)
    by_runs = {(group[0], frozenset(run.run for run in found)): group for group, found in runs.items()}
    found = {}
    for group, names in wanted.items():
        theirs = by_runs.get((group[0], frozenset(names)))
        if theirs is not None and theirs in summaries:
            found[group] = SuiteRecords(
                tuple(item for item in records.rows if item.dataset == group[0]),
                tuple(dataclasses.replace(run, method=group[1]) for run in runs[theirs]),
                tuple(dataclasses.replace(item, method=group[1]) for item in summaries[theirs]),
            )
    return found
