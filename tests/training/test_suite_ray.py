"""Suites and scoring on a local Ray cluster of two workers: a killed worker loses nothing and doubles nothing."""

import json
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from support import LINEAR, SENTENCES, small_run

from mhclf.config.run import RunConfig
from mhclf.config.structure import from_mapping, to_mapping
from mhclf.config.suite import PlannedCell
from mhclf.config.training import TrainerConfig
from mhclf.data.large.lenient import RowColumns, read_leniently
from mhclf.errors import ConfigError, MissingDependencyError, RunError
from mhclf.training import scoring
from mhclf.training.failure import Failure
from mhclf.training.located import locate
from mhclf.training.ray_cells import gpus_wanted, run_on_ray
from mhclf.training.ray_engine import quiet_options, ray_session, why_lost
from mhclf.training.ray_scoring import score_on_ray
from mhclf.training.run import run
from mhclf.training.saved import read_predictions
from mhclf.training.scoring import BlockJob, ScoringConfig, score_file


@pytest.fixture(scope="module")
def two_workers():
    """Start a Ray cluster of this process with two processors."""
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, object_store_memory=100 * 2**20, **quiet_options())
    yield ray
    ray.shutdown()


def workers_that_hold(path):
    """Return the processes that have a file open."""
    found = []
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.path.realpath(link) == str(path) for link in folder.iterdir()):
                found.append(int(folder.parent.name))
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue
    return [pid for pid in found if pid != os.getpid()]


def test_ray_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    message = r"engine: ray is not installed. Run: pip install 'mhclf\[scale\]'"
    with pytest.raises(MissingDependencyError, match=message), ray_session():
        pass


@pytest.mark.slow
def test_a_killed_worker_loses_no_cell_and_doubles_none(two_workers, tiny_config, tmp_path):
    long = {"trainer": TrainerConfig(epochs=30, accelerator="cpu", precision="fp32", threads=1), "method": "finetune"}
    configs = [tiny_config(**long), tiny_config(**LINEAR)]
    # As a suite reads them: a whole number where a float belongs is another setting to the folder's hash.
    configs = [from_mapping(RunConfig, to_mapping(config), "cell") for config in configs]
    located = locate([PlannedCell(config, config.method) for config in configs])
    unbroken = run(replace(configs[0], out=str(tmp_path / "unbroken")))
    folder = located[0].folder.path
    killed = []

    class Watch:
        def __init__(self):
            self.ends = {}

        def started(self, number):
            assert number not in self.ends

        def ended(self, number, end):
            assert number not in self.ends
            self.ends[number] = end

        def tick(self):
            log = folder / "training_log.csv"
            if not killed and (folder / "checkpoints" / "last.ckpt").is_file() and "\nepoch," in log.read_text():
                (holder,) = workers_that_hold(folder / ".lock")
                os.kill(holder, signal.SIGKILL)
                killed.append(holder)

    watch = Watch()
    run_on_ray(list(enumerate(located)), 1, "data", watch)
    assert killed
    assert [str(end) for end in watch.ends.values() if isinstance(end, Failure)] == []
    assert {number: end.folder for number, end in watch.ends.items()} == {0: folder, 1: located[1].folder.path}
    assert not any(end.was_complete for end in watch.ends.values())
    assert (read_predictions(folder).probability == read_predictions(unbroken.folder).probability).all()
    assert json.loads((folder / "status.json").read_text())["state"] == "complete"
    log = (folder / "training_log.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in log if line.startswith("epoch,")] == [str(epoch) for epoch in range(30)]


def busy_workers(task):
    """Return the workers of this process's own cluster that carry out a task."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            names[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue

    def is_ours(pid):
        while pid in parents:
            if pid == os.getpid():
                return True
            pid = parents[pid]
        return False

    return [pid for pid, name in names.items() if name.startswith(f"ray::{task}") and is_ours(pid)]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_killed_worker_loses_no_row_and_doubles_none(
    two_workers, tiny_dataset, encoder_folder, tmp_path, monkeypatch, ending
):
    monkeypatch.setattr(scoring, "_PIECE_ROWS", 7)
    loaded = small_run(tiny_dataset, encoder_folder("bert"), tmp_path / "runs")
    posts = [text for group in SENTENCES.values() for text in group] * 4
    posts[11] = ""
    source = tmp_path / "posts.jsonl"
    source.write_text("".join(json.dumps({"id": f"p{n}", "text": text}) + "\n" for n, text in enumerate(posts)))
    whole = score_file(loaded, ScoringConfig(source, tmp_path / f"whole.{ending}", id_column="id"))
    killed = []
    stop = threading.Event()

    def kill_the_first():
        while not killed and not stop.wait(0.01):
            if found := busy_workers("_block_task"):
                os.kill(found[0], signal.SIGKILL)
                killed.append(found[0])

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    rows = []
    config = ScoringConfig(source, tmp_path / f"ray.{ending}", id_column="id")
    try:
        found = score_file(loaded, config, lambda progress: rows.append(progress.rows), score_on_ray)
    finally:
        stop.set()
        killer.join()
    assert killed
    assert rows == [*range(7, 96, 7), 96] and (found.rows, found.broken) == (whole.rows, whole.broken) == (96, 1)
    assert found.output.read_bytes() == whole.output.read_bytes()
    assert found.problems.read_bytes() == whole.problems.read_bytes()
    assert not list(tmp_path.glob("*.blocks"))


@pytest.mark.slow
def test_a_block_that_cannot_be_scored_is_named(two_workers, tiny_dataset, tmp_path):
    loaded = small_run(tiny_dataset, None, tmp_path / "runs")
    source = tmp_path / "posts.csv"
    source.write_text("text\n" + "my knee hurts\n" * 6)
    columns = RowColumns("text")
    rows = list(read_leniently(source, columns))
    job = BlockJob(tmp_path / "out.csv", columns, mask=True)
    scored = score_on_ray(loaded, job, iter([rows[:4], rows[4:]]))
    assert [(block.rows, block.content.count(b"\n")) for block in scored] == [(4, 4), (2, 2)]
    nowhere = replace(loaded, folder=tmp_path / "nowhere")
    with pytest.raises(RunError) as error:
        list(score_on_ray(nowhere, job, iter([rows[:4]])))
    assert str(error.value) == (
        f"{tmp_path / 'out.csv.blocks'}: the block at row 1 cannot be scored: RunError: {tmp_path / 'nowhere'}: is no "
        "run folder (no config.yaml). Give the folder that training printed."
    )


def test_a_cell_asks_for_a_gpu_where_it_can_have_one(tiny_config):
    def wanted(accelerator, in_cluster):
        return gpus_wanted(tiny_config(trainer=TrainerConfig(accelerator=accelerator)), in_cluster)

    assert [wanted("auto", 0.0), wanted("auto", 4.0), wanted("gpu", 0.0), wanted("cpu", 4.0)] == [0, 1, 1, 0]


def test_a_cell_of_several_devices_is_refused(tiny_config):
    several = tiny_config(trainer=TrainerConfig(devices=2, strategy="ddp", accelerator="cpu"))
    cells = list(enumerate(locate([PlannedCell(several, several.method)])))
    with pytest.raises(ConfigError, match="trainer: devices: is 2, and a task of Ray is one process"):
        run_on_ray(cells, 1, "data", None)


def test_a_lost_worker_is_told_from_a_task_that_cannot_start():
    ray = pytest.importorskip("ray")
    assert why_lost(ray, ray.exceptions.WorkerCrashedError()) == "the worker was lost 4 times (out of memory?)."
    other = ray.exceptions.RuntimeEnvSetupError("no package")
    assert why_lost(ray, other).endswith("Is mhclf installed on every machine of the cluster?")
