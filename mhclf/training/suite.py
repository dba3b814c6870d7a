"""Carrying out a suite: every cell is a run folder; what is complete is skipped, what fails is recorded."""

import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from mhclf.config.run import RunConfig, short_name
from mhclf.config.suite import PlannedCell
from mhclf.evaluation import hierarchical_interval
from mhclf.results.pairs import read_pairs
from mhclf.results.suite import SuiteRecords, SuiteRun, SuiteSummary, TestRows, salted
from mhclf.training.cell_pool import Watch
from mhclf.training.failure import Failure, attempt
from mhclf.training.located import LocatedCell
from mhclf.training.run import RunOutcome, completed, run
from mhclf.training.saved import SavedPredictions, read_predictions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cell:
    """A cell of the grid and how it ended: an outcome, or the error's message and kind.

    `method` and `part` are the names under which records and table show it where they are not those of the run: a
    variant, and what is added to the data set's name.
    """

    config: RunConfig
    outcome: RunOutcome | None
    error: str = ""
    kind: str = ""
    method: str = ""
    part: str = ""


def ended_cell(cell: PlannedCell, end: RunOutcome | Failure) -> Cell:
    """Return a planned cell with how it ended."""
    if isinstance(end, Failure):
        return Cell(cell.config, None, end.message, end.kind, cell.method, cell.part)
    return Cell(cell.config, end, method=cell.method, part=cell.part)


def run_here(cells: Sequence[tuple[int, LocatedCell]], watch: Watch) -> None:
    """Carry out cells one after another in this process; whatever one raises, the rest goes on."""
    for number, located in cells:
        config = located.cell.config
        watch.started(number)
        watch.ended(number, attempt(lambda config=config: run(config)))  # type: ignore[misc]


def carry_out(configs: Sequence[RunConfig], on_cell: Callable[[int, Cell], None]) -> list[Cell]:
    """Run every cell in this process; whatever one raises is recorded and the rest goes on.

    Parameters
    ----------
    configs : sequence of RunConfig
    on_cell : callable
        Called with number and cell after each.
    """
    cells = []
    for number, config in enumerate(configs, start=1):
        end = attempt(lambda config=config: run(config))  # type: ignore[misc]
        cell = ended_cell(PlannedCell(config, config.method), end)
        cells.append(cell)
        on_cell(number, cell)
    return cells


def complete_cells(configs: Sequence[RunConfig]) -> list[Cell]:
    """Return the cells that are complete already."""
    found = [Cell(config, completed(config)) for config in configs]
    return [cell for cell in found if cell.outcome is not None]


def gather(cells: Sequence[Cell]) -> SuiteRecords:
    """Return the committed records of all cells: test rows, runs, and summaries over seeds."""
    rows: dict[str, TestRows] = {}
    runs: list[SuiteRun] = []
    predictions: dict[tuple[str, str, str], list[tuple[int, SavedPredictions]]] = {}
    for cell in cells:
        if cell.outcome is None:
            runs.append(_failed(cell))
            continue
        test = read_predictions(cell.outcome.folder).part("test")
        record = _suite_run(cell, cell.outcome, test)
        runs.append(record)
        rows.setdefault(record.dataset, _test_rows(cell.outcome, test, record))
        predictions.setdefault((record.dataset, record.method, record.encoder), []).append((record.seed, test))
    summaries = [item for key, value in predictions.items() for item in _summaries(key, value)]
    return SuiteRecords(tuple(rows.values()), tuple(runs), tuple(summaries))


def _suite_run(cell: Cell, outcome: RunOutcome, test: SavedPredictions) -> SuiteRun:
    first = outcome.records[0]
    environment = json.loads((outcome.folder / "environment.json").read_text(encoding="utf-8"))
    status = json.loads((outcome.folder / "status.json").read_text(encoding="utf-8"))
    layers_file = outcome.folder / "layers.json"
    right = test.gold == test.prediction
    lines = [right] if right.ndim == 1 else list(right.T)
    return SuiteRun(
        run=first.run,
        dataset=first.dataset + cell.part,
        method=cell.method or first.method,
        encoder=first.encoder,
        seed=first.seed,
        protocol=first.protocol,
        data_hash=first.data_hash,
        commit=(environment["git"] or {}).get("commit", ""),
        seconds=float(status["seconds"]),
        correct=tuple("".join("1" if value else "0" for value in line) for line in lines),
        values={
            record.metric: record.value
            for record in outcome.records
            if record.split == "test" and record.slice == "all" and record.method == first.method
        },
        layers=json.loads(layers_file.read_text(encoding="utf-8")) if layers_file.is_file() else None,
        pairs=tuple(
            asdict(pair) | {"margin": _rounded(pair.margin), "confusion": _rounded(pair.confusion)}
            for pair in read_pairs(outcome.folder / "class_pairs.json")
        ),
    )


def _test_rows(outcome: RunOutcome, test: SavedPredictions, record: SuiteRun) -> TestRows:
    manifest = json.loads((outcome.folder / "data_manifest.json").read_text(encoding="utf-8"))
    numbers: dict[str, int] = {}
    return TestRows(
        dataset=record.dataset,
        data_hash=record.data_hash,
        task=test.task,
        labels=len(test.labels),
        # Of the set itself, so that the rows of its cuts are known to be the same.
        ids=tuple(salted(f"{outcome.records[0].dataset}:{identifier}") for identifier in test.ids),
        groups=tuple(numbers.setdefault(str(group), len(numbers)) for group in test.groups),
        headline_metrics=tuple(manifest["metrics"]),
        rows=manifest["rows"],
    )


def _summaries(key: tuple[str, str, str], seeds: list[tuple[int, SavedPredictions]]) -> list[SuiteSummary]:
    dataset, method, encoder = key
    first = seeds[0][1]
    intervals = hierarchical_interval(
        first.task,
        first.gold,
        np.stack([item.prediction for _, item in seeds]),
        np.stack([item.probability for _, item in seeds]),
        first.labels,
        first.groups,
        risk=first.risk,
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


def _failed(cell: Cell) -> SuiteRun:
    config = cell.config
    # The kind of failure only: a message may name a path of this machine or hold a cell of the data.
    return SuiteRun(
        "",
        short_name(config.data) + cell.part,
        cell.method or config.method,
        short_name(config.encoder),
        config.seed,
        config.protocol,
        "",
        "",
        0.0,
        error=cell.kind,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)
