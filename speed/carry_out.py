"""Carrying out works: which ones, in rounds that take turns, kept as soon as each is done."""

import gc
import importlib.metadata
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

# Works register themselves when their files are imported.
import speed.auditing
import speed.coalitions
import speed.decoding
import speed.gradients
import speed.masking
import speed.memory
import speed.prediction
import speed.quality
import speed.starting
import speed.training  # noqa: F401
from mhclf.config.run import short_name
from mhclf.data.locate import find_dataset, find_file
from mhclf.errors import DataError
from mhclf.results.speed import Measured, Round, machine_name
from mhclf.training.environment import describe_environment
from speed.work import WORKS, Bench, Work

REAL_SETS = ("wellxplain", "dreaddit", "goemotions_single")
_PEERS = ("accelerate", "captum", "shap")


@dataclass(frozen=True)
class Job:
    """A work on one data set."""

    work: str
    data: str

    @property
    def name(self) -> str:
        """Both, for lists."""
        return f"{self.work} on {self.data}"

    def build(self, bench: Bench) -> Work:
        """Return the work."""
        return WORKS.get(self.work)(bench, self.data)


def work_names(by_default: bool) -> list[str]:
    """Return the registered works, sorted: all of them, or those that run unasked."""
    return [name for name in WORKS if WORKS.get(name).by_default or not by_default]


def sets_here(data_root: str | None) -> list[str]:
    """Return the real sets whose files are here, the demo corpus where there is none."""
    found = []
    for name in REAL_SETS:
        located = find_dataset(name)
        try:
            for _, files in located.config.source.files_by_split():
                for file in files:
                    # Nothing is fetched unasked: `--data NAME` does that.
                    find_file(replace(file, url="", sha256="", path=file.path or "nowhere"), located.path, data_root)
        except DataError:
            continue
        found.append(name)
    return found or ["demo"]


def plan(works: Sequence[str], sets: Sequence[str]) -> list[Job]:
    """Return what is to be measured.

    Raises
    ------
    ConfigError
        If there is no such work.
    """
    return [
        Job(name, part)
        for name in dict.fromkeys(works or work_names(by_default=True))
        for part in WORKS.get(name).parts(list(sets))
    ]


def common_settings(bench: Bench, rounds: int) -> dict[str, Any]:
    """Return the settings that make two measurements of one work comparable."""
    names = {"encoder": short_name(bench.encoder), "decoder": short_name(bench.decoder)}
    return names | {"device": bench.device, "limit": bench.limit, "rounds": rounds}


def kept(job: Job, bench: Bench, rounds: int, found: Sequence[Measured]) -> Measured | None:
    """Return the finished measurement of a job with these settings, None where there is none."""
    own = [item for item in found if (item.work, item.data) == (job.work, job.data)]
    if not own:
        return None
    wanted, here = common_settings(bench, rounds_of(job, rounds)), machine_name(_environment(0.0))
    work = job.build(bench)
    claim = (work.kind, work.unit, aim_on(bench, work), work.title_ours, work.title_theirs)
    for item in own:
        same = {name: item.settings.get(name) for name in wanted} == wanted
        if same and item.machine == here and (item.kind, item.unit, item.aim, item.ours, item.theirs) == claim:
            return item
    return None


def rounds_of(job: Job, rounds: int) -> int:
    """Return how many rounds a job has."""
    return WORKS.get(job.work).rounds or rounds


def guess(job: Job, rounds: int, found: Sequence[Measured]) -> float:
    """Return the seconds that a job at full size will take: as before, else its own guess."""
    for item in found:
        if (item.work, item.data) == (job.work, job.data):
            return item.seconds * rounds_of(job, rounds) / len(item.rounds)
    return WORKS.get(job.work).guess * (rounds_of(job, rounds) + 1)


def merged(found: Sequence[Measured], new: Measured) -> list[Measured]:
    """Return the measurements with a new one in place of its like, in the order of works.

    One of another machine, number of threads, device, model or limit stays beside it.
    """
    order = {name: number for number, name in enumerate(WORKS)}
    rest = [item for item in found if _key(item) != _key(new)]
    return sorted([*rest, new], key=lambda item: (order.get(item.work, len(order)), *_key(item)))


def _key(item: Measured) -> tuple[str, ...]:
    settings = (str(item.settings.get(name)) for name in ("encoder", "decoder", "device", "limit"))
    return (item.work, item.data, item.machine, *settings)


def measure(
    job: Job, bench: Bench, rounds: int, on_round: Callable[[int, float], None] = lambda number, seconds: None
) -> Measured:
    """Measure a work: prepare, rounds in which both sides take turns, checks.

    Parameters
    ----------
    job : Job
    bench : Bench
    rounds : int
    on_round : callable
        Told the number of each round that is done, and its seconds.

    Notes
    -----
    Sides change places from round to round, so that neither is always first.
    """
    start = time.perf_counter()
    work = job.build(bench)
    work.prepare()
    done: list[Round] = []
    load = 0.0
    for number in range(rounds_of(job, rounds)):
        gc.collect()
        before = time.perf_counter()
        if number % 2:
            theirs = work.theirs()
            ours = work.ours()
        else:
            ours = work.ours()
            theirs = work.theirs()
        done.append(Round(ours, theirs))
        load = max(load, os.getloadavg()[0])
        on_round(number + 1, time.perf_counter() - before)
    checks = tuple(work.check())
    return Measured(
        job.work,
        job.data,
        work.title_ours,
        work.title_theirs,
        work.kind,
        work.unit,
        aim_on(bench, work),
        tuple(done),
        checks,
        common_settings(bench, len(done)) | work.settings,
        _environment(load),
        round(time.perf_counter() - start, 1),
    )


def aim_on(bench: Bench, work: Work) -> float | None:
    """Return a work's aim: aims are for the cores of a CPU, elsewhere only the numbers are told."""
    return work.aim if bench.device == "cpu" else None


def _environment(load: float) -> dict[str, Any]:
    facts = describe_environment("", "")
    versions = {name: version for name, version in facts["versions"].items() if version is not None}
    for name in _PEERS:
        versions[name] = importlib.metadata.version(name)
    names = (
        "python",
        "platform",
        "processor",
        "cpu_count",
        "gpu",
        "torch_threads",
        "omp_wait_policy",
        "gomp_spincount",
        "git",
    )
    return {name: facts[name] for name in names} | {"versions": versions, "load": round(load, 2)}
