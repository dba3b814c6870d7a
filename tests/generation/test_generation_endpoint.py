"""The backend behind a server, against a scripted one that hangs, fails and talks nonsense."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mhclf.config.generation import EndpointConfig, GenerationConfig, LabelsConfig
from mhclf.config.judge import JudgeRunConfig, JudgeSettings
from mhclf.errors import ConfigError, RunError
from mhclf.generation.endpoint import EndpointBackend
from mhclf.generation.judged_run import judge_run
from mhclf.generation.requests import Ask, Choose, Said, Turn
from mhclf.generation.run import run_prompts

Reply = tuple[int, bytes] | tuple[int, bytes, dict[str, str]]


class Server:
    """A local server that answers by a function of (number of the request, its content)."""

    def __init__(self, reply: Callable[[int, dict[str, Any]], Reply]) -> None:
        self.seen: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.most = 0
        outer, lock = self, threading.Lock()
        under_way = 0

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                nonlocal under_way
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    number = len(outer.seen)
                    outer.seen.append(content)
                    outer.headers.append(dict(self.headers))
                    outer.paths.append(self.path)
                    under_way += 1
                    outer.most = max(outer.most, under_way)
                status, body, *more = reply(number, content)
                with lock:
                    under_way -= 1
                try:
                    self.send_response(status)
                    for name, value in (more[0] if more else {}).items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *given: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[int, dict[str, Any]], Reply]], Server]]:
    started: list[Server] = []

    def start(reply: Callable[[int, dict[str, Any]], Reply]) -> Server:
        started.append(Server(reply))
        return started[-1]

    yield start
    for server in started:
        server.close()


def chat(text: str, reason: str = "stop") -> bytes:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return json.dumps({"choices": [choice], "usage": {"completion_tokens": 3}}).encode()


def backend(server: Server, **options: Any) -> EndpointBackend:
    return EndpointBackend(EndpointConfig(server.url, "m", wait=0.01, **options))


ASK = Ask((Turn("system", "You read."), Turn("user", "hi")), "", 7, 0.5, 11)


def test_the_request_is_the_protocols(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    server = serve(lambda number, content: (200, chat("hello", "length")))
    found = dict(backend(server).answer([ASK]))
    assert found == {0: Said("hello", False, 3)}
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert server.seen[0] == {
        "model": "m",
        "max_tokens": 7,
        "temperature": 0.5,
        "seed": 11,
        "messages": [{"role": "system", "content": "You read."}, {"role": "user", "content": "hi"}],
    }
    assert "secret" not in json.dumps(dict(backend(server).identity))


def test_completions_get_plain_text(serve: Any) -> None:
    server = serve(lambda number, content: (200, json.dumps({"choices": [{"text": " hello"}]}).encode()))
    found = dict(backend(server, kind="completions").answer([ASK]))
    assert found == {0: Said(" hello", True, 0)}
    assert server.paths == ["/v1/completions"]
    assert server.seen[0]["prompt"] == "You read.\nhi\n"


@pytest.mark.parametrize(
    "first",
    [
        (500, b""),
        (503, b"busy"),
        (429, b"", {"Retry-After": "0.02"}),
        (200, b"<html>not json"),
        (200, b"{}"),
        (200, b'{"choices": []}'),
        (200, b'{"choices": [{"message": {"content": null}}]}'),
        (200, b"\xff\xfe"),
    ],
)
def test_a_failure_that_may_pass_is_tried_again(serve: Any, first: Reply) -> None:
    server = serve(lambda number, content: first if number == 0 else (200, chat("fine")))
    assert dict(backend(server).answer([ASK])) == {0: Said("fine", True, 3)}
    assert len(server.seen) == 2


@pytest.mark.parametrize("reason", ["content_filter", "length"])
def test_a_server_that_declines_has_answered_with_nothing(serve: Any, reason: str) -> None:
    server = serve(lambda number, content: (200, chat(None, reason)))  # type: ignore[arg-type]
    assert dict(backend(server).answer([ASK])) == {0: Said("", reason != "length", 3)}
    assert len(server.seen) == 1


def test_who_stops_waits_for_no_further_tries(serve: Any) -> None:
    server = serve(lambda number, content: (200, chat("fine")) if number == 0 else (500, b""))
    own = EndpointBackend(EndpointConfig(server.url, "m", wait=30.0, concurrent=2))
    coming = own.answer([ASK] * 6)
    next(coming)
    time.sleep(0.3)
    start = time.monotonic()
    coming.close()
    assert time.monotonic() - start < 5


def test_an_address_with_a_password_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"it holds a name or password.*\$OPENAI_API_KEY"):
        EndpointBackend(EndpointConfig("http://me:secret@localhost/v1", "m"))


def test_a_server_that_hangs_is_left(serve: Any) -> None:
    def reply(number: int, content: dict[str, Any]) -> Reply:
        if number == 0:
            time.sleep(1.5)
        return 200, chat("fine")

    server = serve(reply)
    start = time.monotonic()
    assert dict(backend(server, timeout=0.3).answer([ASK])) == {0: Said("fine", True, 3)}
    assert time.monotonic() - start < 1.4


def test_what_fails_for_good_ends_the_job_after_the_answers_that_came(serve: Any) -> None:
    def reply(number: int, content: dict[str, Any]) -> Reply:
        return (500, b"") if content["messages"][0]["content"] == "bad" else (200, chat("fine"))

    server = serve(reply)
    asks = [Ask((Turn("user", text),)) for text in ("a", "bad", "b", "c")]
    came = {}
    waiting = backend(server, retries=2, concurrent=1).answer(asks)
    number, answer = next(waiting)
    came[number] = answer
    with pytest.raises(RunError) as error:
        came.update(waiting)
    assert str(error.value) == (
        f"{server.url}: no usable answer after 3 tries; the last: status 500. What was answered is kept: the same "
        "command goes on."
    )
    assert came[0] == Said("fine", True, 3)
    assert sum(content["messages"][0]["content"] == "bad" for content in server.seen) == 3


def test_a_refused_request_is_not_tried_again(serve: Any) -> None:
    server = serve(lambda number, content: (401, b"no key"))
    with pytest.raises(RunError, match=r"refused the request \(status 401\)"):
        list(backend(server).answer([ASK]))
    assert len(server.seen) == 1


def test_requests_run_at_once_up_to_the_limit_and_keep_their_numbers(serve: Any) -> None:
    def reply(number: int, content: dict[str, Any]) -> Reply:
        time.sleep(0.05)
        return 200, chat(content["messages"][0]["content"].upper())

    server = serve(reply)
    asks = [Ask((Turn("user", f"post {number}"),)) for number in range(24)]
    found = dict(backend(server, concurrent=6).answer(asks))
    assert {number: answer.text for number, answer in found.items() if isinstance(answer, Said)} == {
        number: f"POST {number}" for number in range(24)
    }
    assert 2 <= server.most <= 6


def test_scoring_is_refused_with_advice(serve: Any) -> None:
    server = serve(lambda number, content: (200, chat("x")))
    with pytest.raises(ConfigError, match=r"Use --labels\.by parse"):
        list(backend(server).answer([Choose((Turn("user", "hi"),), ("a", "b"))]))


def test_posts_are_cut_behind_a_word(serve: Any) -> None:
    own = EndpointBackend(EndpointConfig("http://localhost", "m"))
    assert own.shorten("one two three four", 2) == "one two"
    assert own.shorten("short", 2) == "short"
    assert own.shorten("我今天很难过", 3) == "我今天"


@pytest.mark.parametrize(("mechanism", "asked"), [("single", 1), ("dual", 2), ("debate", 3), ("majority_vote", 5)])
def test_every_judge_works_behind_a_server(
    serve: Any, tiny_dataset: Path, tmp_path: Path, mechanism: Any, asked: int
) -> None:
    def reply(number: int, content: dict[str, Any]) -> Reply:
        text = content["messages"][-1]["content"]
        if "Criterion" not in json.dumps(content):
            return 200, chat("because of the knee" if "Explain" in text else "body")
        # A first answer fails; the sides of a debate say something that is no score.
        if number == len(explained) + 1:
            return 503, b"busy"
        return 200, chat("It says why." if "score" not in text.casefold() else '{"score": 2}')

    explained: list[int] = []
    server = serve(reply)
    endpoint = EndpointConfig(server.url, "m", wait=0.01)
    config = GenerationConfig(
        data=str(tiny_dataset), out=str(tmp_path), explain=True, limit=3, backend="endpoint", endpoint=endpoint,
        labels=LabelsConfig(by="parse"),
    )  # fmt: skip
    folder = run_prompts(config).folder
    explained += range(len(server.seen))
    settings = JudgeSettings(by="parse", mechanism=mechanism)
    judge = JudgeRunConfig(judge=settings, backend="endpoint", endpoint=endpoint, run=str(folder))
    judged = judge_run(judge)
    values = {(one.criterion, one.metric): (one.value, one.n) for one in judged.records}
    assert values["overall", "score"] == (2.0, 3)
    assert values["overall", "unread"] == (0.0, 3)
    # Four criteria, three rows; one request was tried twice.
    assert len(server.seen) - len(explained) == 4 * 3 * asked + 1
    before = len(server.seen)
    assert judge_run(judge).records == judged.records
    assert len(server.seen) == before


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (" the post says so", " the post says so"),
        ("Yes. Reasoning: the post says so", " the post says so"),
        ("\n yes. reasoning: because", " because"),
        ("Yes, it is. Reasoning: because", "Yes, it is. Reasoning: because"),
    ],
)
def test_an_opening_that_a_server_repeats_is_no_part_of_the_answer(serve: Any, said: str, kept: str) -> None:
    server = serve(lambda number, content: (200, chat(said)))
    found = dict(backend(server).answer([replace(ASK, opening="Yes. Reasoning:")]))
    assert found[0].text == kept
    assert server.seen[0]["messages"][-1] == {"role": "assistant", "content": "Yes. Reasoning:"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_server_that_sends_elsewhere_is_not_followed(serve: Any, status: int) -> None:
    other = serve(lambda number, content: (200, chat("hello")))
    place = {"Location": f"{other.url}/chat/completions"}
    server = serve(lambda number, content: (status, b"", place))
    with pytest.raises(RunError) as error:
        list(backend(server).answer([ASK]))
    assert str(error.value) == (
        f"{server.url}/chat/completions: sends elsewhere (status {status}), which is not followed: the posts would go "
        "to an address that you did not give. If you trust it, give it as --endpoint.url."
    )
    assert (len(server.seen), other.seen) == (1, [])
