"""The cells of a suite as tasks of a Ray cluster whose machines see one folder for runs."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mhclf.config.cells import with_absolute_paths
from mhclf.config.run import RunConfig
from mhclf.config.structure import from_mapping, to_mapping
from mhclf.errors import ConfigError
from mhclf.training.cell_pool import Watch
from mhclf.training.failure import Failure, attempt
from mhclf.training.located import LocatedCell
from mhclf.training.ray_engine import RETRIES, ray_session, why_lost
from mhclf.training.run import RunOutcome, outcome_of, run

_TICK = 0.5


def run_on_ray(cells: Sequence[tuple[int, LocatedCell]], cpus: int, data_root: str, watch: Watch) -> None:
    """Carry out cells as tasks, each in a process started for it; how each ended goes to `watch`.

    Parameters
    ----------
    cells : sequence of (int, LocatedCell)
        Numbers and cells with a folder, no two with the same one.
    cpus : int
        Cores of each cell. A cell that trains on a GPU (`accelerator` auto where the cluster has one) asks for it.
    data_root : str
        Folder of the data files where a cell names none.
    watch : Watch

    Raises
    ------
    MissingDependencyError
        If Ray is not installed.
    ConfigError
        If a cell shares its steps among several devices.

    Notes
    -----
    A cell is its run folder, which a worker holds by a lock: a worker that is killed frees it, and the task that Ray
    starts in its place goes on from the last checkpoint.
    """
    for _, cell in cells:
        if cell.cell.config.trainer.devices > 1:
            raise ConfigError(
                f"{cell.cell.name}: trainer: devices: is {cell.cell.config.trainer.devices}, and a task of Ray is one "
                "process. Leave it at 1 with --engine ray, or use --commands and a queue (docs/howto/slurm.md)."
            )
    with ray_session() as ray:
        waiting: dict[Any, tuple[int, LocatedCell]] = {}
        for number, cell in cells:
            config = with_absolute_paths(cell.cell.config, data_root)
            gpus = gpus_wanted(config, float(ray.cluster_resources().get("GPU", 0)))
            # A process for each cell, as on one machine: nothing of one cell is left for the next.
            task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES, max_calls=1)(cell_task)
            waiting[task.remote(to_mapping(config), cpus)] = number, cell
        begun: set[int] = set()
        start = time.time()
        try:
            while waiting:
                ended, _ = ray.wait(list(waiting), num_returns=1, timeout=_TICK)
                for number, cell in waiting.values():
                    if number not in begun and _works(cell, start):
                        begun.add(number)
                        watch.started(number)
                for reference in ended:
                    number, cell = waiting.pop(reference)
                    watch.ended(number, _end(ray, reference, cell))
                watch.tick()
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)


def cell_task(settings: dict[str, Any], threads: int) -> dict[str, Any]:
    """Carry out one run and return how it ended as plain values; called in a worker."""
    import torch

    torch.set_num_threads(threads)
    ended = attempt(lambda: run(from_mapping(RunConfig, settings, "the cell")))
    return asdict(ended) if isinstance(ended, Failure) else {"was_complete": ended.was_complete}


def gpus_wanted(config: RunConfig, in_cluster: float) -> int:
    """Return how many GPUs a cell asks Ray for."""
    accelerator = config.trainer.accelerator
    if config.model.kind == "tfidf_lr":
        return 0
    return int(accelerator in {"gpu", "cuda"} or (accelerator == "auto" and in_cluster >= 1))


def _works(cell: LocatedCell, start: float) -> bool:
    """Return whether a worker has written the run's status: Ray does not say when a task begins."""
    assert cell.folder is not None
    status = cell.folder.path / "status.json"
    return status.is_file() and status.stat().st_mtime >= start


def _end(ray: Any, reference: Any, cell: LocatedCell) -> RunOutcome | Failure:
    try:
        content = ray.get(reference)
    except ray.exceptions.RayError as error:
        return Failure(type(error).__name__, why_lost(ray, error))
    if "kind" in content:
        return Failure(**content)
    assert cell.folder is not None
    folder = cell.folder
    outcome = attempt(outcome_of, folder)
    if isinstance(outcome, Failure):
        return outcome
    return RunOutcome(outcome.folder, outcome.records, bool(content["was_complete"]))
