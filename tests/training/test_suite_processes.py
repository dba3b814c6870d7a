"""Cells in processes of their own: killed, stopped and orphaned workers; what is left; the plan."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from support import LINEAR

from mhclf.config.suite import PlannedCell
from mhclf.errors import DataError
from mhclf.results.tables import to_markdown
from mhclf.training import cell_pool
from mhclf.training.cell_pool import run_in_processes, threads_of_each
from mhclf.training.failure import Failure, attempt, read_failures, without_quotes
from mhclf.training.folder import RunFolder
from mhclf.training.located import LocatedCell, locate
from mhclf.training.run import run
from mhclf.training.suite import run_here
from mhclf.training.suite_plan import plan_table
from mhclf.training.suite_progress import SuiteProgress
from mhclf.training.suite_records import gather
from mhclf.training.suite_work import SuiteWork, complete_only

REPOSITORY = Path(__file__).resolve().parents[2]

FAKE = """
import json, os, sys, threading, time
import mhclf.training.cell_worker as worker
threading.Thread(target=worker._end_with_the_suite, daemon=True).start()
seed = json.loads(sys.argv[1])["seed"]
open(os.path.join(os.environ["PIDS"], str(seed)), "w").write(str(os.getpid()))
if seed > 5:
    time.sleep(60)
print(json.dumps({"kind": "RunError", "message": "seed %d, %s threads" % (seed, sys.argv[2]), "place": ""}))
"""


class Seen:
    """A watch that keeps what it is told."""

    def __init__(self, on_tick=lambda: None):
        self.told = []
        self.on_tick = on_tick

    def started(self, number):
        self.told.append((number, "started"))

    def ended(self, number, end):
        self.told.append((number, end))

    def tick(self):
        self.on_tick()


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Replace the worker by one that says its seed and fails, or sleeps; return cells of given seeds and their pids."""
    (tmp_path / "pids").mkdir()
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    monkeypatch.setattr(cell_pool, "_COMMAND", (sys.executable, "-c", FAKE))

    def cells(tiny_config, *seeds):
        planned = [PlannedCell(tiny_config(**LINEAR, seed=seed), "tfidf_lr") for seed in seeds]
        folders = [RunFolder(tmp_path / "runs" / str(seed)) for seed in seeds]
        return [
            (number, LocatedCell(*pair, "missing")) for number, pair in enumerate(zip(planned, folders, strict=True))
        ]

    def pid(seed):
        path = tmp_path / "pids" / str(seed)
        return int(path.read_text() or 0) if path.is_file() else 0

    return cells, pid


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_killed_worker_fails_its_cell_and_the_rest_goes_on(tiny_config, tmp_path, fake, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    cells, pid = fake

    def kill():
        if pid(7) and alive(pid(7)):
            os.kill(pid(7), signal.SIGKILL)

    seen = Seen(kill)
    run_in_processes(cells(tiny_config, 7, 1, 2), 2, seen)
    log = tmp_path / "runs" / "7" / "worker.log"
    ends = {number: end for number, end in seen.told if end != "started"}
    assert ends == {
        0: Failure("Killed", f"the process of the cell ended by SIGKILL (out of memory?). See {log}."),
        1: Failure("RunError", "seed 1, 1 threads"),
        2: Failure("RunError", "seed 2, 1 threads"),
    }
    assert [number for number, what in seen.told if what == "started"] == [0, 1, 2]
    assert seen.told[:2] == [(0, "started"), (1, "started")]


def test_ctrl_c_stops_the_workers(tiny_config, fake):
    cells, pid = fake

    def interrupt():
        if pid(8) and pid(9):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in_processes(cells(tiny_config, 8, 9), 2, Seen(interrupt))
    assert not alive(pid(8)) and not alive(pid(9))


def test_workers_end_with_a_killed_suite(tmp_path):
    code = f"""
import os, subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", {FAKE!r}, '{{"seed": 6}}', "1"],
                          stdin=subprocess.PIPE, start_new_session=True)
time.sleep(60)
"""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PIDS": str(tmp_path)}
    suite = subprocess.Popen([sys.executable, "-c", code], env=environment)
    assert wait_for(lambda: (tmp_path / "6").is_file() and (tmp_path / "6").read_text())
    worker = int((tmp_path / "6").read_text())
    assert alive(worker)
    suite.kill()
    suite.wait()
    assert wait_for(lambda: not alive(worker))


def test_threads_are_shared(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [threads_of_each(jobs) for jobs in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert [threads_of_each(jobs) for jobs in (1, 8)] == [2, 1]


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("mat1 and mat2 cannot be multiplied (2x3 and 4x5)", "mat1 and mat2 cannot be multiplied (2x3 and 4x5)"),
        ("could not convert string to float: 'my knee's \"worst\"'", "could not convert string to float: '...'"),
        ("Could not convert 'my knee' with type str", "Could not convert '...' with type str"),
        ("bad value 'my knee\nhurts' here", "bad value '...'"),
        ("first\nmy knee hurts", "first"),
        ("", ""),
        ("x" * 400, "x" * 300 + "..."),
    ],
)
def test_messages_of_other_libraries_lose_what_they_quote(message, kept):
    assert without_quotes(message) == kept


def test_unexpected_errors_are_told_without_post_text():
    def trip():
        raise KeyError("my knee hurts when the stairs are wet")

    assert attempt(trip) == Failure("KeyError", "'...'", "")
    assert str(attempt(lambda: gather([None]))).startswith(
        "AttributeError: '...' (mhclf/training/suite_records.py, line "
    )
    assert attempt(lambda: 3) == 3

    def expected():
        raise DataError("my.csv, row 2: no label.")

    assert attempt(expected) == Failure("DataError", "my.csv, row 2: no label.")


def test_any_exception_is_recorded_and_the_rest_goes_on(tiny_config, carry_out, monkeypatch):
    def broken(config):
        if config.seed == 1:
            raise ZeroDivisionError("division by zero")
        return run(config)

    monkeypatch.setattr("mhclf.training.suite.run", broken)
    done = carry_out([tiny_config(**LINEAR, seed=seed) for seed in (1, 2)])
    assert [cell.failure and cell.failure.message for cell in done] == ["division by zero", None]
    assert [run.error for run in gather(done).runs] == ["ZeroDivisionError", ""]


def test_what_is_left_what_is_refused_and_what_is_shared(tiny_config, tmp_path):
    complete = PlannedCell(tiny_config(**LINEAR), "tfidf_lr")
    run(complete.config)
    planned = [
        complete,
        PlannedCell(complete.config, "again", ", same"),
        PlannedCell(tiny_config(**LINEAR, data="no-such-set"), "tfidf_lr"),
        PlannedCell(tiny_config(**LINEAR, seed=2), "tfidf_lr"),
        PlannedCell(tiny_config(**LINEAR, seed=2), "twin"),
        PlannedCell(tiny_config(seed=2), "lara_supcon"),
    ]
    counted = []
    located = locate(planned, counted.append)
    assert counted == [1, 2, 3, 4, 5, 6]
    assert [cell.state for cell in located] == ["complete", "complete", "refused", "missing", "missing", "missing"]
    assert located[2].failure.kind == "ConfigError"
    assert located[0].rows["train"] > 0 and (located[0].encoder, located[5].encoder) == ("tfidf", "tiny-bert")
    # Two layers of width 32.
    assert (located[0].cost, located[5].cost) == (None, 2 * 32**2)
    # A refused cell fails here, too: without it the table would call it not run, and all would seem well.
    first, same, refused = complete_only(located)
    assert first.outcome.was_complete and same.outcome.was_complete and refused.failure.kind == "ConfigError"

    failures = tmp_path / "s.failed.jsonl"
    table = plan_table(located, [], {planned[5].name: Failure("RunError", "the loss is not finite.")}, 1)
    assert table.title == "6 cells: 2 complete, 2 to run, 1 refused"
    assert [(row[1], row[3][:23]) for row in table.rows] == [
        ("complete", ""),
        ("complete", ""),
        ("refused", "ConfigError: data: no d"),
        ("missing", "other seeds"),
        ("missing", "the same run as a cell "),
        ("failed", "RunError: the loss is n"),
    ]
    assert "and 1 cell of unknown length." in to_markdown(table)

    seen = Seen()
    work = SuiteWork(located, failures, seen)
    assert [number for number, _ in work.missing] == [3, 5]
    assert [number for number, _ in seen.told] == [0, 1, 2]
    assert read_failures(failures) == {planned[2].name: located[2].failure}
    run_here(work.missing[:1], work)
    work.ended(5, Failure("Killed", "out of memory", ""))
    ends = [
        (cell.planned.method, cell.failure and cell.failure.kind, cell.outcome and cell.outcome.was_complete)
        for cell in work.cells
    ]
    assert ends == [
        ("tfidf_lr", None, True),
        ("again", None, True),
        ("tfidf_lr", "ConfigError", None),
        ("tfidf_lr", None, False),
        ("twin", None, True),
        ("lara_supcon", "Killed", None),
    ]
    assert set(read_failures(failures)) == {planned[2].name, planned[5].name}
    records = gather(work.cells)
    assert {(item.dataset, item.method) for item in records.runs} == {
        ("tiny", "tfidf_lr"), ("tiny, same", "again"), ("no-such-set", "tfidf_lr"), ("tiny", "twin"),
        ("tiny", "lara_supcon"),
    }  # fmt: skip
    rows = {item.dataset: item.ids for item in records.rows}
    assert rows["tiny"] == rows["tiny, same"], "rows of a cut have the ids of the set"
    again = SuiteWork(locate(planned[:1]), failures, Seen())
    assert again.missing == [] and not failures.exists()


def test_progress_is_lines_or_a_live_table(tmp_path):
    def told(terminal):
        stream = io.StringIO()
        console = Console(file=stream, force_terminal=terminal, width=100)
        with SuiteProgress(["a [1]", "b", "c"], console) as progress:
            progress.ended(2, Failure("ConfigError", "wrong"))
            progress.started(0)
            progress.started(1)
            progress.tick()
            progress.ended(1, Failure("RunError", "broken"))
        return stream.getvalue()

    assert told(False) == (
        "[3/3] c: failed: ConfigError: wrong\n[1/3] a [1]: runs\n[2/3] b: runs\n"
        "[2/3] b: failed: RunError: broken (0.0 min)\n"
    )
    live = told(True)
    assert "1 running, 0 waiting, 2 failed" in live and "a [1]" in live.split("1 running, 0 waiting, 2 failed")[1]


def test_a_damaged_list_of_failures_is_as_none(tmp_path):
    (tmp_path / "x").write_text(json.dumps({"cell": 1}) + "\n")
    assert read_failures(tmp_path / "x") == {} == read_failures(tmp_path / "none")
