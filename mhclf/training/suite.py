"""The cells of a suite and how they ended; carrying them out one after another in this process."""

from collections.abc import Sequence
from dataclasses import dataclass

from mhclf.config.suite import PlannedCell
from mhclf.training.cell_pool import Watch
from mhclf.training.failure import Failure, attempt
from mhclf.training.located import LocatedCell
from mhclf.training.run import RunOutcome, run


@dataclass(frozen=True)
class Cell:
    """A planned cell and how it ended: one of outcome and failure is there."""

    planned: PlannedCell
    outcome: RunOutcome | None = None
    failure: Failure | None = None


def ended_cell(planned: PlannedCell, end: RunOutcome | Failure) -> Cell:
    """Return a planned cell with how it ended."""
    return Cell(planned, failure=end) if isinstance(end, Failure) else Cell(planned, end)


def run_here(cells: Sequence[tuple[int, LocatedCell]], watch: Watch) -> None:
    """Carry out cells one after another in this process; whatever one raises, the rest goes on."""
    for number, located in cells:
        config = located.cell.config
        watch.started(number)
        watch.ended(number, attempt(run, config))
