"""The suites that stand in experiments/suites: each can be read, every cell resolves, every name exists."""

from pathlib import Path

import pytest

from mhclf.config.command_line import recipe_names
from mhclf.config.suite import read_suite, suite_cells

REPOSITORY = Path(__file__).resolve().parents[2]
SUITES = REPOSITORY / "experiments" / "suites"
RECIPES = REPOSITORY / "experiments" / "recipes"
DATASETS = {path.stem for path in (REPOSITORY / "datasets_cfg").glob("*.yaml") if not path.stem.startswith("_")}
NAMES = sorted(path.stem for path in SUITES.glob("*.yaml"))
PAPERS = {
    "annomi", "cbt_bench", "cognitive_prompts", "demo", "epitome", "fewshot", "imhi", "lara", "lara_swmh", "menta",
    "mental_llm", "psyguard", "robustness", "transfer", "welldunn",
}  # fmt: skip


@pytest.fixture(params=NAMES)
def suite(request):
    return read_suite(SUITES, request.param)


def test_there_is_a_suite_for_each_paper():
    assert set(NAMES) >= PAPERS


def test_every_cell_resolves(suite):
    cells = suite_cells(suite, RECIPES, {})
    assert cells
    assert {cell.data for cell in cells} <= DATASETS
    assert {cell.method for cell in cells} <= set(recipe_names(RECIPES))
    for cell in cells:
        assert set(cell.audit.against) <= DATASETS - {cell.data}
        assert not cell.report and not cell.trainer.keep_checkpoints, "suites leave out what tables do not need"


def test_title_notes_and_seeds(suite):
    assert suite.title and suite.notes
    assert all(note.endswith((".", ")")) for note in suite.notes)
    assert all(encoder in ("minilm", "mpnet") for encoder in suite.encoders), "both come without a hub"


def test_a_baseline_is_in_the_table_of_every_data_set(suite):
    for dataset in suite.datasets:
        methods = {method for _, method in suite.lines(dataset)}
        assert methods & set(suite.baselines), dataset


def test_the_demo_needs_no_data_and_few_runs():
    cells = suite_cells(read_suite(SUITES, "demo"), RECIPES, {})
    assert [(cell.data, cell.method, cell.seed) for cell in cells] == [
        ("demo", method, seed) for seed in (1, 2) for method in ("tfidf_lr", "finetune", "lara_supcon")
    ]
