"""Suites as a user runs them: killed and started again, failed cells, dry runs, command lines."""

import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from doors import door
from support import write_tiny_dataset

from mhclf.config.suite import read_suite_file
from mhclf.results.suite import read_suite_records, write_suite_records
from mhclf.results.suite_table import suite_markdown

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "MHCLF_DATA"}
ENVIRONMENT |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
DOOR = [sys.executable, str(REPOSITORY / "experiments" / "benchmark.py")]


def write_suite(folder, grids, **more):
    folder.mkdir(exist_ok=True)
    content = {"name": "small", "grids": grids, "baselines": ["tfidf_lr"], "settings": {"report": False}} | more
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def benchmark(suite, out, *options, cwd=None):
    return door("benchmark", "--config", suite, "--out", out, *options, cwd=cwd)


def timeless(path):
    """Return records as they are without what a run took, which no two runs share."""
    records = read_suite_records(path)
    assert all(run.seconds > 0 for run in records.runs)
    runs = tuple(dataclasses.replace(run, seconds=0.0, cpu_seconds=None) for run in records.runs)
    return dataclasses.replace(records, runs=runs)


@pytest.mark.slow
def test_a_killed_suite_goes_on_and_ends_with_the_same_table(encoder_folder, tmp_path):
    suite = write_suite(
        tmp_path / "suite",
        [
            {"datasets": ["demo"], "methods": ["tfidf_lr"], "seeds": [1, 2]},
            {"datasets": ["demo"], "methods": ["finetune"], "seeds": [1], "encoders": [str(encoder_folder("bert"))]},
        ],
        settings={
            "report": False,
            "trainer": {"epochs": 12, "accelerator": "cpu", "precision": "fp32", "threads": 1},
            "optim": {"lr": 1e-3, "head_lr": 1e-2},
        },
    )
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    found = benchmark(suite, whole, "--limit", "40", "--jobs", "2")
    assert found.returncode == 0, found.stderr
    command = [*DOOR, "--config", str(suite), "--out", str(broken), "--limit", "40"]
    # With one worker: tfidf_lr is done when the network begins.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        logs = list(broken.glob("demo/finetune-*/training_log.csv"))
        if logs and logs[0].read_text().count("\nepoch,") >= 2 and (logs[0].parent / "checkpoints/last.ckpt").is_file():
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    states = {path.parent.name: json.loads(path.read_text())["state"] for path in broken.glob("demo/*/status.json")}
    assert sorted(states.values()) == ["complete", "complete", "running"], "the suite ended before it was killed"
    assert not (broken / "quick").exists()
    before = {path: path.stat().st_mtime_ns for path in broken.glob("demo/tfidf_lr-*/predictions.parquet")}

    plan = benchmark(suite, broken, "--limit", "40", "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert "3 cells: 2 complete, 1 to run, 0 refused" in plan.stdout

    again = benchmark(suite, broken, "--limit", "40")
    assert again.returncode == 0, again.stderr
    lines = again.stdout.splitlines()
    assert lines[:3] == [
        "[1/3] demo tfidf_lr minilm seed 1: was complete",
        "[2/3] demo tfidf_lr minilm seed 2: was complete",
        "[3/3] demo finetune tiny-bert seed 1: runs",
    ]
    assert lines[3].startswith("[3/3] demo finetune tiny-bert seed 1: done (")
    assert before == {path: path.stat().st_mtime_ns for path in before}, "nothing runs twice"
    assert len(list(broken.glob("demo/*/status.json"))) == 3
    log = next(broken.glob("demo/finetune-*/training_log.csv")).read_text().splitlines()
    assert [line.split(",")[1] for line in log if line.startswith("epoch,")] == [str(epoch) for epoch in range(12)]

    files = [folder / "quick" / "results" / "small.jsonl" for folder in (whole, broken)]
    written = [write_suite_records(tmp_path / f"{n}.jsonl", timeless(file)) for n, file in enumerate(files)]
    assert written[0].read_bytes() == written[1].read_bytes()
    tables = [suite_markdown(read_suite_file(suite), timeless(file), "make it") for file in files]
    assert tables[0] == tables[1]


def test_printed_commands_run_the_cells_of_the_suite(tmp_path):
    data = write_tiny_dataset(tmp_path / "it's data")
    suite = write_suite(
        tmp_path / "suite",
        [{"datasets": [str(data.relative_to(tmp_path))], "methods": ["tfidf_lr", "short words"], "seeds": [1]}],
        variants={"short words": {"method": "tfidf_lr", "max_length": 16}},
    )
    printed = benchmark(suite, "my runs", "--commands", "--limit", "20", cwd=tmp_path)
    assert printed.returncode == 0, printed.stderr
    lines = printed.stdout.splitlines()
    assert len(lines) == 2
    (tmp_path / "elsewhere").mkdir()
    subprocess.run(lines[0], shell=True, check=True, cwd=tmp_path / "elsewhere", env=ENVIRONMENT, timeout=300)
    (ours,) = (tmp_path / "my runs" / "tiny").iterdir()
    left = benchmark(suite, "my runs", "--commands", "--limit", "20", cwd=tmp_path)
    assert left.stdout.splitlines() == lines[1:]
    found = benchmark(suite, "my runs", "--limit", "20", "--jobs", "0", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[0] == "[1/2] tiny tfidf_lr minilm seed 1: was complete"
    assert len(list((tmp_path / "my runs" / "tiny").iterdir())) == 2
    assert (ours / "predictions.parquet").is_file()
    table = (tmp_path / "my runs" / "quick" / "tables" / "small.md").read_text()
    assert "| short words |" in table
    # The one folder of the line is the one that the suite's own cell has: shlex and the shell agree.
    assert shlex.split(lines[0])[0] == sys.executable


def test_failed_cells_are_listed_and_end_with_code_1(tmp_path):
    suite = write_suite(
        tmp_path / "suite", [{"datasets": ["no-such-set", "demo"], "methods": ["tfidf_lr"], "seeds": [1]}]
    )
    found = benchmark(suite, tmp_path / "runs", "--limit", "20", "--jobs", "0")
    assert found.returncode == 1
    assert "Traceback" not in found.stderr
    file = tmp_path / "runs" / "small.failed.jsonl"
    first, second = found.stdout.splitlines()[-2:]
    assert first == f"failed: 1 cell (also in {file})"
    assert second.startswith(
        "- no-such-set tfidf_lr minilm seed 1: ConfigError: data: no data set is called 'no-such-set'. Known: "
    )
    (line,) = file.read_text().splitlines()
    assert json.loads(line)["kind"] == "ConfigError"
    assert "done" in found.stdout.splitlines()[2]
    records = read_suite_records(tmp_path / "runs" / "quick" / "results" / "small.jsonl")
    assert sorted((run.dataset, run.error) for run in records.runs) == [("demo", ""), ("no-such-set", "ConfigError")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "error: benchmark: give --suite NAME, or --config FILE.yaml.\n"),
        (["--suite", "first", "--config", "x.yaml"], "error: benchmark: give --suite NAME, or --config FILE.yaml.\n"),
        (["--suite", "first", "--jobs", "-1"], "error: jobs: is -1, expected 0 or more.\n"),
        (["--config", "x.yaml"], "error: x.yaml: cannot be read (No such file or directory). "
                                 "Check the path and its permissions.\n"),
    ],
)  # fmt: skip
def test_wrong_options(options, message, tmp_path):
    found = subprocess.run([*DOOR, *options], capture_output=True, text=True, env=ENVIRONMENT, cwd=tmp_path)
    assert (found.returncode, found.stderr) == (2, message)


def test_help_fits_a_screen_and_the_cells_are_printed():
    found = subprocess.run([*DOOR, "--help"], capture_output=True, text=True, env=ENVIRONMENT | {"COLUMNS": "100"})
    assert found.returncode == 0 and len(found.stdout.splitlines()) <= 40
    printed = subprocess.run(
        [*DOOR, "--suite", "first", "--print_config"], capture_output=True, text=True, env=ENVIRONMENT
    )
    cells = yaml.safe_load(printed.stdout)
    assert len(cells) == 60
    assert cells["multiwd finetune minilm seed 2"]["trainer"]["epochs"] == 2


def test_the_array_recipe_runs_its_own_line(tmp_path):
    recipe = REPOSITORY / "experiments" / "slurm" / "array.sbatch"
    (tmp_path / "cells.txt").write_text("touch first\ntouch 'it'\"'\"'s second'\n")
    environment = ENVIRONMENT | {"COMMANDS": "cells.txt"}

    def task(number):
        return subprocess.run(
            ["bash", str(recipe)], env=environment | {"SLURM_ARRAY_TASK_ID": number}, cwd=tmp_path, capture_output=True
        )

    assert task("2").returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.txt", "it's second"]
    assert (task("3").returncode, task("3").stderr) == (2, b"cells.txt has no line 3\n")
    assert "#SBATCH --requeue" in recipe.read_text()


def workers_of(process):
    """Return the cell workers that a suite has started."""
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(process.pid)], capture_output=True, text=True)
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "cell_worker" in line]


@pytest.mark.slow
def test_a_killed_worker_is_told_and_ctrl_c_leaves_no_orphan(encoder_folder, tmp_path):
    suite = write_suite(
        tmp_path / "suite",
        [{"datasets": ["demo"], "methods": ["finetune"], "seeds": [1, 2], "encoders": [str(encoder_folder("bert"))]}],
        baselines=["finetune"],
        settings={"report": False, "trainer": {"epochs": 500, "accelerator": "cpu", "precision": "fp32"}},
    )
    out = tmp_path / "runs"
    command = [*DOOR, "--config", str(suite), "--out", str(out), "--limit", "20", "--jobs", "2"]
    # Tests that a shell runs in the background ignore Ctrl-C, and what they start would, too.
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )

    def wait_for(condition):
        deadline = time.monotonic() + 200
        while not condition() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.1)
        assert condition()

    wait_for(lambda: len(list(out.glob("demo/*/checkpoints/last.ckpt"))) == 2)
    first, second = workers_of(process)
    os.kill(first, signal.SIGKILL)
    wait_for((out / "small.failed.jsonl").is_file)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("stopped; the same command goes on from what is done\n")
    assert "failed: Killed: the process of the cell ended by SIGKILL (out of memory?). See " in printed
    assert not Path(f"/proc/{second}").exists()
    (line,) = (out / "small.failed.jsonl").read_text().splitlines()
    assert json.loads(line)["cell"] in {f"demo finetune tiny-bert seed {seed}" for seed in (1, 2)}


def test_committed_records_answer_for_cells(tmp_path):
    found = door("benchmark", "--suite", "demo", "--keep-recorded", "--dry-run", "--out", tmp_path)
    assert found.returncode == 0, found.stderr
    assert "6 cells: 0 complete, 6 kept from the records, 0 to run, 0" in found.stdout
    commands = door("benchmark", "--suite", "demo", "--keep-recorded", "--commands", "--out", tmp_path)
    assert (commands.returncode, commands.stdout) == (0, "")
