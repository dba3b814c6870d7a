"""How a cell of a suite failed, in words that hold no post: kind, message, place in the code."""

import json
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from mhclf.config.tracebacks import without_quotes
from mhclf.errors import MhclfError
from mhclf.results.files import write_text

_PACKAGE = Path(__file__).resolve().parents[1]

Value = TypeVar("Value")
Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class Failure:
    """An error as it may be printed and kept.

    Attributes
    ----------
    kind : str
        Name of the exception, or `Killed`.
    message : str
        Of an expected error the whole message. Of any other the first line without what stands between quotes:
        other libraries quote the value that they could not read, and that may be a post.
    place : str
        File, line and function of this library where an unexpected error passed; empty for an expected one.
    """

    kind: str
    message: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}" + (f" ({self.place})" if self.place else "")


def attempt(
    work: Callable[Arguments, Value], *arguments: Arguments.args, **named: Arguments.kwargs
) -> "Value | Failure":
    """Return what `work` returns when called with the arguments, or how it failed; only the user's Ctrl-C passes."""
    try:
        return work(*arguments, **named)
    except MhclfError as error:
        return Failure(type(error).__name__, str(error))
    # The rest of a suite goes on, whatever ended one cell.
    except Exception as error:
        return Failure(type(error).__name__, without_quotes(str(error)), _place(error))


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).resolve().is_relative_to(_PACKAGE)]
    # The last frame of all is often inside another library; the last of ours says what was being done.
    ours = [frame for frame in ours if Path(frame.filename).resolve() != Path(__file__).resolve()]
    if not ours:
        return ""
    last = ours[-1]
    return f"mhclf/{Path(last.filename).resolve().relative_to(_PACKAGE).as_posix()}, line {last.lineno}, {last.name}"


def write_failures(path: Path, failures: Sequence[tuple[str, Failure]]) -> None:
    """Write the names of the failed cells with their errors, one JSON object a line; no file where none failed."""
    if not failures:
        path.unlink(missing_ok=True)
        return
    write_text(path, "".join(json.dumps({"cell": name} | asdict(failure)) + "\n" for name, failure in failures))


def read_failures(path: Path) -> dict[str, Failure]:
    """Return name of the cell -> its error from the last start; empty where there is no readable file."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {line["cell"]: Failure(line["kind"], line["message"], line["place"]) for line in lines}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
