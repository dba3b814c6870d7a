"""What follows the finished runs of a suite: each scored on its targets, and on its own posts under small changes."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from mhclf.config.suite import PlannedCell
from mhclf.config.suite_grid import NoiseConfig, TargetConfig, noise_label, target_label
from mhclf.data.load import load_table
from mhclf.data.manifest import data_hash
from mhclf.training.failure import Failure, attempt
from mhclf.training.measured import Measured, on_target, under_noise
from mhclf.training.robustness import measure_robustness
from mhclf.training.run import RunOutcome
from mhclf.training.suite import Cell
from mhclf.training.transfer import evaluate_on


def follow_up(cells: Sequence[Cell], on_cell: Callable[[int], None] = lambda number: None) -> list[Cell]:
    """Measure what is missing of the follow-ups of finished cells; whatever one raises, the rest goes on.

    Parameters
    ----------
    cells : sequence of Cell
    on_cell : callable
        Called with the number of cells looked at after each.

    Returns
    -------
    list of Cell
        The follow-ups that failed, each under the name of the table where it is missing.
    """
    failed: list[Cell] = []
    targets: dict[tuple[str, str | None, bool], str | Failure] = {}
    for number, cell in enumerate(cells, start=1):
        if cell.outcome is not None:
            for target in cell.planned.targets:
                if failure := _transfer(cell.planned, cell.outcome, target, targets):
                    failed.append(_failed(cell.planned, target_label(target), failure))
            if cell.planned.noise is not None:
                failed += _noise(cell.planned, cell.outcome, cell.planned.noise)
        on_cell(number)
    return failed


def count_follow_ups(planned: PlannedCell) -> int:
    """Return how many tables beside its own a cell has numbers in."""
    return len(planned.targets) + (len(planned.noise.kinds) if planned.noise else 0)


def _transfer(
    planned: PlannedCell,
    outcome: RunOutcome,
    target: TargetConfig,
    known: dict[tuple[str, str | None, bool], str | Failure],
) -> Failure | None:
    config = planned.config
    key = (target.data, config.data_root, config.mask)
    if key not in known:
        known[key] = attempt(lambda: data_hash(load_table(target.data, data_root=config.data_root, mask=config.mask)))
    rows = known[key]
    if isinstance(rows, Failure):
        return rows
    # Rows that are not those of the last time are scored again.
    found = attempt(on_target, outcome, target)
    if isinstance(found, Measured) and found.source_hash == rows:
        return None
    end = attempt(
        evaluate_on,
        outcome.folder,
        target.data,
        target.label_map,
        data_root=config.data_root,
        renormalise=target.renormalise,
    )
    return end if isinstance(end, Failure) else None


def _noise(planned: PlannedCell, outcome: RunOutcome, noise: NoiseConfig) -> list[Cell]:
    missing = [kind for kind in noise.kinds if not isinstance(attempt(under_noise, outcome, noise, kind), Measured)]
    if not missing:
        return []
    end = attempt(
        measure_robustness,
        outcome.folder,
        missing,
        noise.strength,
        noise.seed,
        data_root=planned.config.data_root,
    )
    return [_failed(planned, noise_label(kind), end) for kind in missing] if isinstance(end, Failure) else []


def _failed(planned: PlannedCell, label: str, failure: Failure) -> Cell:
    return Cell(replace(planned, part=planned.part + label), failure=failure)
