"""The door that trains a classifier which explains."""

from pathlib import Path

import doors
import pytest
from doors import Finished
from generation_support import build_decoder_folder, write_explained_dataset

REPOSITORY = Path(__file__).resolve().parents[2]


def door(*arguments: str) -> Finished:
    return doors.door("generate", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--explanation.prefix_length", "0"), "explanation: prefix_length: is 0, expected 1 or more."),
        (("--method", "tfidf_lr"), "explanation: the linear baseline has no representation. Choose a neural method."),
        (("--explanation.reads_posts", "true"), "Did you mean '--explanation.reads_post'?"),
        (("--data", "dema"), "Did you mean 'demo'?"),
    ],
)
def test_a_wrong_setting_is_one_message(arguments: tuple[str, ...], message: str) -> None:
    found = door("joint", *arguments)
    assert found.returncode == 2
    assert found.stderr.splitlines()[-1].startswith("error: ")
    assert message in found.stderr
    assert "Traceback" not in found.stderr


def test_settings_are_those_of_the_recipe_and_of_the_head() -> None:
    found = door("joint", "--method", "layer_attentive", "--explanation.weight", "0.25", "--print_config")
    assert found.returncode == 0
    assert "method: layer_attentive" in found.stdout
    assert "contrastive:\n  weight: 0" in found.stdout
    assert "  weight: 0.25" in found.stdout


def test_a_run_and_its_measures(encoder_folder, tmp_path: Path) -> None:
    data = write_explained_dataset(tmp_path / "data", lambda number, text: "it says so")
    options = (
        "--data", str(data), "--encoder", str(encoder_folder("bert")), "--out", str(tmp_path / "runs"),
        "--explanation.decoder", str(build_decoder_folder(tmp_path / "tiny-llama")), "--limit", "9",
        "--explanation.max_new_tokens", "4", "--trainer.epochs", "1", "--report", "false", "--quiet",
    )  # fmt: skip
    found = door("joint", *options)
    assert found.returncode == 0, found.stderr
    assert "lara_supcon+explanation" in found.stdout
    (folder,) = (tmp_path / "runs" / "tiny").iterdir()
    again = door("joint", *options)
    assert again.returncode == 0
    assert "was complete already" in again.stdout
    page = folder / "generations.html"
    page.unlink()
    masked = door("joint", *options, "--mask-identifiers")
    assert masked.returncode == 0, masked.stderr
    assert "was complete already" in masked.stdout and page.is_file()
    measured = door("eval", "--run", str(folder), "--encoder", "none")
    assert measured.returncode == 0, measured.stderr
    assert (folder / "explanations.jsonl").is_file()
