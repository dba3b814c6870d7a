"""Measured works as tables and as one Markdown page."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import get_args

from mhclf.results.speed import Kind, Measured
from mhclf.results.tables import Column, Strong, Table, to_markdown

ENOUGH_ROUNDS = 5
_TITLES: dict[str, str] = {
    "times_faster": "Faster than what a user would pick instead",
    "times_as_long": "Longer than the plain or smaller work",
    "more_megabytes": "More memory than the smaller work",
    "seconds": "Start-up",
    "not_worse": "As good as the peer",
}
_FIGURES: dict[str, str] = {
    "times_faster": "times as fast",
    "times_as_long": "times as long",
    "more_megabytes": "MB more",
    "seconds": "s",
    "not_worse": "ratio",
}


def speed_tables(found: Sequence[Measured]) -> list[Table]:
    """Return one table for each kind of claim."""
    letters = machine_letters(found)
    return [
        _table(kind, chosen, letters)
        for kind in get_args(Kind)
        if (chosen := [item for item in found if item.kind == kind])
    ]


def machine_letters(found: Sequence[Measured]) -> dict[str, str]:
    """Return machine -> 'A', 'B', ..., the one with most works first."""
    names = [item.machine for item in found]
    return {name: chr(ord("A") + place) for place, (name, _) in enumerate(Counter(names).most_common())}


def _table(kind: str, found: Sequence[Measured], letters: Mapping[str, str]) -> Table:
    columns = (
        Column("work"),
        Column("on"),
        Column("machine"),
        Column("ours"),
        Column("beside"),
        Column("ours, median", "right"),
        Column("beside, median", "right"),
        Column(_FIGURES[kind], "right"),
        Column("aim", "right"),
        Column("reached"),
        Column("same results"),
        Column("rounds", "right"),
    )
    rows = []
    for item in found:
        low, high = min(item.figures), max(item.figures)
        figure = f"{_short(item.figure)} [{_short(low)}, {_short(high)}]"
        limit = item.limit
        sign = "\u2265" if kind in ("times_faster", "not_worse") else "\u2264"
        unit = f"{item.unit}/s" if kind == "times_faster" else item.unit
        rows.append(
            (
                item.work,
                item.data,
                letters[item.machine],
                item.ours,
                item.theirs,
                f"{_short(item.side('ours'))} {unit}",
                f"{_short(item.side('theirs'))} {unit}",
                Strong(figure) if item.reached and item.same else figure,
                None if limit is None else f"{sign} {_short(limit)}",
                {None: None, True: "yes", False: "no"}[item.reached],
                _same(item),
                len(item.rounds),
            )
        )
    notes = ["In brackets: lowest and highest round. In bold: the aim is reached, and no check of the results failed."]
    few = sorted({item.work for item in found if len(item.rounds) < ENOUGH_ROUNDS and kind != "not_worse"})
    if few:
        notes.append(f"Fewer than {ENOUGH_ROUNDS} rounds, a first look only: {', '.join(few)}.")
    if kind == "not_worse":
        notes.append(
            "Rounds are seeds; the aim is the lower end of the peer's 95 % t interval, as a share of its mean."
        )
    return Table(_TITLES[kind], columns, tuple(rows), tuple(notes))


def _same(item: Measured) -> str | None:
    if not item.checks:
        return None
    return ("yes: " if item.same else "FAILED: ") + "; ".join(
        str(check) for check in item.checks if check.passed == item.same
    )


def speed_markdown(found: Sequence[Measured]) -> str:
    """Return the tables as one Markdown page, with what was measured on what."""
    letters = machine_letters(found)
    pieces = [
        "# Speed and memory, side by side",
        "Made by `python experiments/speed.py` from `speed.json`, which holds every round. Both sides run on the same "
        "machine, one after the other in every round, in one process unless the work says otherwise. The figure of a "
        "round holds our measurement against the one right beside it; the table shows the median over rounds. Only "
        "figures of this kind can be carried to another machine: absolute numbers cannot. Machines stand at the end.",
        *(to_markdown(table) for table in speed_tables(found)),
        "## Settings",
        "\n".join(_settings_line(item, letters) for item in found),
        "## Machines",
        "\n".join(_machine_lines(found)),
    ]
    return "\n\n".join(piece.strip() for piece in pieces) + "\n"


def _settings_line(item: Measured, letters: Mapping[str, str]) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in item.settings.items() if value is not None)
    return f"- {item.work}, {item.data}, machine {letters[item.machine]}: {settings}"


def _machine_lines(found: Sequence[Measured]) -> list[str]:
    """Return one line for each machine with its versions and commit, with the works measured there."""
    letters = machine_letters(found)
    works: dict[str, list[str]] = {}
    for item in found:
        facts = item.environment
        versions = ", ".join(f"{name} {value}" for name, value in facts["versions"].items())
        git = facts["git"] or {}
        commit = f"{str(git['commit'])[:12]}{'+' if git.get('modified') else ''}" if git.get("commit") else "unknown"
        line = (
            f"{letters[item.machine]}: {item.machine}, {facts['cpu_count']} cores; {facts['platform']}; "
            f"Python {facts['python']}, {versions}; commit {commit}"
        )
        works.setdefault(line, []).append(f"{item.work} on {item.data}" if item.work != "start_up" else item.work)
    busy = max(float(item.environment["load"]) for item in found) if found else 0.0
    lines = [f"- {line} ({', '.join(dict.fromkeys(names))})" for line, names in sorted(works.items())]
    return [*lines, f"- highest load average during a work: {busy:.1f}"]


def _short(value: float) -> str:
    """Return a number with three significant digits, never in powers of ten."""
    if not math.isfinite(value):
        return "\u2013"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else f"{value:.4f}"
