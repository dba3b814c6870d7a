"""How far long work has come, as bars on stderr: what the doors show."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bars(quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Yield what shows each step, called with its name, what is done and the whole; bars appear with the first call."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), disable=quiet)
    tasks: dict[tuple[str, int], Any] = {}

    def show(what: str, done: int, total: int) -> None:
        bar.start()
        # A step that begins anew, for another question, gets a bar of its own.
        key = (what, total)
        if key not in tasks or bar.tasks[tasks[key]].finished:
            tasks[key] = bar.add_task(what, total=total)
        bar.update(tasks[key], completed=done)

    try:
        yield show
    finally:
        bar.stop()
