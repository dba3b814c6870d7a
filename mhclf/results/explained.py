"""The explanations of a run that writes some, for its report: how many, and their measures; numbers without text."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from mhclf.errors import DataError
from mhclf.results.tables import Cell, Column, Table, format_interval

GENERATIONS, MEASURES = "generations.jsonl", "explanations.jsonl"
GENERATED, FIRST_SENTENCE, COMMON = "generated", "first sentence of the post", "most common explanation"
"""Who made explanations: a model, or one of two baselines that need none."""


@dataclass(frozen=True)
class Measure:
    """One number about explanations, with its bootstrap interval over groups.

    Attributes
    ----------
    source, metric : str
    value, low, high : float or None
    n : int
        Explanations that have a value.
    """

    source: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int


_KEYS = {field.name for field in fields(Measure)}


def difference_name(source: str, baseline: str) -> str:
    """Return what the differences to a baseline stand under."""
    return f"{source} \u2212 {baseline}"


def explanation_sentence(folder: Path) -> str:
    """Return how many explanations a run folder holds, and where they are read; '' where it holds none."""
    path = folder / GENERATIONS
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8") as lines:
        count = sum(1 for line in lines if line.strip())
    measured = "" if (folder / MEASURES).is_file() else " They are not measured yet: generate.py eval does that."
    return f"The run wrote {count:,} explanations.{measured}"


def measures_table(folder: Path) -> Table | None:
    """Return the measures of a run's explanations, metrics down and makers across; None where they were not measured.

    Raises
    ------
    DataError
        If `explanations.jsonl` is damaged; names the line.
    """
    path = folder / MEASURES
    if not path.is_file():
        return None
    measures = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict) or set(content) != _KEYS:
            raise DataError(f"{path}, line {number}: is damaged. Measure again with generate.py eval.")
        measures.append(Measure(**content))
    notes = ("95 % bootstrap interval over posts (groups). What a baseline reaches needs no model.",)
    return makers_table("Measures of the explanations", measures, notes)


def makers_table(title: str, measures: Sequence[Measure], notes: tuple[str, ...]) -> Table:
    """Return measures of explanations, metrics down and their makers across."""
    found = {(measure.source, measure.metric): measure for measure in measures}
    sources = tuple(dict.fromkeys(measure.source for measure in measures))
    rows: list[tuple[Cell, ...]] = []
    for metric in dict.fromkeys(measure.metric for measure in measures):
        own = [found.get((source, metric)) for source in sources]
        cells = [None if item is None else format_interval(item.value, item.low, item.high) for item in own]
        counts = sorted({item.n for item in own if item is not None})
        rows.append((metric, *cells, "-".join(map(str, dict.fromkeys((counts[0], counts[-1]))))))
    columns = (Column("metric"), *(Column(source, "right") for source in sources), Column("n", "right"))
    return Table(title, columns, tuple(rows), notes)
