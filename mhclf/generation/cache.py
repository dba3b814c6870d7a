"""Answers that were given already: a killed job asks nothing twice."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from mhclf.errors import RunError
from mhclf.generation.requests import Answer, Backend, Chances, Request, Said, request_key


class AnswerCache:
    """Answers by request key, in a SQLite file; safe against kills, and against two jobs at once.

    The file holds keys and answers, no prompt; answers may quote posts.

    Raises
    ------
    RunError
        If the file is damaged or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Each answer is its own transaction: what was answered is there after a kill.
            self._connection = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        except (sqlite3.Error, OSError) as error:
            raise RunError(
                f"{path}: cannot be used as cache of answers ({error}). Remove it or change --out."
            ) from error

    def get(self, key: str) -> Answer | None:
        """Return the answer under a key."""
        row = self._run("SELECT answer FROM answers WHERE key = ?", key).fetchone()
        return _read(row[0], self.path) if row else None

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer."""
        content = {"kind": type(answer).__name__, **asdict(answer)}
        text = json.dumps(content, ensure_ascii=False)
        self._run("INSERT OR REPLACE INTO answers VALUES (?, ?)", key, text)

    def _run(self, command: str, *values: str) -> sqlite3.Cursor:
        try:
            return self._connection.execute(command, values)
        except sqlite3.Error as error:
            raise RunError(
                f"{self.path}: the cache of answers cannot be used ({error}). Free space on the disk, or remove the "
                "file: what it held is asked again."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _read(text: str, path: Path) -> Answer:
    try:
        content = json.loads(text)
        if content.pop("kind") == "Said":
            return Said(**content)
        return Chances(tuple(content["log_probabilities"]), tuple(content["tokens"]))
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: is damaged. Remove it: what it held is asked again.") from error


def answer_all(
    backend: Backend,
    cache: AnswerCache,
    requests: Sequence[Request],
    on_answer: Callable[[int], None] | None = None,
) -> list[Answer]:
    """Answer requests in order; those in the cache, and repeated ones, are not asked again.

    Parameters
    ----------
    backend : Backend
    cache : AnswerCache
    requests : sequence of Request
    on_answer : callable, optional
        Called with the number of requests that an answer settles.
    """
    identity = backend.identity
    keys = [request_key(identity, request) for request in requests]
    counts: dict[str, int] = {}
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
    found: dict[str, Answer] = {}
    waiting: dict[str, Request] = {}
    for key, request in zip(keys, requests, strict=True):
        if key in found or key in waiting:
            continue
        known = cache.get(key)
        if known is None:
            waiting[key] = request
        else:
            found[key] = known
            if on_answer:
                on_answer(counts[key])
    asked = list(waiting)
    for number, answer in backend.answer(list(waiting.values())):
        cache.put(asked[number], answer)
        found[asked[number]] = answer
        if on_answer:
            on_answer(counts[asked[number]])
    return [found[key] for key in keys]
