"""How long a door takes to print its help, and the library to be imported."""

from collections.abc import Mapping
from typing import ClassVar

from mhclf.results.speed import Sample
from speed.processes import door_names, seconds_of
from speed.work import WORKS, Work

_IMPORT = "import mhclf"


@WORKS.register("start_up")
class StartUpWork(Work):
    """Processes, beside one of Python that does nothing."""

    title_theirs = "python -c pass"
    kind = "seconds"
    unit = "s"
    aims: ClassVar[Mapping[str, float]] = {"": 1.0, _IMPORT: 0.2}
    guess = 1.5

    @classmethod
    def parts(cls, chosen: list[str]) -> list[str]:
        """Return the import and the doors."""
        return [_IMPORT, *(f"{name} --help" for name in door_names())]

    @property
    def title_ours(self) -> str:  # type: ignore[override]
        """The command."""
        return f"python {' '.join(self.command)}"

    @property
    def command(self) -> list[str]:
        """What Python is given."""
        if self.data == _IMPORT:
            return ["-c", _IMPORT]
        return [f"experiments/{self.data.split()[0]}.py", "--help"]

    def prepare(self) -> None:
        """Start each once, so that files are in memory."""
        self.ours()
        self.theirs()

    def ours(self) -> Sample:
        """Time the process."""
        return Sample(seconds_of(self.command))

    def theirs(self) -> Sample:
        """Time the empty one."""
        return Sample(seconds_of(["-c", "pass"]))
