"""Disks that are read-only or full, at every size: one clear message, exit 1, and the same command goes on."""

import subprocess

import pytest
from warm_doors import SMALL

MOUNT = """
import ctypes, os, subprocess
assert ctypes.CDLL(None).unshare(0x00020000) == 0
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", *{words!r}], check=True)
"""
"""Run by a door's process: mounts that no other process sees."""


def mounted(*words):
    return MOUNT.format(words=[str(word) for word in words])


@pytest.fixture(scope="module", autouse=True)
def may_mount():
    found = subprocess.run(["unshare", "-m", "mount", "--make-rprivate", "/"], capture_output=True)
    if found.returncode:
        pytest.skip("this user may not mount")


@pytest.fixture
def network(tiny_dataset, encoder_folder):
    return ("--data", tiny_dataset, "--encoder", encoder_folder("bert"), *SMALL)


@pytest.fixture
def linear(tiny_dataset):
    return ("--data", tiny_dataset, "--method", "tfidf_lr", "--report", "false", "--quiet")


FULL = (
    "cannot be written (No space left on device). Make room or change --out; the same command goes on from what is "
    "done."
)


@pytest.mark.parametrize("kilobytes", [4, 60, 600, 900, 1100])
def test_a_disk_that_fills_up_while_a_network_trains(doors, network, tmp_path, kilobytes):
    out = tmp_path / "full"
    out.mkdir()
    full = mounted("-t", "tmpfs", "-o", f"size={kilobytes}k", "none", out)
    ended = doors.run("train", *network, "--out", out, first=full)
    assert ended.code == 1
    assert ended.message.startswith(f"error: {out}/tiny/lara_supcon-tiny-bert-seed1-")
    assert ended.message.endswith(f": {FULL}\n")


@pytest.mark.parametrize("kilobytes", [4, 12, 24, 40, 56, 72, 88])
def test_a_disk_that_fills_up_under_the_linear_baseline(doors, linear, tmp_path, kilobytes):
    out = tmp_path / "full"
    out.mkdir()
    full = mounted("-t", "tmpfs", "-o", f"size={kilobytes}k", "none", out)
    ended = doors.run("train", *linear, "--out", out, first=full)
    assert (ended.code, ended.message.count("\n")) == (1, 1)
    assert ended.message.startswith(f"error: {out}/tiny/tfidf_lr-") and ended.message.endswith(f": {FULL}\n")


def test_a_disk_that_was_full_is_gone_on_with(doors, linear, tmp_path, monkeypatch):
    out = tmp_path / "runs"
    full = "import errno, mhclf.results.files as files\ncount = [0]\nreal = files.os.fsync\n" + (
        "def fsync(descriptor):\n"
        "    count[0] += 1\n"
        "    if count[0] == 4:\n"
        "        raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "    real(descriptor)\n"
        "files.os.fsync = fsync\n"
    )
    ended = doors.run("train", *linear, "--out", out, first=full)
    (folder,) = (out / "tiny").iterdir()
    assert (ended.code, ended.message) == (1, f"error: {folder}: {FULL}\n")
    assert [path.name for path in folder.iterdir() if path.name.endswith(".part")] == []
    assert doors.run("train", *linear, "--out", out).code == 0


def test_a_read_only_disk(doors, linear, tmp_path):
    out = tmp_path / "closed"
    out.mkdir()
    closed = mounted("-t", "tmpfs", "-o", "ro", "none", out)
    ended = doors.run("train", *linear, "--out", out, first=closed)
    assert (ended.code, ended.message) == (
        1,
        f"error: {out}/tiny: cannot be written (Read-only file system). Make room or change --out; the same command "
        "goes on from what is done.\n",
    )


def test_a_run_on_a_read_only_disk_is_read_by_every_door(doors, linear, tmp_path, tiny_dataset):
    out = tmp_path / "runs"
    assert doors.run("train", *linear, "--out", out).code == 0
    (folder,) = (out / "tiny").iterdir()
    posts = tmp_path / "posts.csv"
    posts.write_text("id,text\na,my knee hurts\n")
    closed = mounted("--bind", "-o", "ro", out, out)
    scored = doors.run(
        "predict", "--run", folder, "--input", posts, "--output", tmp_path / "scores.csv", "--quiet", first=closed
    )
    assert (scored.code, scored.errors) == (0, "")
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 2

    refused = doors.run(
        "predict", "--run", folder, "--input", posts, "--output", out / "scores.csv", "--quiet", first=closed
    )
    assert (refused.code, refused.message) == (
        1,
        f"error: {out}/scores.csv: cannot be written (Read-only file system). Make room or change --output; the same "
        "command goes on from what is done.\n",
    )
    again = doors.run("train", *linear, "--out", out, first=closed)
    assert again.code == 1 and "cannot be written (Read-only file system)" in again.message
    for door, more in (("evaluate", ("--data", tiny_dataset)), ("explain", ("--methods", "occlusion"))):
        ended = doors.run(door, "--run", folder, *more, first=closed)
        assert ended.code in (1, 2) and ended.message.startswith("error: "), (door, ended)


def test_a_path_below_a_file(doors, linear, tmp_path):
    (tmp_path / "file").write_text("")
    ended = doors.run("train", *linear, "--out", tmp_path / "file" / "runs")
    assert ended.code == 2 and ended.message.endswith("cannot be made: a file is in the way. Change --out.\n")
