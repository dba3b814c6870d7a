"""Warm doors for the whole session, and a small set with marked words."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import write_tiny_dataset
from warm_doors import WarmDoors


@pytest.fixture(scope="session")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmDoors]:
    """Return the doors, warm."""
    warm = WarmDoors(tmp_path_factory.mktemp("doors"))
    yield warm
    warm.close()


@pytest.fixture(scope="session")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the YAML of the tiny set, where an expert marked the first two words of each post."""
    path = write_tiny_dataset(tmp_path_factory.mktemp("marked"))
    rows = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    for row in rows:
        row["why"] = [" ".join(row["text"].split()[:2])]
    path.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path.write_text(path.read_text() + "rationale: {column: why, kind: phrases}\n")
    return path
