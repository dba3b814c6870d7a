"""SIGKILL at random moments over training, suites, prompting and scoring: nothing lost, nothing doubled, same bytes."""

import csv
import json
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest
import yaml
from support import SENTENCES
from warm_doors import SMALL

POSTS = [text for group in SENTENCES.values() for text in group]
SLOW = pytest.mark.slow
MOST = 5
"""Kills in a row before a start is left to end."""

PASSING = {"seconds", "cpu_seconds", "git"}
"""Keys of what may differ between two starts: a clock, and the state of a repository that somebody works in."""


def timeless(value):
    """Return parsed JSON without what a clock wrote."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in PASSING}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def content(path, folder):
    """Return a file as bytes, or as values where a clock or the place of the folder stands in it."""
    if path.name in {"status.json", "environment.json", "config.yaml"} or path.suffix == ".jsonl":
        lines = path.read_text().replace(str(folder), "OUT").splitlines()
        if path.suffix == ".yaml":
            return lines
        return [timeless(json.loads(line)) for line in ([" ".join(lines)] if path.suffix == ".json" else lines)]
    if path.name == "training_log.csv":
        frame = pd.read_csv(path).drop(columns="samples_per_second")
        return frame.to_csv(index=False)
    return path.read_bytes()


def contents(folder):
    """Return relative path -> content of all that a finished work left, but for locks, checkpoints and the cache."""
    return {
        str(path.relative_to(folder)): content(path, folder)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock") and path.suffix not in {".ckpt", ".sqlite"}
    }


def knock(start, out, kills, seed):
    """Kill a work at seeded moments until it was killed `kills` times, and compare each finished one.

    `start(folder)` opens the door of the work; what is killed goes on in the same folder, at most `MOST` times.
    """
    unbroken = start(out / "unbroken").wait()
    assert unbroken.code == 0, unbroken.errors
    expected = contents(out / "unbroken")
    moments = random.Random(seed)
    killed = round_ = in_a_row = 0
    while killed < kills or in_a_row:
        folder = out / f"round{round_}"
        door = start(folder)
        last = killed >= kills or in_a_row >= MOST
        ended = door.wait(300 if last else moments.uniform(0, unbroken.seconds))
        if ended is None:
            ended = door.kill()
        if ended.code == -9:
            killed, in_a_row = killed + 1, in_a_row + 1
            continue
        assert ended.code == 0, ended.errors
        found = contents(folder)
        assert sorted(found) == sorted(expected)
        assert [name for name in expected if found[name] != expected[name]] == []
        round_, in_a_row = round_ + 1, 0
    assert killed == kills
    return round_


@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=SLOW)])
def test_training(doors, tiny_dataset, encoder_folder, tmp_path, kills):
    base = ("--data", tiny_dataset, "--encoder", encoder_folder("bert"), *SMALL)
    knock(lambda out: doors.start("train", *base, "--out", out), tmp_path, kills, seed=1)


BEFORE = """
import os, signal, sys
left = [{number}]
def hook(event, given):
    if event == "os.rename":
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
"""
"""Kills a door when it has written its so-manieth file and is about to give it its name."""


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=SLOW)])
def test_before_each_renaming(doors, tiny_dataset, tmp_path, stride):
    base = ("--data", tiny_dataset, "--method", "tfidf_lr", "--report", "false", "--quiet")
    assert doors.run("train", *base, "--out", tmp_path / "unbroken").code == 0
    number = 1
    while (ended := doors.run("train", *base, "--out", tmp_path / "killed", first=BEFORE.format(number=number))).code:
        assert ended.code == -9, ended.errors
        number += stride
    # Configuration, environment, manifest, status, temperature, records and the last status at the least.
    assert number >= 7
    assert contents(tmp_path / "killed") == contents(tmp_path / "unbroken")


@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=SLOW)])
def test_suite(doors, tiny_dataset, encoder_folder, tmp_path, kills):
    suite = tmp_path / "small.yaml"
    grid = {"datasets": [str(tiny_dataset)], "seeds": [1, 2]}
    grids = [
        grid | {"methods": ["tfidf_lr"]},
        grid | {"methods": ["finetune"], "encoders": [str(encoder_folder("bert"))]},
    ]
    settings = {
        "report": False,
        "trainer": {"epochs": 1, "accelerator": "cpu", "precision": "fp32"},
        "batch": {"size": 16},
    }
    suite.write_text(yaml.safe_dump({"name": "small", "grids": grids, "baselines": ["tfidf_lr"], "settings": settings}))

    def start(out):
        return doors.start("benchmark", "--config", suite, "--limit", "40", "--jobs", "0", "--out", out)

    knock(start, tmp_path, kills, seed=2)


@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=SLOW)])
def test_scoring(doors, tiny_dataset, tmp_path, kills):
    linear = ("--data", tiny_dataset, "--method", "tfidf_lr", "--report", "false", "--quiet")
    assert doors.run("train", *linear, "--out", tmp_path / "runs").code == 0
    (folder,) = (tmp_path / "runs" / "tiny").iterdir()
    posts = tmp_path / "posts.csv"
    with posts.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text"])
        writer.writerows([f"p{n}", "" if n % 97 == 5 else f"{POSTS[n % 24]} {n}"] for n in range(3000))
    # Many small pieces, so that a kill falls between any two writes.
    first = "import mhclf.training.scoring as scoring\nscoring._PIECE_ROWS = 8\n"

    def start(out):
        out.mkdir(exist_ok=True)
        where = ("--run", folder, "--input", posts, "--output", out / "scores.csv")
        return doors.start("predict", *where, "--quiet", "--id-column", "id", first=first)

    rounds = knock(start, tmp_path, kills, seed=3)
    found = pd.read_csv(tmp_path / f"round{rounds - 1}" / "scores.csv")
    assert found["id"].tolist() == [f"p{n}" for n in range(3000)]
    assert found["prediction"].isna().tolist() == [n % 97 == 5 for n in range(3000)]


@pytest.fixture
def endpoint():
    """Return the address of a server that answers by the post alone, and the list of what it was asked."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = asked["messages"][-1]["content"]
            seen.append(json.dumps(asked["messages"]))
            label = ("body", "work", "people")[sum(text.encode()) % 3]
            choice = {"message": {"content": f"{label}. It says so {len(text)} times."}, "finish_reason": "stop"}
            body = json.dumps({"choices": [choice], "usage": {"completion_tokens": 3}}).encode()
            try:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass

        def log_message(self, *given):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", seen
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=SLOW)])
def test_prompting(doors, tiny_dataset, tmp_path, endpoint, kills):
    address, seen = endpoint
    base = (
        "--data", tiny_dataset, "--backend", "endpoint", "--endpoint.url", address, "--endpoint.model", "scripted",
        "--endpoint.concurrent", "2", "--labels.by", "parse", "--labels.fit", "none", "--explain", "true", "--quiet",
    )  # fmt: skip

    def start(out):
        return doors.start("generate", "prompt", *base, "--out", out)

    rounds = knock(start, tmp_path, kills, seed=4)
    # What was under way when the kill fell is asked once more, and nothing else.
    assert len(set(seen)) * (rounds + 1) <= len(seen) <= len(set(seen)) * (rounds + 1) + 2 * kills
