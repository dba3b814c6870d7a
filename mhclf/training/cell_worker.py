"""One cell of a suite in a process of its own: `python -m mhclf.training.cell_worker SETTINGS THREADS`.

SETTINGS is a run configuration as JSON. The last line on standard output says how it ended, as JSON; all else that
is printed goes to standard error. Standard input is a pipe from the suite: when it closes, the suite is gone, and
the worker ends with all its children, so that none holds a run folder's lock.
"""

import json
import os
import signal
import sys
import threading
from dataclasses import asdict


def main() -> int:
    """Carry out the run, write how it ended; 0 where it is complete, 1 where it failed, 130 on Ctrl-C."""
    threading.Thread(target=_end_with_the_suite, daemon=True).start()
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    settings, threads = json.loads(sys.argv[1]), int(sys.argv[2])

    import logging

    import torch

    from mhclf.config.run import RunConfig
    from mhclf.config.structure import from_mapping
    from mhclf.training.failure import Failure, attempt
    from mhclf.training.run import run

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    torch.set_num_threads(threads)
    try:
        ended = attempt(lambda: run(from_mapping(RunConfig, settings, "the cell")))
    except KeyboardInterrupt:
        return 130
    failed = isinstance(ended, Failure)
    content = asdict(ended) if isinstance(ended, Failure) else {"was_complete": ended.was_complete}
    report.write(json.dumps(content) + "\n")
    report.flush()
    return 1 if failed else 0


def _end_with_the_suite() -> None:
    # Nothing is ever written to the pipe: reading returns when its other end closes, however the suite ended.
    while os.read(0, 1):
        pass
    # The worker leads a group of its own, which holds the processes that it started.
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
