"""Measured works as records in JSON: both sides of each, their ratio, its aim, and the checks."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, Literal, get_args

from scipy.stats import t as student

from mhclf.errors import DataError
from mhclf.results.files import write_text

Kind = Literal["times_faster", "times_as_long", "more_megabytes", "seconds", "not_worse"]
"""What is claimed: `times_faster` and `not_worse` are better when higher, the others when lower."""


@dataclass(frozen=True)
class Sample:
    """One measurement.

    Attributes
    ----------
    value : float
        Seconds, megabytes or a score.
    amount : float
        What was done in that time, in the work's unit; 1 where nothing is counted.
    """

    value: float
    amount: float = 1.0


@dataclass(frozen=True)
class Round:
    """One measurement of each side, one right after the other."""

    ours: Sample
    theirs: Sample


@dataclass(frozen=True)
class Check:
    """A number that says whether both sides gave the same results.

    Attributes
    ----------
    name : str
    value, limit : float
    at_least : bool
        Whether the number must reach the limit; otherwise it must not pass it.
    """

    name: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Whether it holds; a NaN never does."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        sign = ("\u2265" if self.at_least else "\u2264") if self.passed else ("<" if self.at_least else ">")
        return f"{self.name} {self.value:.2g} {sign} {self.limit:g}"


@dataclass(frozen=True)
class Measured:
    """A measured work on one data set.

    Attributes
    ----------
    work, data : str
        Name in the registry; data set, size or door.
    ours, theirs : str
        What the two sides are.
    kind : str
        See `Kind`.
    unit : str
        What is counted a second; 's', 'MB' or the name of a score where nothing is.
    aim : float or None
    rounds : tuple of Round
        In the order in which they were measured.
    checks : tuple of Check
    settings, environment : mapping
    seconds : float
        What the whole work took, preparation included.
    """

    work: str
    data: str
    ours: str
    theirs: str
    kind: Kind
    unit: str
    aim: float | None
    rounds: tuple[Round, ...]
    checks: tuple[Check, ...]
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    seconds: float

    @property
    def figures(self) -> list[float]:
        """The claimed quantity, round by round."""
        return [_figure(self.kind, item) for item in self.rounds]

    @property
    def figure(self) -> float:
        """The claimed quantity: the median over rounds; for scores the ratio of the means."""
        if self.kind == "not_worse":
            ours, theirs = self._values()
            return mean(ours) / mean(theirs)
        return median(self.figures)

    @property
    def limit(self) -> float | None:
        """What the figure is held against: the aim, or for scores the lower end of the peer's 95 % interval."""
        if self.kind != "not_worse":
            return self.aim
        theirs = self._values()[1]
        if len(theirs) < 2:
            return None
        half = float(student.ppf(0.975, len(theirs) - 1)) * stdev(theirs) / math.sqrt(len(theirs))
        return 1 - half / mean(theirs)

    @property
    def reached(self) -> bool | None:
        """Whether the aim is reached; None where there is none."""
        limit = self.limit
        if limit is None:
            return None
        return self.figure >= limit if self.kind in ("times_faster", "not_worse") else self.figure <= limit

    @property
    def same(self) -> bool:
        """Whether all checks hold."""
        return all(check.passed for check in self.checks)

    @property
    def machine(self) -> str:
        """Where it was measured; see `machine_name`."""
        return machine_name(self.environment)

    def side(self, name: Literal["ours", "theirs"]) -> float:
        """Return the median of one side, in units a second where they are counted."""
        counted = self.kind == "times_faster" or (self.kind == "times_as_long" and self.unit != "s")
        samples = [item.ours if name == "ours" else item.theirs for item in self.rounds]
        return median(item.amount / item.value if counted else item.value for item in samples)

    def _values(self) -> tuple[list[float], list[float]]:
        return [item.ours.value for item in self.rounds], [item.theirs.value for item in self.rounds]


def machine_name(facts: Mapping[str, Any]) -> str:
    """Return processor, threads and accelerator of an environment: what two measurements must share to be one."""
    waiting = {"omp_wait_policy": "OMP_WAIT_POLICY", "gomp_spincount": "GOMP_SPINCOUNT"}
    told = [f"{name} {facts[key]}" for key, name in waiting.items() if facts.get(key) is not None]
    return ", ".join([facts["processor"], f"{facts['torch_threads']} threads", *told, facts["gpu"] or "no GPU"])


def _figure(kind: Kind, item: Round) -> float:
    """Return the claimed quantity of one round."""
    ours, theirs = item.ours, item.theirs
    if kind == "times_faster":
        return (ours.amount / ours.value) / (theirs.amount / theirs.value)
    if kind == "times_as_long":
        return ours.value / theirs.value
    if kind == "more_megabytes":
        return ours.value - theirs.value
    return ours.value if kind == "seconds" else ours.value / theirs.value


def write_measured(path: Path, found: Sequence[Measured]) -> Path:
    """Write all rounds as JSON; same input, same bytes."""
    content = {"measured": [asdict(item) for item in found]}
    return write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_measured(path: Path) -> list[Measured]:
    """Return what `write_measured` wrote.

    Raises
    ------
    DataError
        If the file is missing, no JSON, or has other keys.
    """
    again = "Run the command without --from-records."
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). {again}") from error
    except ValueError as error:
        raise DataError(f"{path}: is no JSON. {again}") from error
    if not isinstance(content, dict) or list(content) != ["measured"] or not isinstance(content["measured"], list):
        raise DataError(f"{path}: must have the key 'measured' with a list. {again}")
    return [_measured(item, f"{path}, entry {number}") for number, item in enumerate(content["measured"])]


def _measured(entry: Any, where: str) -> Measured:
    known = [field.name for field in fields(Measured)]
    if not isinstance(entry, dict) or sorted(entry) != sorted(known):
        raise DataError(f"{where}: must have the keys {', '.join(known)}.")
    if entry["kind"] not in get_args(Kind):
        raise DataError(f"{where}: kind: '{entry['kind']}' is none of {', '.join(get_args(Kind))}.")
    if not entry["rounds"]:
        raise DataError(f"{where}: rounds: is empty.")
    try:
        rounds = tuple(Round(Sample(**item["ours"]), Sample(**item["theirs"])) for item in entry["rounds"])
        checks = tuple(Check(**item) for item in entry["checks"])
    except (TypeError, KeyError) as error:
        raise DataError(f"{where}: rounds or checks have other keys ({error}).") from error
    return Measured(**(entry | {"rounds": rounds, "checks": checks}))
