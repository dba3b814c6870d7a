"""The front doors in processes that are born with everything imported: a start costs a fork, not an import of torch."""

import contextlib
import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
_WARM = (
    "lightning.pytorch", "transformers.models.bert.modeling_bert", "datasets", "pyarrow.parquet", "mhclf.hf",
    "mhclf.training.run", "mhclf.training.console", "mhclf.training.scoring", "mhclf.training.suite",
    "mhclf.training.suite_progress", "mhclf.training.suite_records", "mhclf.training.transfer", "mhclf.results.compare",
    "mhclf.results.suite_files", "mhclf.results.report", "mhclf.generation.run", "mhclf.generation.endpoint",
    "mhclf.generation.tables", "mhclf.results.audit_page", "explain", "sklearn.linear_model",
)  # fmt: skip

SMALL = (
    "--report", "false", "--quiet", "--batch.size", "8", "--optim.lr", "1e-3", "--optim.head_lr", "1e-2",
    "--trainer.accelerator", "cpu", "--trainer.precision", "fp32", "--trainer.epochs", "2",
)  # fmt: skip
"""Options of a run of seconds."""


@dataclass(frozen=True)
class Ended:
    """How a door ended: its code (minus the signal that killed it), what it said, and how long it took."""

    code: int
    output: str
    errors: str
    seconds: float

    @property
    def message(self) -> str:
        """The expected error; what a log said before it is left out."""
        assert "Traceback" not in self.errors, self.errors
        return self.errors[self.errors.index("error: ") :] if "error: " in self.errors else self.errors


class Door:
    """A door that runs."""

    def __init__(self, warm: "WarmDoors", pid: int, told: Path) -> None:
        self._warm, self._told, self._start, self.pid = warm, told, time.monotonic(), pid

    def wait(self, seconds: float = 300.0) -> Ended | None:
        """Return how it ended, or None where it still runs after so many seconds."""
        code = self._warm.ask({"wait": self.pid, "seconds": seconds})
        if code is None:
            return None
        said = [self._told.with_suffix(end).read_text(encoding="utf-8", errors="replace") for end in (".out", ".err")]
        return Ended(code, *said, time.monotonic() - self._start)

    def kill(self) -> Ended:
        """Kill it with all that it started; returns how it ended, which may be well."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        ended = self.wait()
        assert ended is not None
        return ended


class WarmDoors:
    """A process that imports the library once and forks for each door that is opened."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        environment = {key: value for key, value in os.environ.items() if key != "MHCLF_DATA"}
        environment |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "COLUMNS": "200", "HF_HUB_OFFLINE": "1"}
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == "null\n", "the doors cannot be imported"

    def ask(self, request: Mapping[str, object]) -> int | None:
        """Send one request and return its answer."""
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer: int | None = json.loads(self._server.stdout.readline())
        return answer

    def start(self, door: str, *arguments: object, first: str = "", environment: Mapping[str, str] = {}) -> Door:
        """Open a door (`train`, `predict` ...); `first` is Python that its process runs before it."""
        self._count += 1
        told = self._folder / f"door{self._count}"
        words = [str(argument) for argument in arguments]
        request = {"door": door, "arguments": words, "told": str(told), "first": first}
        pid = self.ask(request | {"environment": dict(environment)})
        assert pid is not None
        return Door(self, pid, told)

    def run(self, door: str, *arguments: object, first: str = "", environment: Mapping[str, str] = {}) -> Ended:
        """Open a door and wait for its end."""
        ended = self.start(door, *arguments, first=first, environment=environment).wait()
        assert ended is not None, "the door hangs"
        return ended

    def close(self) -> None:
        """End the process."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(30)


def _serve() -> None:
    sys.path.insert(0, str(REPOSITORY / "experiments"))
    doors = {name: importlib.import_module(name) for name in ("train", "predict", "benchmark", "generate")}
    doors |= {name: importlib.import_module(name) for name in ("evaluate", "audit")}
    # The door has the name of the package that it calls.
    specification = importlib.util.spec_from_file_location("explain_door", REPOSITORY / "experiments" / "explain.py")
    assert specification is not None and specification.loader is not None
    doors["explain"] = importlib.util.module_from_spec(specification)
    sys.path.remove(str(REPOSITORY / "experiments"))
    specification.loader.exec_module(doors["explain"])
    for name in _WARM:
        importlib.import_module(name)
    print("null", flush=True)
    codes: dict[int, int] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer = _fork(request, doors) if "door" in request else _wait(codes, **request)
        print(json.dumps(answer), flush=True)


def _wait(codes: dict[int, int], wait: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while wait not in codes:
        found, status = os.waitpid(wait, os.WNOHANG)
        if found:
            codes[wait] = os.waitstatus_to_exitcode(status)
        elif time.monotonic() >= deadline:
            return None
        else:
            time.sleep(0.002)
    return codes[wait]


def _fork(request: dict[str, object], doors: Mapping[str, object]) -> int:
    pid = os.fork()
    if pid:
        # From both sides: whoever asks for a kill at once must find the group.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        return pid
    code = 1
    try:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        _open_door(request, doors)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _open_door(request: dict[str, object], doors: Mapping[str, object]) -> None:
    from mhclf.config.command_line import run_door

    told = str(request["told"])
    for number, path in enumerate((os.devnull, told + ".out", told + ".err")):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(path, flags, 0o644), number)
    environment = request["environment"]
    assert isinstance(environment, dict)
    os.environ.update(environment)
    arguments = request["arguments"]
    assert isinstance(arguments, list)
    sys.argv = [str(REPOSITORY / "experiments" / f"{request['door']}.py"), *arguments]
    exec(str(request["first"]), {})
    run_door(doors[str(request["door"])].main)  # type: ignore[attr-defined]


if __name__ == "__main__":
    _serve()
