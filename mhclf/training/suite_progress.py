"""A suite while it runs: a live table in a terminal, a line for each cell elsewhere."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mhclf.training.failure import Failure
from mhclf.training.run import RunOutcome

_LAST = 8
"""Ended cells that the live table still shows."""


class SuiteProgress:
    """Tells how the cells of a suite go; used as a context manager round the run.

    Parameters
    ----------
    names : sequence of str
        Of all cells.
    console : Console, optional
        Where to print: live where it is a terminal, else a line when a cell starts and ends.
    """

    def __init__(self, names: Sequence[str], console: Console | None = None) -> None:
        self._names = names
        self._console = console or Console()
        self._begun: dict[int, float] = {}
        self._ended: dict[int, tuple[str, float]] = {}
        self._count = Counter[str]()
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None

    def __enter__(self) -> "SuiteProgress":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.update(self._table(), refresh=True)
            self._live.stop()

    def started(self, number: int) -> None:
        """Note that a cell runs."""
        self._begun[number] = time.monotonic()
        self._say(number, "runs")

    def ended(self, number: int, end: RunOutcome | Failure) -> None:
        """Note how a cell ended."""
        begun = self._begun.pop(number, None)
        seconds = 0.0 if begun is None else time.monotonic() - begun
        if isinstance(end, Failure):
            state, told = "failed", f"failed: {end}"
        else:
            state = told = "was complete" if end.was_complete else "done"
        self._count[state] += 1
        self._ended[number] = (state, seconds)
        self._say(number, told if begun is None else f"{told} ({seconds / 60:.1f} min)")

    def tick(self) -> None:
        """Draw the table anew: minutes have passed."""
        if self._live:
            self._live.update(self._table(), refresh=True)

    def _say(self, number: int, state: str) -> None:
        if self._live:
            self.tick()
        else:
            self._console.print(
                f"[{number + 1}/{len(self._names)}] {self._names[number]}: {state}",
                soft_wrap=True,
                markup=False,
                highlight=False,
            )

    def _table(self) -> Group:
        left = len(self._names) - len(self._begun) - sum(self._count.values())
        counts = [f"{len(self._begun)} running", f"{left} waiting", *(f"{n} {name}" for name, n in self._count.items())]
        table = Table()
        table.add_column("cell")
        table.add_column("state")
        table.add_column("minutes", justify="right")
        colours = {"failed": "red", "done": "green"}
        for number, (state, seconds) in list(self._ended.items())[-_LAST:]:
            table.add_row(Text(self._names[number]), state, f"{seconds / 60:.1f}", style=colours.get(state, ""))
        for number, start in self._begun.items():
            table.add_row(Text(self._names[number]), "runs", f"{(time.monotonic() - start) / 60:.1f}", style="bold")
        return Group(Text(", ".join(counts)), table)


def failure_lines(failed: Sequence[tuple[str, Failure]], file: Path) -> list[str]:
    """Return the list of failed cells that stands at the end, and where to find it again."""
    lines = [f"- {name}: {failure.kind}: {failure.message}" for name, failure in failed]
    return [f"failed: {len(failed)} cell{'s' if len(failed) > 1 else ''} (also in {file})", *lines]
