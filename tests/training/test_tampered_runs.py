"""Run folders from strangers: refused with one clear message, and nothing in them is executed."""

import json
import os
import pickle
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from support import LINEAR

from mhclf.config.run import BatchConfig, RunConfig, TrainerConfig
from mhclf.errors import RunError
from mhclf.training.run import run
from mhclf.training.saved import load_run


class _Bomb:
    def __reduce__(self):
        return (os.mkdir, (os.environ["MHCLF_TEST_BOMB"],))


@pytest.fixture(scope="module")
def finished(encoder_folder, tiny_dataset, tmp_path_factory):
    return run(
        RunConfig(
            data=str(tiny_dataset),
            encoder=str(encoder_folder("bert")),
            out=str(tmp_path_factory.mktemp("runs")),
            report=False,
            batch=BatchConfig(size=8),
            trainer=TrainerConfig(epochs=1, accelerator="cpu", precision="fp32"),
        )
    ).folder


@pytest.fixture
def folder(finished, tmp_path, monkeypatch):
    """Return a copy to tamper with; the test fails where its bomb goes off."""
    bomb = tmp_path / "exploded"
    monkeypatch.setenv("MHCLF_TEST_BOMB", str(bomb))
    # Whoever is asked to trust code must not be able to say yes here.
    monkeypatch.setattr(sys, "stdin", None)
    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    yield copy
    assert not bomb.exists()


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_tensors(folder, change):
    path = folder / "model" / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def refusal(folder):
    with pytest.raises(RunError) as error:
        load_run(folder)
    return str(error.value).replace(str(folder), "RUN")


def test_an_untouched_copy_loads(folder):
    assert load_run(folder).labels == ("body", "work", "people")


def test_a_checkpoint_is_never_read(folder):
    (folder / "checkpoints" / "best.ckpt").write_bytes(pickle.dumps(_Bomb()))
    torch.save({"state_dict": _Bomb()}, folder / "checkpoints" / "last.ckpt")
    load_run(folder)


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("raw", [True, False])
def test_pickled_weights(folder, beside, raw):
    path = folder / "model" / "pytorch_model.bin"
    if raw:
        path.write_bytes(pickle.dumps(_Bomb()))
    else:
        torch.save({"weight": _Bomb()}, path)
    if not beside:
        (folder / "model" / "model.safetensors").unlink()
    assert refusal(folder) == (
        "RUN/model/pytorch_model.bin: this library saves no such file, and it may hold code that loading would run. "
        "Remove it if you know where it comes from, else do not use this folder."
    )


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("config.json", {"auto_map": {"AutoConfig": "evil.C", "AutoModelForSequenceClassification": "evil.M"}}),
        ("config.json", {"auto_map": {"AutoConfig": "someone/else--evil.C"}, "model_type": "evil"}),
        ("config.json", {"encoder": {"model_type": "bert", "auto_map": {"AutoModel": "evil.M"}}}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.T", "evil.T"]}, "tokenizer_class": "T"}),
    ],
)
def test_code_of_the_folder(folder, file, changes):
    edit_json(folder / "model" / file, **changes)
    assert refusal(folder).startswith(f"RUN/model/{file}: 'auto_map' asks for code of the folder or of a hub")
    (folder / "model" / "evil.py").write_text("import os\nos.mkdir(os.environ['MHCLF_TEST_BOMB'])\n")
    assert "it may hold code" in refusal(folder) or "'auto_map' asks for code" in refusal(folder)


@pytest.mark.parametrize("size", [0, 5, 2000, -500])
def test_weights_that_are_cut_off(folder, size):
    path = folder / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    assert refusal(folder).startswith("RUN/model: cannot be loaded (")


def test_a_missing_tensor_is_not_left_at_random(folder):
    edit_tensors(folder, lambda tensors: tensors.pop("network.head.linear.weight"))
    assert refusal(folder) == (
        "RUN/model/model.safetensors: lacks 1 tensors, such as 'network.head.linear.weight'. It is damaged or of "
        "another model; train the run again."
    )


def test_tensors_that_do_not_belong(folder):
    edit_tensors(folder, lambda tensors: tensors.update({"network.more": torch.zeros(2)}))
    assert "model.safetensors: has no place for 1 tensors, such as 'network.more'." in refusal(folder)


def test_tensors_of_another_shape(folder):
    edit_tensors(folder, lambda tensors: tensors.update({"network.head.linear.weight": torch.zeros(3, 7)}))
    assert "model.safetensors: has in another shape 1 tensors, such as 'network.head.linear.weight'." in refusal(folder)


def test_tensors_that_are_not_finite(folder):
    edit_tensors(folder, lambda tensors: tensors["network.head.linear.bias"].fill_(float("nan")))
    assert "holds no finite numbers in 1 tensors, such as 'network.head.linear.bias'." in refusal(folder)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", "{", "RUN/model/config.json: cannot be read (JSONDecodeError). Was the run finished?"),
        ("config.json", "[]", "RUN/model/config.json: holds no JSON object. Was the run finished?"),
        ("config.json", '{"model_type": "bert"}', "RUN/model: was not saved by this library."),
        ("config.json", '{"model_type": "mhclf"}', "RUN/model: cannot be loaded ("),
        ("config.json", '{"model_type": "mhclf", "encoder": {"model_type": "nope"}}', "RUN/model: cannot be loaded ("),
        ("tokenizer.json", "{", "RUN/model: cannot be loaded ("),
    ],
)
def test_settings_that_are_damaged(folder, file, content, message):
    (folder / "model" / file).write_text(content)
    assert refusal(folder).startswith(message)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "."])
def test_files_that_are_missing(folder, name):
    path = folder / "model" / name
    shutil.rmtree(path) if name == "." else path.unlink()
    assert refusal(folder).startswith("RUN/model")


def test_an_unknown_part_is_told(folder):
    edit_json(folder / "model" / "config.json", aggregation="weird")
    assert "Unknown aggregation 'weird'." in refusal(folder)


def test_the_linear_model(tiny_config, monkeypatch, tmp_path):
    folder = run(tiny_config(**LINEAR)).folder
    path = folder / "model" / "linear.safetensors"
    tensors = load_file(path)
    damaged = f"{folder / 'model'}: the saved linear model is missing or damaged. Train it again."
    for change in (
        {"weights": tensors["weights"][:, :-1].contiguous()},
        {"bias": tensors["bias"][:1]},
        {"inverse_frequency": tensors["inverse_frequency"] * float("nan")},
    ):
        save_file(tensors | change, path)
        with pytest.raises(RunError) as error:
            load_run(folder)
        assert str(error.value) == damaged
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(RunError, match="the saved linear model is missing or damaged."):
        load_run(folder)
    monkeypatch.setenv("MHCLF_TEST_BOMB", str(tmp_path / "exploded"))
    (folder / "model" / "linear.pkl").write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(RunError, match="linear.pkl: this library saves no such file"):
        load_run(folder)
    assert not (tmp_path / "exploded").exists()
