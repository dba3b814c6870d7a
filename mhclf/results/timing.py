"""How long a cell of a suite will take, from the times of cells that are complete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from mhclf.results.suite import SuiteRecords


@dataclass(frozen=True)
class Timing:
    """A complete cell: what ran, on how many train rows, how many seconds it took."""

    dataset: str
    method: str
    encoder: str
    rows: int
    seconds: float

    @property
    def per_row(self) -> float:
        """Seconds for each train row."""
        return self.seconds / self.rows


@dataclass(frozen=True)
class Estimate:
    """Seconds, or None where nothing is known, and what they are taken from."""

    seconds: float | None
    basis: str


def timings_of(records: SuiteRecords) -> list[Timing]:
    """Return the times of the complete cells among committed records."""
    rows = {(item.dataset, item.data_hash): item.rows.get("train", 0) for item in records.rows}
    return [
        Timing(run.dataset, run.method, run.encoder, rows[run.dataset, run.data_hash], run.seconds)
        for run in records.runs
        if not run.error and run.seconds > 0 and rows.get((run.dataset, run.data_hash))
    ]


def estimate(
    dataset: str, method: str, encoder: str, rows: int, known: Sequence[Timing], costs: Mapping[str, float]
) -> Estimate:
    """Estimate the time of a cell.

    Parameters
    ----------
    dataset, method, encoder : str
        As in records.
    rows : int
        Train rows.
    known : sequence of Timing
    costs : mapping of str to float
        Work for each token of the encoders whose size is known, in any unit.

    Returns
    -------
    Estimate
        From the first of these that is known, as the median of seconds for each train row: other seeds of the same
        data set, method and encoder; the method and encoder on other sets; the encoder with other methods; the method,
        then any method, with other encoders, times the ratio of the encoders' costs.
    """
    levels = (
        ("other seeds", lambda item: (item.dataset, item.method, item.encoder) == (dataset, method, encoder)),
        (f"{method}, {encoder}", lambda item: (item.method, item.encoder) == (method, encoder)),
        (f"any method, {encoder}", lambda item: item.encoder == encoder),
    )
    for basis, fits in levels:
        found = [item for item in known if fits(item)]
        if found:
            said = basis if basis == "other seeds" else f"{basis}, {_sets(found)}, by rows"
            return Estimate(median(item.per_row for item in found) * rows, said)
    sized = [item for item in known if item.encoder in costs] if encoder in costs else []
    found = [item for item in sized if item.method == method] or sized
    if not found:
        return Estimate(None, "unknown")
    per_row = median(item.per_row * costs[encoder] / costs[item.encoder] for item in found)
    names = ", ".join(sorted({item.encoder for item in found}))
    of = method if found[0].method == method else "any method"
    return Estimate(per_row * rows, f"{of}, {names}, {_sets(found)}, by rows and size of encoder")


def _sets(timings: Sequence[Timing]) -> str:
    count = len({item.dataset for item in timings})
    return f"{count} set{'s' if count > 1 else ''}"
