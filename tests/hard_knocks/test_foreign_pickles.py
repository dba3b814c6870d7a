"""Pickles offered as checkpoint, encoder, decoder, adapter or tokenizer: refused or passed by, never executed."""

import json
import os
import pickle
import shutil
from dataclasses import replace

import pytest
import torch
from generation_support import build_decoder_folder
from support import LINEAR

from mhclf.config.generation import LocalConfig
from mhclf.config.run import BatchConfig, RunConfig, TrainerConfig
from mhclf.errors import MhclfError, RunError
from mhclf.generation.backends import load_backend
from mhclf.training.failure import Failure, attempt
from mhclf.training.run import run
from mhclf.training.saved import load_run


class Bomb:
    def __reduce__(self):
        return (os.mkdir, (os.environ["MHCLF_TEST_BOMB"],))


@pytest.fixture(autouse=True)
def bomb(tmp_path, monkeypatch):
    """The test fails where its bomb goes off."""
    path = tmp_path / "exploded"
    monkeypatch.setenv("MHCLF_TEST_BOMB", str(path))
    yield path
    assert not path.exists()


def raw(path):
    path.write_bytes(pickle.dumps(Bomb()))


def zipped(path):
    torch.save({"state_dict": {}, "weight": Bomb(), "pytorch-lightning_version": "2.6.4"}, path)


KINDS = pytest.mark.parametrize("kind", [raw, zipped])


def test_the_bomb_is_live(bomb):
    pickle.loads(pickle.dumps(Bomb()))
    assert bomb.is_dir()
    bomb.rmdir()


@pytest.fixture(scope="module")
def trained(tiny_dataset, encoder_folder, tmp_path_factory):
    config = RunConfig(
        data=str(tiny_dataset),
        encoder=str(encoder_folder("bert")),
        out=str(tmp_path_factory.mktemp("runs")),
        report=False,
        batch=BatchConfig(size=16),
        trainer=TrainerConfig(epochs=1, accelerator="cpu", precision="fp32"),
    )
    return config, run(config).folder


@pytest.fixture
def stopped(trained, tmp_path):
    """Return configuration and folder of a run that was stopped after its last epoch."""
    config, folder = trained
    copy = tmp_path / "runs" / "tiny" / folder.name
    shutil.copytree(folder, copy)
    (copy / "status.json").write_text('{"state": "running"}')
    return replace(config, out=str(tmp_path / "runs")), copy


@KINDS
@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_run_goes_on_from_no_pickle(stopped, kind, name):
    config, folder = stopped
    path = folder / "checkpoints" / name
    kind(path)
    with pytest.raises(RunError) as error:
        run(config)
    assert str(error.value) == (
        f"{path}: is no readable checkpoint of this library (UnpicklingError). Remove it to start the run afresh, or "
        "use --overwrite."
    )


@KINDS
@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.pt", "tokenizer.pkl", "added_tokens.pickle", "sub/vocabulary.joblib"]
)
def test_a_model_folder_with_a_pickle_is_not_loaded(stopped, kind, name):
    path = stopped[1] / "model" / name
    path.parent.mkdir(exist_ok=True)
    kind(path)
    with pytest.raises(RunError) as error:
        load_run(stopped[1])
    assert str(error.value) == (
        f"{path}: this library saves no such file, and it may hold code that loading would run. Remove it if you know "
        "where it comes from, else do not use this folder."
    )


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "config.json", "model.safetensors"])
def test_a_pickle_under_the_name_of_a_file_of_ours(stopped, name):
    raw(stopped[1] / "model" / name)
    with pytest.raises(RunError) as error:
        load_run(stopped[1])
    assert str(error.value).startswith(str(stopped[1] / "model"))


@KINDS
def test_an_encoder_of_pickled_weights(trained, encoder_folder, tmp_path, kind):
    folder = tmp_path / "encoder"
    shutil.copytree(encoder_folder("bert"), folder)
    (folder / "model.safetensors").unlink()
    kind(folder / "pytorch_model.bin")
    with pytest.raises(MhclfError) as error:
        run(replace(trained[0], encoder=str(folder), out=str(tmp_path / "runs")))
    assert str(folder) in str(error.value)


@KINDS
def test_a_pickle_beside_the_weights_of_an_encoder(trained, encoder_folder, tmp_path, kind):
    folder = tmp_path / "encoder"
    shutil.copytree(encoder_folder("bert"), folder)
    for name in ("pytorch_model.bin", "training_args.bin", "tokenizer.pkl", "optimizer.pt"):
        kind(folder / name)
    assert run(replace(trained[0], encoder=str(folder), out=str(tmp_path / "runs"))).records


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_an_encoder_that_asks_for_code(trained, encoder_folder, tmp_path, file):
    folder = tmp_path / "encoder"
    shutil.copytree(encoder_folder("bert"), folder)
    (folder / "evil.py").write_text("import os\nos.mkdir(os.environ['MHCLF_TEST_BOMB'])\n")
    path = folder / file
    asked = {"AutoModel": "evil.M", "AutoConfig": "evil.C", "AutoTokenizer": ["evil.T", "evil.T"]}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": asked}))
    ended = attempt(lambda: run(replace(trained[0], encoder=str(folder), out=str(tmp_path / "runs"))))
    assert not isinstance(ended, Failure) or (ended.place == "" and str(folder) in ended.message)


@KINDS
def test_a_decoder_of_pickled_weights(tmp_path, kind):
    folder = build_decoder_folder(tmp_path / "llama")
    (folder / "model.safetensors").unlink()
    kind(folder / "pytorch_model.bin")
    with pytest.raises(MhclfError) as error:
        load_backend("local", LocalConfig(model=str(folder), precision="fp32"), None)
    assert str(folder) in str(error.value)


@KINDS
def test_an_adapter_of_pickled_weights(tmp_path, kind):
    folder = build_decoder_folder(tmp_path / "llama")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    settings = {"peft_type": "LORA", "r": 2, "target_modules": ["q_proj"], "base_model_name_or_path": str(folder)}
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    kind(adapter / "adapter_model.bin")
    with pytest.raises(MhclfError) as error:
        load_backend("local", LocalConfig(model=str(folder), adapter=str(adapter), precision="fp32"), None)
    assert str(adapter) in str(error.value)


def test_the_linear_model_has_no_pickle_either(tiny_dataset, tmp_path):
    folder = run(RunConfig(data=str(tiny_dataset), out=str(tmp_path), report=False, **LINEAR)).folder
    raw(folder / "model" / "linear.safetensors")
    with pytest.raises(RunError, match="the saved linear model is missing or damaged. Train it again."):
        load_run(folder)
