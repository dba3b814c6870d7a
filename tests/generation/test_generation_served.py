"""The backend behind a server, against a real one: `transformers serve` with a tiny model and with SmolLM2."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from generation_support import build_decoder_folder

from mhclf.config.generation import EndpointConfig, GenerationConfig, LabelsConfig
from mhclf.generation.decoders import load_decoder, smollm2_folder
from mhclf.generation.endpoint import EndpointBackend
from mhclf.generation.local import LocalBackend
from mhclf.generation.requests import Ask, Request, Turn
from mhclf.generation.run import run_prompts

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytestmark = pytest.mark.slow

START = "import sys; from transformers.cli.transformers import main; sys.argv[0] = 'transformers'; main()"


@pytest.fixture(scope="module", params=["tiny", "smollm2"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "smollm2":
        return smollm2_folder()
    return build_decoder_folder(tmp_path_factory.mktemp("served") / "tiny-llama")


@pytest.fixture(scope="module")
def served(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointConfig]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", START, "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path_factory.mktemp("log") / "server.log"
    with log.open("w") as lines:
        environment = os.environ | {"HF_HUB_OFFLINE": "1"}
        server = subprocess.Popen(
            [*command, "--device", "cpu", "--dtype", "float32"], stdout=lines, stderr=lines, env=environment
        )
        try:
            for _ in range(240):
                if server.poll() is not None:
                    pytest.fail(log.read_text()[-2000:])
                try:
                    if requests.get(f"http://127.0.0.1:{port}/health", timeout=2).ok:
                        break
                except requests.RequestException:
                    time.sleep(0.5)
            yield EndpointConfig(f"http://127.0.0.1:{port}/v1", str(model), concurrent=2, retries=1)
        finally:
            server.terminate()
            server.wait(30)


def test_a_served_model_says_what_it_says_here(served: EndpointConfig, model: Path) -> None:
    asks: list[Request] = [Ask((Turn("user", text),), max_new_tokens=8) for text in ("my knee hurts", "the exam")]
    here = dict(LocalBackend(load_decoder(str(model))).answer(asks))
    there = dict(EndpointBackend(served).answer(asks))
    assert {number: answer.text for number, answer in there.items()} == {  # type: ignore[union-attr]
        number: answer.text
        for number, answer in here.items()  # type: ignore[union-attr]
    }


def test_a_run_goes_through_the_server(served: EndpointConfig, tiny_dataset: Path, tmp_path: Path) -> None:
    config = GenerationConfig(
        data=str(tiny_dataset), out=str(tmp_path), limit=6, max_new_tokens=6, backend="endpoint", endpoint=served,
        labels=LabelsConfig(by="parse"),
    )  # fmt: skip
    first = run_prompts(config)
    assert any(record.metric == "unparsed" for record in first.records)
    assert str(tmp_path) not in (first.folder / "results.jsonl").read_text()
    # A second run reads the same answers from the cache: the server is not asked.
    gone = replace(config, endpoint=replace(served, retries=0, timeout=0.001))
    again = run_prompts(gone, overwrite=True)
    assert again.records == first.records
