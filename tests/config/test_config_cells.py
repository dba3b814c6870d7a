"""Cells as command lines: quoting, paths, and the same configuration back."""

import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.config.cells import cells_yaml, command_line
from mhclf.config.command_line import build_config, parse_run, recipe_names
from mhclf.config.places import recipe_folder
from mhclf.config.suite import GridConfig, SuiteConfig, plan_cells

RECIPES = recipe_folder()


def options(parser):
    for name in ("--seeds", "--split_seeds"):
        parser.add_argument(name)
    for name in ("--overwrite", "--quiet"):
        parser.add_argument(name, action="store_true")


def parsed(line):
    words = shlex.split(line)
    assert words[:2] == ["python", "train.py"]
    return parse_run(words[2:], RECIPES, "", options).config


@pytest.mark.parametrize("method", recipe_names(RECIPES))
def test_every_recipe_comes_back(method, tmp_path):
    config = build_config(RECIPES, {"method": method, "out": str(tmp_path), "data_root": str(tmp_path)})
    assert parsed(command_line(["python", "train.py"], config, RECIPES, "data")) == config


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12).filter(
    lambda word: not word.startswith("-")
)


@settings(max_examples=25, deadline=None)
@given(WORDS, WORDS, st.floats(1e-9, 1), st.sampled_from([True, False]), st.lists(WORDS, max_size=2, unique=True))
def test_any_setting_comes_back(folder, word, rate, flag, names):
    over = {
        "method": "supcon",
        "data": "demo",
        "out": f"/runs with space/it's $HOME {folder}",
        # The same folder with a slash behind it is written without.
        "data_root": str(Path(f"/{word}")),
        "split_seed": 3,
        "limit": 5,
        "test": flag,
        "audit": {"against": names},
        "optim": {"lr": rate},
        "subset": {"share": 0.5},
        "trainer": {
            "options": {"limit_train_batches": 2, "profiler": "simple"},
            "loggers": {"CSVLogger": {"name": "é 1"}},
        },
    }
    config = build_config(RECIPES, over)
    assert parsed(command_line(["python", "train.py"], config, RECIPES, "data")) == config


def test_paths_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    config = build_config(RECIPES, {"method": "tfidf_lr", "data": "my.yaml", "out": "runs"})
    found = parsed(command_line(["python", "train.py"], config, RECIPES, "data"))
    assert (found.data, found.out) == (str(tmp_path / "my.yaml"), str(tmp_path / "runs"))
    assert found.data_root == str(tmp_path / "data")
    (tmp_path / "data").rmdir()
    assert "data_root" not in command_line(["python", "train.py"], config, RECIPES, "data")


def test_resolved_cells_as_yaml():
    suite = SuiteConfig("s", (GridConfig(("demo",), ("tfidf_lr",), (1, 2)),), baselines=("tfidf_lr",))
    text = cells_yaml(plan_cells(suite, RECIPES, {"limit": 7}))
    assert text.startswith("demo tfidf_lr minilm seed 1:\n  data: demo\n  method: tfidf_lr\n")
    assert text.count("limit: 7") == 2
