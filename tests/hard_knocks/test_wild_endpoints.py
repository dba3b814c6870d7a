"""Answers of servers that are broken on purpose: deep, endless, without end, in pieces, with half characters."""

import json
import socket
import threading
import time
from dataclasses import replace

import pytest

from mhclf.config.generation import EndpointConfig
from mhclf.errors import RunError
from mhclf.generation.cache import AnswerCache, answer_all
from mhclf.generation.endpoint import EndpointBackend
from mhclf.generation.requests import Ask, Said, Turn

ASK = Ask((Turn("user", "hi"),))


def whole(body, length=None, head="HTTP/1.1 200 OK"):
    """Return the bytes of an answer."""
    return f"{head}\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


def chat(text, usage=None):
    content = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": usage}
    return whole(json.dumps(content).encode())


@pytest.fixture
def serve():
    """Return a function that starts a server which sends the given answers, the last one for ever."""
    listening = []

    def start(*answers, **options):
        server = socket.create_server(("127.0.0.1", 0))
        listening.append(server)
        asked = [0]

        def talk(connection, answer):
            with connection:
                try:
                    connection.recv(65536)
                    for piece in answer() if callable(answer) else (answer,):
                        connection.sendall(piece)
                except OSError:
                    pass

        def listen():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                answer = answers[min(asked[0], len(answers) - 1)]
                asked[0] += 1
                threading.Thread(target=talk, args=(connection, answer), daemon=True).start()

        threading.Thread(target=listen, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        config = EndpointConfig(url, "m", **({"wait": 0.01, "retries": 1, "timeout": 1.0} | options))
        return EndpointBackend(config), asked

    yield start
    for server in listening:
        server.close()


def dripping():
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    for _ in range(200):
        yield b" "
        time.sleep(0.05)


def endless():
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    while True:
        yield b" " * 2**20


FAULTS = {
    "deep": (whole(b"[" * 20_000), "an answer that is not of the protocol (RecursionError)"),
    "tokens without end": (
        whole(b'{"choices": [{"message": {"content": "a"}}], "usage": {"completion_tokens": 1e999}}'),
        "an answer that is not of the protocol (OverflowError)",
    ),
    "usage that is a list": (
        whole(b'{"choices": [{"message": {"content": "a"}}], "usage": [1]}'),
        "an answer that is not of the protocol (AttributeError)",
    ),
    "a number for text": (whole(b'{"choices": [{"message": {"content": 5}}]}'), "an answer without text"),
    "a choice that is null": (whole(b'{"choices": [null]}'), "an answer that is not of the protocol (TypeError)"),
    "nothing": (b"", "ConnectionError"),
    "no protocol": (b"hello there\r\n\r\n", "ConnectionError"),
    "cut": (whole(b'{"choices"', length=500), "ChunkedEncodingError"),
    "packed nonsense": (whole(b"nonsense", head="HTTP/1.1 200 OK\r\nContent-Encoding: gzip"), "ContentDecodingError"),
    "dripping": (dripping, "the answer took too long"),
    "endless": (endless, "the answer took too long"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_answer_is_tried_again_and_then_told(serve, name):
    answer, reason = FAULTS[name]
    backend, asked = serve(answer, chat("fine"))
    assert dict(backend.answer([ASK])) == {0: Said("fine", True, 0)}
    assert asked == [2]
    backend, asked = serve(answer)
    with pytest.raises(RunError) as error:
        list(backend.answer([ASK]))
    assert str(error.value) == (
        f"{backend.config.url}: no usable answer after 2 tries; the last: {reason}. What was answered is kept: the "
        "same command goes on."
    )
    assert asked == [2]


def test_half_a_character_and_a_null_byte_go_through_cache_and_back(serve, tmp_path):
    backend, asked = serve(chat("half \ud83d and \x00 whole \U0001f600"), chat("second"))
    cache = AnswerCache(tmp_path / "answers.sqlite")
    first = answer_all(backend, cache, [ASK])
    again = answer_all(backend, cache, [ASK])
    assert first == again == [Said("half ? and \x00 whole \U0001f600", True, 0)]
    assert asked == [1]


def test_a_request_to_wait_for_an_hour_is_not_obeyed(serve):
    busy = b"HTTP/1.1 429 Busy\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"
    backend, _ = serve(busy)
    backend.config = replace(backend.config, retries=0)
    start = time.monotonic()
    with pytest.raises(RunError, match="no usable answer after 1 tries; the last: status 429"):
        list(backend.answer([ASK]))
    assert time.monotonic() - start < 10


def test_a_server_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    backend = EndpointBackend(EndpointConfig(f"http://127.0.0.1:{port}/v1", "m", wait=0.01, retries=1, timeout=1.0))
    with pytest.raises(RunError, match="no usable answer after 2 tries; the last: ConnectionError"):
        list(backend.answer([ASK]))
