"""Ray, where it is installed: a session on a cluster, or on this machine where there is none."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mhclf.errors import MissingDependencyError

RETRIES = 3
"""How often Ray starts a task again whose worker was lost."""


@contextmanager
def ray_session() -> Iterator[Any]:
    """Connect to a Ray cluster and hand out the module `ray`.

    The cluster is the one of `$RAY_ADDRESS`, else one that `ray start` has begun on this machine, else one of this
    process that ends with it. A session that exists stays as it is.

    Raises
    ------
    MissingDependencyError
        If Ray is not installed.
    """
    # Nothing about a run is told to others; read when the package is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError("engine: ray is not installed. Run: pip install 'mhclf[scale]'") from error
    ours = not ray.is_initialized()
    if ours:
        ray.init(**quiet_options())
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


def quiet_options() -> dict[str, Any]:
    """Return options of `ray.init`: no page, no lines of workers, and workers that import this library as we do."""
    packages = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [packages, os.environ.get("PYTHONPATH", "")]))
    environment = {"env_vars": {"PYTHONPATH": path, "OMP_WAIT_POLICY": "PASSIVE"}}
    return {
        "include_dashboard": False,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "runtime_env": environment,
    }


def why_lost(ray: Any, error: Exception) -> str:
    """Return why a task gave nothing. Ray's own message names machines and holds a log; the kind says enough."""
    lost = (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError, ray.exceptions.NodeDiedError)
    if isinstance(error, lost):
        return f"the worker was lost {RETRIES + 1} times (out of memory?)."
    return "the task could not be started or ended there. Is mhclf installed on every machine of the cluster?"
