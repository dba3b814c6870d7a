"""Where encoders come from: embedded names, folders, hub names, and what is refused."""

import pytest
import torch

from mhclf.errors import ConfigError, RunError
from mhclf.models.encoder import load_encoder, load_tokenizer
from mhclf.models.weights import MINILM_SHA256, resolve_encoder, verify


def test_minilm_is_the_published_one_and_loads_in_fp32():
    source = resolve_encoder("minilm")
    assert source.name == "minilm"
    assert source.local
    encoder = load_encoder(source)
    assert encoder.dtype == torch.float32
    assert encoder.config.num_hidden_layers == 6
    # 22.7 M with the pooler, which is left out.
    assert sum(p.numel() for p in encoder.parameters()) == 22_565_376
    assert load_tokenizer(source)("a post")["input_ids"][0] == 101


def test_wrong_hash_is_refused(tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"no weights")
    with pytest.raises(RunError, match=f"expected {MINILM_SHA256}. Remove it and install the weights again."):
        verify(file, MINILM_SHA256)


def test_folder_without_config(tmp_path):
    with pytest.raises(ConfigError) as error:
        resolve_encoder(str(tmp_path))
    assert str(error.value) == (
        f"encoder: the folder '{tmp_path}' has no config.json. Give a folder saved by transformers."
    )


@pytest.mark.parametrize("name", ["./nothing", "/no/such/folder", "a/b/c"])
def test_missing_folder(name):
    with pytest.raises(ConfigError) as error:
        resolve_encoder(name)
    assert str(error.value) == f"encoder: '{name}' is no folder. Built-in names: minilm, mpnet."


def test_mpnet_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MHCLF_CACHE", str(tmp_path))
    with pytest.raises(ConfigError) as error:
        resolve_encoder("mpnet")
    assert str(error.value) == ("encoder: the weights of 'mpnet' (438 MB) are not in the cache. Run: make weights-base")


def test_unreachable_hub_name_lists_local_ones():
    source = resolve_encoder("nobody/no-such-encoder")
    assert not source.local
    with pytest.raises(ConfigError, match="Names that work without it: minilm, mpnet, or the path of a saved encoder."):
        load_encoder(source)
    with pytest.raises(ConfigError, match="'nobody/no-such-encoder' is no folder here and was not found on the hub"):
        load_tokenizer(source)


def test_fp16_checkpoint_loads_as_fp32(encoder_folder, tmp_path):
    source = resolve_encoder(str(encoder_folder("bert")))
    load_encoder(source).half().save_pretrained(tmp_path / "half")
    assert load_encoder(resolve_encoder(str(tmp_path / "half"))).dtype == torch.float32
