"""The door of prompting, tuning, measuring and suites of them."""

from pathlib import Path

import doors
import pytest
from doors import Finished
from generation_support import build_decoder_folder

REPOSITORY = Path(__file__).resolve().parents[2]


def door(*arguments: str) -> Finished:
    return doors.door("generate", *arguments, columns="120")


def test_help_shows_an_example_of_each_word_without_loading_a_model() -> None:
    found = door("--help")
    assert found.returncode == 0
    for word in ("prompt", "tune", "joint", "eval", "judge", "suite"):
        assert f"experiments/generate.py {word}" in found.stdout
    assert len(found.stdout.splitlines()) <= 40


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("promt",), 2, "'promt' is none of prompt, tune"),
        (("prompt", "--strategy", "zero_shots"), 2, "Did you mean 'zero_shot'?"),
        (("prompt", "--labels.by", "run"), 2, "--labels.by run and --labels.run DIR belong together"),
        (("tune", "--label_weight", "0"), 2, "label_weight: is 0"),
        (("eval", "--run", "nowhere"), 2, "run: there is no folder 'nowhere'. Give the folder that the run printed."),
        (("judge", "--judge.mechanism", "dual"), 2, "run: give the folder that generate.py prompt or joint printed"),
        (("judge", "--run", "x", "--judge.by", "score", "--judge.rounds", "2"), 2, "judge: rounds is of debate"),
        (("judge", "--run", "nowhere"), 2, "run: there is no folder 'nowhere'. Give the folder that the run printed."),
        (("eval", "--run", "tests"), 1, "tests: holds no generations.jsonl"),
        (("suite", "--suite", "strategie"), 2, "Did you mean 'strategies'?"),
    ],
)
def test_a_mistake_is_one_message_and_an_exit_code(arguments: tuple[str, ...], code: int, message: str) -> None:
    found = door(*arguments)
    assert found.returncode == code
    assert found.stderr.splitlines()[-1].startswith("error: ")
    assert message in found.stderr
    assert "Traceback" not in found.stderr


def test_prompt_and_eval(tiny_dataset: Path, tmp_path: Path) -> None:
    model = build_decoder_folder(tmp_path / "tiny-llama")
    asked = door(
        "prompt", "--data", str(tiny_dataset), "--local.model", str(model), "--local.precision", "fp32",
        "--out", str(tmp_path / "runs"), "--limit", "6", "--explain", "true", "--max_new_tokens", "6", "--quiet",
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    assert "unparsed" in asked.stdout
    folder = asked.stdout.split("run folder: ")[1].split()[0]
    measured = door("eval", "--run", folder, "--encoder", "none")
    assert measured.returncode == 0, measured.stderr
    assert "grounded_share" in measured.stdout
    assert (Path(folder) / "explanations.jsonl").is_file()
    page = Path(folder) / "generations.html"
    shown = page.read_text(encoding="utf-8")
    masked = door("eval", "--run", folder, "--encoder", "none", "--mask-identifiers")
    assert masked.returncode == 0, masked.stderr
    assert "grounded_share" in page.read_text(encoding="utf-8") and shown
    judged = door(
        "judge", "--run", folder, "--local.model", str(model), "--local.precision", "fp32", "--limit", "2", "--quiet",
        "--judge.mechanism", "debate", "--judge.max_new_tokens", "4", "--sources", "generated,first_sentence",
    )  # fmt: skip
    assert judged.returncode == 0, judged.stderr
    assert "Judged by tiny-llama, debate (score), rubric mentallama" in judged.stdout
    assert "first_sentence" in judged.stdout and "professionality" in judged.stdout
    assert (Path(folder) / "judgements.jsonl").is_file()
