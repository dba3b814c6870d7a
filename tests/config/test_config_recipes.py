"""The settings of a run from Python."""

import pytest

import mhclf
from mhclf.config.command_line import parse_run
from mhclf.config.places import recipe_folder
from mhclf.config.recipes import nested, run_config
from mhclf.errors import ConfigError


@pytest.mark.parametrize("method", ["lara_supcon", "finetune", "tfidf_lr", "lora", "ordinal"])
def test_settings_from_python_are_those_of_the_door(method):
    words = ["--method", method, "--data", "demo", "--seed", "3", "--trainer.epochs", "2", "--loss.label_smoothing=.1"]
    door = parse_run(words, recipe_folder(), "", lambda parser: None).config
    settings = {"trainer.epochs": 2, "loss": {"label_smoothing": 0.1}}
    assert mhclf.run_config(method, data="demo", seed=3, settings=settings) == door


def test_a_recipe_is_applied_and_given_settings_lie_above_it():
    config = run_config("finetune", out="elsewhere")
    assert (config.method, config.model.aggregation, config.contrastive.weight) == ("finetune", "last", 0)
    assert (config.out, config.encoder, config.seed) == ("elsewhere", "minilm", 1)
    assert run_config("finetune", settings={"contrastive.weight": 0.3}).contrastive.weight == 0.3


def test_slips_are_told():
    with pytest.raises(ConfigError, match="method: no recipe is called 'finetun'.*'finetune'"):
        run_config("finetun")
    with pytest.raises(ConfigError, match="epoch"):
        run_config(settings={"trainer.epoch": 2})
    with pytest.raises(ConfigError, match="settings: 'seed' is a parameter of its own. Give it there: seed=..."):
        run_config(settings={"seed": 2})


def test_dots_and_nested_keys_are_one():
    given = {"a.b.c": 1, "a": {"b": {"d": 2}}, "e": 3}
    assert nested(given) == {"a": {"b": {"c": 1, "d": 2}}, "e": 3}
    assert given["a"] == {"b": {"d": 2}}
