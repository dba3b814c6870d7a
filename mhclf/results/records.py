"""One number of one run as one line of `results.jsonl`: written atomically, read strictly."""

import dataclasses
import json
import math
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from mhclf.errors import DataError, MhclfWarning
from mhclf.results.files import write_text

_TEXT = ("run", "dataset", "split", "slice", "method", "encoder", "metric", "protocol", "data_hash")
_NUMBERS = ("value", "ci_low", "ci_high")
_IDENTITY = ("run", "dataset", "split", "slice", "method", "encoder", "seed", "metric", "protocol")


@dataclass(frozen=True)
class ResultRecord:
    """One number with its interval and all that is needed to know what it is.

    Parameters
    ----------
    run, dataset, split : str
        Name of the run folder, of the data set, and of the split the number is about.
    slice : str
        `all`, or the named part of the split.
    method, encoder : str
        What was trained, on what; `encoder` is an empty string or a word like `none` where there is none.
    seed : int
        Seed of the model (not of the splits).
    metric : str
        Name as in the code, such as `macro_f1`.
    value, ci_low, ci_high : float or None
        The number and the ends of its 95 % interval; None where it is undefined. NaN is turned into None,
        an infinite number is an error.
    n : int
        Number of posts behind the value.
    higher_is_better : bool
        Direction of the metric.
    protocol, data_hash : str
        Protocol name, and the hash of the data from the manifest.

    Raises
    ------
    DataError
        When a field has the wrong type, a number is infinite, `n` is negative or the interval is reversed.
    """

    run: str
    dataset: str
    split: str
    slice: str
    method: str
    encoder: str
    seed: int
    metric: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    higher_is_better: bool
    protocol: str
    data_hash: str

    def __post_init__(self) -> None:
        for name in _TEXT:
            if not isinstance(getattr(self, name), str):
                raise DataError(f"Result record: '{name}' must be text, not {getattr(self, name)!r}.")
        for name in ("seed", "n"):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, Integral):
                raise DataError(f"Result record: '{name}' must be a whole number, not {number!r}.")
            object.__setattr__(self, name, int(number))
        if self.n < 0:
            raise DataError(f"Result record: 'n' is {self.n}; a number of posts cannot be negative.")
        for name in _NUMBERS:
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        if type(self.higher_is_better).__name__ not in ("bool", "bool_"):
            raise DataError(f"Result record: 'higher_is_better' must be true or false, not {self.higher_is_better!r}.")
        object.__setattr__(self, "higher_is_better", bool(self.higher_is_better))
        if self.ci_low is not None and self.ci_high is not None and self.ci_low > self.ci_high:
            raise DataError(
                f"Result record: '{self.metric}' has a reversed interval ({self.ci_low} to {self.ci_high})."
            )

    @property
    def identity(self) -> tuple[str | int, ...]:
        """What the number is about: every field but the value, its interval, n and the hash of the data."""
        return tuple(getattr(self, name) for name in _IDENTITY)

    def to_json(self) -> str:
        """Return the record as one line of JSON, keys in the order of the fields, without a line end."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, allow_nan=False)


FIELDS = tuple(field.name for field in dataclasses.fields(ResultRecord))


def write_records(path: str | os.PathLike[str], records: Iterable[ResultRecord]) -> Path:
    """Write `records`, one a line, replacing the file atomically.

    Parameters
    ----------
    path : path-like
        The `results.jsonl` to write.
    records : iterable of ResultRecord
        In the order in which they shall stand.

    Returns
    -------
    pathlib.Path
        The file.
    """
    return write_text(Path(path), "".join(record.to_json() + "\n" for record in records))


def append_records(path: str | os.PathLike[str], records: Iterable[ResultRecord]) -> Path:
    """Add `records` to a file; one that is there already under the same identity is replaced in its place.

    The whole file is rewritten atomically, so a cut last line is healed and nothing is counted twice when a
    step runs again. Parameters and return value are those of `write_records`.
    """
    path = Path(path)
    merged = {record.identity: record for record in (read_records(path) if path.exists() else ())}
    merged.update((record.identity, record) for record in records)
    return write_records(path, merged.values())


def read_records(path: str | os.PathLike[str]) -> tuple[ResultRecord, ...]:
    """Read a `results.jsonl`.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    tuple of ResultRecord
        In file order. A last line that a kill cut off (no line end, no complete JSON) is left out with an
        `MhclfWarning`.

    Raises
    ------
    DataError
        When the file is missing or a line is no JSON object, has unknown, missing or repeated keys, or a
        wrong value; the message names file and line.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = _parse(line)
        except DataError as error:
            raise DataError(f"{path}, line {number}: {error}.") from error
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                warnings.warn(
                    f"{path}, line {number}: the last line was cut off and is left out.",
                    MhclfWarning,
                    stacklevel=2,
                )
                break
            raise DataError(f"{path}, line {number}: no valid JSON ({error}).") from error
        try:
            records.append(_record(entry))
        except DataError as error:
            raise DataError(f"{path}, line {number}: {error}") from error
    return tuple(records)


def _number(name: str, number: object) -> float | None:
    """Return `number` as a float, None for None and NaN."""
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, Real):
        raise DataError(f"Result record: '{name}' must be a number or null, not {number!r}.")
    if math.isinf(number):
        raise DataError(f"Result record: '{name}' is infinite; write null where a number is undefined.")
    return None if math.isnan(number) else float(number)


def _parse(line: bytes) -> object:
    """Return the JSON value of a line; NaN, infinities and repeated keys are errors."""

    def refuse(constant: str) -> object:
        raise DataError(f"{constant} is not JSON; an undefined number is null")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            raise DataError("a key stands twice")
        return dict(pairs)

    return json.loads(line.decode("utf-8"), parse_constant=refuse, object_pairs_hook=unique)


def _record(entry: object) -> ResultRecord:
    """Return the record of a parsed line."""
    if not isinstance(entry, dict):
        raise DataError("expected a JSON object, one record a line.")
    unknown, missing = sorted(set(entry) - set(FIELDS)), [name for name in FIELDS if name not in entry]
    if unknown or missing:
        parts = [
            f"{word} keys: {', '.join(map(repr, keys))}"
            for word, keys in (("unknown", unknown), ("missing", missing))
            if keys
        ]
        raise DataError(f"{'; '.join(parts)}. A record has exactly these keys: {', '.join(FIELDS)}.")
    return ResultRecord(**entry)
