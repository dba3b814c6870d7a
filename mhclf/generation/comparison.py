"""Carrying out a comparison: each system tuned, trained or prompted, its labels and its explanations measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mhclf.config.comparison import SystemCell
from mhclf.config.generation import LabelsConfig
from mhclf.config.run import RunConfig
from mhclf.config.suite import PlannedCell
from mhclf.errors import ConfigError
from mhclf.generation.asking import Progress
from mhclf.generation.joint import run_joint
from mhclf.generation.measured_run import measure_run
from mhclf.generation.measuring import Measured
from mhclf.generation.run import run_prompts
from mhclf.generation.tuning import tune
from mhclf.results.generated import (
    SYSTEM_ENCODER,
    SystemMeasures,
    merge_system_measures,
    read_system_measures,
    write_system_measures,
)
from mhclf.results.suite import SuiteRecords, merge_suite_records, read_suite_records, write_suite_records
from mhclf.training.failure import Failure, attempt
from mhclf.training.run import RunOutcome, run
from mhclf.training.suite import ended_cell
from mhclf.training.suite_records import gather


@dataclass(frozen=True)
class CarriedOut:
    """A system on one data set: how it ended, and the measures of its explanations if it gives any."""

    cell: SystemCell
    end: RunOutcome | Failure
    explanations: Measured | None = None


def carry_out(cell: SystemCell, on_progress: Progress | None = None) -> RunOutcome:
    """Tune, train or prompt what a cell asks for; what is complete is only read, what was stopped goes on.

    Parameters
    ----------
    cell : SystemCell
    on_progress : callable, optional

    Raises
    ------
    MhclfError
        Expected failures, each with the message for the user.
    """
    if cell.train is not None:
        return run(cell.train)
    if cell.joint is not None:
        return run_joint(cell.joint, on_progress=on_progress)
    prompt = cell.prompt
    if prompt is None:
        raise ConfigError(f"systems: {cell.name}: neither trains nor prompts a model.")
    if cell.tune is not None:
        tuned = tune(cell.tune)
        adapter = tuned.folder / "adapter"
        if adapter.is_dir():
            local = replace(prompt.local, model=cell.tune.model, adapter=str(adapter))
        else:
            local = replace(prompt.local, model=str(tuned.folder / "model"))
        prompt = replace(prompt, local=local)
    if cell.labels is not None:
        prompt = replace(prompt, labels=LabelsConfig(by="run", run=str(run(cell.labels).folder)))
    asked_for = run_prompts(prompt, on_progress=on_progress)
    return RunOutcome(asked_for.folder, asked_for.records, asked_for.was_complete)


def compare(
    cells: Sequence[SystemCell],
    encoder: str,
    data_root: str | None,
    on_cell: Callable[[int, str], None],
    on_progress: Progress | None = None,
) -> list[CarriedOut]:
    """Carry out every cell and measure its explanations; what fails is told and kept, and the rest goes on.

    Parameters
    ----------
    cells : sequence of SystemCell
    encoder : str
        For BERTScore; '' leaves it out.
    data_root : str, optional
    on_cell : callable
        Called with number and state after each cell.
    on_progress : callable, optional
    """
    done = []
    for number, cell in enumerate(cells, start=1):
        end: Any = attempt(lambda cell=cell: carry_out(cell, on_progress))  # type: ignore[misc]
        measured = None
        if not isinstance(end, Failure) and _explains(cell):
            explained: Any = attempt(lambda folder=end.folder: measure_run(folder, encoder, data_root=data_root))  # type: ignore[misc]
            if isinstance(explained, Failure):
                end = explained
            else:
                measured = explained
        state = f"failed: {end}" if isinstance(end, Failure) else "was complete" if end.was_complete else "done"
        on_cell(number, f"{cell.data}, {cell.name}: {state}")
        done.append(CarriedOut(cell, end, measured))
    return done


def _explains(cell: SystemCell) -> bool:
    return cell.joint is not None or (cell.prompt is not None and cell.prompt.explain)


def comparison_records(done: Sequence[CarriedOut], seed: int) -> tuple[SuiteRecords, list[SystemMeasures]]:
    """Return what is committed: records of the labels as of any suite, and measures of the explanations."""
    ended = [
        ended_cell(
            PlannedCell(RunConfig(data=item.cell.data, encoder=SYSTEM_ENCODER, seed=seed), item.cell.name), item.end
        )
        for item in done
    ]
    found = gather(ended)
    # What stands in a row is named by the row: tests between rows are between systems, whatever model each has.
    runs = tuple(replace(item, encoder=SYSTEM_ENCODER) for item in found.runs)
    known = {(item.dataset, item.method): set(item.values) for item in runs}
    summaries = tuple(
        replace(item, encoder=SYSTEM_ENCODER)
        for item in found.summaries
        # Parsed answers have no probabilities, and no metric of them.
        if item.metric in known[item.dataset, item.method]
    )
    measures = [
        SystemMeasures(
            Path(item.cell.data).stem,
            item.cell.name,
            item.explanations.notes,
            item.explanations.measures,
        )
        for item in done
        if item.explanations is not None
    ]
    return SuiteRecords(found.rows, runs, summaries), measures


def keep_records(done: Sequence[CarriedOut], seed: int, labels_file: Path, measures_file: Path) -> None:
    """Write the records of a comparison over the earlier ones; those of systems that were not asked for stay."""
    labels, measures = comparison_records(done, seed)
    if labels_file.is_file():
        labels = merge_suite_records(read_suite_records(labels_file), labels)
    if measures_file.is_file():
        measures = merge_system_measures(read_system_measures(measures_file), measures)
    write_suite_records(labels_file, labels)
    write_system_measures(measures_file, measures)


def failures(done: Sequence[CarriedOut]) -> list[str]:
    """Return a line for each system that failed."""
    return [f"failed: {item.cell.data}, {item.cell.name}: {item.end}" for item in done if isinstance(item.end, Failure)]
