"""Two processes on one folder or file: one message and exit 1 for the second, and the first ends as if alone."""

import csv
import time

import pandas as pd
from support import SENTENCES
from test_kills import contents

HELD = """
import os, time
import {module} as module
real = module.{name}
def held(*given, **named):
    open({inside!r}, "w").close()
    while not os.path.exists({go!r}):
        time.sleep(0.01)
    return real(*given, **named)
module.{name} = held
"""
"""Stops a door inside its lock until it is let go."""


def held(folder, module, name):
    inside, go = folder / "inside", folder / "go"
    return HELD.format(module=module, name=name, inside=str(inside), go=str(go)), inside, go


def wait_for(path):
    deadline = time.monotonic() + 120
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


def test_training(doors, tiny_dataset, tmp_path):
    base = ("--data", tiny_dataset, "--method", "tfidf_lr", "--report", "false", "--quiet")
    assert doors.run("train", *base, "--out", tmp_path / "alone").code == 0
    first, inside, go = held(tmp_path, "mhclf.training.run", "_carry_out")
    door = doors.start("train", *base, "--out", tmp_path / "runs", first=first)
    wait_for(inside)
    (folder,) = (tmp_path / "runs" / "tiny").iterdir()
    for more in ((), ("--overwrite",)):
        second = doors.run("train", *base, "--out", tmp_path / "runs", *more)
        assert (second.code, second.errors) == (
            1,
            f"error: {folder}: another process works in this run folder. Wait for it, or change --out.\n",
        )
    go.touch()
    assert door.wait().code == 0
    assert contents(tmp_path / "runs") == contents(tmp_path / "alone")
    third = doors.run("train", *base, "--out", tmp_path / "runs")
    assert third.code == 0 and f"run folder: {folder}" in third.output


def test_scoring(doors, tiny_dataset, tmp_path):
    base = ("--data", tiny_dataset, "--method", "tfidf_lr", "--report", "false", "--quiet")
    assert doors.run("train", *base, "--out", tmp_path / "runs").code == 0
    (folder,) = (tmp_path / "runs" / "tiny").iterdir()
    posts = tmp_path / "posts.csv"
    with posts.open("w", newline="") as stream:
        csv.writer(stream).writerows([["text"], *([text] for text in SENTENCES["body"])])
    first, inside, go = held(tmp_path, "mhclf.training.scoring", "score_block")
    where = ("--run", folder, "--input", posts, "--output", tmp_path / "out.csv", "--quiet")
    door = doors.start("predict", *where, first=first)
    wait_for(inside)
    for more in ((), ("--overwrite",)):
        second = doors.run("predict", *where, *more)
        assert (second.code, second.errors) == (
            1,
            f"error: {tmp_path}/out.csv: another process writes it. Wait for it, or change --output.\n",
        )
    go.touch()
    assert door.wait().code == 0
    assert pd.read_csv(tmp_path / "out.csv")["id"].tolist() == list(range(1, 9))


def test_two_that_start_together(doors, tiny_dataset, tmp_path):
    base = ("--data", tiny_dataset, "--method", "tfidf_lr", "--report", "false", "--quiet", "--out", tmp_path / "runs")
    ends = [door.wait() for door in [doors.start("train", *base) for _ in range(4)]]
    (folder,) = (tmp_path / "runs" / "tiny").iterdir()
    busy = f"error: {folder}: another process works in this run folder. Wait for it, or change --out.\n"
    # Whoever comes behind the first one's end finds the run complete.
    assert {(end.code, end.errors) for end in ends} <= {(0, ""), (1, busy)}
    assert 0 in {end.code for end in ends}
