"""What a suite would do: its cells, how far each is, and how long the rest will take."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mhclf.errors import MhclfError
from mhclf.models.weights import EMBEDDED, resolve_encoder
from mhclf.results.suite import suite_records_in
from mhclf.results.tables import Column, Table
from mhclf.results.timing import Estimate, Timing, estimate, timings_of
from mhclf.training.failure import Failure
from mhclf.training.follow_ups import count_follow_ups
from mhclf.training.located import LocatedCell, encoder_cost


def plan_table(
    cells: Sequence[LocatedCell], records: Sequence[Path], failures: Mapping[str, Failure], jobs: int
) -> Table:
    """Return a row for each cell: its state, and an estimate of the minutes that are left.

    Parameters
    ----------
    cells : sequence of LocatedCell
    records : sequence of Path
        Files of committed suite records, for their times; others are left out.
    failures : mapping
        Name of a cell -> how it failed at the last start.
    jobs : int
        Cells that will run at a time.
    """
    known = _timings(cells, records)
    costs = _costs(cells)
    rows: list[tuple[str, str, str | None, str]] = []
    left, unknown = 0.0, 0
    folders: set[Path] = set()
    for cell in cells:
        state, why = _state(cell, failures)
        if cell.folder is None or not cell.to_run:
            rows.append((cell.cell.name, state, None, why))
            continue
        if cell.folder.path in folders:
            rows.append((cell.cell.name, state, None, "the same run as a cell above"))
            continue
        folders.add(cell.folder.path)
        found = _estimate(cell, known, costs)
        if found.seconds is None:
            unknown += 1
        else:
            left += found.seconds
        minutes = None if found.seconds is None else f"{found.seconds / 60:.1f}"
        rows.append((cell.cell.name, state, minutes, why or found.basis))
    done = sum(cell.state == "complete" for cell in cells)
    refused = sum(cell.folder is None for cell in cells)
    recorded = sum(cell.state == "recorded" for cell in cells)
    kept = f" {recorded} kept from the records," if recorded else ""
    counts = f"{len(cells)} cells: {done} complete,{kept} {len(folders)} to run, {refused} refused"
    total = f"Left: about {left / jobs / 60:.0f} minutes with {jobs} job{'s' if jobs > 1 else ''}"
    if unknown:
        total += f", and {unknown} cell{'s' if unknown > 1 else ''} of unknown length"
    if follow := sum(count_follow_ups(cell.cell) for cell in cells):
        total += f". Then {follow} predictions of other or changed test posts, whose time is not counted"
    notes = (
        total + ".",
        "Estimated from complete cells here and in the committed records: other seeds of the same cell, else seconds "
        "a train row of the method and encoder, else of the encoder, else by layers x width² of another encoder. "
        "Length of posts, epochs and processor are not weighed.",
    )
    columns = (Column("cell"), Column("state"), Column("minutes", "right"), Column("from"))
    return Table(counts, columns, tuple(rows), notes)


def _state(cell: LocatedCell, failures: Mapping[str, Failure]) -> tuple[str, str]:
    if cell.failure is not None:
        return "refused", str(cell.failure)
    if cell.to_run and cell.cell.name in failures:
        return "failed", str(failures[cell.cell.name])
    return cell.state, ""


def _estimate(cell: LocatedCell, known: Sequence[Timing], costs: Mapping[str, float]) -> Estimate:
    rows = (cell.rows or {}).get("train", 0)
    methods = (cell.cell.method, cell.cell.config.method)
    found = estimate(cell.dataset + cell.cell.part, methods, cell.encoder, rows, known, costs)
    if found.seconds is None:
        return found
    # A begun run goes on from its last epoch.
    return Estimate(max(0.0, found.seconds - cell.seconds), found.basis)


def _timings(cells: Sequence[LocatedCell], records: Sequence[Path]) -> list[Timing]:
    known = [
        Timing(cell.dataset + cell.cell.part, cell.cell.method, cell.encoder, rows, cell.seconds)
        for cell in cells
        if cell.state == "complete" and cell.seconds > 0 and (rows := (cell.rows or {}).get("train", 0))
    ]
    for path in records:
        if (found := suite_records_in(path)) is not None:
            known += timings_of(found)
    return known


def _costs(cells: Sequence[LocatedCell]) -> dict[str, float]:
    costs = {cell.encoder: cell.cost for cell in cells if cell.cost is not None}
    for name in EMBEDDED:
        if name not in costs:
            try:
                cost = encoder_cost(resolve_encoder(name))
            except MhclfError:
                # Not installed: what was measured with it says nothing here.
                continue
            if cost is not None:
                costs[name] = cost
    return costs
