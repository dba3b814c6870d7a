"""Suites of prompting runs: cells, failures, resuming, tables from records alone."""

from pathlib import Path

import pytest
from generation_support import build_decoder_folder

from mhclf.config.generation_suite import GenerationSuiteConfig, generation_cells, read_generation_suite
from mhclf.config.structure import write_yaml
from mhclf.errors import ConfigError
from mhclf.generation.strategy import read_strategy
from mhclf.generation.suite import ask_suite, suite_tables, write_tables
from mhclf.results.records import read_records

SUITES = Path(__file__).resolve().parents[2] / "experiments" / "suites" / "generation"


@pytest.fixture(scope="module")
def suite(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> GenerationSuiteConfig:
    model = build_decoder_folder(tmp_path_factory.mktemp("suite") / "tiny-llama")
    return GenerationSuiteConfig(
        "small",
        (str(tiny_dataset),),
        {
            "plain": {"strategy": "zero_shot"},
            "parsed": {"strategy": "zero_shot", "labels": {"by": "parse"}},
            "explained examples": {"strategy": "few_shot_chain_of_thought"},
        },
        settings={"limit": 6, "max_new_tokens": 4, "local": {"model": str(model), "precision": "fp32"}},
    )


def test_a_suite_runs_records_failures_and_goes_on(suite: GenerationSuiteConfig, tmp_path: Path) -> None:
    cells = generation_cells(suite, {"out": str(tmp_path / "runs"), "limit": None})
    assert [row for row, _ in cells] == ["plain", "parsed", "explained examples"]
    told: list[str] = []
    file = tmp_path / "results" / "small.jsonl"
    failed = ask_suite(cells, file, lambda number, state: told.append(state))
    # The tiny set has no explanations to show.
    assert len(failed) == 1
    assert "explained examples: ConfigError: shots: train has 0 rows with an explanation" in failed[0]
    assert [state.rpartition(": ")[2] for state in told[:2]] == ["done", "done"]
    first = file.read_bytes()
    told.clear()
    ask_suite(cells, file, lambda number, state: told.append(state))
    assert [state.rpartition(": ")[2] for state in told[:2]] == ["was complete", "was complete"]
    assert file.read_bytes() == first
    (table,) = suite_tables(suite, read_records(file))
    assert [row[0] for row in table.rows] == ["plain", "parsed", "explained examples"]
    assert table.rows[2][1] == "not run"
    page = write_tables(tmp_path / "tables", suite, read_records(file), "make")
    text = page.read_text(encoding="utf-8")
    assert text == write_tables(tmp_path / "again", suite, read_records(file), "make").read_text(encoding="utf-8")
    assert "| plain |" in text
    assert (tmp_path / "tables" / "small.tex").is_file()


@pytest.mark.parametrize("name", sorted(path.stem for path in SUITES.glob("*.yaml")))
def test_every_shipped_suite_resolves(name: str) -> None:
    suite = read_generation_suite(SUITES, name)
    assert suite.name == name
    for _, config in generation_cells(suite, {}):
        read_strategy(config.strategy)


def test_an_unknown_suite_or_setting_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'strategies'"):
        read_generation_suite(SUITES, "strategie")
    content = {"name": "x", "datasets": ["demo"], "strategies": {"a": {"stratgy": "zero_shot"}}}
    (tmp_path / "x.yaml").write_text(write_yaml(content), encoding="utf-8")
    with pytest.raises(ConfigError, match="suite x, a: .*stratgy"):
        generation_cells(read_generation_suite(tmp_path, "x"), {})
