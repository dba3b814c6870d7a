"""Other processes: how long they take, and the most memory that they held."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from mhclf.errors import RunError

ROOT = Path(__file__).resolve().parent.parent
DOORS = ROOT / "experiments"


def door_names() -> list[str]:
    """Return the names of the front doors, sorted."""
    return sorted(path.stem for path in DOORS.glob("*.py"))


def seconds_of(command: Sequence[str]) -> float:
    """Run Python with these arguments and return the seconds until it ended.

    Raises
    ------
    RunError
        If it failed.
    """
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=ROOT, env=_environment())
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RunError(f"{' '.join(command)}: exit code {done.returncode}: {_last_line(done.stderr)}")
    return seconds


def peak_megabytes(command: Sequence[str]) -> float:
    """Run Python with these arguments and return the most memory it held (resident), in MB.

    Raises
    ------
    RunError
        If it failed, or this system does not say (`/proc` of Linux).

    Notes
    -----
    Read from the process's own high-water mark: that of `getrusage` counts what the parent held when it started it.
    """
    if not Path("/proc/self/status").is_file():
        raise RunError("The memory of a process is read from /proc, which this system lacks.")
    # Errors go to a file: a full pipe would stop the process.
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=errors, cwd=ROOT, env=_environment()
        )
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, _high_water(child.pid))
            time.sleep(0.02)
        if child.returncode:
            errors.seek(0)
            reason = _last_line(errors.read().decode(errors="replace"))
            raise RunError(f"{command[0]}: exit code {child.returncode}: {reason}")
    return peak


def _high_water(process: int) -> float:
    """Return the high-water mark in MB; 0 where the process has just ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1000 * 1.024


def _environment() -> dict[str, str]:
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1][:200]
