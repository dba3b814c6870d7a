"""What a comparison of systems may say, and the cells that it plans."""

from pathlib import Path
from typing import Any

import pytest

from mhclf.config.comparison import ComparisonConfig, comparison_cells, read_comparison
from mhclf.config.structure import from_mapping
from mhclf.errors import ConfigError

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
SYSTEMS: dict[str, Any] = {
    "asked": {"prompt": {"strategy": "imhi"}},
    "tuned": {"tune": {"trainer": {"epochs": 2}}, "prompt": {"strategy": "imhi", "explain": True}},
    "classifier": {"train": {"method": "finetune"}},
    "told": {"labels": "classifier", "prompt": {"strategy": "imhi", "explain": True}},
    "head": {"joint": {"method": "supcon", "explanation": {"weight": 0.25}}},
}


def content(**over: Any) -> dict[str, Any]:
    grid = {"data": "demo", "systems": list(SYSTEMS), "dataset_settings": {"trainer": {"epochs": 4}}}
    return {"name": "small", "systems": SYSTEMS, "grids": [grid], "baselines": ["classifier"], "seed": 7} | over


def read(**over: Any) -> ComparisonConfig:
    return from_mapping(ComparisonConfig, content(**over), "small.yaml")


def test_each_cell_has_the_settings_of_its_door() -> None:
    cells = {cell.name: cell for cell in comparison_cells(read(), EXPERIMENTS / "recipes", {"out": "o", "limit": None})}
    assert list(cells) == list(SYSTEMS)
    assert cells["asked"].prompt is not None
    assert (cells["asked"].prompt.data, cells["asked"].prompt.seed, cells["asked"].prompt.out) == ("demo", 7, "o")
    assert cells["tuned"].tune is not None
    # Settings of a data set are those of classifiers; a tuned model has its own.
    assert (cells["tuned"].tune.trainer.epochs, cells["tuned"].tune.data, cells["tuned"].tune.seed) == (2, "demo", 7)
    assert cells["classifier"].train is not None
    assert cells["classifier"].train.trainer.epochs == 4
    assert cells["told"].labels == cells["classifier"].train
    head = cells["head"].joint
    assert head is not None
    assert (head.explanation.weight, head.method, head.trainer.epochs, head.contrastive.weight > 0) == (
        0.25, "supcon", 4, True,
    )  # fmt: skip


def test_a_model_may_be_tuned_elsewhere_and_rows_limited() -> None:
    grid = {"data": "imhi_dreaddit_expert", "tuned_on": "imhi_dreaddit", "systems": ["tuned"], "limit": 9}
    (cell,) = comparison_cells(read(grids=[grid], baselines=["tuned"]), EXPERIMENTS / "recipes", {"limit": 3})
    assert cell.tune is not None
    assert cell.prompt is not None
    assert (cell.tune.data, cell.prompt.data) == ("imhi_dreaddit", "imhi_dreaddit_expert")
    # What the command line says lies on top.
    assert (cell.tune.limit, cell.prompt.limit) == (3, 3)


def test_labels_are_shown_as_those_of_a_suite() -> None:
    suite = read().as_suite("as named")
    assert suite.lines("demo") == tuple(("as named", name) for name in SYSTEMS)
    assert suite.grids[0].seeds == (7,)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"grids": []}, "grids: give one or more, each with data and systems."),
        ({"baselines": ["clasifier"]}, "systems: 'clasifier' is none. Did you mean 'classifier'?"),
        ({"grids": [{"data": "demo", "systems": ["askd"]}]}, "systems: 'askd' is none. Did you mean 'asked'?"),
        (
            {"grids": [{"data": "demo", "systems": ["asked"]}] * 2, "baselines": ["asked"]},
            "grids: give each data set once; two files of one name count as one.",
        ),
        (
            {"systems": SYSTEMS | {"told": {"labels": "asked", "prompt": {"explain": True}}}},
            "systems: told: labels: 'asked' is not trained. Name one with 'train'.",
        ),
        (
            {"systems": SYSTEMS | {"both": {"train": {}, "joint": {}}}},
            "systems: give each one of 'majority', 'prompt', 'joint' and 'train'.",
        ),
        (
            {"systems": SYSTEMS | {"both": {"train": {}, "tune": {}}}},
            "systems: 'tune' and 'labels' come before a 'prompt'. Add one, or leave them out.",
        ),
        (
            {"systems": SYSTEMS | {"told": {"labels": "classifier", "prompt": {}}}},
            "systems: of given 'labels' only explanations are asked for. Add 'explain: true'.",
        ),
        (
            {"systems": SYSTEMS | {"told": {"labels": "classifier", "prompt": {"explain": True, "labels": {}}}}},
            "systems: 'labels' are those of another system. Leave 'labels' out of the prompt.",
        ),
        (
            {"grids": [{"data": "demo", "systems": ["asked"]}]},
            "baselines: 'classifier' is none of the methods.",
        ),
    ],
)
def test_what_is_wrong_is_said(over: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**over)
    assert message in str(caught.value)


def test_a_wrong_name_is_met_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="comparison: 'generatoin' is none. Did you mean 'generation'?"):
        read_comparison(EXPERIMENTS / "suites" / "systems", "generatoin")


@pytest.mark.parametrize(
    "path", sorted((EXPERIMENTS / "suites" / "systems").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_shipped_comparison_resolves(path: Path) -> None:
    comparison = read_comparison(path.parent, path.stem)
    assert comparison.name == path.stem
    assert comparison_cells(comparison, EXPERIMENTS / "recipes", {})
