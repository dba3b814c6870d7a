"""Front doors called inside the test's process: a new interpreter takes seconds, which only a few tests need."""

import contextlib
import io
import logging
import os
import runpy
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Finished:
    """What `subprocess.run` would say."""

    returncode: int
    stdout: str
    stderr: str


def door(name, *arguments, cwd=None, columns="80", without=("MHCLF_DATA",)):
    """Run experiments/NAME.py as a program: its own arguments, folder, environment, loggers and streams."""
    script = REPOSITORY / "experiments" / f"{name}.py"
    out, err = io.StringIO(), io.StringIO()
    environment = {key: value for key, value in os.environ.items() if key not in without} | {"COLUMNS": columns}
    root, loggers = logging.getLogger(), [logging.getLogger(own) for own in ("mhclf", "explain")]
    handlers, levels = root.handlers[:], [logger.level for logger in (root, *loggers)]
    root.handlers[:] = []
    code = 0
    try:
        with (
            mock.patch.object(sys, "argv", [str(script), *map(str, arguments)]),
            mock.patch.object(sys, "path", [str(script.parent), str(REPOSITORY), *sys.path]),
            mock.patch.dict(os.environ, environment, clear=True),
            contextlib.chdir(cwd or REPOSITORY),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("default")
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        root.handlers[:] = handlers
        for logger, level in zip((root, *loggers), levels, strict=True):
            logger.setLevel(level)
    return Finished(code, out.getvalue(), err.getvalue())
