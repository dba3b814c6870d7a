"""A backend behind a server that speaks OpenAI's protocol: concurrent, patient with failures."""

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import requests

from mhclf.config.generation import EndpointConfig
from mhclf.errors import ConfigError, MhclfError, RunError
from mhclf.generation.requests import Answer, Ask, Request, Said

_LONGEST_WAIT = 60.0
_RETRIED = {408, 409, 425, 429}
_CHARACTERS_PER_TOKEN = 4
"""What a token of a server's unknown tokenizer is taken to be; one of Chinese is a character."""


class _Again(Exception):
    """A failure that may pass: what happened, and how long the server wants to be left alone."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class EndpointBackend:
    """Answers requests through `POST {url}/chat/completions` or `/completions`.

    Parameters
    ----------
    config : EndpointConfig
    """

    def __init__(self, config: EndpointConfig) -> None:
        self.config = config
        self._stopped = threading.Event()
        if "@" in config.url.partition("//")[2].partition("/")[0]:
            raise ConfigError(
                f"endpoint: url: it holds a name or password, which would be written into the run folder. Put the key "
                f"into ${config.key_variable}."
            )
        self._key = os.environ.get(config.key_variable, "")
        if "\n" in self._key or not self._key.isascii():
            raise ConfigError(f"endpoint: ${config.key_variable} holds a line break or a letter outside ASCII.")

    @property
    def identity(self) -> Mapping[str, Any]:
        """Address, name and kind: what a server runs behind its name cannot be known from outside."""
        return {
            "backend": "endpoint",
            "url": self.config.url.rstrip("/"),
            "model": self.config.model,
            "kind": self.config.kind,
        }

    def shorten(self, text: str, tokens: int) -> str:
        """Return the start of a text of about so many tokens, cut behind a whole word."""
        limit = tokens if _is_chinese(text) else tokens * _CHARACTERS_PER_TOKEN
        if len(text) <= limit:
            return text
        start = text[:limit]
        return start if _is_chinese(text) or text[limit].isspace() else start.rpartition(" ")[0] or start

    def answer(self, asked: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Yield answers as they come.

        Raises
        ------
        RunError
            If a request fails for good. Those under way are waited for, and yielded before.
        """
        self._stopped.clear()
        pool = ThreadPoolExecutor(self.config.concurrent)
        try:
            # A few ahead of those under way, so that an error does not leave thousands behind it.
            waiting: dict[Future[Said], int] = {}
            numbers = iter(range(len(asked)))
            failed: MhclfError | None = None
            while True:
                while failed is None and len(waiting) < 2 * self.config.concurrent:
                    number = next(numbers, None)
                    if number is None:
                        break
                    waiting[pool.submit(self._ask, asked[number])] = number
                if not waiting:
                    break
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    number = waiting.pop(future)
                    try:
                        yield number, future.result()
                    except MhclfError as error:
                        failed = failed or error
            if failed is not None:
                raise failed
        finally:
            # Ctrl-C waits for what is under way, not for its further tries.
            self._stopped.set()
            pool.shutdown(cancel_futures=True)

    def _ask(self, request: Request) -> Said:
        if not isinstance(request, Ask):
            raise ConfigError("labels: an endpoint gives no probabilities of whole labels. Use --labels.by parse.")
        pause = self.config.wait
        for attempt in range(self.config.retries + 1):
            try:
                return self._post(request)
            except _Again as error:
                if attempt == self.config.retries:
                    raise RunError(
                        f"{self.config.url}: no usable answer after {attempt + 1} tries; the last: {error}. What was "
                        "answered is kept: the same command goes on."
                    ) from error
                if self._stopped.wait(min(max(pause, error.seconds), _LONGEST_WAIT)):
                    raise RunError(f"{self.config.url}: stopped while waiting for an answer.") from error
                pause *= 2
        raise AssertionError("the loop returns or raises")

    def _post(self, request: Ask) -> Said:
        chat = self.config.kind == "chat"
        content: dict[str, Any] = {
            "model": self.config.model,
            "max_tokens": request.max_new_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if chat:
            content["messages"] = [{"role": turn.role, "content": turn.text} for turn in request.turns]
            if request.opening:
                content["messages"].append({"role": "assistant", "content": request.opening})
        else:
            content["prompt"] = "\n".join(turn.text for turn in request.turns) + "\n" + request.opening
        address = f"{self.config.url.rstrip('/')}/{'chat/completions' if chat else 'completions'}"
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            # Requests has no limit for a whole answer: a server that drips bytes would hold it for ever. And it would
            # follow a server to another one, with the posts.
            with requests.post(
                address,
                json=content,
                headers=headers,
                timeout=self.config.timeout,
                stream=True,
                allow_redirects=False,
            ) as reply:
                body = _whole(reply, self.config.timeout)
        except requests.exceptions.InvalidURL as error:
            raise ConfigError(f"endpoint: url: '{self.config.url}' is no address.") from error
        except requests.RequestException as error:
            raise _Again(f"{type(error).__name__}") from error
        if reply.status_code in _RETRIED or reply.status_code >= 500:
            raise _Again(f"status {reply.status_code}", _retry_after(reply))
        if 300 <= reply.status_code < 400:
            raise RunError(
                f"{address}: sends elsewhere (status {reply.status_code}), which is not followed: the posts would go "
                "to an address that you did not give. If you trust it, give it as --endpoint.url."
            )
        if reply.status_code >= 400:
            raise RunError(
                f"{address}: refused the request (status {reply.status_code}). Check --endpoint.url, --endpoint.model "
                f"and the key in ${self.config.key_variable}."
            )
        return _without_opening(_read(body, chat), request.opening)


def _whole(reply: requests.Response, seconds: float) -> bytes:
    """Read the body within so many seconds."""
    end = time.monotonic() + seconds
    body = bytearray()
    # Byte by byte: a larger piece is waited for until it is full, however slowly a server drips.
    for piece in reply.iter_content(1):
        body += piece
        if time.monotonic() > end:
            raise _Again("the answer took too long")
    return bytes(body)


def _read(body: bytes, chat: bool) -> Said:
    try:
        content = json.loads(body)
        choice = content["choices"][0]
        text = choice["message"]["content"] if chat else choice["text"]
        # A server that declines, or thought until its limit, has answered: with nothing that can be read.
        if text is None and choice.get("finish_reason") in {"content_filter", "length"}:
            text = ""
        finished = choice.get("finish_reason") != "length"
        tokens = int((content.get("usage") or {}).get("completion_tokens") or 0)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise _Again(f"an answer that is not of the protocol ({type(error).__name__})") from error
    if not isinstance(text, str):
        raise _Again("an answer without text")
    # JSON may hold half of a character, which no file takes.
    return Said(text.encode("utf-8", errors="replace").decode("utf-8"), finished, tokens)


def _without_opening(said: Said, opening: str) -> Said:
    """Return an answer without the opening that it was to go on from: some servers begin anew and repeat it."""
    text, words = said.text.lstrip(), opening.strip()
    if not words or not text.casefold().startswith(words.casefold()):
        return said
    return replace(said, text=text[len(words) :])


def _retry_after(reply: requests.Response) -> float:
    try:
        return max(0.0, float(reply.headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0


def _is_chinese(text: str) -> bool:
    return sum("\u4e00" <= letter <= "\u9fff" for letter in text) > len(text) / 4
