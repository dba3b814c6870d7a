"""Carrying out a comparison: each system tuned, trained or prompted, its labels and its explanations measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mhclf.config.comparison import SystemCell
from mhclf.config.generation import GenerationConfig, LabelsConfig
from mhclf.config.instruction import InstructionConfig
from mhclf.config.run import RunConfig
from mhclf.config.suite import PlannedCell
from mhclf.data.load import load_table
from mhclf.data.locate import find_dataset
from mhclf.errors import ConfigError
from mhclf.evaluation.classification import UNPARSED
from mhclf.generation.added_measures import Attributed
from mhclf.generation.asking import Progress
from mhclf.generation.joint import run_joint
from mhclf.generation.keeping_out import sets_kept_out
from mhclf.generation.majority import MajorityBackend
from mhclf.generation.measured_run import measure_run
from mhclf.generation.measuring import Measured
from mhclf.generation.run import GenerationOutcome, run_prompts
from mhclf.generation.tuning import tune
from mhclf.results.generated import (
    SYSTEM_ENCODER,
    SystemMeasures,
    merge_system_measures,
    read_system_measures,
    write_system_measures,
)
from mhclf.results.suite import (
    SuiteRecords,
    SuiteRun,
    SuiteSummary,
    TestRows,
    merge_suite_records,
    read_suite_records,
    write_suite_records,
)
from mhclf.training.failure import Failure, attempt
from mhclf.training.run import RunOutcome, run
from mhclf.training.suite import ended_cell
from mhclf.training.suite_records import gather


@dataclass(frozen=True)
class CarriedOut:
    """A system on one data set: how it ended, and the measures of its explanations if it gives any."""

    cell: SystemCell
    end: RunOutcome | Failure
    explanations: Measured | Failure | None = None


def carry_out(cell: SystemCell, on_progress: Progress | None = None, mask_identifiers: bool = False) -> RunOutcome:
    """Tune, train or prompt what a cell asks for; what is complete is only read, what was stopped goes on.

    Parameters
    ----------
    cell : SystemCell
    on_progress : callable, optional
    mask_identifiers : bool
        Replace e-mail and web addresses, user names and phone numbers in the posts that its pages show.

    Raises
    ------
    MhclfError
        Expected failures, each with the message for the user.
    """
    if cell.train is not None:
        return run(cell.train)
    if cell.joint is not None:
        masked = mask_identifiers or cell.joint.mask_identifiers
        return run_joint(replace(cell.joint, mask_identifiers=masked), on_progress=on_progress)
    prompt = cell.prompt
    if prompt is None:
        raise ConfigError(f"systems: {cell.name}: neither trains nor prompts a model.")
    if cell.majority:
        table = load_table(prompt.data, data_root=prompt.data_root, mask=prompt.mask)
        majority = MajorityBackend(table)
        return _outcome(run_prompts(prompt, False, on_progress, majority, mask_identifiers))
    if cell.tune is not None:
        prompt = _with_tuned(prompt, cell.tune)
    if cell.labels is not None:
        prompt = replace(prompt, labels=LabelsConfig(by="run", run=str(run(cell.labels).folder)))
    return _outcome(run_prompts(prompt, on_progress=on_progress, mask_identifiers=mask_identifiers))


def _with_tuned(prompt: GenerationConfig, config: InstructionConfig) -> GenerationConfig:
    """Tune a model, and return the prompt for it: posts as long as those that it learnt from."""
    kept_out = sets_kept_out(find_dataset(config.data).config, config.keep_out)
    if prompt.data not in {config.data, *kept_out}:
        # A set that is scored is neither learnt nor used for choosing.
        config = replace(config, keep_out=(*config.keep_out, prompt.data))
    tuned = tune(config)
    adapter = tuned.folder / "adapter"
    if adapter.is_dir():
        local = replace(prompt.local, model=config.model, adapter=str(adapter))
    else:
        local = replace(prompt.local, model=str(tuned.folder / "model"))
    return replace(prompt, local=local, post_tokens=config.post_tokens)


def _outcome(asked: GenerationOutcome) -> RunOutcome:
    return RunOutcome(asked.folder, asked.records, asked.was_complete)


def compare(
    cells: Sequence[SystemCell],
    on_cell: Callable[[int, str], None],
    on_progress: Progress | None = None,
    mask_identifiers: bool = False,
) -> list[CarriedOut]:
    """Carry out every cell; what fails is told and kept, and the rest goes on.

    Parameters
    ----------
    cells : sequence of SystemCell
    on_cell : callable
        Called with number and state after each cell.
    on_progress : callable, optional
    mask_identifiers : bool
        As in `carry_out`.
    """
    done = []
    for number, cell in enumerate(cells, start=1):
        end = attempt(carry_out, cell, on_progress, mask_identifiers)
        state = f"failed: {end}" if isinstance(end, Failure) else "was complete" if end.was_complete else "done"
        on_cell(number, f"{cell.data}, {cell.name}: {state}")
        done.append(CarriedOut(cell, end))
    return done


def measure(
    done: Sequence[CarriedOut],
    encoder: str,
    data_root: str | None,
    on_cell: Callable[[int, str], None],
    attribute: Callable[[Path, Path], Attributed] | None = None,
    classifier: str = "",
    mask_identifiers: bool = False,
) -> list[CarriedOut]:
    """Measure the explanations of all systems that give any.

    Parameters
    ----------
    done : sequence of CarriedOut
    encoder : str
        For BERTScore; '' leaves it out.
    data_root : str, optional
    on_cell : callable
        Called with number and state after each system with explanations.
    attribute : callable, optional
        Given the folder of the explanations and that of a classifier, returns what this looked at.
    classifier : str
        The system that is meant where a language model decided by itself; a classifier whose labels are explained, and
        one with an explanation head, are attributed themselves.
    mask_identifiers : bool
        As in `measure_run`, which writes the pages last.
    """
    measured = []
    for number, item in enumerate(done, start=1):
        if not (isinstance(item.end, RunOutcome) and _explains(item.cell)):
            measured.append(item)
            continue
        state = "explanations measured"
        attributed: Any = None
        looked = _classifier_of(item, done, classifier) if attribute is not None else None
        if attribute is not None and looked is not None:
            attributed = attempt(attribute, item.end.folder, looked)
            if isinstance(attributed, Failure):
                state += f", not held against attributions: {attributed}"
                attributed = None
        found = attempt(measure_run, item.end.folder, encoder, "", attributed, data_root, mask_identifiers)
        if isinstance(found, Failure):
            state = f"explanations not measured: {found}"
        on_cell(number, f"{item.cell.data}, {item.cell.name}: {state}")
        measured.append(replace(item, explanations=found))
    return measured


def _explains(cell: SystemCell) -> bool:
    return cell.joint is not None or (cell.prompt is not None and cell.prompt.explain)


def _classifier_of(item: CarriedOut, done: Sequence[CarriedOut], classifier: str) -> Path | None:
    """Return the folder of the classifier whose attributions an explanation is held against, if it has run."""
    if item.cell.joint is not None and isinstance(item.end, RunOutcome):
        return item.end.folder
    for other in done:
        wanted = other.cell.train == item.cell.labels if item.cell.labels else other.cell.name == classifier
        same_rows = other.cell.train is not None and other.cell.data == item.cell.data
        if same_rows and wanted and isinstance(other.end, RunOutcome):
            return other.end.folder
    return None


def comparison_records(done: Sequence[CarriedOut], seed: int) -> tuple[SuiteRecords, list[SystemMeasures]]:
    """Return what is committed: records of the labels as of any suite, and measures of the explanations.

    A run whose test rows are not those of the first system on the data set is recorded as failed.
    """
    rows: dict[str, TestRows] = {}
    runs: list[SuiteRun] = []
    summaries: list[SuiteSummary] = []
    for item in done:
        found = _records_of(item, seed)
        for test in found.rows:
            first = rows.setdefault(test.dataset, test)
            if test.ids != first.ids:
                found = SuiteRecords((), tuple(replace(run, error="OtherTestRows") for run in found.runs), ())
            elif UNPARSED in found.runs[0].values and UNPARSED not in first.headline_metrics:
                rows[test.dataset] = replace(first, headline_metrics=(*first.headline_metrics, UNPARSED))
        runs += found.runs
        summaries += found.summaries
    measures = [
        SystemMeasures(item.end.records[0].dataset, item.cell.name, item.explanations.notes, item.explanations.measures)
        for item in done
        if isinstance(item.explanations, Measured) and isinstance(item.end, RunOutcome)
    ]
    return SuiteRecords(tuple(rows.values()), tuple(runs), tuple(summaries)), measures


def _records_of(item: CarriedOut, seed: int) -> SuiteRecords:
    planned = PlannedCell(RunConfig(data=item.cell.data, encoder=SYSTEM_ENCODER, seed=seed), item.cell.name)
    found = attempt(gather, [ended_cell(planned, item.end)])
    if isinstance(found, Failure):
        found = gather([ended_cell(planned, found)])
    # What stands in a row is named by the row: tests between rows are between systems, whatever model each has.
    runs = tuple(replace(run, encoder=SYSTEM_ENCODER) for run in found.runs)
    known = {name for run in runs for name in run.values}
    # Parsed answers have no probabilities, and no metric of them.
    summaries = [replace(one, encoder=SYSTEM_ENCODER) for one in found.summaries if one.metric in known]
    if isinstance(item.end, RunOutcome) and found.summaries:
        summaries += [
            replace(
                summaries[0],
                metric=UNPARSED,
                mean=record.value,
                ci_low=record.ci_low,
                ci_high=record.ci_high,
                sd=None,
                n=record.n,
            )
            for record in item.end.records
            if record.metric == UNPARSED
        ]
    return SuiteRecords(found.rows, runs, tuple(summaries))


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
    return [
        f"failed: {item.cell.data}, {item.cell.name}: {end}"
        for item in done
        for end in (item.end, item.explanations)
        if isinstance(end, Failure)
    ]
