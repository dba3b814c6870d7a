"""The committed tables of prompted and compared systems are what the committed records give, byte for byte."""

from pathlib import Path

import pytest

from mhclf.config.comparison import read_comparison
from mhclf.config.generation_suite import read_generation_suite
from mhclf.config.published import published_numbers
from mhclf.generation.suite import write_tables
from mhclf.results.generated import SYSTEM_ENCODER, read_system_measures, write_measures_tables
from mhclf.results.records import read_records
from mhclf.results.suite import read_suite_records
from mhclf.results.suite_files import write_suite_tables

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
RESULTS, SUITES, TABLES = EXPERIMENTS / "results", EXPERIMENTS / "suites", EXPERIMENTS / "tables"


def same_as_committed(written: Path) -> None:
    assert written.read_bytes() == (TABLES / written.name).read_bytes(), written.name


@pytest.mark.parametrize("path", sorted((SUITES / "generation").glob("*.yaml")), ids=lambda path: path.stem)
def test_suites_of_prompts(path: Path, tmp_path: Path) -> None:
    suite = read_generation_suite(path.parent, path.stem)
    command = f"python experiments/generate.py suite --suite {suite.name}"
    records = read_records(RESULTS / f"{suite.name}.jsonl")
    write_tables(tmp_path, suite, records, command)
    for ending in ("md", "tex", "csv"):
        same_as_committed(tmp_path / f"{suite.name}.{ending}")
    cells = {(record.dataset, record.method) for record in records}
    assert cells == {(data, row) for data in suite.datasets for row in suite.strategies}


@pytest.mark.parametrize("path", sorted((SUITES / "systems").glob("*.yaml")), ids=lambda path: path.stem)
def test_comparisons_of_systems(path: Path, tmp_path: Path) -> None:
    config = read_comparison(path.parent, path.stem)
    suite, command = config.as_suite(SYSTEM_ENCODER), f"python experiments/generate.py compare --suite {config.name}"
    records = read_suite_records(RESULTS / f"{config.name}.jsonl")
    write_suite_tables(tmp_path, suite, records, published_numbers(EXPERIMENTS / "published"), command)
    measures = read_system_measures(RESULTS / "explained" / f"{config.name}.jsonl")
    title = config.title or config.name
    write_measures_tables(tmp_path, config.name, title, tuple(config.systems), measures, command)
    for stem in (config.name, f"{config.name}_explanations"):
        for ending in ("md", "tex", "csv"):
            same_as_committed(tmp_path / f"{stem}.{ending}")
