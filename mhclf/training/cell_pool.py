"""The cells of a suite in several processes of this machine, each started afresh for one cell."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from mhclf.config.structure import to_mapping
from mhclf.training.failure import Failure, attempt
from mhclf.training.located import LocatedCell
from mhclf.training.run import RunOutcome, outcome_of

_TICK = 0.2
"""Seconds between two looks at the workers."""
_PATIENCE = 10.0
"""Seconds that a worker has to end after Ctrl-C."""


_COMMAND = (sys.executable, "-m", "mhclf.training.cell_worker")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


class Watch(Protocol):
    """Who is told how a suite goes; numbers are places in the list of cells, from 0."""

    def started(self, number: int) -> None:
        """Tell that a cell runs."""

    def ended(self, number: int, end: RunOutcome | Failure) -> None:
        """Tell how a cell ended."""

    def tick(self) -> None:
        """Tell that time has passed."""


@dataclass(frozen=True)
class _Worker:
    """A running process with the number of its cell and its log."""

    number: int
    process: "subprocess.Popen[str]"
    log: IO[str]


def threads_of_each(jobs: int) -> int:
    """Return the threads that each of so many processes gets: an equal share of the cores, at most OMP_NUM_THREADS."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = os.environ.get("OMP_NUM_THREADS", "")
    share = max(1, cores // jobs)
    return min(share, int(given)) if given.isdigit() and int(given) else share


def run_in_processes(cells: Sequence[tuple[int, LocatedCell]], jobs: int, watch: Watch) -> None:
    """Carry out cells, so many at a time; how each ended goes to `watch`.

    Parameters
    ----------
    cells : sequence of (int, LocatedCell)
        Numbers and cells with a folder, no two with the same one.
    jobs : int
        Processes at a time.
    watch : Watch

    Notes
    -----
    What a worker prints goes to `worker.log` in its run folder. A worker that is killed fails its cell alone. On
    Ctrl-C, and on any other end of this process, the workers end, too; the runs go on from their checkpoints.
    """
    waiting = deque(cells)
    running: list[_Worker] = []
    places = dict(cells)
    threads = threads_of_each(jobs)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                number, cell = waiting.popleft()
                running.append(_start(number, cell, threads))
                watch.started(number)
            for worker in [worker for worker in running if worker.process.poll() is not None]:
                running.remove(worker)
                watch.ended(worker.number, _end(worker, places[worker.number]))
            watch.tick()
            if running:
                time.sleep(_TICK)
    finally:
        _stop(running)


def _start(number: int, cell: LocatedCell, threads: int) -> _Worker:
    assert cell.folder is not None
    folder = cell.folder.path
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {name: str(threads) for name in _THREADS}
    # The library may be used from a checkout that only the door's own path knows.
    packages = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [packages, os.environ.get("PYTHONPATH", "")]))
    log = (folder / "worker.log").open("a", encoding="utf-8")
    settings = json.dumps(to_mapping(cell.cell.config))
    process = subprocess.Popen(
        [*_COMMAND, settings, str(threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=environment,
        # Ctrl-C of the terminal reaches this process only, which tells the workers.
        start_new_session=True,
    )
    return _Worker(number, process, log)


def _end(worker: _Worker, cell: LocatedCell) -> RunOutcome | Failure:
    """Return how the cell of an ended worker ended."""
    assert worker.process.stdout is not None and cell.folder is not None
    # What it started (the other processes of ddp) would keep its cores, and hold the end of its output.
    with suppress(ProcessLookupError):
        os.killpg(worker.process.pid, signal.SIGKILL)
    printed = worker.process.stdout.read().strip()
    _close(worker)
    folder, code = cell.folder, worker.process.returncode
    log = folder.path / "worker.log"
    if not log.stat().st_size:
        log.unlink()
    try:
        content = json.loads(printed.splitlines()[-1])
    except (ValueError, IndexError):
        if code < 0:
            name = signal.Signals(-code).name
            return Failure("Killed", f"the process of the cell ended by {name} (out of memory?). See {log}.")
        return Failure("Ended", f"the process of the cell ended with code {code} and no word. See {log}.")
    if "kind" in content:
        return Failure(content["kind"], content["message"], content["place"])
    outcome = attempt(outcome_of, folder)
    if isinstance(outcome, Failure):
        return outcome
    return RunOutcome(outcome.folder, outcome.records, bool(content["was_complete"]))


def _stop(running: Sequence[_Worker]) -> None:
    """End workers and what they started: asked first, killed after a while or at a second Ctrl-C."""
    try:
        for worker in running:
            worker.process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + _PATIENCE
        for worker in running:
            worker.process.wait(max(0.0, deadline - time.monotonic()))
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        pass
    finally:
        for worker in running:
            if worker.process.poll() is None:
                os.killpg(worker.process.pid, signal.SIGKILL)
                worker.process.wait()
            _close(worker)


def _close(worker: _Worker) -> None:
    for stream in (worker.process.stdin, worker.process.stdout, worker.log):
        if stream is not None:
            stream.close()
