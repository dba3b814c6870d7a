"""Measures of the explanations of several systems: as committed lines, and as tables."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mhclf.config.structure import from_mapping
from mhclf.errors import ConfigError, DataError
from mhclf.results.explained import COMMON, FIRST_SENTENCE, GENERATED, Measure, difference_name
from mhclf.results.files import write_text
from mhclf.results.table_files import write_table_files
from mhclf.results.tables import Cell, Column, Table, format_interval, mark_interval

SYSTEM_ENCODER = "as named"
"""Stands in label records for the encoder: systems of a comparison are tested against each other, whatever they are."""

_LOWER = ("invented_quote_share", "no_explanation")
_SHOWN = (
    "rougeL", "chrf", "bertscore_f1", "consistency", "cited_token_f1", "classifier_cited_auprc", "grounded_share",
    "invented_quote_share", "no_explanation", "words",
)  # fmt: skip
_COMPARED = ("rougeL", "chrf", "bertscore_f1", "consistency", "cited_token_f1", "classifier_cited_auprc")


@dataclass(frozen=True)
class SystemMeasures:
    """Measures of the explanations of one system on one data set.

    Attributes
    ----------
    dataset, system : str
    notes : tuple of str
        How they were measured; no text of a post.
    measures : tuple of Measure
        Of its own explanations, of the baselines, and of the differences between them.
    """

    dataset: str
    system: str
    notes: tuple[str, ...]
    measures: tuple[Measure, ...]


def write_system_measures(path: Path, records: Iterable[SystemMeasures]) -> Path:
    """Write one JSON object a line, in the given order."""
    lines = (json.dumps(asdict(record), ensure_ascii=False, allow_nan=False) + "\n" for record in records)
    return write_text(path, "".join(lines))


def read_system_measures(path: Path) -> list[SystemMeasures]:
    """Read the records back.

    Raises
    ------
    DataError
        Naming file and line, where the file is missing or a line is no record.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Run the comparison first.") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(from_mapping(SystemMeasures, json.loads(line), "record"))
        except (ValueError, RecursionError, ConfigError) as error:
            raise DataError(f"{path}, line {number}: is no record. Run the comparison again.") from error
    return found


def merge_system_measures(earlier: Sequence[SystemMeasures], newer: Sequence[SystemMeasures]) -> list[SystemMeasures]:
    """Lay newer records over earlier ones of the same system and data set."""
    merged = {(record.dataset, record.system): record for record in (*earlier, *newer)}
    return list(merged.values())


def measures_tables(records: Sequence[SystemMeasures], systems: Sequence[str]) -> list[Table]:
    """Return two tables a data set: the measures of all explanations, and the paired differences to the baselines."""
    tables = []
    for dataset in dict.fromkeys(record.dataset for record in records):
        found = {record.system: record for record in records if record.dataset == dataset}
        own = [found[system] for system in systems if system in found]
        tables += [_values_table(dataset, own), _differences_table(dataset, own)]
    return tables


def _values_table(dataset: str, records: Sequence[SystemMeasures]) -> Table:
    metrics = [name for name in _SHOWN if any(item.metric == name for record in records for item in record.measures)]
    flags = sorted({m.metric for record in records for m in record.measures if m.metric.startswith("flag_")})
    metrics += flags
    rows: list[tuple[Cell, ...]] = []
    for record in records:
        for source in (GENERATED, FIRST_SENTENCE, COMMON):
            own = {item.metric: item for item in record.measures if item.source == source}
            if own:
                rows.append((record.system, source, *(_interval(own.get(metric)) for metric in metrics), _counts(own)))
    lower = (*_LOWER, *flags)
    columns = (
        Column("system"),
        Column("explanation"),
        *(
            Column(name, "right", None if name == "words" else "lower" if name in lower else "higher")
            for name in metrics
        ),
        Column("n", "right"),
    )
    return Table(f"{dataset}: explanations", columns, tuple(rows), _notes(records))


def _differences_table(dataset: str, records: Sequence[SystemMeasures]) -> Table:
    metrics = [name for name in _COMPARED if any(item.metric == name for record in records for item in record.measures)]
    rows: list[tuple[Cell, ...]] = []
    for record in records:
        for baseline in (FIRST_SENTENCE, COMMON):
            name = difference_name(GENERATED, baseline)
            own = {item.metric: item for item in record.measures if item.source == name}
            if own:
                rows.append((record.system, baseline, *(_marked(own.get(metric)) for metric in metrics), _counts(own)))
    names = (*metrics, "n")
    columns = (Column("system"), Column("generated, less"), *(Column(name, "right") for name in names))
    note = "Paired over posts; bold: the 95 % interval leaves out 0, without correction for the number of cells."
    return Table(f"{dataset}: differences to what needs no model", columns, tuple(rows), (note,))


def _counts(own: dict[str, Measure]) -> str:
    counts = sorted({item.n for metric, item in own.items() if metric in _SHOWN and metric != "invented_quote_share"})
    return "-".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))


def _interval(measure: Measure | None) -> str | None:
    return None if measure is None else format_interval(measure.value, measure.low, measure.high)


def _marked(measure: Measure | None) -> Cell:
    return None if measure is None else mark_interval(measure.value, measure.low, measure.high)


def _notes(records: Sequence[SystemMeasures]) -> tuple[str, ...]:
    """Return every note once, with the systems that it is about where it is not about all."""
    about: dict[str, list[str]] = {}
    for record in records:
        for note in record.notes:
            about.setdefault(note, []).append(record.system)
    return tuple(
        note if len(systems) == len(records) else f"{', '.join(systems)}: {note}" for note, systems in about.items()
    )


def write_measures_tables(
    folder: Path, name: str, title: str, systems: Sequence[str], records: Sequence[SystemMeasures], command: str
) -> list[Path]:
    """Write `NAME_explanations.md`, `.tex` and `.csv`; returns them, the Markdown page first."""
    reading = (
        "95 % bootstrap intervals over posts (groups) in brackets. References are said below each table: those written "
        "by a machine (silver) measure likeness to another model's text. A dash: not measured on this data set."
    )
    tables = measures_tables(records, systems)
    return write_table_files(folder / f"{name}_explanations", f"{title}: the explanations", [reading], tables, command)
