"""From the run folders of a suite to its committed records."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mhclf.config.run import short_name
from mhclf.config.suite import PlannedCell
from mhclf.errors import RunError
from mhclf.evaluation import hierarchical_interval
from mhclf.results.files import read_mapping
from mhclf.results.suite import SuiteRecords, SuiteRun, SuiteSummary, TestRows, salted
from mhclf.training.failure import Failure, attempt
from mhclf.training.measured import Measured, on_target, own_test, under_noise
from mhclf.training.run import RunOutcome
from mhclf.training.suite import Cell


def gather(cells: Sequence[Cell]) -> SuiteRecords:
    """Return the committed records of all cells: test rows, runs, and summaries over seeds."""
    rows: dict[str, TestRows] = {}
    runs: list[SuiteRun] = []
    found: dict[tuple[str, str, str], list[tuple[int, Measured]]] = {}
    for cell in cells:
        if cell.failure is not None:
            runs.append(_failed(cell.planned, cell.failure))
        if cell.outcome is None:
            continue
        for measured in _measured(cell.planned, cell.outcome):
            record = _suite_run(cell.planned, cell.outcome, measured)
            runs.append(record)
            rows.setdefault(record.dataset, _test_rows(measured, record))
            found.setdefault((record.dataset, record.method, record.encoder), []).append((record.seed, measured))
    summaries = [item for key, seeds in found.items() for item in _summaries(key, seeds)]
    return SuiteRecords(tuple(rows.values()), tuple(runs), tuple(summaries))


def readable(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells; one whose run folder cannot be read, or was tested on other posts than the first, as failed.

    One damaged folder must not take the table from all others, and methods are compared post by post.
    """
    ids: dict[str, tuple[str, ...]] = {}
    found = []
    for cell in cells:
        end = cell.failure or attempt(_check, cell, ids)
        found.append(Cell(cell.planned, failure=end) if isinstance(end, Failure) else cell)
    return found


def _check(cell: Cell, ids: dict[str, tuple[str, ...]]) -> None:
    assert cell.outcome is not None
    for measured in _measured(cell.planned, cell.outcome):
        record = _suite_run(cell.planned, cell.outcome, measured)
        own = _test_rows(measured, record).ids
        if ids.setdefault(record.dataset, own) != own:
            raise RunError(
                f"{cell.outcome.folder}: its {len(own)} test posts are not the {len(ids[record.dataset])} of the first "
                f"run on '{record.dataset}', or in another order. Leave settings that cut the data (split_seed, fold, "
                "limit, columns) to the grids."
            )


def _measured(planned: PlannedCell, outcome: RunOutcome) -> list[Measured]:
    """Return the run's own test and the follow-ups that are there."""
    follow = [on_target(outcome, target) for target in planned.targets]
    follow += [under_noise(outcome, planned.noise, kind) for kind in planned.noise.kinds] if planned.noise else []
    return [own_test(outcome), *(item for item in follow if item is not None)]


def _suite_run(planned: PlannedCell, outcome: RunOutcome, measured: Measured) -> SuiteRun:
    first, test = outcome.records[0], measured.predictions
    environment = read_mapping(outcome.folder / "environment.json")
    status = read_mapping(outcome.folder / "status.json")
    right = test.gold == test.prediction
    lines = [right] if right.ndim == 1 else list(right.T)
    return SuiteRun(
        run=first.run,
        dataset=first.dataset + planned.part + measured.part,
        method=planned.method,
        encoder=first.encoder,
        seed=first.seed,
        protocol=first.protocol,
        data_hash=measured.data_hash,
        commit=_commit(environment.get("git") or {}),
        # Training is counted once: with the run's own test rows.
        seconds=0.0 if measured.part else float(status.get("seconds", 0.0)),
        correct=tuple("".join("1" if value else "0" for value in line) for line in lines),
        values=measured.values,
        layers=measured.layers,
        pairs=measured.pairs,
        cpu_seconds=None if measured.part else status.get("cpu_seconds"),
    )


def _commit(git: Mapping[str, Any]) -> str:
    """Return the commit that a run came from, with a plus where its files were changed."""
    return f"{git.get('commit') or ''}{'+' if git.get('modified') else ''}"


def _test_rows(measured: Measured, record: SuiteRun) -> TestRows:
    test = measured.predictions
    numbers: dict[str, int] = {}
    return TestRows(
        dataset=record.dataset,
        data_hash=record.data_hash,
        task=test.task,
        labels=len(test.labels),
        # Of the set itself, so that the rows of its cuts are known to be the same.
        ids=tuple(salted(f"{measured.rows_of}:{identifier}") for identifier in test.ids),
        groups=tuple(numbers.setdefault(str(group), len(numbers)) for group in test.groups),
        headline_metrics=measured.metrics,
        rows=measured.rows,
    )


def _summaries(key: tuple[str, str, str], seeds: list[tuple[int, Measured]]) -> list[SuiteSummary]:
    dataset, method, encoder = key
    tests = [measured.predictions for _, measured in seeds]
    first = tests[0]
    intervals = hierarchical_interval(
        first.task,
        first.gold,
        np.stack([item.prediction for item in tests]),
        np.stack([item.probability for item in tests]),
        first.labels,
        first.groups,
        risk=first.risk,
        no_answer=any(item.no_answer for _, item in seeds) and first.task != "multilabel",
    )
    return [
        SuiteSummary(
            dataset,
            method,
            encoder,
            metric,
            tuple(seed for seed, _ in seeds),
            _number(item.mean),
            _number(item.low),
            _number(item.high),
            _number(item.sd),
            len(first.ids),
        )
        for metric, item in intervals.items()
        if "/" not in metric
    ]


def _failed(planned: PlannedCell, failure: Failure) -> SuiteRun:
    config = planned.config
    # The kind of failure only: a message may name a path of this machine or hold a cell of the data.
    return SuiteRun(
        "",
        short_name(config.data) + planned.part,
        planned.method,
        short_name(config.encoder),
        config.seed,
        config.protocol,
        "",
        "",
        0.0,
        error=failure.kind,
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)
