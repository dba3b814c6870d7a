"""What a YAML of published numbers may say: one file for each paper or benchmark, every number with its source."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mhclf.config.structure import from_mapping, read_yaml
from mhclf.errors import ConfigError
from mhclf.registry import nearest

Checked = Literal["verified", "secondhand", "remembered", "recomputed", "derived"]
Averaging = Literal["none", "macro", "micro", "weighted", "positive", "unnamed"]

CHECKED: dict[str, str] = {
    "verified": "read in the paper's page, repository or notebook",
    "secondhand": "read in another source that quotes it",
    "remembered": "remembered, not looked up",
    "recomputed": "computed by us from released files",
    "derived": "worked out from other figures here",
}
"""How a number was checked, in words."""

RANGES: dict[str, tuple[float, float]] = {
    "accuracy": (0, 1),
    "balanced_accuracy": (0, 1),
    "subset_accuracy": (0, 1),
    "f1": (0, 1),
    "precision": (0, 1),
    "recall": (0, 1),
    "mcc": (-1, 1),
    "cohen_kappa": (-1, 1),
    "qwk": (-1, 1),
    "mae": (0, math.inf),
    "attention_overlap": (0, 1),
    "svd_rank": (0, math.inf),
}
"""Metrics that a file may name, with the range of their values as shares."""

_AVERAGED = ("f1", "precision", "recall")
_UNSCALED = ("mae", "svd_rank")
LESS_IS_BETTER = ("mae",)


@dataclass(frozen=True)
class PublishedSource:
    """Where numbers stand.

    Attributes
    ----------
    citation : str
    arxiv, doi, url : str
        Whichever is known.
    """

    citation: str
    arxiv: str = ""
    doi: str = ""
    url: str = ""

    @property
    def reference(self) -> str:
        """The citation with its address."""
        address = f"arXiv:{self.arxiv}" if self.arxiv else f"doi:{self.doi}" if self.doi else self.url
        return f"{self.citation}, {address}" if address else self.citation


@dataclass(frozen=True)
class PublishedTest:
    """The posts on which numbers were computed.

    Attributes
    ----------
    title : str
        As the source calls it.
    n : int, optional
        Its rows; empty where the source does not say.
    dataset : str, optional
        Our data set whose test part holds the same rows with the same labels.
    near : mapping
        Our data set -> why its test part is another one.
    note : str
        What else to know; why no data set of ours comes near, where neither of the two is given.
    """

    title: str
    n: int | None = None
    dataset: str | None = None
    near: dict[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Footnote:
    """A known defect or doubt.

    Attributes
    ----------
    text : str
    apart : bool
        The defect makes a number unfit to stand beside others.
    """

    text: str
    apart: bool = False


@dataclass(frozen=True)
class PublishedLine:
    """Numbers of one model by one metric.

    Attributes
    ----------
    model : str
    values : mapping
        Key of a test -> value, in the file's scale.
    checked : str
        How these numbers were checked: a key of `CHECKED`.
    metric, averaging : str
        A key of `RANGES`; for F1, precision and recall how classes are averaged, `unnamed` where the source does not
        say.
    parameters : str
        Size of the model, such as `7B`.
    source : str
        Key of a source; the first one when empty.
    table : str
        Where in the source.
    plus_minus : mapping
        Key of a test -> half-width or sd, in the file's scale.
    plus_minus_is : str
        What that is, such as `sd over 5 runs`.
    note : str
    footnotes : list of str
        Keys of footnotes.
    """

    model: str
    values: dict[str, float]
    checked: Checked
    metric: str
    averaging: Averaging = "none"
    parameters: str = ""
    source: str = ""
    table: str = ""
    plus_minus: dict[str, float] = field(default_factory=dict)
    plus_minus_is: str = ""
    note: str = ""
    footnotes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublishedConfig:
    """One file.

    Attributes
    ----------
    name, title : str
    scale : str
        `percent` where shares are written from 0 to 100, `share` where from 0 to 1.
    sources : mapping
        Key -> source; the first one is that of every line that names none.
    tests : mapping
        Key -> test posts.
    lines : list of PublishedLine
    footnotes : mapping
        Key -> known defect.
    notes : list of str
        What the file leaves out and why.
    """

    name: str
    title: str
    scale: Literal["percent", "share"]
    sources: dict[str, PublishedSource]
    tests: dict[str, PublishedTest] = field(default_factory=dict)
    lines: tuple[PublishedLine, ...] = ()
    footnotes: dict[str, Footnote] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigError("sources: give one or more.")
        if not self.lines and not self.notes:
            raise ConfigError("lines: is empty; say in 'notes' why there are no numbers.")
        for key, test in self.tests.items():
            _check_test(f"tests: {key}", test)
        for place, line in enumerate(self.lines):
            where = f"lines[{place}] ({line.model})"
            _check_line(where, line)
            _known(f"{where}: values", line.values, self.tests)
            _known(f"{where}: source", [line.source] if line.source else [], self.sources)
            _known(f"{where}: footnotes", line.footnotes, self.footnotes)
            low, high = RANGES[line.metric]
            for key, value in line.values.items():
                if not low <= value * self._unit(line) <= high:
                    raise ConfigError(f"{where}: values: {key}: {value:g} is no {line.metric} in {self.scale}.")

    def numbers(self) -> tuple["PublishedNumber", ...]:
        """Return every number with all that the file says about it, as a share, in the order of the file."""
        first = next(iter(self.sources))
        return tuple(
            PublishedNumber(
                file=self.name,
                model=line.model,
                parameters=line.parameters,
                test=self.tests[test],
                metric=line.metric,
                averaging=line.averaging,
                value=round(value * self._unit(line), 10),
                plus_minus=round(line.plus_minus[test] * self._unit(line), 10) if test in line.plus_minus else None,
                plus_minus_is=line.plus_minus_is if test in line.plus_minus else "",
                checked=line.checked,
                source=self.sources[line.source or first],
                table=line.table,
                note=line.note,
                footnotes=tuple(self.footnotes[key] for key in line.footnotes),
            )
            for line in self.lines
            for test, value in line.values.items()
        )

    def _unit(self, line: PublishedLine) -> float:
        return 0.01 if self.scale == "percent" and line.metric not in _UNSCALED else 1.0


@dataclass(frozen=True)
class PublishedNumber:
    """One published number; value and plus_minus are shares (0 to 1) whatever the file's scale."""

    file: str
    model: str
    parameters: str
    test: PublishedTest
    metric: str
    averaging: Averaging
    value: float
    plus_minus: float | None
    plus_minus_is: str
    checked: Checked
    source: PublishedSource
    table: str
    note: str
    footnotes: tuple[Footnote, ...]

    @property
    def our_metric(self) -> str | None:
        """Our name of metric and averaging, such as `weighted_f1`; None where the averaging is not named."""
        if self.averaging == "unnamed":
            return None
        return self.metric if self.averaging == "none" else f"{self.averaging}_{self.metric}"


def read_published(folder: Path) -> tuple[PublishedConfig, ...]:
    """Read every file of published numbers in a folder, by name.

    Raises
    ------
    ConfigError
        If there is no such folder, or a file is wrong.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder of published numbers.")
    return tuple(_read(path) for path in sorted(folder.glob("*.yaml")))


def published_numbers(folder: Path) -> tuple[PublishedNumber, ...]:
    """Return every number of every file in a folder, file by file; errors as `read_published`."""
    return tuple(number for content in read_published(folder) for number in content.numbers())


def _read(path: Path) -> PublishedConfig:
    try:
        content = from_mapping(PublishedConfig, read_yaml(path), str(path))
    except ConfigError as error:
        raise error if str(path) in str(error) else ConfigError(f"{path}: {error}") from error
    if content.name != path.stem:
        raise ConfigError(f"{path}: name: is '{content.name}', expected '{path.stem}' as in the file name.")
    return content


def _check_test(where: str, test: PublishedTest) -> None:
    if test.n is not None and test.n < 1:
        raise ConfigError(f"{where}: n: is {test.n}, expected 1 row or more.")
    if test.dataset is None and not test.near and not test.note:
        raise ConfigError(f"{where}: give 'dataset' or 'near', or say in 'note' why no data set here comes near.")
    if test.dataset in test.near:
        raise ConfigError(f"{where}: near: '{test.dataset}' is the data set itself. Leave it out.")


def _check_line(where: str, line: PublishedLine) -> None:
    _known(f"{where}: metric", [line.metric], RANGES, "is none of ours")
    if (line.averaging == "none") is (line.metric in _AVERAGED):
        wanted = "needs one ('unnamed' if the source does not say)" if line.metric in _AVERAGED else "has none"
        raise ConfigError(f"{where}: averaging: {line.metric} {wanted}.")
    if not line.values:
        raise ConfigError(f"{where}: values: give one or more.")
    if bool(line.plus_minus) is not bool(line.plus_minus_is):
        raise ConfigError(f"{where}: plus_minus: give the numbers and, in plus_minus_is, what they are.")
    _known(f"{where}: plus_minus", line.plus_minus, line.values, "has no value")


def _known(where: str, keys: Iterable[str], known: Mapping[str, object], otherwise: str = "is not described") -> None:
    for key in keys:
        if key not in known:
            names = list(known)
            raise ConfigError(f"{where}: '{key}' {otherwise}.{nearest(key, names)} Known: {', '.join(names)}.")
