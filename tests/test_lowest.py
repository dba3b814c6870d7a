"""The script that pins every dependency to its floor, for `make test-lowest`."""

import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / ".ci" / "lowest.py"
lowest = runpy.run_path(str(SCRIPT))["lowest"]


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("numpy>=2", "numpy==2"),
        ("transformers>=5.4,<6", "transformers==5.4"),
        ("lightning>=2.6.4,!=2.6.2,!=2.6.3,<2.7", "lightning==2.6.4"),
        ("mkdocstrings[python]>=1.0", "mkdocstrings[python]==1.0"),
        ("transformers[serving]", "transformers[serving]"),
        ("torch>=2.6", "torch==2.13.0"),
    ],
)
def test_the_floor_is_the_only_version(requirement: str, expected: str) -> None:
    assert lowest(requirement, {"torch": "2.13.0"}) == expected


def test_what_is_no_requirement_is_named() -> None:
    with pytest.raises(SystemExit, match="'two words' is no requirement that this script reads"):
        lowest("two words", {})


def test_every_dependency_of_the_project_has_a_line() -> None:
    command = [sys.executable, str(SCRIPT), "torch==2.13.0"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "torch==2.13.0" in lines
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert len([line for line in lines if "==" in line]) >= len(project["dependencies"])
    assert not [line for line in lines if line.startswith("mhclf")]
    assert len(lines) == len(set(lines))
