"""The door that measures speed: exit codes, what is kept, tables made again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import doors
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def door(*arguments, cwd=None):
    return doors.door("speed", *arguments, cwd=cwd, without=())


def test_a_work_is_measured_kept_and_written_again(tmp_path):
    out = tmp_path / "tables"
    arguments = ("--work", "near_duplicates", "--limit", "400", "--rounds", "1", "--data", "demo", "--out", str(out))
    first = door(*arguments, cwd=tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "near_duplicates on 25000 posts: about" in first.stdout
    names = [item["data"] for item in json.loads((out / "speed.json").read_text())["measured"]]
    assert names == ["100000 posts", "25000 posts"]
    files = {name: (out / name).read_bytes() for name in ("speed.json", "speed.md", "speed.png")}
    again = door(*arguments, cwd=tmp_path)
    assert f"{len(names)} of {len(names)} works are done" in again.stdout
    made = door("--from-records", "--out", str(out), cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert {name: (out / name).read_bytes() for name in files} == files

    # A check that fails is shown, and is a failure of the door.
    content = json.loads(files["speed.json"])
    content["measured"][0]["checks"] = [{"name": "largest gap", "value": 0.5, "limit": 1e-4, "at_least": False}]
    (out / "speed.json").write_text(json.dumps(content))
    failed = door("--from-records", "--out", str(out), cwd=tmp_path)
    assert failed.returncode == 1
    assert f"FAILED: near_duplicates on {names[0]}: both sides do not give the same results" in failed.stdout
    assert "FAILED: largest gap 0.5 > 0.0001" in (out / "speed.md").read_text()


@pytest.mark.parametrize("name", sorted(path.stem for path in (REPOSITORY / "experiments").glob("*.py")))
def test_every_door_prints_its_help(name):
    found = subprocess.run(
        [sys.executable, f"experiments/{name}.py", "--help"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=dict(os.environ) | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert found.returncode == 0, found.stderr
    assert "--help" in found.stdout and not found.stderr


def test_wrong_options_are_one_message(tmp_path):
    found = door("--work", "predicton", "--out", str(tmp_path))
    assert (found.returncode, "Traceback" in found.stderr) == (2, False)
    assert found.stderr.startswith("error: Unknown work 'predicton'. Did you mean 'prediction'?")
    assert door("--rounds", "0").stderr == "error: rounds: is 0, expected 1 or more.\n"
    missing = door("--from-records", "--out", str(tmp_path / "none"))
    assert missing.returncode == 2 and "speed.json: cannot be read" in missing.stderr
