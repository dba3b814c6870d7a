"""What a work is: two sides that do the same, measured in turn, and a check that they did."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import torch

from mhclf.registry import Registry
from mhclf.results.speed import Check, Kind, Sample

SYNTHETIC = "synthetic"
"""Stands for a data set where a work makes up its posts."""


@dataclass(frozen=True)
class Bench:
    """What all works are given.

    Attributes
    ----------
    folder : Path
        Scratch, removed at the end.
    encoder : str
        `minilm`, a folder or a hub name.
    decoder : str
        `smollm2`, a folder or a hub name.
    data_root : str or None
    limit : int or None
        Most posts of a work, for a quick look.
    device : str
        `cpu` or `cuda`.
    """

    folder: Path
    encoder: str = "minilm"
    decoder: str = "smollm2"
    data_root: str | None = None
    limit: int | None = None
    device: str = "cpu"

    def size(self, wanted: int) -> int:
        """Return how many posts a work takes that wants so many."""
        return wanted if self.limit is None else min(wanted, self.limit)


class Work:
    """Base of all works; one instance measures on one data set.

    Parameters
    ----------
    bench : Bench
    data : str
        One of `parts`.

    Attributes
    ----------
    title_ours, title_theirs : str
        What the two sides are, for the table.
    kind : str
        What is claimed; see `mhclf.results.speed.Kind`.
    unit : str
        What is counted a second.
    aims : mapping of str to float
        By data set; the entry '' is for any other.
    by_default : bool
        Whether it runs when no work is named.
    guess : float
        Seconds for a round of full size on two slow cores, before anything is known.
    rounds : int or None
        How often, where it is not for the user to say.
    settings : dict
        What the figures depend on; filled by `prepare`.
    """

    title_ours = "mhclf"
    title_theirs = ""
    kind: Kind = "times_faster"
    unit = "posts"
    aims: ClassVar[Mapping[str, float]] = MappingProxyType({})
    by_default = True
    guess = 60.0
    rounds: int | None = None

    def __init__(self, bench: Bench, data: str) -> None:
        self.bench, self.data = bench, data
        self.settings: dict[str, Any] = {}

    @classmethod
    def parts(cls, chosen: list[str]) -> list[str]:
        """Return on what the work is measured: the chosen data sets, unless it makes up its own."""
        return chosen

    @property
    def aim(self) -> float | None:
        """The aim on this data set."""
        return self.aims.get(self.data, self.aims.get(""))

    def prepare(self) -> None:
        """Load what both sides need, and let both do a little, so that no round pays for a first time."""
        raise NotImplementedError

    def ours(self) -> Sample:
        """Measure our side once."""
        raise NotImplementedError

    def theirs(self) -> Sample:
        """Measure the other side once."""
        raise NotImplementedError

    def check(self) -> list[Check]:
        """Compare the results of the last round; empty where there is nothing to compare."""
        return []


WORKS: Registry[type[Work]] = Registry("work")


class Clock(AbstractContextManager["Clock"]):
    """Measures wall-clock time of a block; waits for the GPU at both ends.

    Attributes
    ----------
    seconds : float
    """

    seconds = 0.0

    def __enter__(self) -> "Clock":
        _wait()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        _wait()
        self.seconds = time.perf_counter() - self._start


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
