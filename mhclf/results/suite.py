"""The committed records of a suite: numbers and per-row correctness by salted hash, without text or ids."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mhclf.errors import DataError
from mhclf.results.files import write_text

_SALT = "mhclf:suite-records:v1:"


def salted(identifier: str) -> str:
    """Return twelve hexadecimal digits that stand for a row's id."""
    return hashlib.sha256((_SALT + identifier).encode("utf-8")).hexdigest()[:12]


@dataclass(frozen=True)
class TestRows:
    """The test rows of a data set, in order: salted ids and group numbers."""

    dataset: str
    data_hash: str
    task: str
    labels: int
    ids: tuple[str, ...]
    groups: tuple[int, ...]
    headline_metrics: tuple[str, ...]
    rows: dict[str, int]


@dataclass(frozen=True)
class SuiteRun:
    """One cell: what ran, how long, which rows were right, and the layers if it has any.

    Attributes
    ----------
    correct : tuple of str
        One string of 0 and 1 over the test rows; for several labels a post, one string for each label.
    values : dict
        Test metrics of this run.
    layers : dict or None
        `weights_mean`, `contribution_mean`, `gate`, `kl_from_uniform` and so on, from `layers.json`.
    error : str
        Why a failed cell failed; empty otherwise.
    cpu_seconds : float or None
        Time of the processor, over all its cores; None where it was not measured (other processes of the run are not
        counted).
    pairs : tuple of dict
        `first`, `second`, `margin`, `confusion`, `n` of each pair of classes, from `class_pairs.json`: labels and
        numbers only. Empty where the run, or the version that recorded it, has none.
    """

    run: str
    dataset: str
    method: str
    encoder: str
    seed: int
    protocol: str
    data_hash: str
    commit: str
    seconds: float
    correct: tuple[str, ...] = ()
    values: dict[str, float | None] = dataclasses.field(default_factory=dict)
    layers: dict[str, Any] | None = None
    error: str = ""
    pairs: tuple[dict[str, Any], ...] = ()
    cpu_seconds: float | None = None


@dataclass(frozen=True)
class SuiteSummary:
    """A metric of one method over its seeds: mean, sd over seeds, interval over groups and seeds together."""

    dataset: str
    method: str
    encoder: str
    metric: str
    seeds: tuple[int, ...]
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    sd: float | None
    n: int


@dataclass(frozen=True)
class SuiteRecords:
    """Everything that a suite's table is made of."""

    rows: tuple[TestRows, ...]
    runs: tuple[SuiteRun, ...]
    summaries: tuple[SuiteSummary, ...]


_KINDS: dict[str, Any] = {"rows": TestRows, "run": SuiteRun, "summary": SuiteSummary}


def write_suite_records(path: Path, records: SuiteRecords) -> Path:
    """Write one JSON object a line, in an order that does not depend on how the suite ran."""
    parts: list[tuple[str, Iterable[Any]]] = [
        ("rows", sorted(records.rows, key=lambda item: item.dataset)),
        ("run", sorted(records.runs, key=lambda item: (item.dataset, item.encoder, item.method, item.seed))),
        ("summary", sorted(records.summaries, key=lambda i: (i.dataset, i.encoder, i.method, i.metric))),
    ]
    lines = [
        json.dumps({"kind": kind, **dataclasses.asdict(item)}, ensure_ascii=False, allow_nan=False)
        for kind, items in parts
        for item in items
    ]
    return write_text(path, "".join(f"{line}\n" for line in lines))


def merge_suite_records(earlier: SuiteRecords, newer: SuiteRecords) -> SuiteRecords:
    """Lay newer records over earlier ones, so that a machine with fewer runs does not take numbers away.

    A method on a data set has one summary over its seeds, which needs the predictions of all of them: of the same data
    the records with more seeds stand, and the earlier ones where both hold as many different ones.
    """

    def seeds(records: SuiteRecords) -> dict[tuple[str, str, str, str], set[int]]:
        found: dict[tuple[str, str, str, str], set[int]] = {}
        for run in records.runs:
            if not run.error:
                found.setdefault((run.dataset, run.method, run.encoder, run.data_hash), set()).add(run.seed)
        return found

    ours, theirs = seeds(newer), seeds(earlier)
    hashes = {rows.dataset: rows.data_hash for rows in newer.rows}
    kept = {
        (dataset, method, encoder)
        for (dataset, method, encoder, data_hash), found in theirs.items()
        if hashes.get(dataset, data_hash) == data_hash
        and _is_kept(found, ours.get((dataset, method, encoder, data_hash), set()))
    }

    def is_kept(item: SuiteRun | SuiteSummary) -> bool:
        return (item.dataset, item.method, item.encoder) in kept

    return SuiteRecords(
        (*newer.rows, *(rows for rows in earlier.rows if rows.dataset not in hashes)),
        (
            *(run for run in newer.runs if not is_kept(run)),
            *(run for run in earlier.runs if is_kept(run) and not run.error),
        ),
        (
            *(item for item in newer.summaries if not is_kept(item)),
            *(item for item in earlier.summaries if is_kept(item)),
        ),
    )


def _is_kept(earlier: set[int], newer: set[int]) -> bool:
    return bool(earlier - newer) and len(earlier) >= len(newer)


def read_suite_records(path: Path) -> SuiteRecords:
    """Read the records back.

    Raises
    ------
    DataError
        Naming file and line, where a line is no record.
    """
    found: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Run the suite first.") from error
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            content = json.loads(line)
            kind = content.pop("kind")
            structure = _KINDS[kind]
            tuples = {f.name for f in dataclasses.fields(structure) if str(f.type).startswith("tuple")}
            values = {key: tuple(value) if key in tuples else value for key, value in content.items()}
            found[kind].append(structure(**values))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}, line {number}: is no suite record ({error}). Write the file again.") from error
    return SuiteRecords(tuple(found["rows"]), tuple(found["run"]), tuple(found["summary"]))


def suite_records_in(path: Path) -> SuiteRecords | None:
    """Read the records of a file that may hold others than a suite's: None then."""
    try:
        return read_suite_records(path)
    except DataError:
        return None
