"""The work of a suite: which cells are left, how each ended, and the file of those that failed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mhclf.training.cell_pool import Watch
from mhclf.training.failure import Failure, attempt, write_failures
from mhclf.training.located import LocatedCell
from mhclf.training.run import RunOutcome, outcome_of
from mhclf.training.suite import Cell, ended_cell


class SuiteWork:
    """Stands between the engine that carries out cells and who watches.

    Parameters
    ----------
    cells : sequence of LocatedCell
    failures_file : Path
        Written anew whenever a cell fails, and at the start: a cell that failed before may be done now.
    watch : Watch
        Told what this is told, and at once about cells that are complete or refused.
    """

    def __init__(self, cells: Sequence[LocatedCell], failures_file: Path, watch: Watch) -> None:
        self._cells = cells
        self._failures_file = failures_file
        self._watch = watch
        self._ends: dict[int, RunOutcome | Failure] = {}
        # Variants of equal settings share a run folder: one of them runs, the others have its outcome.
        self._twins: dict[int, list[int]] = {}
        first: dict[Path, int] = {}
        for number, cell in enumerate(cells):
            if cell.folder is not None and cell.state != "complete":
                self._twins.setdefault(first.setdefault(cell.folder.path, number), []).append(number)
        write_failures(failures_file, [])
        for number, cell in enumerate(cells):
            if (end := _known_end(cell)) is not None:
                self._note(number, end)

    @property
    def missing(self) -> list[tuple[int, LocatedCell]]:
        """Numbers and cells to carry out, no two with one folder."""
        return [(number, self._cells[number]) for number in self._twins]

    @property
    def cells(self) -> list[Cell]:
        """The cells that have ended, in the suite's order."""
        return [ended_cell(self._cells[number].cell, end) for number, end in sorted(self._ends.items())]

    def started(self, number: int) -> None:
        """Pass on that a cell runs."""
        self._watch.started(number)

    def ended(self, number: int, end: RunOutcome | Failure) -> None:
        """Note how a cell and those of the same run ended."""
        for twin in self._twins[number]:
            if twin != number and isinstance(end, RunOutcome):
                end = replace(end, was_complete=True)
            self._note(twin, end)

    def tick(self) -> None:
        """Pass on that time has passed."""
        self._watch.tick()

    def _note(self, number: int, end: RunOutcome | Failure) -> None:
        self._ends[number] = end
        failed = [(self._cells[at].cell.name, end) for at, end in self._ends.items() if isinstance(end, Failure)]
        if isinstance(end, Failure):
            write_failures(self._failures_file, failed)
        self._watch.ended(number, end)


def complete_only(cells: Sequence[LocatedCell]) -> list[Cell]:
    """Return the cells that are complete or cannot start, without running one."""
    ends = [(cell, _known_end(cell)) for cell in cells if cell.state == "complete" or cell.folder is None]
    return [ended_cell(cell.cell, end) for cell, end in ends if end is not None]


def _known_end(cell: LocatedCell) -> RunOutcome | Failure | None:
    """Return how a cell has ended before it is started; None where it must run."""
    folder = cell.folder
    if folder is None:
        return cell.failure
    return attempt(outcome_of, folder) if cell.state == "complete" else None
