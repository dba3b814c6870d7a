"""Numbers that judges gave to the explanations of a run: `judgements.jsonl`, written and read, and as a table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mhclf.config.structure import from_mapping
from mhclf.errors import DataError, RunError
from mhclf.results.files import write_text
from mhclf.results.tables import Cell, Column, Table, format_interval, format_number

RECORDS = "judgements.jsonl"


@dataclass(frozen=True)
class JudgeRecord:
    """One number that a judge gave to the explanations of a run, without text.

    Attributes
    ----------
    judge : str
        Names the files under `judges/`.
    model, mechanism, by, rubric, source, criterion : str
    metric : str
        `score`: mean of the scores that could be read. `unread`: share of explanations without one.
        `unread_answers`: share of single answers without one, of several a score. `corrected`, `change`: how often
        the second judge's score differs from the first one's, and by how much (second minus first).
    value, low, high : float or None
        With its 95 % bootstrap interval over posts (groups).
    n : int
        Explanations behind it.
    lowest, highest : int
        Ends of the scale.
    """

    judge: str
    model: str
    mechanism: str
    by: str
    rubric: str
    source: str
    criterion: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    lowest: int
    highest: int


@dataclass(frozen=True)
class JudgedRun:
    """What a judge gave to a run.

    Attributes
    ----------
    folder : Path
        Of the run.
    name : str
        Of the judge.
    records : tuple of JudgeRecord
    unexplained : int
        Rows without an explanation: they were not judged.
    """

    folder: Path
    name: str
    records: tuple[JudgeRecord, ...]
    unexplained: int


def read_judgements(folder: Path) -> list[JudgeRecord]:
    """Return the records of all judges of a run folder; none where it was not judged.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    path = folder / RECORDS
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            found.append(from_mapping(JudgeRecord, json.loads(line), f"{path}, line {number}"))
        except (ValueError, DataError) as error:
            raise RunError(f"{path}, line {number}: is damaged. Remove the file and judge again.") from error
    return found


def judgement_table(judged: JudgedRun) -> Table:
    """Return what a judge gave, a row for each source and criterion."""
    first = judged.records[0]
    metrics = list(dict.fromkeys(record.metric for record in judged.records))
    found = {(record.source, record.criterion, record.metric): record for record in judged.records}
    rows: list[tuple[Cell, ...]] = []
    for source, criterion in dict.fromkeys((record.source, record.criterion) for record in judged.records):
        own = [found[source, criterion, metric] for metric in metrics]
        # Shares stand without their intervals, which the records hold: the table fits a terminal.
        cells = [
            format_interval(record.value, record.low, record.high, 2)
            if record.metric in {"score", "change"}
            else format_number(record.value, 2)
            for record in own
        ]
        rows.append((source, criterion, own[metrics.index("unread")].n, *cells))
    columns = (
        Column("judged"),
        Column("criterion"),
        Column("n", "right"),
        *(Column(metric.replace("_", " "), "right") for metric in metrics),
    )
    notes = [
        f"score: mean on the scale from {first.lowest} to {first.highest}, of the explanations whose score was read; "
        "unread: share of those without one; 95 % bootstrap intervals over posts (groups)",
        "how far a judge agrees with people: experiments/explanation_metrics.py --judge",
    ]
    if judged.unexplained:
        notes.append(f"{judged.unexplained} rows have no explanation and were not judged")
    title = f"Judged by {first.model}, {first.mechanism} ({first.by}), rubric {first.rubric}"
    return Table(title, columns, tuple(rows), tuple(notes))


def keep_judgements(path: Path, name: str, records: Sequence[JudgeRecord]) -> None:
    """Write the records of one judge in the place of its earlier ones; those of others stay."""
    others = [record for record in read_judgements(path.parent) if record.judge != name]
    write_text(path, "".join(json.dumps(asdict(record), ensure_ascii=False) + "\n" for record in [*others, *records]))
