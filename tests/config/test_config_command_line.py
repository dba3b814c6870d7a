"""Layers of settings, the door's own options, and one message for every mistake."""

from dataclasses import fields

import pytest

from mhclf.config.command_line import (
    build_config,
    layered,
    parse_run,
    parse_seeds,
    read_recipe,
    recipe_names,
    run_door,
)
from mhclf.config.run import RunConfig
from mhclf.config.structure import read_yaml, to_mapping
from mhclf.errors import AuditError, ConfigError, RunError


@pytest.fixture
def recipes(tmp_path):
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "lara_supcon.yaml").write_text("model: {aggregation: layer_attentive_residual}\n")
    (folder / "finetune.yaml").write_text("model: {aggregation: last}\ncontrastive: {weight: 0}\noptim: {lr: 2e-5}\n")
    return folder


@pytest.fixture
def parse(recipes):
    def parse(*argv):
        return parse_run(argv, recipes, "A door.", lambda parser: parser.add_argument("--seeds"))

    return parse


def test_without_arguments_the_defaults_stand(parse):
    arguments = parse()
    assert arguments.config == RunConfig()
    assert arguments.extra == {
        "seeds": None, "config": None, "print_config": False, "no_mask": False, "no_test": False
    }  # fmt: skip


def test_options_lie_above_file_above_recipe_above_defaults(parse, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("method: finetune\noptim: {lr: 3e-5, head_lr: 0.5}\nseed: 7\nmodel: {pooling: cls}\n")
    config = parse("--config", str(file), "--optim.lr", "4e-5", "--limit", "9").config
    assert (config.optim.lr, config.optim.head_lr, config.optim.warmup) == (4e-5, 0.5, 0.1)
    assert (config.method, config.seed, config.limit) == ("finetune", 7, 9)
    assert (config.model.aggregation, config.model.pooling, config.contrastive.weight) == ("last", "cls", 0.0)
    assert parse("--config", str(file)).config.optim.lr == 3e-5
    assert parse("--method", "finetune").config.optim.lr == 2e-5


def test_an_option_that_repeats_the_default_still_wins_over_the_recipe(parse):
    config = parse("--method", "finetune", "--optim.lr", "1e-4", "--contrastive.weight", "0.5").config
    assert (config.optim.lr, config.contrastive.weight) == (1e-4, 0.5)


def test_a_group_given_as_a_mapping_leaves_its_other_keys_to_the_recipe(parse):
    config = parse("--method", "finetune", "--model", "{pooling: cls}").config
    assert (config.model.pooling, config.model.aggregation) == ("cls", "last")


def test_hyphens_and_underscores_are_the_same(parse):
    hyphens = parse("--data-root", "/a-b/c-d", "--optim.head-lr=0.1", "--audit.on-leak", "stop").config
    underscores = parse("--data_root", "/a-b/c-d", "--optim.head_lr=0.1", "--audit.on_leak", "stop").config
    assert hyphens == underscores
    assert (hyphens.data_root, hyphens.optim.head_lr, hyphens.audit.on_leak) == ("/a-b/c-d", 0.1, "stop")


def test_no_mask_and_no_test_turn_the_keys_off(parse):
    config = parse("--no-mask", "--no-test").config
    assert (config.mask, config.test) == (False, False)
    assert parse("--no_mask").config == parse("--mask", "false").config


def test_a_door_gets_its_own_options_back(parse):
    arguments = parse("--seeds", "1,2")
    assert arguments.extra["seeds"] == "1,2" and arguments.config == RunConfig()


@pytest.mark.parametrize("text", ["2024", "yes", "null ", "1e5", "a: b", "007", "true"])
def test_text_options_stay_text(parse, text):
    assert parse("--out", text, "--data", text).config == RunConfig(out=text, data=text)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--method", "finetune", "--seed", "5"],
        ["--limit", "3", "--split-seed", "4", "--max-length", "50", "--data-root", "/d", "--no-mask"],
        ["--out", "1e5", "--data", "yes", "--optim.lr", "1e-7"],
    ],
)
def test_printed_settings_fed_back_give_the_same_run(parse, tmp_path, capsys, argv):
    with pytest.raises(SystemExit) as stop:
        parse(*argv, "--print-config")
    assert stop.value.code == 0
    printed = tmp_path / "printed.yaml"
    printed.write_text(capsys.readouterr().out)
    assert parse("--config", str(printed)).config == parse(*argv).config
    assert list(read_yaml(printed)) == [field.name for field in fields(RunConfig)]
    assert read_yaml(printed) == to_mapping(parse(*argv).config)


def test_help_all_names_every_key(parse, capsys):
    with pytest.raises(SystemExit) as stop:
        parse("--help-all")
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    options = ["--optim.lr", "--contrastive.ramp_share", "--data_root", "--no_mask", "--seeds", "--config"]
    assert [option for option in options if option not in shown] == []


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--optim.lrr", "3"], "unrecognized arguments: --optim.lrr 3. Did you mean '--optim.lr'?"),
        (["--zzzz"], "unrecognized arguments: --zzzz."),
        (["positional"], "unrecognized arguments: positional"),
        (["--optim.lr", "fast"], 'Parser key "optim.lr": Expected a float. Got value: fast'),
        (["--optim.lr", "nan"], 'Parser key "optim.lr": Expected a float. Got value: nan'),
        (["--seed", "1.5"], 'Parser key "seed": Expected a int. Got value: 1.5'),
        (["--seed", "-3"], "seed: is -3, expected a whole number from 0 to 2**32 - 1."),
        (["--mask", "1"], 'Parser key "mask": Expected a bool. Got value: 1'),
        (["--audit.on_leak", "stp"],
         "Parser key \"audit.on_leak\": Expected a one of ['drop', 'stop', 'keep']. Got value: stp. "
         "Did you mean 'stop'?"),
        (["--limit"], "argument --limit: expected one argument"),
        (["--limit", "0"], "limit: is 0, expected 1 row or more per split."),
        (["--see", "3"], "ambiguous option: --see could match --seeds, --seed"),
        (["--method", "finetun"],
         "method: no recipe is called 'finetun'. Did you mean 'finetune'? Known: finetune, lara_supcon."),
        (["--method", "../recipes/finetune"],
         "method: no recipe is called '../recipes/finetune'. Did you mean 'finetune'? Known: finetune, lara_supcon."),
        (["--config", "/none/x.yaml"],
         "/none/x.yaml: cannot be read (No such file or directory). Check the path and its permissions."),
        (["--config", "a\0b"], "a\0b: cannot be read (embedded null byte). Check the path and its permissions."),
    ],
)  # fmt: skip
def test_one_message_for_each_mistake(parse, capsys, argv, message):
    with pytest.raises(ConfigError) as error:
        parse(*argv)
    assert str(error.value) == message
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("argv", [["--model", "{"], ["--model", "3"], ["--limit", "many"], ["--limit", ""]])
def test_values_that_do_not_parse_are_one_line(parse, argv):
    with pytest.raises(ConfigError) as error:
        parse(*argv)
    assert str(error.value).startswith(f'Parser key "{argv[0][2:]}": ') and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds: 3\n", "recipe 'lara_supcon' with the given options: unknown key 'seeds'. Did you mean 'seed'? "
         f"Known keys: {', '.join(field.name for field in fields(RunConfig))}."),
        ("optim: {lr: fast}\n",
         "recipe 'lara_supcon' with the given options: optim: lr: is 'fast' (str), expected a number."),
        ("optim: {lr: .nan}\n",
         "recipe 'lara_supcon' with the given options: optim: lr: is 'nan' (float), expected a finite number."),
        ("data: no\n", "recipe 'lara_supcon' with the given options: data: YAML reads a bare yes, no, on or off as "
         "true or false. Put it in quotes."),
    ],
)  # fmt: skip
def test_a_wrong_settings_file(parse, tmp_path, text, message):
    (tmp_path / "settings.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        parse("--config", str(tmp_path / "settings.yaml"))
    assert str(error.value) == message


def test_layers_merge_mappings_and_replace_the_rest():
    below = {"a": {"x": 1, "y": {"z": 1}}, "b": [1], "c": 1, "d": {"e": 1}}
    above = {"a": {"y": {"w": 2}}, "b": [2], "c": {"k": 1}, "d": None}
    assert layered(below, above) == {"a": {"x": 1, "y": {"z": 1, "w": 2}}, "b": [2], "c": {"k": 1}, "d": None}
    assert below["a"] == {"x": 1, "y": {"z": 1}}


def test_recipes_by_name(recipes):
    assert recipe_names(recipes) == ["finetune", "lara_supcon"]
    assert read_recipe(recipes, "finetune")["optim"] == {"lr": 2e-5}
    config = build_config(recipes, {"method": "finetune", "seed": 1}, {"seed": 2})
    assert (config.method, config.seed, config.optim.lr) == ("finetune", 2, 2e-5)


@pytest.mark.parametrize(("text", "seeds"), [("1,2,3", [1, 2, 3]), (" 4 , 2 ", [4, 2]), ("7,", [7])])
def test_seed_lists(text, seeds):
    assert parse_seeds(text, "seeds") == seeds


@pytest.mark.parametrize("text", ["1,x", "1.5", "1 2"])
def test_a_seed_list_holds_whole_numbers(text):
    with pytest.raises(ConfigError) as error:
        parse_seeds(text, "seeds")
    assert str(error.value) == f"seeds: '{text}' is no list of whole numbers such as 1,2,3."


@pytest.mark.parametrize("text", ["", ",", "1,2,1"])
def test_seeds_are_given_and_differ(text):
    with pytest.raises(ConfigError) as error:
        parse_seeds(text, "seeds")
    assert str(error.value) == "seeds: give one or more different whole numbers, such as 1,2,3."


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (None, 0, ""),
        (ConfigError("x: wrong."), 2, "error: x: wrong.\n"),
        (AuditError("leak"), 3, "error: leak\n"),
        (RunError("locked"), 1, "error: locked\n"),
        (KeyboardInterrupt(), 130, "stopped; the same command goes on from what is done\n"),
    ],
)
@pytest.mark.usefixtures("own_environment")
def test_a_door_leaves_with_its_exit_code_and_one_message(monkeypatch, capsys, raised, code, message):
    monkeypatch.setattr("sys.argv", ["door", "--x"])
    seen = []

    def main(argv):
        seen.append(argv)
        if raised is not None:
            raise raised
        return 0

    with pytest.raises(SystemExit) as stop:
        run_door(main)
    assert (stop.value.code, seen) == (code, [["--x"]])
    assert capsys.readouterr() == ("", message)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, ("PASSIVE", "10000")),
        ({"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "7"}, ("ACTIVE", "7")),
    ],
)
def test_a_door_says_how_idle_threads_wait_unless_told_or_left_alone(monkeypatch, before, after):
    monkeypatch.setattr("sys.argv", ["door"])
    environment = dict(before)
    monkeypatch.setattr("os.environ", environment)
    with pytest.raises(SystemExit):
        run_door(lambda argv: 0, thread_settings=False)
    assert "OMP_WAIT_POLICY" not in environment or before
    with pytest.raises(SystemExit):
        run_door(lambda argv: 0)
    assert (environment["OMP_WAIT_POLICY"], environment["GOMP_SPINCOUNT"]) == after


@pytest.mark.usefixtures("own_environment")
def test_an_unexpected_error_shows_its_traceback_without_values(monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        run_door(lambda argv: int("a post" + str(1 // 1)))
    shown = capsys.readouterr().err
    assert stop.value.code == 1 and shown.startswith("Traceback (most recent call last):\n")
    assert shown.endswith("ValueError: invalid literal for int() with base 10: '...'\n")


@pytest.mark.parametrize(
    "given",
    [
        ["--audit.against", "irf,multiwd"],
        ["--audit.against=irf,multiwd"],
        ["--audit.against", "[irf, multiwd]"],
        ["--audit.against=[irf, multiwd]"],
    ],
)
def test_lists_are_words_parted_by_commas(parse, given):
    assert parse(*given, "--seed", "3").config.audit.against == ("irf", "multiwd")
    assert parse("--audit.against", "irf").config.audit.against == ("irf",)


@pytest.mark.parametrize(
    ("given", "masked"),
    [
        (["--mask-identifiers"], True),
        (["--mask-identifiers", "--seed", "3"], True),
        (["--mask_identifiers", "true"], True),
        (["--mask-identifiers=false"], False),
        (["--mask_identifiers", "false", "--seed", "3"], False),
        ([], False),
    ],
)
def test_an_option_that_is_true_or_false_may_stand_alone(parse, tmp_path, given, masked):
    assert parse(*given).config.mask_identifiers is masked
    (tmp_path / "masked.yaml").write_text("mask_identifiers: true\n")
    file = parse("--config", str(tmp_path / "masked.yaml"), *given).config
    assert file.mask_identifiers is (masked or not given)


def test_a_nested_option_may_stand_alone_and_one_with_a_value_may_not(parse):
    assert parse("--trainer.average", "--seed", "3").config.trainer.average is True
    with pytest.raises(ConfigError, match="argument --seed: expected one argument"):
        parse("--seed")
