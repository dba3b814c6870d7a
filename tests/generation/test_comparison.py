"""Comparing systems: carried out, failed, gone on with; records without text."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from generation_support import build_decoder_folder, write_explained_dataset

from explain.generated import attribute_explained
from mhclf.config.comparison import ComparisonConfig, SystemCell, comparison_cells
from mhclf.config.generation import GenerationConfig, LabelsConfig
from mhclf.config.instruction import InstructionConfig
from mhclf.config.structure import from_mapping
from mhclf.data.load import load_table
from mhclf.errors import ConfigError
from mhclf.generation.added_measures import Attributed
from mhclf.generation.comparison import CarriedOut, carry_out, compare, comparison_records, measure
from mhclf.generation.majority import MajorityBackend
from mhclf.generation.measuring import Measured
from mhclf.results.generated import SYSTEM_ENCODER
from mhclf.results.suite_files import write_suite_tables
from mhclf.results.suite_lines import suite_lines
from mhclf.results.suite_table import suite_markdown
from mhclf.training.run import RunOutcome

RECIPES = Path(__file__).resolve().parents[2] / "experiments" / "recipes"


@pytest.fixture(scope="module")
def comparison(encoder_folder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> ComparisonConfig:
    folder = tmp_path_factory.mktemp("compared")
    data = write_explained_dataset(folder / "data", lambda number, text: f"it says so, {number % 5} times")
    model, encoder = str(build_decoder_folder(folder / "tiny-llama")), str(encoder_folder("bert"))
    trained = {"encoder": encoder, "trainer": {"epochs": 1}, "report": False}
    asked: dict[str, Any] = {"strategy": "imhi", "max_new_tokens": 4, "local": {"model": model, "precision": "fp32"}}
    systems: dict[str, Any] = {
        "majority": {"majority": True},
        "asked": {"prompt": asked | {"explain": True}},
        "read from the answer": {"prompt": asked | {"strategy": "zero_shot", "labels": {"by": "parse"}}},
        "tuned": {
            "tune": {"model": model, "trainer": {"epochs": 1, "precision": "fp32"}},
            "prompt": asked | {"labels": {"fit": "tuned"}},
        },
        "classifier": {"train": {"method": "finetune"} | trained},
        "classifier, explained": {"labels": "classifier", "prompt": asked | {"explain": True}},
        "with a head": {
            "joint": {"method": "finetune", "explanation": {"decoder": model, "max_new_tokens": 4}} | trained
        },
        "broken": {"train": {"method": "finetune"} | trained | {"encoder": str(folder / "nowhere")}},
    }
    grid = {"data": str(data), "systems": list(systems), "limit": 9}
    content = {"name": "small", "systems": systems, "grids": [grid], "baselines": ["classifier"]}
    return from_mapping(ComparisonConfig, content, "small.yaml")


@pytest.fixture(scope="module")
def compared(
    comparison: ComparisonConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[SystemCell], list[CarriedOut], list[str]]:
    cells = comparison_cells(comparison, RECIPES, {"out": str(tmp_path_factory.mktemp("runs"))})
    told: list[str] = []
    done = compare(cells, lambda number, state: told.append(state))
    return cells, measure(done, "", None, lambda number, state: None), told


def test_systems_run_and_what_fails_is_told(comparison: ComparisonConfig, compared: Any) -> None:
    cells, done, told = compared
    states = {state.split(", ", 1)[1].split(": ")[0]: state.split(": ", 1)[1] for state in told}
    assert {name: state for name, state in states.items() if name != "broken"} == {
        "majority": "done", "asked": "done", "read from the answer": "done", "tuned": "done", "classifier": "done",
        "classifier, explained": "done", "with a head": "done",
    }  # fmt: skip
    assert states["broken"].startswith("failed: ")
    explained = [item.cell.name for item in done if item.explanations is not None]
    assert explained == ["asked", "classifier, explained", "with a head"]
    again: list[str] = []
    repeated = compare(cells, lambda number, state: again.append(state))
    records = comparison_records(measure(repeated, "", None, lambda number, state: None), 1)
    assert sum(state.endswith(": was complete") for state in again) == 7
    assert records == comparison_records(done, 1)


def test_labels_become_lines_of_one_table(comparison: ComparisonConfig, compared: Any, tmp_path: Path) -> None:
    labels, measures = comparison_records(compared[1], comparison.seed)
    (rows,) = labels.rows
    suite = comparison.as_suite(SYSTEM_ENCODER)
    lines = {item.method: item for item in suite_lines(suite, labels, rows, suite.datasets[0])}
    assert list(lines) == list(comparison.systems)
    assert {line.encoder for line in lines.values()} == {SYSTEM_ENCODER}
    by_name = {run.method: run for run in labels.runs}
    # The explained labels are the classifier's.
    assert by_name["classifier, explained"].correct == by_name["classifier"].correct
    accuracy = by_name["asked"].values["accuracy"]
    assert accuracy == pytest.approx(by_name["asked"].correct[0].count("1") / len(rows.ids))
    assert lines["classifier, explained"].comparisons["classifier"][0].difference == 0
    assert by_name["broken"].error
    assert lines["broken"].why_missing.startswith("failed: ")
    majority = by_name["majority"]
    assert majority.values["unparsed"] == 0
    assert 0 < majority.values["accuracy"] < 1
    assert majority.correct[0].count("1") == round(majority.values["accuracy"] * len(rows.ids))
    # Parsed answers have no probabilities to measure; what was not read is wrong.
    parsed = lines["read from the answer"].scores
    assert "auroc" not in parsed
    assert by_name["read from the answer"].values["unparsed"] > 0
    assert [item.system for item in measures] == ["asked", "classifier, explained", "with a head"]
    # The whole page can be made, with the share of unread answers as a column.
    page = suite_markdown(suite, labels, "make")
    assert "| unparsed ↓ |" in page
    assert len(write_suite_tables(tmp_path, suite, labels, (), "make")) == 5


def test_records_hold_no_text(compared: Any) -> None:
    labels, measures = comparison_records(compared[1], 1)
    told = json.dumps([repr(labels), repr(measures)])
    assert "it says so" not in told
    assert all("/" not in run.dataset for run in labels.runs)
    assert {item.dataset for item in measures} == {"tiny"}


def test_a_run_on_other_test_rows_is_a_failure(compared: Any) -> None:
    """Tests between systems are paired on posts: what was scored on others cannot stand beside them."""
    done = {item.cell.name: item for item in compared[1]}
    elsewhere = replace(done["tuned"].cell.prompt, limit=4)
    other = carry_out(replace(done["tuned"].cell, name="elsewhere", tune=None, prompt=plain(elsewhere)))
    cell = replace(done["tuned"].cell, name="elsewhere")
    labels, _ = comparison_records([done["classifier"], CarriedOut(cell, other)], 1)
    assert [(run.method, run.error) for run in labels.runs] == [("classifier", ""), ("elsewhere", "OtherTestRows")]
    assert {item.method for item in labels.summaries} == {"classifier"}


def test_what_is_scored_is_not_tuned_on(compared: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The set of the grid is kept out of tuning on another one."""
    cell = next(item.cell for item in compared[1] if item.cell.name == "tuned")
    asked: list[InstructionConfig] = []

    def remembered(config: InstructionConfig) -> None:
        asked.append(config)
        raise ConfigError("enough")

    monkeypatch.setattr("mhclf.generation.comparison.tune", remembered)
    for data in (cell.data, "demo"):
        with pytest.raises(ConfigError, match="enough"):
            carry_out(replace(cell, tune=replace(cell.tune, data=data)))
    assert [config.keep_out for config in asked] == [("experts",), ("experts", cell.data)]


def test_several_labels_have_no_majority(tiny_multilabel: Path) -> None:
    with pytest.raises(ConfigError, match="majority: tiny_multilabel needs train rows with one label a post"):
        MajorityBackend(load_table(str(tiny_multilabel)))


def plain(config: GenerationConfig) -> GenerationConfig:
    return replace(config, labels=LabelsConfig())


def test_explanations_are_held_against_the_classifier_that_is_meant(compared: Any) -> None:
    """A classifier that is explained, or explains itself, is its own; a language model's text meets the named one."""
    done = compared[1]
    folder = {item.cell.name: item.end.folder for item in done if isinstance(item.end, RunOutcome)}
    asked: list[tuple[Path, Path]] = []

    def attribute(own: Path, classifier: Path) -> Attributed:
        asked.append((own, classifier))
        return attribute_explained(own, classifier, "saliency")

    measured = measure(done, "", None, lambda number, state: None, attribute, "classifier")
    assert asked == [
        (folder["asked"], folder["classifier"]),
        (folder["classifier, explained"], folder["classifier"]),
        (folder["with a head"], folder["with a head"]),
    ]
    for item in measured:
        if isinstance(item.explanations, Measured):
            metrics = {one.metric for one in item.explanations.measures}
            assert "classifier_cited_auprc" in metrics
            assert any(note.startswith("Attributions: saliency of ") for note in item.explanations.notes)
    # Asked again, what was attributed is read.
    kept = sorted((folder["classifier"] / "attributions").glob("saliency-*.npz"))
    before = [file.stat().st_mtime_ns for file in kept]
    attribute(folder["asked"], folder["classifier"])
    assert [file.stat().st_mtime_ns for file in kept] == before
    # One file for each set of decided labels; both systems may have decided alike.
    assert len(kept) in {1, 2}
