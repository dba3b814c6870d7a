"""Help that fits a screen, tab completion, and errors that name the nearest option, for every door."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mhclf.config.command_line import parse_run
from mhclf.config.completion import completion_script, literal_values
from mhclf.config.generation import GenerationConfig
from mhclf.config.parsers import PlainParser
from mhclf.config.run import RunConfig
from mhclf.config.tuning import parse_space
from mhclf.errors import ConfigError
from mhclf.registry import mistyped

REPOSITORY = Path(__file__).resolve().parents[2]
DOORS = [
    *(("generate", word) for word in ("prompt", "tune", "joint", "eval", "judge", "suite")),
    *(
        (name,)
        for name in ("train", "audit", "tune", "pretrain", "evaluate", "predict", "explain", "benchmark", "speed")
    ),
    ("explanation_metrics",),
    ("welldunn_replay",),
]


def door(name, *arguments):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "100"}
    command = [sys.executable, str(REPOSITORY / "experiments" / f"{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


@pytest.mark.parametrize("words", DOORS, ids=" ".join)
def test_help_fits_a_screen_and_shows_an_example(words):
    found = door(*words, "--help")
    lines = found.stdout.splitlines()
    assert found.returncode == 0 and len(lines) <= 45
    assert any(line.strip().startswith(f"python experiments/{words[0]}.py") for line in lines)


@pytest.mark.parametrize("words", DOORS, ids=" ".join)
def test_an_unknown_option_is_one_message_with_the_nearest(words):
    typo = {"pretrain": "--txts", "eval": "--runn", "explain": "--runn", "benchmark": "--suit-e", "suite": "--suit-e"}
    typo |= {"predict": "--inputt"}
    required = ["--run", "x", "--input", "y", "--output", "z"] if words[0] == "predict" else []
    required = ["--run", "x"] if words[-1] == "eval" else ["--suite", "x"] if words[-1] == "suite" else required
    found = door(*words, *required, typo.get(words[-1], "--data-rooot"), "x")
    assert found.returncode == 2
    assert found.stderr.startswith("error: ") and "Did you mean '--" in found.stderr
    assert found.stderr.count("\n") == 1


def test_help_all_lists_what_help_leaves_out():
    short, whole = door("train", "--help").stdout, door("train", "--help-all").stdout
    assert "--contrastive.temperature" in whole and "--contrastive.temperature" not in short
    assert "--contrastive.*" in short and "--data DATA" in short


@pytest.mark.parametrize(
    ("name", "shell"), [("train", "zsh"), ("train", "tcsh"), ("generate", "bash"), ("predict", "zsh")]
)
def test_completion_scripts(name, shell):
    found = door(name, "--print-completion", shell)
    assert found.returncode == 0 and not found.stderr
    assert f"{name}.py" in found.stdout


@pytest.mark.parametrize("name", ["train", "generate", "predict"])
def test_a_shell_that_is_none(name):
    found = door(name, "--print-completion", "bsh")
    assert found.returncode == 2 and "'bsh' is not one of bash, zsh, tcsh. Did you mean 'bash'?" in found.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["python", "experiments/train.py", "--optim.l"], {"--optim.lr", "--optim.layer-decay"}),
        (["train.py", "--method", "sup"], {"supcon"}),
        (["python3", "train.py", "--trainer.prec"], {"--trainer.precision"}),
        (["python", "train.py", "--model.kind", "tf"], {"tfidf_lr"}),
    ],
)
def test_bash_completes_options_and_their_words(line, expected, tmp_path):
    (tmp_path / "completion.sh").write_text(door("train", "--print-completion", "bash").stdout)
    words = " ".join(f"'{word}'" for word in line)
    function = "_shtab_train_py" if line[0] == "train.py" else "_mhclf_door"
    script = (
        f"source {tmp_path / 'completion.sh'}; COMP_WORDS=({words}); COMP_CWORD={len(line) - 1}; "
        f"{function} '{line[0]}' '{line[-1]}' '{line[-2]}'; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    found = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert expected <= set(found.stdout.split())
    assert all(word.startswith(line[-1]) for word in found.stdout.split())


def test_words_that_settings_take():
    known = dict(literal_values(RunConfig))
    assert known["audit.on_leak"] == ("drop", "stop", "keep") and known["mask"] == ("true", "false")
    assert dict(literal_values(GenerationConfig))["labels.by"] == ("score", "parse", "run")


def test_a_plain_parser_names_the_nearest_choice():
    parser = PlainParser("A door.", prog="door.py")
    parser.add_argument("--engine", choices=("local", "ray"))
    with pytest.raises(ConfigError, match=r"^--engine: 'locl' is not one of local, ray. Did you mean 'local'\?$"):
        parser.parse_args(["--engine", "locl"])
    with pytest.raises(ConfigError, match=r"^unrecognized arguments: --engin-e x. Did you mean '--engine'\?$"):
        parser.parse_args(["--engin-e", "x"])
    assert "--engine" in completion_script("bash", "door.py", {"": parser})


def test_settings_of_a_few_words_name_the_nearest(tmp_path):
    (tmp_path / "lara_supcon.yaml").write_text("{}")
    for arguments, meant in ((["--trainer.precision", "bf6"], "bf16"), (["--audit.on_leak", "drp"], "drop")):
        with pytest.raises(ConfigError) as error:
            parse_run(arguments, tmp_path, "A door.", lambda parser: None)
        assert str(error.value).endswith(f"Got value: {arguments[1]}. Did you mean '{meant}'?")


def test_short_names_of_a_search_space_name_the_nearest():
    with pytest.raises(ConfigError, match=r"'lrr' is no setting of a run. Did you mean 'lr'\?"):
        parse_space("lrr=1e-5..1e-4:log")


@pytest.mark.parametrize(
    ("given", "meant"), [("smollm", "smollm2"), ("minilmm", "minilm"), ("mpnett", "mpnet"), ("bert-base-uncased", "")]
)
def test_slips_of_the_keyboard(given, meant):
    assert mistyped(given, ("minilm", "mpnet", "smollm2")) == meant
