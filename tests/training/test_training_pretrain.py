"""Pretraining: masks, what is read and left out, an encoder that a run takes, going on after a stop."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support import SENTENCES

from mhclf.config.pretrain import PretrainConfig
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.data.load import load_table
from mhclf.data.passages import read_lines, read_passages
from mhclf.data.spans import text_key
from mhclf.errors import ConfigError, DataError
from mhclf.models.encoder import load_tokenizer
from mhclf.models.masked_language import IGNORED, load_masked_model, mask_tokens
from mhclf.models.weights import resolve_encoder
from mhclf.training.pretrain import MaskedLanguagePlan, pretrain
from mhclf.training.run import run

REPOSITORY = Path(__file__).resolve().parents[2]


def masked(rows=400, tokens=50, share=0.15):
    ids = torch.arange(10, 10 + tokens).repeat(rows, 1)
    maskable = torch.ones_like(ids, dtype=torch.bool)
    maskable[:, 0] = False
    return ids, maskable, mask_tokens(ids, maskable, share, 3, torch.arange(100, 110), torch.Generator().manual_seed(0))


def test_masks_follow_the_recipe():
    ids, maskable, (inputs, targets) = masked()
    chosen = targets != IGNORED
    assert not chosen[~maskable].any()
    assert torch.equal(targets[chosen], ids[chosen])
    assert torch.equal(inputs[~chosen], ids[~chosen])
    count = int(chosen.sum())
    assert count / int(maskable.sum()) == pytest.approx(0.15, abs=0.01)
    assert int((inputs[chosen] == 3).sum()) / count == pytest.approx(0.8, abs=0.02)
    assert int((inputs[chosen] >= 100).sum()) / count == pytest.approx(0.1, abs=0.02)


def test_each_row_has_something_to_guess_and_rows_without_words_nothing():
    *_, (_, targets) = masked(tokens=3, share=0.01)
    assert (targets != IGNORED).any(dim=1).all()
    nothing = torch.zeros(2, 4, dtype=torch.bool)
    ids = torch.full((2, 4), 7)
    inputs, targets = mask_tokens(ids, nothing, 0.5, 3, torch.tensor([1]), torch.Generator().manual_seed(0))
    assert torch.equal(inputs, ids) and (targets == IGNORED).all()


def test_passages_leave_out_repeats_and_held_out_posts(tiny_dataset, tmp_path):
    table = load_table(str(tiny_dataset))
    test = table.part("test").texts[0]
    file = tmp_path / "more.txt"
    file.write_text(f"a passage of its own\n\n{test.upper()}!\na passage of its own\n", encoding="utf-8")
    passages = read_passages([str(tiny_dataset)], [str(file)], [], None, True)
    held_out = {text_key(text) for split in ("validation", "test") for text in table.part(split).texts}
    assert "a passage of its own" in passages.texts
    assert not held_out & {text_key(text) for text in passages.texts}
    assert passages.counts["repeated"] >= 1 and passages.counts["held_out"] >= 1
    assert passages.counts["read"] == len(table.part("train")) + 3
    alone = read_passages([], [str(file)], [str(tiny_dataset)], None, True)
    assert alone.texts == ["a passage of its own"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "x", "{}: is no .txt or .jsonl file. Put one passage on a line, or one JSON object with 'text'."),
        ("a.jsonl", '{"text": "b"}\n{"txt": 1}\n', "{}, line 2: is no JSON object with the key 'text'."),
        ("a.jsonl", '{"text": 3}\n', "{}, line 1: 'text' is no text."),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataError) as error:
        read_lines(path)
    assert str(error.value) == message.format(path)


@pytest.fixture
def config(encoder_folder, tmp_path):
    """Return a pretraining of seconds on sentences of the tiny tokenizer."""
    file = tmp_path / "sentences.txt"
    endings = ["", " today", " once more", " as ever", " i think", " they say"]
    file.write_text("\n".join(s + end for group in SENTENCES.values() for s in group for end in endings))
    return PretrainConfig(
        texts=(str(file),),
        encoder=str(encoder_folder("bert")),
        out=str(tmp_path / "pretrained"),
        max_length=24,
        held_out=0.1,
        optim=OptimConfig(lr=5e-3),
        batch=BatchConfig(size=16),
        trainer=TrainerConfig(epochs=4, accelerator="cpu", precision="fp32"),
    )


def test_held_out_words_are_guessed_better_and_a_run_takes_the_encoder(config, tiny_config):
    result = pretrain(config)
    assert result.after < 0.7 * result.before
    counts = json.loads((result.folder / "passages.json").read_text())
    assert counts["used"] == result.passages == 24 * 6
    again = pretrain(config)
    assert again.was_complete and (again.before, again.after) == (result.before, result.after)
    assert run(tiny_config(encoder=str(result.folder))).records
    with pytest.raises(ConfigError) as error:
        pretrain(replace(config, seed=2))
    assert str(error.value) == f"out: {result.folder} holds another pretraining. Give another --out, or --overwrite."


def test_a_stopped_pretraining_goes_on_to_the_same_weights(config, tmp_path, monkeypatch):
    whole = pretrain(replace(config, out=str(tmp_path / "whole")))
    from mhclf.training import pretrain as module

    original = module.build_trainer

    def stopping(trainer_config, folder, metric, better, on_epoch):
        epochs = []

        def stop():
            epochs.append(1)
            if len(epochs) == 2:
                raise KeyError("stopped")

        return original(trainer_config, folder, metric, better, stop)

    monkeypatch.setattr(module, "build_trainer", stopping)
    with pytest.raises(KeyError):
        pretrain(config)
    monkeypatch.undo()
    parts = pretrain(config)
    assert (parts.before, parts.after) == (whole.before, whole.after)
    files = [(item.folder / "model.safetensors").read_bytes() for item in (whole, parts)]
    assert files[0] == files[1]


def test_a_head_that_the_weights_lack_has_a_rate_of_its_own(config):
    source = resolve_encoder(config.encoder)
    model, fresh = load_masked_model(source)
    assert fresh and all(name.startswith("cls.predictions.") for name in fresh)
    settings = replace(config, optim=OptimConfig(lr=1e-4, head_lr=2e-3))
    plan = MaskedLanguagePlan(model, load_tokenizer(source), settings, fresh)

    class Trainer:
        estimated_stepping_batches = 10

    plan._trainer = Trainer()
    groups = plan.configure_optimizers()["optimizer"].param_groups
    rates = {id(parameter): group["initial_lr"] for group in groups for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        assert rates[id(parameter)] == (2e-3 if name in fresh else 1e-4), name


def test_accumulated_batches_are_masked_apart(config, monkeypatch):
    seeds = []
    original = MaskedLanguagePlan.loss

    def seen(self, batch, seed):
        if self.training:
            seeds.append(seed)
        return original(self, batch, seed)

    monkeypatch.setattr(MaskedLanguagePlan, "loss", seen)
    trainer = TrainerConfig(epochs=2, accelerator="cpu", precision="fp32", accumulate=3)
    pretrain(replace(config, trainer=trainer))
    assert len(seeds) == len(set(seeds)) > 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trainer": TrainerConfig(devices=2)},
         "trainer: devices: pretraining runs in one process. Leave it 1, and accumulate batches."),
        ({"optim": OptimConfig(layer_decay=0.9)},
         "optim: layer_decay: pretraining has one rate for all layers. Leave it 1."),
    ],
)  # fmt: skip
def test_settings_without_effect_are_refused(config, settings, message):
    with pytest.raises(ConfigError) as error:
        replace(config, **settings)
    assert str(error.value) == message


def test_the_door_says_what_it_needs():
    command = [sys.executable, str(REPOSITORY / "experiments" / "pretrain.py"), "--out", "x"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(REPOSITORY), "PATH": "/bin"})
    assert done.returncode == 2
    assert done.stderr.strip().endswith("pretrain: give --data NAME or --texts FILE: there is nothing to read.")
