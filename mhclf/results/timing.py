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


def time_spent(records: SuiteRecords) -> str:
    """Return a sentence on the time that the recorded runs took: of the processor, and by the clock where that is all.

    Hours of the processor count every core; the clock's hours depend on what else ran.
    """
    runs = [run for run in records.runs if not run.error and run.seconds > 0]
    measured = [run.cpu_seconds for run in runs if run.cpu_seconds is not None]
    other = [run.seconds for run in runs if run.cpu_seconds is None]
    parts = [f"{sum(measured) / 3600:.2f} hours of the processor in {len(measured)} runs"] if measured else []
    parts += [f"{sum(other) / 3600:.2f} hours by the clock in {len(other)} runs"] if other else []
    return " and ".join(parts) or "none"


def estimate(
    dataset: str,
    methods: Sequence[str],
    encoder: str,
    rows: int,
    known: Sequence[Timing],
    costs: Mapping[str, float],
) -> Estimate:
    """Estimate the time of a cell.

    Parameters
    ----------
    dataset : str
        As in records.
    methods : sequence of str
        Names under which records may have the method: a variant, then its recipe.
    encoder : str
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
    same = [item for item in known if item.encoder == encoder]
    sized = [item for item in known if item.encoder in costs] if encoder in costs else []
    for found in (
        [item for item in same if item.dataset == dataset and item.method == methods[0]],
        *([item for item in same if item.method == method] for method in methods),
        same,
        *([item for item in sized if item.method == method] for method in methods),
        sized,
    ):
        if found:
            # Of one encoder the ratio is 1, whether its cost is known or not.
            ratios = [costs[encoder] / costs[item.encoder] if item.encoder != encoder else 1.0 for item in found]
            per_row = median(item.per_row * ratio for item, ratio in zip(found, ratios, strict=True))
            return Estimate(per_row * rows, _basis(found, dataset, methods[0], encoder))
    return Estimate(None, "unknown")


def _basis(found: Sequence[Timing], dataset: str, method: str, encoder: str) -> str:
    """Return methods, encoders and number of sets; shorter where it is the very cell with other seeds."""
    sets, names, encoders = ({getattr(item, key) for item in found} for key in ("dataset", "method", "encoder"))
    if sets == {dataset} and names == {method} and encoders == {encoder}:
        return "other seeds"
    said = names.pop() if len(names) == 1 else "any method"
    count = f"{len(sets)} set{'s' if len(sets) > 1 else ''}"
    scaled = "by rows" if encoders == {encoder} else "by rows and encoder"
    return f"{said}, {', '.join(sorted(encoders))}, {count}, {scaled}"
