"""A suite carried out by one call from Python."""

import json
from dataclasses import replace

import pytest

from mhclf.config.places import recipe_folder
from mhclf.config.suite import SuiteConfig, plan_cells
from mhclf.config.suite_grid import GridConfig
from mhclf.errors import ConfigError
from mhclf.results.suite_table import suite_markdown, suite_tables
from mhclf.results.tables import to_markdown
from mhclf.training.run import run
from mhclf.training.suite import Cell
from mhclf.training.suite_records import gather
from mhclf.training.suite_run import run_suite


@pytest.fixture
def suite(tiny_dataset):
    """Return a suite of one quick cell."""
    grid = GridConfig(datasets=(str(tiny_dataset),), methods=("tfidf_lr",), seeds=(1,))
    return SuiteConfig("one", (grid,), baselines=("tfidf_lr",), settings={"report": False})


def test_a_suite_is_carried_out_once_and_its_records_are_those_of_the_runs(suite, tmp_path):
    out = str(tmp_path / "runs")
    records = run_suite(suite, out=out)
    (cell,) = plan_cells(suite, recipe_folder(), {"out": out})
    outcome = run(cell.config)
    assert outcome.was_complete
    assert records == gather([Cell(cell, outcome)])
    written = (outcome.folder / "status.json").read_text()
    assert run_suite(suite, out=out) == records
    assert (outcome.folder / "status.json").read_text() == written and json.loads(written)["state"] == "complete"


def test_its_tables_are_those_of_the_page(suite, tmp_path):
    records = run_suite(suite, out=str(tmp_path / "runs"))
    (table,) = suite_tables(suite, records)
    assert to_markdown(table) in suite_markdown(suite, records, "made by hand")
    assert table.rows[0][0] == "tfidf_lr"


def test_a_cell_that_fails_raises(suite, tmp_path):
    grid = replace(suite.grids[0], datasets=(str(tmp_path / "none.yaml"),))
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        run_suite(replace(suite, grids=(grid,)), out=str(tmp_path))
