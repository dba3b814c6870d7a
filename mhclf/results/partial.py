"""An output that grows piece by piece and survives a kill: nothing is lost, nothing stands twice."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mhclf.errors import ConfigError, RunError, disk_fault
from mhclf.results.files import remove_leftovers, write_text


class PartialOutput:
    """`OUTPUT.part` and `OUTPUT.problems.jsonl.part`, with `OUTPUT.progress.json` saying how far they hold.

    Bytes behind what the progress record counts are what a kill left half done: they are cut off on the next start.

    Parameters
    ----------
    output : Path
        The file that stands there when all is done.
    binding : mapping
        Plain values that say what the output is made from; going on with others is refused.
    """

    def __init__(self, output: Path, binding: Mapping[str, Any]) -> None:
        self.output = output
        self.problems = output.with_name(output.name + ".problems.jsonl")
        self._binding = dict(binding)
        self._record = output.with_name(output.name + ".progress.json")
        self._parts = (output.with_name(output.name + ".part"), self.problems.with_name(self.problems.name + ".part"))
        self.rows = 0
        self.broken = 0
        self._complete = False
        self._sizes = [0, 0]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold a lock beside the output; freed by the system when the process ends, however it ends.

        Raises
        ------
        RunError
            If another process writes the same output, or the folder cannot be written.
        """
        lock = self.output.with_name(f".{self.output.name}.lock")
        try:
            self.output.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(lock, timeout=0):
                remove_leftovers(self.output.parent, self._record.name)
                yield
        except Timeout as error:
            raise RunError(f"{self.output}: another process writes it. Wait for it, or change --output.") from error
        except (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise RunError(f"{self.output}: cannot be written ({error.strerror}). Change --output.") from error
        except OSError as error:
            fault = disk_fault(error)
            if fault is None:
                raise
            raise RunError(
                f"{self.output}: cannot be written ({fault}). Make room or change --output; the same command goes on "
                "from what is done."
            ) from error

    def refuse_existing(self) -> None:
        """Refuse an output that stands there and is none of a process that was stopped.

        Raises
        ------
        ConfigError
            If there is such a file.
        """
        if self.output.exists() and not self._record.exists():
            raise ConfigError(f"{self.output}: exists. Give --overwrite to replace it, or another --output.")

    def begin(self, header: bytes, overwrite: bool = False) -> int:
        """Start afresh, or cut back what a killed process left; returns the rows that are done.

        Raises
        ------
        ConfigError
            If the output exists, or was begun from something else; says what differs.
        RunError
            If the progress record is damaged.
        """
        if overwrite:
            for path in (self._record, self.output, self.problems, *self._parts):
                path.unlink(missing_ok=True)
        record = self._read()
        if record is None:
            self.refuse_existing()
            for path, content in zip(self._parts, (header, b""), strict=True):
                path.write_bytes(content)
            self._sizes = [len(header), 0]
            self._write()
            return 0
        self._resume(record)
        return self.rows

    def append(self, content: bytes, problems: bytes, rows: int, broken: int) -> None:
        """Add the bytes of so many rows; what is counted is on the disk."""
        for place, (path, added) in enumerate(zip(self._parts, (content, problems), strict=True)):
            if added:
                with path.open("ab") as stream:
                    stream.write(added)
                    stream.flush()
                    os.fsync(stream.fileno())
                self._sizes[place] += len(added)
        self.rows += rows
        self.broken += broken
        self._write()

    def finish(self, move: Callable[[Path, Path], None]) -> None:
        """Turn the parts into the output; a kill in between is mended by the next start.

        Parameters
        ----------
        move : callable
            Turns the first path, the part, into the second, the output, whole or not at all, and removes the part.
        """
        if not self._complete:
            self._complete = True
            self._write()
        part, problems = self._parts
        if part.exists():
            move(part, self.output)
        if problems.exists():
            if self.broken:
                os.replace(problems, self.problems)
            else:
                problems.unlink()
        self._record.unlink(missing_ok=True)

    @property
    def complete(self) -> bool:
        """Whether every row is done and only the last renaming was missing."""
        return self._complete

    def _read(self) -> dict[str, Any] | None:
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
            if set(record) != {"rows", "broken", "complete", "sizes", "binding"}:
                raise ValueError
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise RunError(f"{self._record}: is damaged. Give --overwrite to start afresh.") from error
        return dict(record)

    def _resume(self, record: dict[str, Any]) -> None:
        differing = sorted(
            key
            for key in {*self._binding, *record["binding"]}
            if record["binding"].get(key) != json.loads(json.dumps(self._binding.get(key)))
        )
        if differing:
            raise ConfigError(
                f"{self._record}: the output was begun with another {', '.join(differing)}. Give what it was begun "
                "with to go on, or --overwrite to start afresh."
            )
        self.rows, self.broken, self._complete = record["rows"], record["broken"], record["complete"]
        self._sizes = list(record["sizes"])
        if self._complete:
            return
        for path, size in zip(self._parts, self._sizes, strict=True):
            if not path.is_file() or path.stat().st_size < size:
                raise RunError(f"{path}: is shorter than {self._record.name} says. Give --overwrite to start afresh.")
            os.truncate(path, size)

    def _write(self) -> None:
        content = {
            "rows": self.rows,
            "broken": self.broken,
            "complete": self._complete,
            "sizes": self._sizes,
            "binding": self._binding,
        }
        write_text(self._record, json.dumps(content) + "\n")
