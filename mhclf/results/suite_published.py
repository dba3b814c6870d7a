"""Published numbers beside ours where the two are comparable, and the others with the reasons why they are not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mhclf.config.published import CHECKED, PublishedNumber
from mhclf.results.tables import Cell, Column, Table

MARKS: Mapping[str, str] = {
    "verified": "",
    "secondhand": "\u2021",
    "remembered": "\u2020",
    "recomputed": "\u00a7",
    "derived": "\u00b6",
}
"""Sign behind a number that tells how it was checked."""


@dataclass(frozen=True)
class OurTest:
    """What a published number has to agree with.

    Attributes
    ----------
    dataset : str
        Name of our data set.
    n : int
        Its test rows in this suite.
    metrics : tuple of str
        Columns of its table.
    """

    dataset: str
    n: int
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Apart:
    """A published number that cannot stand beside ours, with every reason."""

    number: PublishedNumber
    reasons: tuple[str, ...]


def is_about(number: PublishedNumber, dataset: str) -> bool:
    """Whether a number is about a data set of ours or one that its file calls near."""
    return dataset == number.test.dataset or dataset in number.test.near


def reasons_apart(number: PublishedNumber, ours: OurTest) -> tuple[str, ...]:
    """Return why a number cannot stand beside ours; nothing where it can.

    It can where it was measured on the same rows (our data set named as theirs, and as many rows), by a metric with
    the same averaging that our table has, and where no footnote sets it apart.
    """
    reasons = []
    if number.test.dataset != ours.dataset:
        reasons.append(number.test.near.get(ours.dataset) or "another data set")
    elif number.test.n is None:
        reasons.append("number of test rows not stated")
    elif number.test.n != ours.n:
        reasons.append(f"{number.test.n:,} test rows, {ours.n:,} here")
    if number.our_metric is None:
        reasons.append(f"averaging of {number.metric} not named")
    elif number.our_metric not in ours.metrics:
        reasons.append(f"our table has no {number.our_metric}")
    if any(footnote.apart for footnote in number.footnotes):
        reasons.append("known defect")
    return tuple(reasons)


def divide(numbers: Iterable[PublishedNumber], ours: OurTest) -> tuple[tuple[PublishedNumber, ...], tuple[Apart, ...]]:
    """Divide the numbers about our data set into those that stand beside ours and those that do not, order kept."""
    beside, apart = [], []
    for number in numbers:
        if is_about(number, ours.dataset):
            if reasons := reasons_apart(number, ours):
                apart.append(Apart(number, reasons))
            else:
                beside.append(number)
    return tuple(beside), tuple(apart)


@dataclass(frozen=True)
class PublishedLine:
    """One model of one source, with its numbers by our metric names."""

    model: str
    source: str
    numbers: Mapping[str, PublishedNumber]


def beside_lines(beside: Sequence[PublishedNumber]) -> tuple[PublishedLine, ...]:
    """Return a line for each model of each source, in order of appearance."""
    found: dict[tuple[str, str], dict[str, PublishedNumber]] = {}
    for number in beside:
        line = found.setdefault((model_name(number), number.source.reference), {})
        if number.our_metric is not None:
            line.setdefault(number.our_metric, number)
    return tuple(PublishedLine(model, source, numbers) for (model, source), numbers in found.items())


def apart_table(dataset: str, apart: Sequence[Apart]) -> Table:
    """Return the second block: a row for each source, test and reason, with all its metrics and models."""
    sources = number_sources([item.number for item in apart])
    rows: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for item in apart:
        number = item.number
        title = number.test.title
        if number.test.n is not None:
            title += f" (n = {number.test.n:,})"
        key = (title, "; ".join(item.reasons), f"[{sources[number.source.reference]}]")
        metric = number.our_metric or number.metric
        rows.setdefault(key, {}).setdefault(metric, []).append(f"{model_name(number)} = {number_text(number)}")
    columns = (
        Column("published on", width=0.17),
        Column("why not beside ours", width=0.22),
        Column("numbers", width=0.43),
        Column("source", width=0.06),
    )
    lines: list[tuple[Cell, ...]] = [
        (title, reason, ". ".join(f"{metric}: {'; '.join(models)}" for metric, models in found.items()), source)
        for (title, reason, source), found in rows.items()
    ]
    notes = published_notes([item.number for item in apart])
    return Table(f"{dataset}: published, not comparable", columns, tuple(lines), notes)


def published_notes(numbers: Sequence[PublishedNumber]) -> tuple[str, ...]:
    """Return what stands below a table: sources by number, signs, footnotes with the models they are about."""
    notes = [f"[{place}] {reference}" for reference, place in number_sources(numbers).items()]
    signs = [f"{MARKS[key]} {words}" for key, words in CHECKED.items() if _has(numbers, key) and MARKS[key]]
    if signs:
        notes.append("; ".join(signs) + ".")
    about: dict[str, dict[str, None]] = {}
    for number in numbers:
        for footnote in number.footnotes:
            about.setdefault(footnote.text, {})[model_name(number)] = None
        if number.plus_minus_is:
            about.setdefault(f"± {number.plus_minus_is}", {})[model_name(number)] = None
        if number.note:
            about.setdefault(number.note, {})[f"{model_name(number)}, {number.our_metric or number.metric}"] = None
    notes += [f"{'; '.join(models)}: {text}" for text, models in about.items()]
    return tuple(notes)


def number_sources(numbers: Iterable[PublishedNumber]) -> dict[str, int]:
    """Return reference -> its number from 1, in order of appearance."""
    found: dict[str, int] = {}
    for number in numbers:
        found.setdefault(number.source.reference, len(found) + 1)
    return found


def model_name(number: PublishedNumber) -> str:
    """Return the model with its size."""
    return f"{number.model} ({number.parameters})" if number.parameters else number.model


def number_text(number: PublishedNumber) -> str:
    """Return the value as the source gives it (three decimals or more), its spread, and how it was checked."""
    text = _decimals(number.value)
    if number.plus_minus is not None:
        text += f" \u00b1 {_decimals(number.plus_minus)}"
    return text + MARKS[number.checked]


def _decimals(value: float) -> str:
    """Return three decimals, four where the source has them, none for a whole number above 1."""
    if value > 1 and value.is_integer():
        return f"{value:.0f}"
    text = f"{value:.4f}"
    return text.removesuffix("0")


def _has(numbers: Sequence[PublishedNumber], checked: str) -> bool:
    return any(number.checked == checked for number in numbers)
